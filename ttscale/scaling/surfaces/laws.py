"""Laws of error over model size N and training data D, and over N, D and test-time draws k.

``chinchilla`` is the form of Hoffmann et al. 2022 ("Training compute-optimal large language models", eq. 2): a floor
and a term each for size and data, L = E + T with T = A/N^α + B/D^β. The laws with k ask the question of Train-to-Test
scaling (Roberts et al. 2026, "Test-time scaling makes overtraining compute-optimal": which N, D and k for one budget)
with several answers to what a draw buys, of which a back-test chooses:

- ``additive_draws``: draws remove an error of their own, G/k^γ, which neither size nor data touches. The part that
  more training cannot remove may so fall with k, as Schaeffer et al. 2026 find of pass@k.
- ``draws_as_size``: k draws of a model act like one draw of a model k^γ times as large (Snell et al. 2024 compare
  draws of a small model with a 14 times larger one).
- ``draws_as_compute``: every reducible error shrinks as k^−γ, that is k draws act like more of both size and data.
  Lines of equal error then have a constant slope in log test against log training compute (Jones 2021).
- ``draws_share``: draws remove a share g of the reducible error, and most of it soon: augmentation saturates.
- ``draws_shrink``: all error shrinks as k^−γ, the floor too. Fitted to −ln(accuracy) it is the power law in k of
  −ln(pass@k) of Schaeffer et al. 2025 ("How do large language monkeys get their power (laws)?").
- ``draws_power``: L is raised to a power that grows with k towards 1 + g, so that draws do little where nearly all is
  wrong and much where little is: what a vote does.

- ``draws_of_items``, of odds alone: every problem has its own odds of a wrong draw, E + T times a log-normal factor of
  spread σ, and one right draw of k is enough. So coverage gains little from draws where the typical problem is far out
  of reach, and much where it is near.

A share or power g below 0 says that draws do harm. Where all points have the same data, or the same size, the term of
that input is left out: ``reduced``.

In each of these size and data add up, so that either alone leaves the error of the other one. ``steep_…`` has T^s in
place of T, T = (A/N^α + B/D^β)^s: the power of Chinchilla's reducible loss that an error of answers is, rather than the
loss itself. Fitted to the odds of an error it is a logistic curve in the logarithm of that loss (Llama Team 2024, "The
Llama 3 herd of models", §3.2.1, predict accuracy by a sigmoid of the loss). Both forms agree at s = 1; the larger s,
the more do size and data multiply each other's effect, as where a problem takes many steps that all have to be right.

With inputs and values divided by constants each form keeps its shape (``draws_power`` only with its inputs), so fits
run in units in which all numbers are near 1 (``to_units`` turns the parameters back).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ttscale.scaling.laws.law import Law, Parameter

Columns = tuple[np.ndarray, ...]

TRAINED = {"n": ("A", "alpha", "A/N^α"), "d": ("B", "beta", "B/D^β")}
_FLOOR = Parameter("E", 1e-9, 10.0, starts=(1e-4, 0.3, 0.8))
_GAMMA = Parameter("gamma", 1e-4, 10.0, starts=(0.1, 0.5, 1.5))
_STEEP = Parameter("s", 0.1, 30.0, starts=(1.5, 5.0))
_STEEPER = "steep_"
_NODES = np.linspace(-4.2, 4.2, 29)  # even: between the outer nodes of Gauss and Hermite a large σ makes a staircase
_WEIGHTS = np.exp(-(_NODES**2) / 2) / np.exp(-(_NODES**2) / 2).sum()
_ABSOLUTE = ("draws_power", "draws_of_items")  # laws whose values may not be divided by a constant


def _share(name: str, steep: bool = False) -> Parameter:
    """A coefficient: the error that its term leaves at the middle of the data, in units of the data's mean; of a steep
    law the s-th root of that."""
    return Parameter(name, 1e-9, 1e3 if steep else 1e6, starts=(0.03, 0.3))


def _exponent(name: str) -> Parameter:
    return Parameter(name, 1e-3, 10.0, starts=(0.1, 0.4, 1.2))


@dataclass(frozen=True)
class _Draws:
    """What draws do to a floor e and a reducible error t.

    Attributes:
        formula: with ``{T}`` for the terms of training. coefficient, exponent: the parameters that it adds.
        value: of ``(e, t, k, *parameters)``. slopes: of the same: derivatives by e, by t and by each parameter.
        odds: whether it is a form of the odds of an error, and of nothing else.
    """

    formula: str
    purpose: str
    value: Callable[..., np.ndarray]
    slopes: Callable[..., Columns]
    coefficient: tuple[Parameter, ...] = ()
    exponent: tuple[Parameter, ...] = (_GAMMA,)
    odds: bool = False

    @property
    def draws(self) -> bool:
        return bool(self.exponent)


def _share_slopes(e: np.ndarray, t: np.ndarray, k: np.ndarray, g: np.ndarray, gamma: np.ndarray) -> Columns:
    left = k**-gamma
    return np.ones(1), 1 - g * (1 - left), -t * (1 - left), -g * t * np.log(k) * left


def _power_slopes(e: np.ndarray, t: np.ndarray, k: np.ndarray, g: np.ndarray, gamma: np.ndarray) -> Columns:
    left = k**-gamma
    power = 1 + g * (1 - left)
    by_base, by_power = power * (e + t) ** (power - 1), np.log(e + t) * (e + t) ** power
    return by_base, by_base, by_power * (1 - left), by_power * g * np.log(k) * left


def _nearer(odds: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """The odds of a right draw ``[..., point, node]`` of problems whose odds of a wrong one are odds·e^(−σz)."""
    return np.exp(sigma[..., None] * _NODES) / odds[..., None]


def _items_value(e: np.ndarray, t: np.ndarray, k: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """The odds that all of k draws are wrong, where z is normal."""
    wrong = np.asarray(k)[..., None] * np.log1p(_nearer(e + t, sigma))
    return -(np.exp(-wrong) @ _WEIGHTS) / (np.expm1(-wrong) @ _WEIGHTS)


def _items_slopes(e: np.ndarray, t: np.ndarray, k: np.ndarray, sigma: np.ndarray) -> Columns:
    draws, nearer = np.asarray(k)[..., None], _nearer(e + t, sigma)
    wrong = draws * np.log1p(nearer)
    pull = draws * np.exp(-wrong) * nearer / (1 + nearer)
    right_2 = (np.expm1(-wrong) @ _WEIGHTS) ** 2
    by_odds = (pull @ _WEIGHTS) / ((e + t) * right_2)
    return by_odds, by_odds, -(pull @ (_WEIGHTS * _NODES)) / right_2


_DRAWS: dict[str, _Draws] = {
    "chinchilla": _Draws(
        "E + {T}", "loss or error over model size and training data", lambda e, t: e + t,
        lambda e, t: (np.ones(1), np.ones(1)), exponent=(),
    ),
    "additive_draws": _Draws(
        "E + {T} + G/k^γ", "draws remove an error of their own", lambda e, t, k, g, c: e + t + g * k**-c,
        lambda e, t, k, g, c: (np.ones(1), np.ones(1), k**-c, -np.log(k) * g * k**-c), coefficient=(_share("G"),),
    ),
    "draws_as_size": _Draws(
        "E + {T}", "draws act like a larger model", lambda e, t, k, c: e + t,
        lambda e, t, k, c: (np.ones(1), np.ones(1), np.zeros(1)),
    ),
    "draws_as_compute": _Draws(
        "E + ({T})/k^γ", "draws act like more training compute", lambda e, t, k, c: e + t * k**-c,
        lambda e, t, k, c: (np.ones(1), k**-c, -np.log(k) * t * k**-c),
    ),
    "draws_share": _Draws(
        "E + ({T})·(1 − g·(1 − k^−γ))", "draws remove a share of the reducible error",
        lambda e, t, k, g, c: e + t * (1 - g * (1 - k**-c)), _share_slopes,
        coefficient=(Parameter("g", -1.0, 1.0, log=False, starts=(0.1, 0.4, 0.8)),),
    ),
    "draws_shrink": _Draws(
        "(E + {T})/k^γ", "draws shrink all error", lambda e, t, k, c: (e + t) * k**-c,
        lambda e, t, k, c: (k**-c, k**-c, -np.log(k) * (e + t) * k**-c),
    ),
    "draws_power": _Draws(
        "(E + {T})^(1 + g·(1 − k^−γ))", "draws raise the error to a power, as a vote does",
        lambda e, t, k, g, c: (e + t) ** (1 + g * (1 - k**-c)), _power_slopes,
        coefficient=(Parameter("g", -0.9, 10.0, log=False, starts=(0.1, 0.5, 2.0)),),
    ),
    "draws_of_items": _Draws(
        "p/(1 − p), p = E_z[(1 + e^(σz)/(E + {T}))^−k]",
        "each problem has a chance of its own, and one right draw is enough", _items_value, _items_slopes,
        exponent=(Parameter("sigma", 0.01, 5.0, starts=(1.0, 3.0)),), odds=True,
    ),
}  # fmt: skip


def _law(name: str, axes: Sequence[str], *, steep: bool = False) -> Law:
    """One form with the terms of these training inputs; ``steep``: their sum to a power s."""
    draws, as_size, n_axes = _DRAWS[name], name == "draws_as_size", len(axes)
    n_inputs, n_coefficients = n_axes + draws.draws, len(draws.coefficient)

    def parts(x: Sequence[np.ndarray]) -> tuple[list[np.ndarray], np.ndarray, list[np.ndarray], list[np.ndarray]]:
        """The training inputs as they act, the floor, coefficients and exponents of training; and the draws' own."""
        inputs, (e, *p) = list(x[:n_axes]), x[n_inputs : len(x) - steep]
        own = [*p[n_axes : n_axes + n_coefficients], *p[2 * n_axes + n_coefficients :]]
        if as_size:
            inputs[0] = inputs[0] * x[n_axes] ** own[0]
        return inputs, e, [*p[:n_axes], *p[n_axes + n_coefficients : 2 * n_axes + n_coefficients]], own

    def total(inputs: Sequence[np.ndarray], p: Sequence[np.ndarray]) -> np.ndarray:
        terms = [a * i**-c for i, a, c in zip(inputs, p[:n_axes], p[n_axes:], strict=True)]
        return terms[0] if n_axes == 1 else terms[0] + terms[1]

    def value(*x: np.ndarray) -> np.ndarray:
        inputs, e, p, own = parts(x)
        reducible = total(inputs, p) ** x[-1] if steep else total(inputs, p)
        return draws.value(e, reducible, *x[n_axes:n_inputs], *own)

    def gradient(*x: np.ndarray) -> Columns:
        inputs, e, p, own = parts(x)
        loss, k = total(inputs, p), x[n_axes:n_inputs]
        by_steepness: Columns = ()
        reducible = loss ** x[-1] if steep else loss
        by_floor, by_terms, *by_own = draws.slopes(e, reducible, *k, *own)
        if steep:
            by_steepness = (by_terms * reducible * np.log(loss),)
            by_terms = by_terms * x[-1] * reducible / loss
        powers = [i**-c for i, c in zip(inputs, p[n_axes:], strict=True)]
        by_coefficient = [by_terms * power for power in powers]
        by_exponent = [-np.log(i) * a * column for i, a, column in zip(inputs, p[:n_axes], by_coefficient, strict=True)]
        if as_size:
            by_own = [-p[n_axes] * np.log(x[n_axes]) * p[0] * by_coefficient[0]]
        return (
            by_floor, *by_coefficient, *by_own[:n_coefficients], *by_exponent, *by_own[n_coefficients:], *by_steepness,
        )  # fmt: skip

    names = [TRAINED[axis] for axis in axes]
    formula, words = draws.formula, " + ".join(term for *_, term in names)
    if as_size:
        words = words.replace("N", "(N·k^γ)")
    if steep:
        name, formula, words = f"{_STEEPER}{name}", formula.replace("({T})", "{T}"), f"({words})^s"
    return Law(
        name if n_axes == 2 else f"{name}_{axes[0]}", formula.replace("{T}", words), draws.purpose,
        (
            _FLOOR, *(_share(coefficient, steep) for coefficient, *_ in names), *draws.coefficient,
            *(_exponent(exponent) for _, exponent, _ in names), *draws.exponent, *([_STEEP] if steep else []),
        ),
        value, gradient, inputs=(*axes, *(["k"] if draws.draws else [])), of=("surface",),
    )  # fmt: skip


