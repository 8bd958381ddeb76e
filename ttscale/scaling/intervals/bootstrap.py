"""The bootstrap over items, or over declared clusters of items; never over the draws within an item.

Replicate ``r`` weights unit ``u`` (an item or a cluster) by the number of times it comes up in ``n`` draws with
replacement, so the weights of a replicate are multinomial. They depend on (seed, number of units) alone: every curve of
the same items is resampled alike, so that differences of replicates are replicates of the paired difference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from threading import Lock

import numpy as np

from ttscale.errors import TtscaleError

MOST_RESAMPLES = 100_000  # more would gain an interval nothing
_WEIGHTS_AT_ONCE = 2_000_000
_BYTES_TO_KEEP = 2**27  # of weights
_BYTES_OF_FLOATS = 2**26  # weights that would take more as float64 are kept in a byte each
_VALUES_AT_ONCE = 8_000_000
_ROUNDING = 1e-24  # of a sum of squares, relative to that of the values
_DECIMALS = 12  # far finer than one credit among all items, far coarser than the rounding of float64


def mean_credit(credit: np.ndarray) -> np.ndarray:
    """Means over items (the last axis), freed of rounding errors: equal accuracies come out as equal numbers."""
    return np.round(credit.mean(axis=-1, dtype=np.float64), _DECIMALS)


def bootstrap_means(
    values: np.ndarray, *, units: np.ndarray | None = None, n_boot: int = 1000, seed: int = 0
) -> np.ndarray:
    """Resampled means over items, freed of rounding errors: ``float64 [boot, row]``.

    Args:
        values: ``[row, item]``.
        units: ``int64 [item]``, the cluster of each item as an index from 0; None when each item is its own. A
            resampled mean is then the mean over all items of the clusters drawn (ratio estimator, Cochran 1977, §9A).
        n_boot: number of resamples.
        seed: the same seed and number of units give the same resamples.
    """
    sums, sizes = unit_sums(values, units)
    out = np.empty((n_boot, len(values)))
    rows = max(1, _VALUES_AT_ONCE // len(sizes))
    for first in range(0, len(values), rows):
        block = np.ascontiguousarray(sums[first : first + rows].T, dtype=np.float64)
        start = 0
        for weights in _weights(len(sizes), n_boot, seed):
            wide = weights.astype(np.float64, copy=False)
            means = wide @ block / (len(sizes) if units is None else (wide @ sizes)[:, None])
            out[start : start + len(wide), first : first + rows] = means
            start += len(wide)
    return np.round(out, _DECIMALS, out=out)


def bootstrap_outcomes(
    probabilities: Callable[[np.ndarray], np.ndarray], times: np.ndarray, kind: np.ndarray, *,
    units: np.ndarray | None = None, n_boot: int = 1000, seed: int = 0,
) -> np.ndarray:  # fmt: skip
    """Resampled means of outcomes that are 1 with the probability of their item, ``float64 [boot]``.

    Each resample draws the items anew, and an outcome for each time that an item is drawn. Items of one kind are alike.

    Args:
        probabilities: from how often items of each kind were drawn, ``[resample, kind]``, to the probabilities in that
            resample, of the same shape or ``[kind]``.
        times: items of each kind, ``int64 [kind]``. kind: that of each item, ``int64 [item]``.
        units, n_boot, seed: as in :func:`bootstrap_means`.
    """
    rng = np.random.default_rng([seed & 0xFFFFFFFFFFFFFFFF, len(kind), n_boot])
    out = []
    for drawn in _kinds_drawn(times, kind, units, n_boot, seed):
        happened = rng.binomial(drawn, probabilities(drawn.astype(np.float64)))
        out.append(happened.sum(axis=1) / drawn.sum(axis=1))
    return np.round(np.concatenate(out), _DECIMALS)


def _kinds_drawn(
    times: np.ndarray, kind: np.ndarray, units: np.ndarray | None, n_boot: int, seed: int
) -> Iterator[np.ndarray]:
    """How often items of each kind come up, ``int64 [some, kind]``."""
    step = max(1, _WEIGHTS_AT_ONCE // len(kind if units is not None else times))
    if units is None:
        rng = np.random.default_rng([seed & 0xFFFFFFFFFFFFFFFF, len(times), n_boot])
        for start in range(0, n_boot, step):
            yield rng.multinomial(len(kind), times / len(kind), size=min(step, n_boot - start))
        return
    order = np.argsort(kind, kind="stable")
    starts = np.searchsorted(kind[order], np.arange(len(times)))
    for weights in _weights(count_units(len(kind), units), n_boot, seed):
        for start in range(0, len(weights), step):
            drawn = weights[start : start + step].astype(np.int64)[:, units[order]]
            yield np.add.reduceat(drawn, starts, axis=1)


def acceleration(values: np.ndarray, units: np.ndarray | None = None) -> np.ndarray:
    """How fast the spread of a mean changes with its value, ``float64 [row]``; 0 where nothing varies.

    ``Σ d³ / (6 (Σ d²)^1.5)`` with ``d`` the mean of the jackknife less its value without one unit (Efron 1987, eq. 6.6;
    Efron and Tibshirani 1993, eq. 14.15), in closed form: a mean that leaves out a unit is the rest of the sum over the
    rest of the items.

    Args:
        values: ``[row, item]``. units: as in :func:`bootstrap_means`.
    """
    sums, sizes = unit_sums(values, units)
    without = (sums.sum(axis=1, keepdims=True, dtype=np.float64) - sums) / (sizes.sum() - sizes)
    lead = without.mean(axis=1, keepdims=True) - without
    spread = (lead**2).sum(axis=1)
    varies = spread > _ROUNDING * np.maximum(1.0, (without**2).sum(axis=1))
    return np.where(varies, (lead**3).sum(axis=1) / (6 * np.where(varies, spread, 1.0) ** 1.5), 0.0)


def unit_sums(values: np.ndarray, units: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Sums ``[row, unit]`` of ``values [row, item]`` over each unit's items, and the number of items in each unit."""
    if units is None:
        return values, np.ones(values.shape[1])
    order = np.argsort(units, kind="stable")
    _, starts = np.unique(units[order], return_index=True)
    sums = np.add.reduceat(values[:, order].astype(np.float64), starts, axis=1)
    return sums, np.diff(np.append(starts, len(units))).astype(np.float64)


