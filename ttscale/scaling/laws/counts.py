"""Coverage from how success probabilities are spread over problems: laws fitted on counts by likelihood.

Each problem has its own chance of success ``p`` per sample; ``c`` of ``n`` samples right is binomial given ``p``. With
a beta distribution of ``p`` the counts are beta-binomial and coverage has a closed form (Schaeffer et al., "How do
large language monkeys get their power (laws)?", 2025; Kazdan et al., "Efficient prediction of pass@k scaling", 2025).
Scaled to a largest ``p`` of ``m`` it says that even the easiest problem is not always solved. The tail near ``p = 0``
rules coverage at many samples: failures fall as ``k^−a``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from ttscale.scaling.laws.beta_mixture import expected_coverage, log_expected
from ttscale.scaling.laws.law import Law, Parameter
from ttscale.scaling.laws.log_gamma import log_choices, log_rising, rising_slope

Columns = tuple[np.ndarray, ...]


def beta_value(k: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Coverage where chances of success are ``B(a, b)``."""
    return -np.expm1(_log_failure(k, a, b))


def beta_gradient(k: np.ndarray, a: np.ndarray, b: np.ndarray) -> Columns:
    """Derivatives of :func:`beta_value` in a and b."""
    failure = np.exp(_log_failure(k, a, b))
    both = rising_slope(a + b, k)
    return failure * both, failure * (both - rising_slope(b, k))


def _log_failure(k: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """``ln Γ(b + k)Γ(a + b)/(Γ(b)Γ(a + b + k))``, in which a and k may change places: the smaller one rises, so that
    no large logarithms cancel."""
    less, more = np.minimum(a, k), np.maximum(a, k)
    return log_rising(b, less) - log_rising(b + more, less)


def beta_log_pmf(n: np.ndarray, c: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Log-probability of c right of n samples where chances of success are ``B(a, b)``."""
    return log_choices(n, c) + log_rising(a, c) + log_rising(b, n - c) - log_rising(a + b, n)


def beta_log_pmf_gradient(n: np.ndarray, c: np.ndarray, a: np.ndarray, b: np.ndarray) -> Columns:
    """Derivatives of :func:`beta_log_pmf` in a and b."""
    both = rising_slope(a + b, n)
    return rising_slope(a, c) - both, rising_slope(b, n - c) - both


def _scaled_value(k: np.ndarray, a: np.ndarray, b: np.ndarray, m: np.ndarray) -> np.ndarray:
    return _over_batch(lambda *p: expected_coverage(*p)[0][None], (k,), (a, b, m))[0]


def _scaled_gradient(k: np.ndarray, a: np.ndarray, b: np.ndarray, m: np.ndarray) -> Columns:
    return tuple(_over_batch(lambda *p: expected_coverage(*p)[1], (k,), (a, b, m)))


@lru_cache(maxsize=1)
def _log_expected(*arrays: bytes) -> tuple[np.ndarray, np.ndarray]:
    """A likelihood and its gradient are asked for one after the other, and come out of the same integrals."""
    n, c, a, b, m = (np.frombuffer(array) for array in arrays)
    return log_expected(n, c, a, b, m)


def _remembered(*arrays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return _log_expected(*(np.ascontiguousarray(array).tobytes() for array in arrays))


def _scaled_log_pmf(n: np.ndarray, c: np.ndarray, a: np.ndarray, b: np.ndarray, m: np.ndarray) -> np.ndarray:
    return log_choices(n, c) + _over_batch(lambda *p: _remembered(*p)[0][None], (n, c), (a, b, m))[0]


def _scaled_log_pmf_gradient(n: np.ndarray, c: np.ndarray, a: np.ndarray, b: np.ndarray, m: np.ndarray) -> Columns:
    return tuple(_over_batch(lambda *p: _remembered(*p)[1], (n, c), (a, b, m)))


def _over_batch(
    function: Callable[..., np.ndarray], points: tuple[np.ndarray, ...], parameters: tuple[np.ndarray, ...]
) -> np.ndarray:
    """Call with points ``[point]`` and parameters ``[batch]`` what is asked for ``[..., point]`` and ``[..., 1]``.

    Points that differ from row to row are computed row by row.
    """
    points = tuple(np.atleast_1d(np.asarray(x, dtype=np.float64)) for x in points)
    shape = np.broadcast_shapes(*(x.shape for x in points), *(p.shape for p in parameters))
    lead = shape[:-1]
    rows = [np.broadcast_to(p, (*lead, 1)).reshape(-1) for p in parameters]
    if all(x.shape == x.shape[-1:] for x in points):
        flat = tuple(np.broadcast_to(x, shape[-1:]) for x in points)
        out = function(*flat, *rows)
    else:
        each = [np.broadcast_to(x, shape).reshape(-1, shape[-1]) for x in points]
        one = [function(*(x[i] for x in each), *(p[i : i + 1] for p in rows)) for i in range(len(rows[0]))]
        out = np.concatenate(one, axis=1)
    return out.reshape(len(out), *shape)


TAIL = Parameter("a", 1e-3, 200.0, starts=(0.1, 0.4, 1.5))
HARD = Parameter("b", 1e-2, 1e6, starts=(0.2, 1.0, 8.0, 100.0))

COUNT_LAWS: tuple[Law, ...] = (
    Law(
        "beta_binomial", "1 − B(a, b + k)/B(a, b)",
        "coverage from the spread of difficulty over problems (Schaeffer 2025)",
        (TAIL, HARD), value=beta_value, gradient=beta_gradient, of=("coverage",),
        limit=lambda a, b: np.ones_like(a),
        log_pmf=beta_log_pmf, log_pmf_gradient=beta_log_pmf_gradient, forecasts=(),
    ),
    Law(
        "scaled_beta_binomial", "1 − E (1 − m·x)^k, x ~ Beta(a, b)",
        "the same where even the easiest problem is solved with probability m only (Kazdan 2025)",
        (TAIL, HARD, Parameter("m", 1e-4, 1.0, starts=(0.1, 0.5, 0.95))),
        value=_scaled_value, gradient=_scaled_gradient, of=("coverage",), limit=lambda a, b, m: np.ones_like(a),
        log_pmf=_scaled_log_pmf, log_pmf_gradient=_scaled_log_pmf_gradient, forecasts=(),
    ),
)  # fmt: skip
