"""Laws of error over model size N and training data D, and over N, D and test-time draws k.

``chinchilla`` is the form of Hoffmann et al. 2022 ("Training compute-optimal large language models", eq. 2). The laws
with k ask the question of Train-to-Test scaling (Roberts et al. 2026, "Test-time scaling makes overtraining
compute-optimal": which N, D and k for one budget) with three answers to what a draw buys, of which a back-test
chooses:

- ``additive_draws``: draws remove an error of their own, G/k^γ, which neither size nor data touches. The part that
  more training cannot remove may so fall with k, as Schaeffer et al. 2026 find of pass@k.
- ``draws_as_size``: k draws of a model act like one draw of a model k^γ times as large (Snell et al. 2024 compare
  draws of a small model with a 14 times larger one).
- ``draws_as_compute``: every reducible error shrinks as k^−γ, that is k draws act like more of both size and data.
  Lines of equal error then have a constant slope in log test against log training compute (Jones 2021).

With inputs and values divided by constants each form keeps its shape, so fits run in units in which all numbers are
near 1 (``to_units`` turns the parameters back).
"""

from __future__ import annotations

import numpy as np

from ttscale.scaling.laws.law import Law, Parameter

Columns = tuple[np.ndarray, ...]

_FLOOR = Parameter("E", 1e-9, 10.0, starts=(1e-4, 0.3, 0.8))
_GAMMA = Parameter("gamma", 1e-4, 10.0, starts=(0.1, 0.5, 1.5))


def _share(name: str) -> Parameter:
    """A coefficient: the error that its term leaves at the middle of the data, in units of the data's mean."""
    return Parameter(name, 1e-9, 1e6, starts=(0.03, 0.3))


def _exponent(name: str) -> Parameter:
    return Parameter(name, 1e-3, 10.0, starts=(0.1, 0.4, 1.2))


def _terms(*pairs: tuple[np.ndarray, np.ndarray, np.ndarray]) -> tuple[np.ndarray, Columns]:
    """Σ coefficient · input^−exponent, and its derivatives by each coefficient and then by each exponent."""
    powers = [x**-exponent for x, _, exponent in pairs]
    values = [coefficient * power for (_, coefficient, _), power in zip(pairs, powers, strict=True)]
    slopes = [-np.log(x) * value for (x, _, _), value in zip(pairs, values, strict=True)]
    total = values[0]
    for value in values[1:]:
        total = total + value
    return total, (*powers, *slopes)


def _chinchilla(*x: np.ndarray) -> np.ndarray:
    n, d, e, a, b, alpha, beta = x
    return e + _terms((n, a, alpha), (d, b, beta))[0]


def _chinchilla_gradient(*x: np.ndarray) -> Columns:
    n, d, _, a, b, alpha, beta = x
    return np.ones(1), *_terms((n, a, alpha), (d, b, beta))[1]


def _additive(*x: np.ndarray) -> np.ndarray:
    n, d, k, e, a, b, g, alpha, beta, gamma = x
    return e + _terms((n, a, alpha), (d, b, beta), (k, g, gamma))[0]


def _additive_gradient(*x: np.ndarray) -> Columns:
    n, d, k, _, a, b, g, alpha, beta, gamma = x
    return np.ones(1), *_terms((n, a, alpha), (d, b, beta), (k, g, gamma))[1]


def _as_size(*x: np.ndarray) -> np.ndarray:
    n, d, k, e, a, b, alpha, beta, gamma = x
    return e + _terms((n * k**gamma, a, alpha), (d, b, beta))[0]


def _as_size_gradient(*x: np.ndarray) -> Columns:
    n, d, k, _, a, b, alpha, beta, gamma = x
    grown = n * k**gamma
    return np.ones(1), *_terms((grown, a, alpha), (d, b, beta))[1], -alpha * np.log(k) * a * grown**-alpha


def _as_compute(*x: np.ndarray) -> np.ndarray:
    n, d, k, e, a, b, alpha, beta, gamma = x
    return e + _terms((n, a, alpha), (d, b, beta))[0] * k**-gamma


def _as_compute_gradient(*x: np.ndarray) -> Columns:
    n, d, k, _, a, b, alpha, beta, gamma = x
    total, slopes = _terms((n, a, alpha), (d, b, beta))
    shrunk = k**-gamma
    return np.ones(1), *(slope * shrunk for slope in slopes), -np.log(k) * total * shrunk


_TRAINED = (_FLOOR, _share("A"), _share("B"))
_EXPONENTS = (_exponent("alpha"), _exponent("beta"))

SURFACES: dict[str, Law] = {
    law.name: law
    for law in (
        Law(
            "chinchilla", "E + A/N^α + B/D^β", "loss or error over model size and training data",
            (*_TRAINED, *_EXPONENTS), _chinchilla, _chinchilla_gradient, inputs=("n", "d"), of=("surface",),
        ),
        Law(
            "additive_draws", "E + A/N^α + B/D^β + G/k^γ", "draws remove an error of their own",
            (*_TRAINED, _share("G"), *_EXPONENTS, _GAMMA), _additive, _additive_gradient,
            inputs=("n", "d", "k"), of=("surface",),
        ),
        Law(
            "draws_as_size", "E + A/(N·k^γ)^α + B/D^β", "draws act like a larger model",
            (*_TRAINED, *_EXPONENTS, _GAMMA), _as_size, _as_size_gradient, inputs=("n", "d", "k"), of=("surface",),
        ),
        Law(
            "draws_as_compute", "E + (A/N^α + B/D^β)/k^γ", "draws act like more training compute",
            (*_TRAINED, *_EXPONENTS, _GAMMA), _as_compute, _as_compute_gradient,
            inputs=("n", "d", "k"), of=("surface",),
        ),
    )
}  # fmt: skip


def to_units(law: Law, parameters: np.ndarray, scales: tuple[float, ...], unit: float) -> np.ndarray:
    """Parameters ``[..., p]`` fitted to ``y / unit`` over inputs divided by ``scales``, as they are for y itself.

    Values grow by ``unit``; the coefficient of ``(N/N₀)^−α`` becomes that of ``N^−α`` when multiplied by N₀^α. k is
    never scaled.
    """
    if law.name not in SURFACES:
        return parameters
    at = {parameter.name: i for i, parameter in enumerate(law.parameters)}
    out = parameters.copy()
    for name in ("E", "A", "B", "G"):
        if name in at:
            out[..., at[name]] *= unit
    for name, exponent, scale in (("A", "alpha", scales[0]), ("B", "beta", scales[1])):
        out[..., at[name]] *= scale ** parameters[..., at[exponent]]
    return out
