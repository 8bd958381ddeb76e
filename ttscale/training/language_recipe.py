"""How the language models of a ladder are built and trained, apart from their seed and their tokens.

The recipe was chosen by the loss on fresh validation lines. Peak learning rates after 1,000,000 tokens: .02 before .04
and .01 at width 24, .01 before .02 at width 48 and .005 before .008 at width 96, where half of that is little better;
so a rate goes as 1 / width. 16 rows before 32; a weight decay of .1 before .01. Longer runs want lower rates: after
9,000,000 tokens half leaves a loss of .10 and not .32 at width 24, of .01 and not .06 to .10 at width 36; after three
million it halves the loss at width 96; a quarter was worse wherever it was tried. So a rate goes nearly as one over the
cube root of the tokens. The losses are in ``results/tradeoff_language/recipes.json``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import astuple, dataclass

from ttscale.data.worked_arithmetic import LONGEST_LINE
from ttscale.errors import TtscaleError
from ttscale.training.recipe import RANGES, Ranges, check_ranges, is_integer

REFERENCE_WIDTH, REFERENCE_TOKENS = 48, 1_000_000


@dataclass(frozen=True)
class LanguageSize:
    """A Llama: ``layers`` of ``width``, ``width / heads`` a head, a gated feed-forward of 8/3 ``width`` rounded up to
    a multiple of 8, tied embeddings."""

    width: int
    layers: int
    heads: int

    @property
    def feed_forward(self) -> int:
        return -(-self.width // 3) * 8

    @property
    def n_matrix(self) -> int:
        """Parameters of the matrices in the layers."""
        return self.layers * (4 * self.width**2 + 3 * self.width * self.feed_forward)


SIZES: Mapping[str, LanguageSize] = {
    "llama-14k": LanguageSize(24, 2, 2),
    "llama-32k": LanguageSize(36, 2, 3),
    "llama-84k": LanguageSize(48, 3, 4),
    "llama-188k": LanguageSize(72, 3, 6),
    "llama-445k": LanguageSize(96, 4, 8),
}


@dataclass(frozen=True)
class LanguageRecipe:
    """AdamW under a linear warm-up and half a cosine that ends at zero, complete for every token budget.

    Attributes:
        rows: of a batch.
        context: tokens of a row, which is filled with whole lines; it is the context of the model as well.
        learning_rate: peak of the schedule at a width of 48 and 1,000,000 tokens; other widths have 48 / width of it.
        token_exponent: other budgets have (1,000,000 / tokens) to this power times it, in [0, 1).
        warmup: share of the steps in [0, 1).
        weight_decay: on matrices.
        beta2: of AdamW, in [0, 1); its first beta is 0.9.
        clip: most norm of the gradient.
    """

    rows: int = 16
    context: int = 64
    learning_rate: float = 0.01
    token_exponent: float = 0.33
    warmup: float = 0.1
    weight_decay: float = 0.1
    beta2: float = 0.98
    clip: float = 1.0

    def rate(self, size: LanguageSize, tokens: int) -> float:
        """Peak of the learning rate for a size and a budget."""
        slower = (REFERENCE_TOKENS / tokens) ** self.token_exponent
        return self.learning_rate * REFERENCE_WIDTH / size.width * slower


def check_language_recipe(recipe: LanguageRecipe) -> None:
    """Raise unless training can be done by the recipe.

    Raises:
        TtscaleError: names the attribute that is out of its range.
    """
    if not isinstance(recipe, LanguageRecipe):
        raise TtscaleError(
            "recipe", expected="a LanguageRecipe", got=repr(recipe), fix="Leave it out for the ladder's recipe."
        )
    check_ranges(recipe, _RANGES)


_RANGES: Ranges = {
    "rows": (lambda v: is_integer(v, 1), "an integer of at least 1"),
    "context": (lambda v: is_integer(v, LONGEST_LINE), f"an integer of at least {LONGEST_LINE}, the longest line"),
    "learning_rate": RANGES["learning_rate"],
    "token_exponent": RANGES["warmup"],
    "warmup": RANGES["warmup"],
    "weight_decay": RANGES["weight_decay"],
    "beta2": RANGES["warmup"],
    "clip": RANGES["learning_rate"],
}


def check_size(name: str, size: LanguageSize) -> None:
    """Raise unless a Llama can be built so, and its name can be part of a file's.

    Raises:
        TtscaleError: names the size.
    """
    if not re.fullmatch(r"[^\W_][\w.-]*", name):
        raise TtscaleError(
            "sizes", expected="names of letters, digits, dots, dashes and underscores, a letter or digit first",
            got=repr(name),
            fix="Rename the size: its name is part of file names.",
        )  # fmt: skip
    whole = isinstance(size, LanguageSize) and all(is_integer(value, 1) for value in astuple(size))
    if not whole or size.width % (2 * size.heads):
        raise TtscaleError(
            f"sizes.{name}", expected="a LanguageSize whose heads have an even, whole width", got=repr(size),
            fix="Make the width a multiple of twice the heads.",
        )  # fmt: skip
