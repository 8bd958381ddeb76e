"""What a model of any size costs to train and to ask: training FLOPs per unit of data, test FLOPs per draw.

A model of size n trained on d, asked for k draws, costs::

    test FLOPs per item = first(n) + (k − 1) · more(n)
    training FLOPs      = train(n) · d · models(k)

The first draw may cost more than a further one (of a language model it pays for the prompt), and the draws of an
ensemble are of models that all had to be trained. Between measured sizes costs are interpolated linearly in their
logarithms, and beyond them carried on with the slope at the end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.scaling.numbers import SAME, levels, positive
from ttscale.scaling.planning.options import Option
from ttscale.scaling.summaries.words import ratio_words
from ttscale.scaling.tradeoff.axes import amount
from ttscale.scaling.tradeoff.ladder import Rung

_HIDDEN = 1.1  # from which factor on it is told that costs of one size differ
_FAR = 1e15  # a line in logarithms that is straight from 1 to here is straight everywhere that is looked at

Numbers = np.ndarray | float


@dataclass(frozen=True, eq=False)
class Costs:
    """Training and test costs over the size of a model (1 multiply-add = 2 FLOPs).

    Attributes:
        n: sizes, ascending, ``float64 [size]``.
        first, more: test FLOPs of the first draw and of each further one, ``[size]``.
        train: training FLOPs of one model per unit of data, ``[size]``; NaN where unknown.
        most_models: how many models take part at most: 1 of views or samples of one model, ∞ of an ensemble, whose k
            draws are of k models, M of all views of M models taken in turn.
        spread: the largest factor by which a measured cost differs from what is said here; 1 where none does.
    """

    n: np.ndarray
    first: np.ndarray
    more: np.ndarray
    train: np.ndarray
    most_models: float = 1.0
    spread: float = 1.0

    @property
    def told(self) -> str:
        """What the means over training budgets hide, in a sentence; empty where it is little."""
        if not self.spread > _HIDDEN:
            return ""
        return (
            f"FLOPs of one size differ by up to {ratio_words(self.spread)} between training budgets: costs are "
            "geometric means of them."
        )

    def models(self, k: Numbers) -> np.ndarray:
        """How many models must be trained for k draws."""
        return np.minimum(np.asarray(k, dtype=np.float64), self.most_models)

    def test_flops(self, n: Numbers, k: Numbers) -> np.ndarray:
        """Test FLOPs per item of k draws of a model of size n; they broadcast."""
        first, more = (self._over(n, values) for values in (self.first, self.more))
        return first + (np.asarray(k, dtype=np.float64) - 1.0) * more

    def draws(self, n: Numbers, test_flops: Numbers) -> np.ndarray:
        """The draws, not rounded, that a model of size n makes of these test FLOPs; NaN where not even one."""
        first, more = (self._over(n, values) for values in (self.first, self.more))
        spent = np.asarray(test_flops, dtype=np.float64)
        k = 1.0 + (spent - first) / more
        return np.where(spent >= first * (1 - 1e-12), np.maximum(k, 1.0), math.nan)

    def train_flops(self, n: Numbers, d: Numbers, k: Numbers = 1.0) -> np.ndarray:
        """Training FLOPs of all models that k draws of size n need, each trained on d."""
        return self._over(n, self.train) * np.asarray(d, dtype=np.float64) * self.models(k)

    def data(self, n: Numbers, train_flops: Numbers, k: Numbers = 1.0) -> np.ndarray:
        """The data d that these training FLOPs are enough for, of all models that k draws of size n need."""
        return np.asarray(train_flops, dtype=np.float64) / (self._over(n, self.train) * self.models(k))

    def _over(self, n: Numbers, values: np.ndarray) -> np.ndarray:
        """Values ``[size]`` at any sizes; where one size alone is known, NaN at any other."""
        asked, known, logs = np.log(n), np.log(self.n), np.log(values)
        if len(known) == 1:
            return np.where(np.abs(asked - known[0]) <= SAME, values[0], math.nan)
        slopes = np.diff(logs) / np.diff(known)
        at = np.clip(np.searchsorted(known, asked, side="right") - 1, 0, len(slopes) - 1)
        return np.exp(logs[at] + slopes[at] * (asked - known[at]))


def costs_of(rungs: Sequence[Rung], options: Sequence[Option], axis: str) -> Costs:
    """The costs of one kind of strategy, from the rungs that have one.

    A size's costs are the geometric means over its rungs (training budgets). ``spread`` says what that hides: models
    trained for longer that answer in more tokens, or training that costs more per unit of data at some budgets.

    Args:
        rungs: of one or several sizes and budgets.
        options: of one kind of strategy, at most one a rung; those of other rungs are left aside.
        axis: what d counts, see :func:`ttscale.scaling.tradeoff.axes.amount`.

    Raises:
        TtscaleError: no option belongs to a rung.
    """
    by_rung = {option.rung: option for option in options}
    pairs = sorted(((r, by_rung[r.name]) for r in rungs if r.name in by_rung), key=lambda pair: pair[0].n_params)
    if not pairs:
        raise TtscaleError(
            "options", expected="options of the rungs", got=f"options of {sorted(by_rung)}",
            fix="Give the options that climb() made together with the rungs.",
        )  # fmt: skip
    n = np.array([rung.n_params for rung, _ in pairs], dtype=np.float64)
    test = np.array([_first_and_more(option) for _, option in pairs])
    train = np.array([rung.train_flops / amount(rung, axis) for rung, _ in pairs])
    size = levels(n)
    sizes, first, more, trained = (
        np.array([_geometric(x[size == i]) for i in range(size.max() + 1)]) for x in (n, *test.T, train)
    )
    costs = Costs(sizes, first, more, trained, max(_most_models(option) for _, option in pairs))
    return replace(costs, spread=_spread(costs, pairs, train))


def token_costs(
    tokens_per_draw: float = 1.0, *, flops_per_parameter_train: float = 6.0, flops_per_parameter_test: float = 2.0
) -> Costs:
    """The theory of language models: 6 FLOPs per parameter and training token, 2 per parameter and token generated
    (Kaplan et al. 2020, §2.1). n counts parameters and d tokens.

    Raises:
        TtscaleError: what is not a finite number above 0.
    """
    given = {
        "tokens_per_draw": tokens_per_draw, "flops_per_parameter_train": flops_per_parameter_train,
        "flops_per_parameter_test": flops_per_parameter_test,
    }  # fmt: skip
    for name, value in given.items():
        positive(name, value)
    n = np.array([1.0, _FAR])
    draw = flops_per_parameter_test * tokens_per_draw * n
    return Costs(n, draw, draw, flops_per_parameter_train * n)


def _first_and_more(option: Option) -> tuple[float, float]:
    """Test FLOPs of an option's first draw and, between its ends, of each further one."""
    k, flops = option.curve.budgets, option.curve.flops
    more = float((flops[-1] - flops[0]) / (k[-1] - k[0])) if len(k) > 1 else float(flops[0] / k[0])
    return float(flops[0] - (k[0] - 1) * more), more


def _most_models(option: Option) -> float:
    draws = option.strategies[0][1].draws
    models = len({draw[0] for draw in draws})
    return math.inf if models == len(draws) > 1 else float(models)


def _geometric(values: np.ndarray) -> float:
    """The geometric mean of those that are known; NaN where none is."""
    known = values[np.isfinite(values) & (values > 0)]
    return float(np.exp(np.log(known).mean())) if len(known) else math.nan


def _spread(costs: Costs, pairs: Sequence[tuple[Rung, Option]], train: np.ndarray) -> float:
    """The largest factor between a measured cost and the one that is said."""
    off = [np.abs(np.log(train / [costs.train_flops(rung.n_params, 1.0) for rung, _ in pairs]))]
    for rung, option in pairs:
        off.append(np.abs(np.log(option.curve.flops / costs.test_flops(rung.n_params, option.curve.budgets))))
    known = np.concatenate(off)
    return float(np.exp(np.nanmax(known))) if np.isfinite(known).any() else math.nan
