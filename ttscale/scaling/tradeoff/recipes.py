"""What else varies between rungs than their size and their data: the recipes that they were trained with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ttscale.scaling.planning.options import Option

_DATA = ("n_train", "epochs", "tokens", "seed")  # what the axes are made of


def unlike_recipes(options: Sequence[Option]) -> dict[str, list[str]]:
    """Each entry of the cards' recipes that differs between the rungs of some options, with its values, smallest
    first."""
    recipes = [recipe for option in options if (recipe := _recipe(option))]
    keys = dict.fromkeys(key for recipe in recipes for key in recipe if key not in _DATA)
    found = {}
    for key in keys:
        values = {str(value): value for recipe in recipes if (value := recipe.get(key)) is not None}
        if len(values) > 1:
            found[str(key)] = sorted(values, key=lambda one: (_number(values[one]), one))
    return found


def recipe_words(unlike: Mapping[str, Sequence[str]]) -> str:
    """``Recipes differ between the rungs in batch size (32, 64 or 128): size and data act together with them.``"""
    parts = [f"{key.replace('_', ' ')} ({', '.join(values[:-1])} or {values[-1]})" for key, values in unlike.items()]
    listed = " and ".join([*([", ".join(parts[:-1])] if parts[1:] else []), parts[-1]])
    return f"Recipes differ between the rungs in {listed}: size and data act together with the recipe chosen for them."


def _recipe(option: Option) -> Mapping[str, object]:
    """Of the first member of an option; seeds share their recipe. Empty where there is none."""
    if not option.strategies or option.strategies[0][0] is None:
        return {}
    records, strategy = option.strategies[0]
    recipe = records.member(strategy.draws[0][0]).card.get("recipe")
    return recipe if isinstance(recipe, Mapping) else {}


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0
