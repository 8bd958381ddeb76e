"""The summary of Records of images, its head aside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.records.profiles import profiled_on
from ttscale.records.records import Records
from ttscale.records.schema import Member
from ttscale.scaling.curves.curve import Curve, accuracy_curve
from ttscale.scaling.fits.entries import fit_entries
from ttscale.scaling.fits.fit_law import Fit
from ttscale.scaling.fits.options import LawOptions
from ttscale.scaling.intervals.interval import Interval
from ttscale.scaling.learning.at_hand import AtHand
from ttscale.scaling.learning.learners import Selection
from ttscale.scaling.learning.policies import learned_groups, policy_entries
from ttscale.scaling.planning.candidates import PLAN_VOTES
from ttscale.scaling.planning.options import averages, beside_plain, of_all, of_subsets
from ttscale.scaling.planning.plan import plan
from ttscale.scaling.planning.planned import Plan
from ttscale.scaling.quality.breakdown import breakdown
from ttscale.scaling.quality.comparisons import comparisons_table
from ttscale.scaling.quality.measured import Option, measure, measure_learned, pair_up
from ttscale.scaling.quality.worth import find_worth, run_ladder, worth_of_views, worth_table
from ttscale.scaling.strategy import by_rung, rivals, tta
from ttscale.scaling.summaries.conventions import BREAKDOWN, image_conventions
from ttscale.scaling.summaries.curve_extras import spending_entry
from ttscale.scaling.summaries.entries import breakdown_entry, curve_entry, front_entry, tradeoff_entry
from ttscale.scaling.summaries.headline import headline, taught_words
from ttscale.scaling.summaries.image_tables import ensembles_table, quality_table, rivals_table
from ttscale.scaling.summaries.shifts import aligned, summarize_shifts
from ttscale.scaling.tradeoff.tradeoff import tradeoff

Progress = Callable[[float], None]

_CURVES, _LEARNED, _FITS, _QUALITY, _PLAN = 0.15, 0.45, 0.55, 0.7, 0.9  # of the time when each is done, roughly


def image_parts(
    records: Records, *, min_accuracy: float | None, vote: str, law: LawOptions, ci: float, n_boot: int, seed: int,
    ties: str, interval: str, selection: Selection, shifts: Mapping[str, Records], on_progress: Progress,
) -> dict[str, Any]:  # fmt: skip
    """What :func:`ttscale.scaling.summaries.summary.summarize` gives for images, its head aside. Arguments as there.

    Beside what text has too:

    - ``policies``: orders and weights of the draws that were learned; see :mod:`ttscale.scaling.learning.policies`.
      Their curves are among ``curves``: what either half of the items taught, scored on the other.
    - ``quality``: per curve, at its first and last budget (of what was learned at that at which it is compared), a row
      of the probabilities as they are and a calibrated one: accuracy, top5, nll, brier, ece; see
      :mod:`ttscale.scaling.quality.quality`.
    - ``comparisons``: pairs of single strategies: difference, decisions fixed and broken, McNemar's exact p (also
      adjusted by Holm for the number of pairs), what was detectable, differences of likelihood.
    - ``equivalents``: worth how many ensemble members every curve is; see :mod:`ttscale.scaling.quality.worth`.
    - ``ensembles``: of few members of several sizes, every ensemble beside its costliest member; see
      :func:`ttscale.scaling.summaries.image_tables.ensembles_table`. Their curves are among ``curves``.
    - ``breakdown`` and ``breakdown_note``: gain by class, family and difficulty; see
      :mod:`ttscale.scaling.quality.breakdown`.
    - ``rivals``: at k = 1, what was made of a size without training: numeric formats, pruning, weight soups.
    - ``shifts``: only where there are; see :func:`ttscale.scaling.summaries.shifts.summarize_shifts`.
    """
    settings: dict[str, Any] = {"ci": ci, "n_boot": n_boot, "seed": seed}
    drawn = settings | {"ties": ties, "interval": interval}
    several = aligned({"clean": records, **shifts}) if shifts else {}
    trade = tradeoff(
        records, vote=vote, laws=False, on_progress=_part(on_progress, 0.0, _CURVES), interval=interval, **settings
    )
    alone = trade.options if ties == "shared" else averages(records, vote=vote, **drawn)
    options: list[Option] = [(option.curve, tuple(one for _, one in option.strategies)) for option in alone]
    options += [(accuracy_curve(records, one, **drawn), (one,)) for one in of_all(records, vote)]
    collected = [curve for curve, _ in options]
    options += [(accuracy_curve(records, one, **drawn), (one,)) for one in of_subsets(records, vote)]
    teams = [curve for curve, _ in options[len(collected) :]]
    learned = learned_groups(
        records,
        vote=vote,
        selection=selection,
        known=collected,
        on_progress=_part(on_progress, _CURVES, _LEARNED),
        **drawn,
    )
    curves = [*collected, *teams, *(group.curve for group in learned)]
    fitted = _fits(collected, law, _part(on_progress, _LEARNED, _FITS))
    beside, middle = pair_up(records, options, learned), (_FITS + _QUALITY) / 2
    measured = measure(records, options, beside, on_progress=_part(on_progress, _FITS, middle), **settings)
    measured += measure_learned(records, learned, beside, on_progress=_part(on_progress, middle, _QUALITY), **settings)
    chosen, problem = _plan(
        records,
        min_accuracy,
        vote=vote,
        selection=selection,
        at_hand=AtHand([*(part for option in trade.options for part in option.parts), *collected, *teams], learned),
        on_progress=_part(on_progress, _QUALITY, _PLAN),
        **settings,
    )
    pairs = beside_plain(collected, rivals(records.members))
    spent = {
        curve.name: {"spending": spending_entry(records, curve, strategies[0], seed)}
        for curve, strategies in options[: len(collected)]
    }
    worth = find_worth(measured, run_ladder(records, measured, vote=vote, **settings))
    parts: dict[str, Any] = {
        "conventions": image_conventions(curves[0]),
        "run": _run(records, drawn) | asdict(selection),
        "curves": [curve_entry(curve) | spent.get(curve.name, {}) for curve in curves],
        "fits": [row for best in fitted for row in fit_entries(best)],
        "tradeoff": tradeoff_entry(trade),
        "rivals": rivals_table(trade.rivals),
        "ensembles": ensembles_table(records, [*collected, *teams], vote=vote, **drawn),
        "pareto": front_entry(_shown_together(records, [*collected, *teams])),
        "plan": None if chosen is None else chosen.as_dict(),
        "plan_error": problem,
        "policies": policy_entries(learned),
        "quality": quality_table(measured),
        "comparisons": comparisons_table(records, trade, measured),
        "equivalents": worth_table(worth),
        "breakdown": [breakdown_entry(part) for part in breakdown(records, pairs)],
        "breakdown_note": BREAKDOWN,
    }  # fmt: skip
    if several:
        parts["shifts"] = summarize_shifts(
            several, vote=vote, learned=learned, on_progress=_part(on_progress, _PLAN, 1.0), **drawn
        )
    parts["headline"] = headline(
        records, trade, collected, fitted, chosen, worth=worth_of_views(worth), learned=taught_words(learned),
        shift=next(iter(parts.get("shifts", {}).get("text", [])), ""),
    )  # fmt: skip
    return parts


def _shown_together(records: Records, curves: Sequence[Curve]) -> list[Curve]:
    """The curves of draws as collected, and of what was made of another size its plain decision."""
    made = rivals(records.members)
    return [curve.at_rows(np.array([0])) if curve.subject in made else curve for curve in curves]


def _part(on_progress: Progress, start: float, stop: float) -> Progress:
    """What a part of the work tells its progress to, when it is from ``start`` to ``stop`` of the whole."""
    return lambda share: on_progress(start + (stop - start) * share)


def _fits(curves: Sequence[Curve], law: LawOptions, on_progress: Progress) -> list[Fit]:
    fitted = []
    for number, curve in enumerate(curves, 1):
        if law.possible(curve):
            fitted.append(law.fit(curve))
        on_progress(number / len(curves))
    return fitted


def _run(records: Records, drawn: Mapping[str, Any]) -> dict[str, Any]:
    manifest = records.manifest
    size_of = {m.name: size for size, members in by_rung(records.members).items() for m in members}
    members = []
    for member in records.members:
        plain = accuracy_curve(records, tta(records, member.name), budgets=[1], **drawn)
        members.append(_member(member, size_of[member.name], plain.at(1)))
    return {
        "dataset": manifest.dataset.get("name"), "shift": manifest.dataset.get("shift"),
        "note": manifest.dataset.get("note"), "n_items": records.n_items, "n_classes": records.n_classes,
        "seed": manifest.seed, "analysis_seed": drawn["seed"], "n_boot": drawn["n_boot"], "level": drawn["ci"],
        "ties": drawn["ties"], "interval": drawn["interval"], "device": manifest.device,
        "profiled_on": profiled_on(records.profiles()), "versions": dict(manifest.versions),
        "command": manifest.command, "skipped_items": len(manifest.skipped_items), "members": members,
        "variants": list(records.variants),
    }  # fmt: skip


def _member(member: Member, size: str, accuracy: Interval) -> dict[str, Any]:
    return {
        "name": member.name, "size": size, "seed": member.card.get("seed"), "n_params": member.n_params or None,
        "flops": member.flops, "flops_source": member.flops_source, "train_flops": member.card.get("train_flops"),
        "accuracy": accuracy.value, "low": accuracy.low, "high": accuracy.high, "uncounted": dict(member.uncounted),
    }  # fmt: skip


def _plan(
    records: Records, min_accuracy: float | None, *, vote: str, ci: float, n_boot: int, seed: int,
    selection: Selection, at_hand: AtHand, on_progress: Progress,
) -> tuple[Plan | None, str | None]:  # fmt: skip
    if min_accuracy is None:
        return None, None
    votes = tuple(dict.fromkeys((*PLAN_VOTES, vote)))
    try:
        chosen = plan(
            records, min_accuracy=min_accuracy, confidence=ci, votes=votes, n_boot=n_boot, seed=seed,
            on_progress=on_progress, at_hand=at_hand, **asdict(selection),
        )  # fmt: skip
        return chosen, None
    except TtscaleError as error:
        return None, str(error)
