"""Everything that a report shows, as one JSON-ready dictionary (``summary.json``)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.records.records import Records
from ttscale.records.schema import Member
from ttscale.scaling.bootstrap import check_resampling
from ttscale.scaling.curves import Curve, accuracy_curve, gain_per_flop
from ttscale.scaling.fit import Fit, fit_law, log_spaced
from ttscale.scaling.headline import headline
from ttscale.scaling.interval import Interval, check_level
from ttscale.scaling.laws import get_law
from ttscale.scaling.pareto import pareto
from ttscale.scaling.plan import PLAN_VOTES, Plan, check_target, plan
from ttscale.scaling.strategy import by_size, candidates, tta
from ttscale.scaling.tradeoff import Exchange, Tradeoff, Verdict, tradeoff
from ttscale.scaling.words import kind_words
from ttscale.voting.merges import get_vote

SCHEMA_VERSION = 1
KIND = "ttscale-summary"
_LINE_POINTS = 48
_UNTIL_CURVES, _UNTIL_FITS = 0.35, 0.55  # of the time that an analysis takes, roughly


def summarize(
    records: Records,
    *,
    min_accuracy: float | None = None,
    vote: str = "mean",
    law: str = "auto",
    ci: float = 0.95,
    n_boot: int = 1000,
    seed: int = 0,
    on_progress: Callable[[float], None] = lambda share: None,
) -> dict[str, Any]:
    """Analyse Records: curves, gains, fits, tradeoff, Pareto front, plan and headline.

    Curves: per size TTA (mean over training seeds), ensemble and product; the ensemble and product of all members where
    there are several sizes. Numbers are plain Python; NaN and infinity are None.

    Args:
        records: with known costs.
        min_accuracy: target of the plan; without one there is no plan. The plan considers ``vote`` and those
            that :func:`ttscale.scaling.plan.plan` considers by default.
        vote: of every curve.
        law: ``"auto"`` fits all laws to every curve and marks the chosen one; a name fits that law to every curve
            that has budgets enough for it.
        ci, n_boot, seed: level of all intervals, number of resamples, and seed of resamples and halves.
        on_progress: told the share of the work that is done, in [0, 1].

    Raises:
        TtscaleError: unknown names, options out of range, unknown costs, too few items. A target out of reach is no
            error here: it is told in ``plan_error``.
    """
    check_options(min_accuracy=min_accuracy, vote=vote, law=law, ci=ci, n_boot=n_boot, seed=seed)
    needed = max(2, 0 if law == "auto" else len(get_law(law).parameters))
    trade = tradeoff(
        records, vote=vote, ci=ci, n_boot=n_boot, seed=seed, on_progress=_part(on_progress, 0.0, _UNTIL_CURVES)
    )
    curves = [*trade.curves, *_of_all(records, vote=vote, ci=ci, n_boot=n_boot, seed=seed)]
    fitted = []
    fits_done = _part(on_progress, _UNTIL_CURVES, _UNTIL_FITS)
    for number, curve in enumerate(curves, 1):
        if len(log_spaced(curve.budgets)) >= needed:
            fitted.append(fit_law(curve, law))
        fits_done(number / len(curves))
    chosen, problem = _plan(
        records, min_accuracy, vote=vote, ci=ci, n_boot=n_boot, seed=seed,
        on_progress=_part(on_progress, _UNTIL_FITS, 1.0),
    )  # fmt: skip
    value = {
        "schema_version": SCHEMA_VERSION,
        "kind": KIND,
        "conventions": _conventions(curves[0]),
        "run": _run(records, ci=ci, n_boot=n_boot, seed=seed),
        "curves": [_curve(curve) for curve in curves],
        "fits": [_fit(one, one.law == best.law) for best in fitted for one in best.candidates or (best,)],
        "tradeoff": _tradeoff(trade),
        "pareto": _front(curves),
        "plan": None if chosen is None else chosen.as_dict(),
        "plan_error": problem,
        "headline": headline(records, trade, curves, fitted, chosen),
    }
    on_progress(1.0)
    return json_ready(value)


def _part(on_progress: Callable[[float], None], start: float, stop: float) -> Callable[[float], None]:
    """What a part of the work tells its progress to, when it is from ``start`` to ``stop`` of the whole."""
    return lambda share: on_progress(start + (stop - start) * share)


def check_options(*, min_accuracy: float | None, vote: str, law: str, ci: float, n_boot: int, seed: int) -> None:
    """Refuse options that :func:`summarize` cannot work with, before anything is collected or computed.

    Raises:
        TtscaleError: unknown names, or options out of range.
    """
    if min_accuracy is not None:
        check_target(min_accuracy, None)
    get_vote(vote)
    if law != "auto":
        get_law(law)
    check_resampling(n_boot, check_level(ci), seed)


def json_ready(value: Any) -> Any:
    """Plain Python throughout, with None for NaN and infinity."""
    if isinstance(value, Interval):
        return json_ready(value.as_dict())
    if isinstance(value, Mapping):
        return {str(key): json_ready(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [json_ready(one) for one in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return value


def _conventions(curve: Curve) -> dict[str, str]:
    return {
        "flops": "1 multiply-add = 2 FLOPs; per item; marginal cost of the draws used",
        "ties": "tied answers share the credit; a deployed plan breaks ties by the item's keyed uniform",
        "intervals": (
            f"{100 * curve.level:g}% intervals, {curve.method}; differences are paired by item; training seeds are "
            "averaged and held fixed; intervals are not adjusted for the number of comparisons"
        ),
        "multiplier": "cost in plain decisions (one view) of the curve's first member",
        "choices": "an option chosen by its accuracy is chosen on one half of the items and scored on the other",
        "fits": (
            "laws in draws k (in cost relative to the first draw where draws differ in cost), fitted to budgets spaced "
            "evenly in log k; R² and RMSE are of these budgets; the law is chosen by the "
            "back-test error of the gain over the first budget: fitted to lower budgets of one half, scored on higher "
            "budgets of the other half of the items"
        ),
        "pareto": (
            "the front of the estimates: its points were chosen by their accuracy on the very items that score them, "
            "so they look better than they are"
        ),
        "detectable": (
            "the true difference whose interval would have excluded 0 with 80% probability on these items, from the "
            "bootstrap standard error"
        ),
    }


def _run(records: Records, *, ci: float, n_boot: int, seed: int) -> dict[str, Any]:
    manifest = records.manifest
    size_of = {m.name: size for size, members in by_size(records.members).items() for m in members}
    members = []
    for member in records.members:
        plain = accuracy_curve(records, tta(records, member.name), ci=ci, n_boot=n_boot, seed=seed, budgets=[1])
        members.append(_member(member, size_of[member.name], plain.at(1)))
    return {
        "dataset": manifest.dataset.get("name"), "n_items": records.n_items, "n_classes": records.n_classes,
        "seed": manifest.seed, "analysis_seed": seed, "n_boot": n_boot, "level": ci, "device": manifest.device,
        "versions": dict(manifest.versions), "command": manifest.command, "skipped_items": len(manifest.skipped_items),
        "members": members, "variants": list(records.variants),
    }  # fmt: skip


def _member(member: Member, size: str, accuracy: Interval) -> dict[str, Any]:
    return {
        "name": member.name, "size": size, "seed": member.card.get("seed"), "n_params": member.n_params or None,
        "flops": member.flops, "flops_source": member.flops_source, "train_flops": member.card.get("train_flops"),
        "accuracy": accuracy.value, "low": accuracy.low, "high": accuracy.high, "uncounted": dict(member.uncounted),
    }  # fmt: skip


def _of_all(records: Records, *, vote: str, ci: float, n_boot: int, seed: int) -> list[Curve]:
    wanted = [strategy for strategy in candidates(records, votes=(vote,)) if strategy.subject == "all"]
    return [accuracy_curve(records, strategy, ci=ci, n_boot=n_boot, seed=seed) for strategy in wanted]


def _curve(curve: Curve) -> dict[str, Any]:
    return {
        "id": curve.name, "label": kind_words(curve), "kind": curve.kind,
        "size": None if curve.subject == "all" else curve.subject, "members": curve.members, "vote": curve.vote,
        "budgets": curve.budgets, "multiplier": curve.multiplier, "flops": curve.flops,
        "flops_worst": curve.flops_worst, "accuracy": curve.accuracy, "low": curve.low, "high": curve.high,
        "gain_per_gflop": gain_per_flop(curve),
    }  # fmt: skip


def _fit(fit: Fit, chosen: bool) -> dict[str, Any]:
    last = float(fit.curve.budgets[-1])
    k = np.unique(np.append(np.geomspace(1.0, 2 * last, _LINE_POINTS), last))
    accuracy, low, high = fit.line(k)
    return {
        "curve": fit.curve.name, "law": fit.law, "formula": fit.formula, "unit": fit.unit, "params": fit.params,
        "status": fit.status, "r2": fit.r2, "rmse": fit.rmse, "backtest_rmse": fit.backtest_rmse,
        "backtest_gain_rmse": fit.backtest_gain_rmse, "chosen": chosen,
        "backtest": {"fitted": fit.backtest.fitted, "held_out": fit.backtest.held_out},
        "line": {"k": k, "flops": fit.flops_at(k), "accuracy": accuracy, "low": low, "high": high},
    }  # fmt: skip


def _tradeoff(trade: Tradeoff) -> dict[str, Any]:
    ladder = [
        {
            "size": rung.size, "n_seeds": rung.n_seeds, "n_params": rung.n_params or None, "flops": rung.flops,
            "train_flops": rung.train_flops, "accuracy": rung.accuracy.value, "low": rung.accuracy.low,
            "high": rung.accuracy.high,
        }
        for rung in trade.ladder
    ]  # fmt: skip
    return {
        "ladder": ladder, "verdicts": [_verdict(v) for v in trade.verdicts],
        "exchange": [_exchange(e) for e in trade.exchange], "note": trade.note,
    }  # fmt: skip


def _verdict(v: Verdict) -> dict[str, Any]:
    return {
        "at_flops": v.at_flops, "big": v.big, "small": v.small, "strategy": v.strategy, "k": v.k,
        "choices": [{"curve": choice.curve, "k": choice.k} for choice in v.choices], "difference": v.difference,
        "detectable": v.detectable, "winner": v.winner, "text": v.text,
    }  # fmt: skip


def _exchange(e: Exchange) -> dict[str, Any]:
    return {
        "small": e.small, "big": e.big, "curve": e.curve, "train_ratio": e.train_ratio, "test_ratio": e.test_ratio,
        "rate": e.rate, "ten_x_training_equals": e.ten_x_training_equals, "crosses": e.crosses,
        "share_crossing": e.share_crossing, "gap": e.gap, "text": e.text,
    }  # fmt: skip


def _front(curves: Sequence[Curve]) -> list[dict[str, Any]]:
    points = [(curve, row) for curve in curves for row in range(len(curve.budgets))]
    front = pareto(
        np.array([curve.flops[row] for curve, row in points]), np.array([curve.accuracy[row] for curve, row in points])
    )
    return [
        {
            "curve": curve.name, "k": curve.budgets[row], "flops": curve.flops[row], "accuracy": curve.accuracy[row],
            "low": curve.low[row], "high": curve.high[row],
        }
        for curve, row in (points[i] for i in front)
    ]  # fmt: skip


def _plan(
    records: Records, min_accuracy: float | None, *, vote: str, ci: float, n_boot: int, seed: int,
    on_progress: Callable[[float], None],
) -> tuple[Plan | None, str | None]:  # fmt: skip
    if min_accuracy is None:
        return None, None
    votes = tuple(dict.fromkeys((*PLAN_VOTES, vote)))
    try:
        chosen = plan(
            records, min_accuracy=min_accuracy, confidence=ci, votes=votes, n_boot=n_boot, seed=seed,
            on_progress=on_progress,
        )  # fmt: skip
        return chosen, None
    except TtscaleError as error:
        return None, str(error)
