"""Everything that a report shows, as one JSON-ready dictionary (``summary.json``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ttscale.errors import TtscaleError
from ttscale.records.records import Records
from ttscale.records.schema import Member
from ttscale.scaling.bootstrap import check_resampling
from ttscale.scaling.candidates import PLAN_VOTES, candidates
from ttscale.scaling.checks import check_records
from ttscale.scaling.conventions import image_conventions
from ttscale.scaling.curves import Curve, accuracy_curve
from ttscale.scaling.entries import curve_entry, fit_entry, front_entry, json_ready, tradeoff_entry
from ttscale.scaling.fit import fit_law, log_spaced
from ttscale.scaling.headline import headline
from ttscale.scaling.interval import Interval, check_level
from ttscale.scaling.laws import get_law
from ttscale.scaling.plan import Plan, check_target, plan
from ttscale.scaling.strategy import by_size, tta
from ttscale.scaling.text_summary import text_parts
from ttscale.scaling.tradeoff import tradeoff
from ttscale.voting.votes import get_vote, resolve

SCHEMA_VERSION = 1
KIND = "ttscale-summary"
_UNTIL_CURVES, _UNTIL_FITS = 0.35, 0.55  # of the time that an analysis takes, roughly


def summarize(
    records: Records,
    *,
    min_accuracy: float | None = None,
    vote: str = "auto",
    law: str = "auto",
    ci: float = 0.95,
    n_boot: int = 1000,
    seed: int = 0,
    on_progress: Callable[[float], None] = lambda share: None,
) -> dict[str, Any]:
    """Analyse Records: curves, gains, fits, tradeoff, Pareto front, plan and headline.

    Curves of images: per size TTA (mean over training seeds), ensemble and product; the ensemble and product of all
    members where there are several sizes. Curves of text: all that :func:`ttscale.scaling.candidates.candidates` names,
    each with its coverage and the ceiling of its vote; and under ``"language"`` what is said of language alone (see
    :mod:`ttscale.scaling.text_summary`). Numbers are plain Python; NaN and infinity are None.

    Args:
        records: with known costs; of text these may be unknown, and what needs them is then left out.
        min_accuracy: target of the plan; without one there is no plan. The plan considers ``vote`` and those
            that :func:`ttscale.scaling.plan.plan` considers by default.
        vote: of every curve; of text the one that the others are compared with. ``"auto"`` is the mean, of text the
            plurality.
        law: ``"auto"`` fits all laws to every curve and marks the chosen one; a name fits that law to every curve
            that has budgets enough for it.
        ci, n_boot, seed: level of all intervals, number of resamples, and seed of resamples and halves.
        on_progress: told the share of the work that is done, in [0, 1].

    Raises:
        TtscaleError: unknown names, options out of range, unknown costs, too few items. A target out of reach is no
            error here: it is told in ``plan_error``.
    """
    check_options(min_accuracy=min_accuracy, vote=vote, law=law, ci=ci, n_boot=n_boot, seed=seed)
    check_records(records)
    scores = records.graded().scores if records.outcome == "text" else ()
    chosen = get_vote(resolve(vote, records.outcome), records.outcome, scores).name
    parts = (text_parts if records.outcome == "text" else _image_parts)(
        records, min_accuracy=min_accuracy, vote=chosen, law=law, ci=ci, n_boot=n_boot, seed=seed,
        on_progress=on_progress,
    )  # fmt: skip
    on_progress(1.0)
    return json_ready({"schema_version": SCHEMA_VERSION, "kind": KIND, **parts})


def _image_parts(
    records: Records, *, min_accuracy: float | None, vote: str, law: str, ci: float, n_boot: int, seed: int,
    on_progress: Callable[[float], None],
) -> dict[str, Any]:  # fmt: skip
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
    return {
        "conventions": image_conventions(curves[0]),
        "run": _run(records, ci=ci, n_boot=n_boot, seed=seed),
        "curves": [curve_entry(curve) for curve in curves],
        "fits": [fit_entry(one, one.law == best.law) for best in fitted for one in best.candidates or (best,)],
        "tradeoff": tradeoff_entry(trade),
        "pareto": front_entry(curves),
        "plan": None if chosen is None else chosen.as_dict(),
        "plan_error": problem,
        "headline": headline(records, trade, curves, fitted, chosen),
    }


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
