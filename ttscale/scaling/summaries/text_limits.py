"""What votes over samples cannot exceed: coverage at each budget, and where the vote ends, beside the law's end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ttscale.records.records import Records
from ttscale.scaling.curves.coverage import coverage_curve
from ttscale.scaling.curves.curve import Curve
from ttscale.scaling.curves.of_run import untied
from ttscale.scaling.fits.fit_law import Fit
from ttscale.scaling.intervals.interval import Interval
from ttscale.scaling.limits.limit import VoteLimit, agree, agrees, vote_limit
from ttscale.scaling.strategy import without_vote

_TELLING = ("converged", "at_bound", "falls")  # statuses of a fit whose limit is worth comparing


@dataclass(frozen=True, eq=False)
class Ceilings:
    """By the name of a curve: its coverage, where its vote ends, and the whole limit where that was computed."""

    covered: dict[str, Curve]
    interval: dict[str, Interval]
    limit: dict[str, VoteLimit]


def ceilings(records: Records, curves: Sequence[Curve], settings: Mapping[str, Any]) -> Ceilings:
    """Those of curves of strategies; the coverage once for the votes that share their draws."""
    of_draws: dict[Any, Curve] = {}
    out = Ceilings({}, {}, {})
    for curve in curves:
        strategy = curve.strategy
        assert strategy is not None
        if strategy.draws not in of_draws:
            of_draws[strategy.draws] = coverage_curve(records, without_vote(strategy), **untied(settings))
        limit = vote_limit(records, strategy, ci=settings["ci"], n_boot=settings["n_boot"], seed=settings["seed"])
        out.covered[curve.name], out.limit[curve.name] = of_draws[strategy.draws], limit
        out.interval[curve.name] = limit.interval
    return out


def ceiling_rows(curves: Sequence[Curve], found: Ceilings, fits: Mapping[str, Fit]) -> list[dict[str, Any]]:
    """Rows of the summary: each curve's limit, and the law's asymptote beside it.

    Args:
        fits: the chosen fit by the name of its curve.
    """
    return [_row(curve, found, fits.get(curve.name)) for curve in curves]


def _row(curve: Curve, found: Ceilings, fit: Fit | None) -> dict[str, Any]:
    row = {"curve": curve.name, **found.interval[curve.name].as_dict()}
    limit = found.limit.get(curve.name)
    if limit is None:
        return row
    asymptote = fit.asymptote if fit is not None and fit.status in _TELLING else None
    return row | {
        "agrees": agrees(limit, asymptote), "leading": limit.leading, "prior": limit.prior,
        "method": limit.interval.method,
        "asymptote": asymptote, "law": None if asymptote is None or fit is None else fit.law,
        "check": agree(limit, asymptote),
    }  # fmt: skip