def unit_index(clusters: np.ndarray | None) -> np.ndarray | None:
    """``int64 [item]`` index of each item's cluster, or None without clusters."""
    return None if clusters is None else np.unique(np.asarray(clusters).astype(str), return_inverse=True)[1]


def count_units(n_items: int, units: np.ndarray | None) -> int:
    """How many independent units (items, or clusters) there are."""
    return n_items if units is None else len(np.unique(units))


def check_seed(seed: int) -> None:
    """TtscaleError unless a whole number."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
        raise TtscaleError("seed", expected="a whole number", got=repr(seed), fix="Give 0.")


def check_resampling(n_boot: int, level: float, seed: int) -> None:
    """Refuse a seed that is no whole number, and too few resamples for an interval of this level."""
    check_seed(seed)
    needed = math.ceil(2 / (1 - level) - 1e-9)  # 2 / (1 − 0.95) is 40 but for rounding
    if isinstance(n_boot, bool) or not isinstance(n_boot, (int, np.integer)) or n_boot < needed:
        raise TtscaleError(
            "n_boot", expected=f"a whole number of at least {needed} for level {level:g}",
            got=repr(n_boot), fix=f"Give {max(1000, needed)}.",
        )  # fmt: skip


def check_bootstrap(n_boot: int, level: float, n_units: int, seed: int) -> None:
    """Refuse resampling that cannot give an interval of this level."""
    check_resampling(n_boot, level, seed)
    if n_boot > MOST_RESAMPLES:
        raise TtscaleError("n_boot", expected=f"at most {MOST_RESAMPLES:,}", got=f"{n_boot:,}", fix="Give 1000.")
    if n_units < 2:
        raise TtscaleError(
            "records", expected="at least 2 items (or 2 clusters of items)", got=str(n_units),
            fix="An interval over items needs more than one of them: collect more.",
        )  # fmt: skip


def _weights(n: int, n_boot: int, seed: int) -> Iterator[np.ndarray]:
    """Multinomial weights in chunks ``[some, n]``; those of the latest numbers of units are kept in memory."""
    as_float = 8 * n * n_boot <= _BYTES_OF_FLOATS
    if (8 if as_float else 1) * n * n_boot > _BYTES_TO_KEEP:
        yield from _draw_weights(n, n_boot, seed)
        return
    kept = _KEPT.get((n, n_boot, seed))
    if kept is None:
        kept = tuple(_draw_weights(n, n_boot, seed))
        if as_float:
            kept = (np.concatenate(kept).astype(np.float64),)
        _KEPT.put((n, n_boot, seed), kept)
    yield from kept


class _Kept:
    """The weights that were used last, ``_BYTES_TO_KEEP`` of them at most."""

    def __init__(self) -> None:
        self.values: dict[tuple[int, int, int], tuple[np.ndarray, ...]] = {}
        self.lock = Lock()

    def get(self, key: tuple[int, int, int]) -> tuple[np.ndarray, ...] | None:
        with self.lock:
            found = self.values.pop(key, None)
            if found is not None:
                self.values[key] = found  # the last is the one used last
            return found

    def put(self, key: tuple[int, int, int], weights: tuple[np.ndarray, ...]) -> None:
        with self.lock:
            self.values[key] = weights
            while sum(part.nbytes for one in self.values.values() for part in one) > _BYTES_TO_KEEP:
                self.values.pop(next(iter(self.values)))


_KEPT = _Kept()


def _draw_weights(n: int, n_boot: int, seed: int) -> Iterator[np.ndarray]:
    step = max(1, _WEIGHTS_AT_ONCE // n)
    for start in range(0, n_boot, step):
        size = min(step, n_boot - start)
        rng = np.random.default_rng([seed & 0xFFFFFFFFFFFFFFFF, n, start])
        picks = rng.integers(0, n, size=(size, n))
        picks += np.arange(size)[:, None] * n
        # A count is Poisson with mean 1, nearly: one above 255 has probability 1e-507.
        yield np.bincount(picks.ravel(), minlength=size * n).reshape(size, n).astype(np.uint8)
