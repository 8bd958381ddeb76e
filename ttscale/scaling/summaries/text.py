"""The summary of language Records: the parts that vision has too, and the section ``language``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ttscale.errors import TtscaleError
from ttscale.records.records import Records
from ttscale.scaling import sampled
from ttscale.scaling.curves.coverage import COVERAGE
from ttscale.scaling.curves.curve import Curve, accuracy_curve
from ttscale.scaling.curves.of_run import text_curves, untied
from ttscale.scaling.curves.text_costs import known_costs
from ttscale.scaling.fits.entries import fit_entries
from ttscale.scaling.fits.fit_law import Fit
from ttscale.scaling.fits.options import LawOptions
from ttscale.scaling.intervals.halves import first_half
from ttscale.scaling.intervals.interval import Interval
from ttscale.scaling.learning.learned import can_share, cross_fitted_team, learn_cross_fitted, planned_curve
from ttscale.scaling.learning.weights import CrossFitted
from ttscale.scaling.planning.candidates import plan_votes
from ttscale.scaling.planning.plan import choose
from ttscale.scaling.planning.planned import Plan
from ttscale.scaling.summaries.conventions import text_conventions
from ttscale.scaling.summaries.curve_extras import same_items_entry, spending_entry
from ttscale.scaling.summaries.entries import curve_entry, front_entry, tradeoff_entry
from ttscale.scaling.summaries.text_headline import text_headline
from ttscale.scaling.summaries.text_limits import Ceilings, ceiling_rows, ceilings
from ttscale.scaling.summaries.text_run import abstained, text_run
from ttscale.scaling.summaries.text_tables import (
    ensembles_table,
    examples,
    families_table,
    main_samples,
    variant_worth,
    variants_table,
    votes_table,
)
from ttscale.scaling.tradeoff.tradeoff import Tradeoff, tradeoff
from ttscale.voting.votes import DEFAULT

_UNTIL_CURVES, _UNTIL_TRADE, _UNTIL_FITS = 0.6, 0.75, 0.9  # of the time that an analysis takes, roughly


def text_parts(
    records: Records, *, min_accuracy: float | None, vote: str, law: LawOptions, ci: float, n_boot: int, seed: int,
    ties: str, interval: str, on_progress: Callable[[float], None],
) -> dict[str, Any]:  # fmt: skip
    """What :func:`ttscale.scaling.summaries.summary.summarize` gives for text, its head aside. Arguments as there.

    ``language`` holds: ``plain`` (what a plain decision is, per member); ``abstained`` and ``finish_reasons`` per
    member; ``families``; ``votes`` (difference to ``vote`` with the same draws); ``variants`` (one sample of each
    prompt variant); ``variant_worth`` (prompt variants against as many samples of the plain prompt); ``ensembles`` (in
    the limit of many samples; learned weights cross-fitted); ``ceiling`` (where the vote of each curve ends with ever
    more samples, and where its fitted law does); and ``examples`` of items. Curves of ``vote`` have ``same_items``
    (intervals over new samples of the same items) and ``spending`` (mean, quantiles and worst cost of a budget).
    """
    settings: dict[str, Any] = {"ci": ci, "n_boot": n_boot, "seed": seed, "ties": ties, "interval": interval}
    planned = tuple(dict.fromkeys((vote, *plan_votes(records))))
    curves = text_curves(records, vote=vote, **settings, on_progress=lambda share: on_progress(_UNTIL_CURVES * share))
    found = ceilings(records, curves, settings)
    covered = found.covered
    learned = learn_cross_fitted(records, seed=seed) if can_share(records) else None
    if learned is not None and (shown := cross_fitted_team(records, learned, vote=vote, **settings)) is not None:
        curves.append(shown.curve)
        covered[shown.curve.name], found.interval[shown.curve.name] = shown.coverage, shown.ceiling
    known = known_costs(records)
    trade = tradeoff(records, vote=vote, laws=False, **untied(settings)) if known else None
    on_progress(_UNTIL_TRADE)
    fitted = _fits([c for c in curves if c.vote == vote and c.kind != "greedy"], covered, law)
    on_progress(_UNTIL_FITS)
    known_curves = [c for c in curves if c.vote in planned and c.kind != "learned"]
    chosen, problem = _plan(records, known_curves, learned, min_accuracy, vote=vote, n_boot=n_boot, seed=seed)
    plain = {
        member.name: accuracy_curve(records, sampled.plain(records, member.name), budgets=[1], **settings)
        for member in records.members
    }
    language = _language(records, curves, plain, found, fitted, learned, vote, settings)
    return {
        "outcome": "text",
        "conventions": text_conventions(records, curves[0]),
        "run": text_run(records, plain, settings),
        "curves": [
            _curve(curve, covered[curve.name], found.interval[curve.name])
            | (_extras(records, curve, settings) if curve.vote == vote else {})
            for curve in curves
        ],
        "fits": [_fit(best, row) for best in fitted for row in fit_entries(best)],
        "tradeoff": _trade(trade),
        "pareto": front_entry(curves),
        "plan": None if chosen is None else chosen.as_dict(),
        "plan_error": problem,
        "headline": text_headline(
            records, trade, curves, covered, found.interval, [fit for fit in fitted if fit.curve.vote != COVERAGE],
            language, chosen, vote=vote,
        ),
        "language": language,
    }  # fmt: skip


def _fits(curves: Sequence[Curve], covered: Mapping[str, Curve], law: LawOptions) -> list[Fit]:
    """Of accuracy and of coverage; the coverage once for the curves that share it."""
    both = {one.name: one for curve in curves for one in (curve, covered[curve.name])}
    if all(curve.vote == DEFAULT["verdicts"] for curve in curves):
        both = {curve.name: curve for curve in curves}  # accuracy is coverage
    return [law.fit(one) for one in both.values() if law.possible(one)]


def _plan(
    records: Records, curves: Sequence[Curve], learned: CrossFitted | None, min_accuracy: float | None, *, vote: str,
    n_boot: int, seed: int,
) -> tuple[Plan | None, str | None]:  # fmt: skip
    """The curves are the candidates of a plan already, where tied answers share the credit; all but that of learned
    shares: a plan may learn from its own half of the items only."""
    if min_accuracy is None:
        return None, None
    try:
        first = first_half(records.item_ids, records.clusters, seed=seed)
        more = None
        if learned is not None:
            more = planned_curve(
                records, first, vote=vote, level=curves[0].level, n_boot=n_boot, seed=seed, shares=learned.halves[0]
            )
        level = curves[0].level
        shared = [
            one if one.ties == "shared" else accuracy_curve(records, one.strategy, ci=level, n_boot=n_boot, seed=seed)
            for one in curves
        ]
        options = [*shared, *([more] if more is not None else [])]
        return choose(records, options, first, min_accuracy=min_accuracy, n_boot=n_boot, seed=seed), None
    except TtscaleError as error:
        return None, str(error)


def _language(
    records: Records, curves: Sequence[Curve], plain: Mapping[str, Curve], found: Ceilings, fitted: Sequence[Fit],
    learned: CrossFitted | None, vote: str, settings: Mapping[str, Any],
) -> dict[str, Any]:  # fmt: skip
    usual = [curve for curve in curves if curve.vote == vote]
    fits = {fit.curve.name: fit for fit in fitted}
    samples = main_samples(usual)
    return {
        "plain": {name: curve.unit for name, curve in plain.items()},
        "abstained": {member.name: abstained(records, member.name) for member in records.members},
        "finish_reasons": records.finish_reasons(),
        "families": families_table(records, samples, plain, found.covered),
        "votes": votes_table(curves, vote),
        "variants": variants_table(records, **settings),
        "variant_worth": variant_worth(usual),
        "ensembles": ensembles_table(records, learned, **untied(settings)),
        "ceiling": ceiling_rows([curve for curve in usual if curve.kind != "greedy"], found, fits),
        "examples": _examples(records, samples, plain),
    }  # fmt: skip


def _examples(records: Records, samples: Sequence[Curve], plain: Mapping[str, Curve]) -> list[dict[str, Any]]:
    """Of the first member; none where nothing is known of answers but whether they are right."""
    if not samples or not records.graded().answers_known:
        return []
    return examples(records, samples[0], plain[samples[0].members[0]])


def _curve(curve: Curve, covered: Curve, ceiling: Interval) -> dict[str, Any]:
    assert curve.strategy is not None
    draws = [draw for draw in curve.strategy.draws if len(draw) == 4]
    return {
        **curve_entry(curve), "decoding": draws[0][2], "variants": list(dict.fromkeys(draw[1] for draw in draws)),
        "reference": {"member": curve.reference_member, "plain": curve.unit, "flops": curve.reference_flops},
        "tokens": curve.tokens, "seconds": curve.seconds, "ceiling": ceiling,
        "coverage": {"accuracy": covered.accuracy, "low": covered.low, "high": covered.high},
    }  # fmt: skip


def _extras(records: Records, curve: Curve, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What is told of curves of the usual vote alone."""
    if curve.kind in ("greedy", "learned"):
        return {}
    assert curve.strategy is not None
    return {
        "same_items": same_items_entry(records, curve, settings),
        "spending": spending_entry(records, curve, curve.strategy, settings["seed"]),
    }


def _fit(fit: Fit, row: Mapping[str, Any]) -> dict[str, Any]:
    of = COVERAGE if fit.curve.vote == COVERAGE else "accuracy"
    return {**row, "of": of, "covers": fit.curve.name.removesuffix(f"/{COVERAGE}")}


def _trade(trade: Tradeoff | None) -> dict[str, Any]:
    if trade is not None:
        return tradeoff_entry(trade)
    note = "FLOPs are not known for every draw: nothing can be compared at matched FLOPs."
    return {"ladder": [], "verdicts": [], "exchange": [], "note": note}
