"""What ``ttscale train`` is asked for: one object a kind of training, made from the keys of the group ``train``.

A kind is the function of the library that trains it, with some of its arguments; :func:`train` calls it with the rest
and brings what it tells to one form: the share of each model's training that is done.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from ttscale.errors import TtscaleError, unknown_name
from ttscale.training.recipe import Recipe

Cards = tuple[dict[str, Any], ...]
Call = tuple[Callable[..., Cards], dict[str, Any]]
OnShare = Callable[[str, float, float], None]
Made = TypeVar("Made")


@dataclass(frozen=True)
class Grid:
    """A ladder of several training budgets: :func:`ttscale.training.ladder.train_ladder`.

    Attributes:
        budgets: recipe of each by its name, as what differs from :class:`ttscale.training.recipe.Recipe`.
        only: names of those to train; None: all.
        widths, seeds: of the ladder, where nobody says otherwise.
    """

    budgets: Mapping[str, Mapping[str, Any] | None]
    only: Sequence[str] | str | None = None
    widths: Sequence[int] = (4, 8, 16, 28)
    seeds: Sequence[int] = (0, 1, 2, 3, 4)

    def call(self) -> Call:
        from ttscale.training.ladder import train_ladder

        if not isinstance(self.budgets, Mapping):
            raise TtscaleError(
                "budgets", expected="recipes by name", got=repr(self.budgets), fix="{e1: {epochs: 1}}, for example."
            )
        only = [self.only] if isinstance(self.only, str) else self.only
        if only is not None and not only:
            raise TtscaleError("only", expected="names of budgets", got=repr(only), fix="Leave it out for all.")
        chosen = list(self.budgets if only is None else only)
        for name in chosen:
            if name not in self.budgets:
                raise unknown_name("only", str(name), list(self.budgets))
        recipes = {str(name): changed(Recipe(), f"budgets.{name}", self.budgets[name]) for name in chosen}
        return train_ladder, {"recipe": recipes, "widths": list(self.widths), "seeds": list(self.seeds)}


@dataclass(frozen=True)
class Soup:
    """Fine-tunings of trained models, averaged: :func:`ttscale.training.soups.train_soups`.

    Attributes:
        starts: specs of the trained models. recipe: of a fine-tuning, as what differs from the usual one.
    """

    starts: str | Sequence[str]
    recipe: Mapping[str, Any] | None = None

    def call(self) -> Call:
        from ttscale.training.soups import TUNING, train_soups

        return train_soups, {"starts": self.starts, "recipe": changed(TUNING, "recipe", self.recipe)}


@dataclass(frozen=True)
class Students:
    """Students of an ensemble, or of one model on several views: :func:`ttscale.training.distill.distill`.

    Attributes:
        teachers, views, temperature, hard, label: as of ``distill``.
        budget: name of the students' training budget. recipe: theirs, as what differs from the usual one.
    """

    teachers: str | Sequence[str]
    views: str = "identity"
    temperature: float = 2.0
    hard: float = 0.0
    label: str = "distilled"
    budget: str = ""
    recipe: Mapping[str, Any] | None = None

    def call(self) -> Call:
        from ttscale.training.distill import distill

        given = {name: getattr(self, name) for name in ("teachers", "views", "temperature", "hard", "label")}
        return distill, given | {"recipe": {self.budget: changed(Recipe(), "recipe", self.recipe)}}


@dataclass(frozen=True)
class Language:
    """Small language models: :func:`ttscale.training.language_ladder.train_language_ladder`.

    Attributes:
        sizes: names of known sizes, or ``{width, layers, heads}`` by a name of one's own. tokens, families: as there;
            None: its own. recipe: as what differs from the usual one.
    """

    sizes: Sequence[str] | Mapping[str, Mapping[str, int]] | None = None
    tokens: Sequence[int] | None = None
    families: Sequence[str] | str | None = None
    recipe: Mapping[str, Any] | None = None

    def call(self) -> Call:
        from ttscale.training.language_ladder import train_language_ladder
        from ttscale.training.language_recipe import LanguageRecipe, LanguageSize

        sizes: Any = self.sizes
        if isinstance(sizes, Mapping):
            usual = LanguageSize(0, 0, 0)
            sizes = {str(name): changed(usual, f"sizes.{name}", shape) for name, shape in sizes.items()}
        families = self.families.split("+") if isinstance(self.families, str) else self.families
        given = {"sizes": sizes, "tokens": self.tokens, "families": families}
        recipe = changed(LanguageRecipe(), "recipe", self.recipe)
        return train_language_ladder, {"recipe": recipe} | {k: v for k, v in given.items() if v is not None}


Kind = Recipe | Grid | Soup | Students | Language


def train(kind: Kind, load: Callable[[], Any], out: Any, *, on_share: OnShare, **settings: Any) -> Cards:
    """Train what ``kind`` says into ``out``.

    Args:
        kind: a Recipe is that of a ladder. load: gives the images, where it takes some.
        on_share: told a model's name, the share of its training that is done, and its last loss.
        settings: further arguments of the function that trains; they go before those of ``kind``.

    Raises:
        TtscaleError: what that function raises, or a setting that it has no use for.
    """
    function, given = call_of(kind)
    parameters = inspect.signature(function).parameters
    for name, value in settings.items():
        if name not in parameters:
            raise TtscaleError(
                name, expected="null", got=repr(value), fix=f"Leave it out: {function.__name__} has no use for it."
            )
    if "data" in parameters:
        given["data"] = load()
    if "on_step" in parameters:
        given["on_step"] = lambda rung, step, steps, loss: on_share(rung.name, step / steps, loss)
    else:
        given["on_epoch"] = lambda rung, epoch, loss: on_share(rung.name, epoch / rung.recipe.epochs, loss)
    return function(out=out, **(given | settings))


def call_of(kind: Kind) -> Call:
    """The function that trains this kind, and its arguments."""
    if isinstance(kind, Recipe):
        from ttscale.training.ladder import train_ladder

        return train_ladder, {"recipe": kind}
    return kind.call()


def changed(usual: Made, argument: str, changes: Mapping[str, Any] | None) -> Made:
    """A frozen dataclass with some attributes changed.

    Raises:
        TtscaleError: ``changes`` is no mapping, or names what the usual one does not have.
    """
    if changes is not None and not isinstance(changes, Mapping):
        raise TtscaleError(
            argument, expected="names with their values", got=repr(changes), fix="{epochs: 4}, for example."
        )
    known = [one.name for one in fields(usual)]  # type: ignore[arg-type]  # a dataclass
    for name in changes or {}:
        if name not in known:
            raise unknown_name(argument, str(name), known)
    return type(usual)(**{**vars(usual), **(changes or {})})