SURFACES: dict[str, Law] = {name: _law(name, ("n", "d")) for name in _DRAWS} | {
    f"{_STEEPER}{name}": _law(name, ("n", "d"), steep=True) for name in _DRAWS
}
_REDUCED = {
    (name, axis): _law(name, (axis,)) for name in _DRAWS for axis in TRAINED if axis == "n" or name != "draws_as_size"
}


def laws_of(inputs: Sequence[str], *, odds: bool = False) -> dict[str, Law]:
    """The laws to try of no other inputs than these, by name: the plain ones, or of ``odds`` the steep ones; without
    size or data the reduced ones by the name of their form, all plain (a power of a single term is that term)."""
    axes = [name for name in inputs if name in TRAINED]
    if len(axes) == 2:
        some = {name: law for name, law in SURFACES.items() if name.startswith(_STEEPER) == odds}
    else:
        some = {name: law for (name, axis), law in _REDUCED.items() if [axis] == axes}
    return {
        name: law
        for name, law in some.items()
        if set(law.inputs) <= set(inputs) and (odds or not _DRAWS[form_of(law)].odds)
    }


def law_named(name: str, inputs: Sequence[str]) -> Law:
    """The law of a name in ``SURFACES``; of points that vary in size or data alone its reduced form where it has one,
    which of a steep law is the plain one."""
    axes = [one for one in inputs if one in TRAINED]
    whole = SURFACES[name]
    return _REDUCED.get((name.removeprefix(_STEEPER), axes[0]), whole) if len(axes) == 1 else whole


