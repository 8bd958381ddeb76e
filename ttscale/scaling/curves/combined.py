"""Curves of the same items put together: means over exchangeable ones, differences paired by item, gain per cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.scaling.curves.curve import SPENT, Curve, curve_of_credits
from ttscale.scaling.intervals.interval import Interval, undefined


def mean_curve(curves: Sequence[Curve], name: str, *, subject: str = "") -> Curve:
    """The expectation over exchangeable curves (training seeds, orders of members): credits averaged item by item.

    Its interval is over items, given these very curves; that other seeds would have come out differently is not in it.
    A single curve is only renamed. ``subject`` says in words what was averaged.

    Raises:
        TtscaleError: no curve, or curves on different items, budgets, levels or resamples.
    """
    if not curves:
        raise TtscaleError("curves", expected="at least one curve", got="none", fix="Give a list of curves.")
    first = curves[0]
    for other in curves[1:]:
        _check_comparable(first, other)
        if not np.array_equal(first.budgets, other.budgets) or first.level != other.level:
            raise TtscaleError(
                "curves", expected="equal budgets and levels", got=f"{first.name!r} and {other.name!r} that differ",
                fix="Compute the curves with the same `budgets` and `ci`.",
            )  # fmt: skip
    if len(curves) == 1:
        return replace(first, name=name, subject=subject or first.subject)
    credit = np.zeros(first.credit.shape)
    for curve in curves:
        credit += curve.credit
    tokens, seconds, weight_bytes = (_mean_spent(curves, part) for part in SPENT)
    return curve_of_credits(
        credit / len(curves), item_ids=first.item_ids, budgets=first.budgets,
        flops=np.mean([curve.flops for curve in curves], axis=0),
        flops_worst=np.max([curve.flops_worst for curve in curves], axis=0), name=name, kind=first.kind,
        members=tuple(dict.fromkeys(member for curve in curves for member in curve.members)), vote=first.vote,
        subject=subject, reference=(first.reference_member, float(np.mean([c.reference_flops for c in curves]))),
        clusters=first.clusters, level=first.level, n_boot=first.n_boot, seed=first.seed, unit=first.unit,
        tokens=tokens, seconds=seconds, weight_bytes=weight_bytes, ties=first.ties, sampling_error=_mean_error(curves),
        estimator="; ".join(dict.fromkeys(curve.estimator for curve in curves)),
        interval="percentile" if first.resampled.method == "wilson" else first.resampled.method,
    )  # fmt: skip


def _mean_error(curves: Sequence[Curve]) -> np.ndarray | None:
    """Standard error of a mean over curves whose samples are of independent luck, ``float64 [k]``."""
    known = [curve.sampling_error for curve in curves if curve.sampling_error is not None]
    return None if len(known) < len(curves) else np.sqrt(np.sum(np.square(known), axis=0)) / len(curves)


def _mean_spent(curves: Sequence[Curve], part: str) -> np.ndarray | None:
    known = [values for curve in curves if (values := getattr(curve, part)) is not None]
    return None if len(known) < len(curves) else np.mean(known, axis=0)


def paired_difference(curve_a: Curve, k_a: int, curve_b: Curve, k_b: int) -> Interval:
    """Accuracy of ``a`` at ``k_a`` minus accuracy of ``b`` at ``k_b``, resampling the same items for both.

    Returns:
        A fraction (0.01 is one percentage point) with its interval at ``a``'s level, made as ``a``'s are; of
        percentiles where those are Wilson's, since a difference is no plain proportion.

    Raises:
        TtscaleError: curves on different items, or resampled differently; a budget that a curve does not hold.
    """
    row_a, row_b = curve_a.row(k_a), curve_b.row(k_b)
    _check_comparable(curve_a, curve_b)
    return curve_a.resampled.minus(row_a, curve_b.resampled, row_b)


def gain_per_flop(curve: Curve, *, since: str = "first") -> tuple[Interval, ...]:
    """Accuracy gained per extra cost at each budget, in percentage points per GFLOP, with intervals.

    ``100 (A(k) − A(k₀)) / ((F(k) − F(k₀)) / 1e9)``, where k₀ is the curve's first budget (``since="first"``, the mean
    return on everything spent) or the budget before k (``since="previous"``, the return on the last draws). NaN at the
    first budget, and where no cost was added.
    """
    if since not in ("first", "previous"):
        raise TtscaleError("since", expected='"first" or "previous"', got=repr(since), fix="Choose one of these.")
    method = f"paired {curve.method}"
    out = [undefined(curve.level, method)]
    for row in range(1, len(curve.budgets)):
        base = 0 if since == "first" else row - 1
        gflops = (curve.flops[row] - curve.flops[base]) / 1e9
        if not gflops > 0:
            out.append(undefined(curve.level, method))
            continue
        gain = curve.resampled.minus(row, curve.resampled, base)
        value, low, high = (bound * 100 / gflops for bound in (gain.value, gain.low, gain.high))
        out.append(Interval(value, low, high, curve.level, method))
    return tuple(out)


def _check_comparable(a: Curve, b: Curve) -> None:
    if not np.array_equal(a.item_ids, b.item_ids):
        raise TtscaleError(
            "curves", expected="the same items in the same order", got=f"{a.name!r} and {b.name!r} on different items",
            fix="Compare curves of the same data; `Records.take` selects and orders items.",
        )  # fmt: skip
    units_a, units_b = (np.arange(curve.n_items) if curve.units is None else curve.units for curve in (a, b))
    if (a.seed, a.n_boot) != (b.seed, b.n_boot) or not np.array_equal(units_a, units_b):
        raise TtscaleError(
            "curves", expected="the same resamples",
            got=f"{a.name!r} and {b.name!r} with another seed, n_boot or clusters",
            fix="Compute both curves with the same `seed` and `n_boot`, of Records with the same clusters.",
        )  # fmt: skip