def of_odds_alone(law: Law) -> bool:
    """Whether a law is a form of the odds of an error, and of nothing else."""
    form = form_of(law)
    return bool(form) and _DRAWS[form].odds


def form_of(law: Law) -> str:
    """What draws do in a law: the name of its plain form in ``SURFACES``, be it whole, reduced or steep; empty for one
    of a user's own."""
    known = (*((name, one) for name, one in SURFACES.items()), *((name, one) for (name, _), one in _REDUCED.items()))
    return next((name.removeprefix(_STEEPER) for name, one in known if one is law), "")


def unit_of(law: Law, y: np.ndarray) -> float:
    """By what values are divided in a fit: their geometric mean, 1 where the form would not keep its shape."""
    form = form_of(law)
    return math.exp(float(np.log(y).mean())) if form and form not in _ABSOLUTE else 1.0


def to_units(law: Law, parameters: np.ndarray, scales: Sequence[float], unit: float) -> np.ndarray:
    """Parameters ``[..., p]`` fitted to ``y / unit`` over inputs divided by ``scales``, as they are for y itself.

    Values grow by ``unit``; the coefficient of ``(N/N₀)^−α`` becomes that of ``N^−α`` when multiplied by N₀^α. k is
    never scaled.
    """
    if not form_of(law):
        return parameters
    at = {parameter.name: i for i, parameter in enumerate(law.parameters)}
    out = parameters.copy()
    for name in ("E", "G"):
        if name in at:
            out[..., at[name]] *= unit
    steepness = parameters[..., at["s"]] if "s" in at else 1.0
    for axis, scale in zip(law.inputs, scales, strict=False):
        if axis in TRAINED:
            coefficient, exponent, _ = TRAINED[axis]
            out[..., at[coefficient]] *= unit ** (1 / steepness) * scale ** parameters[..., at[exponent]]
    return out
