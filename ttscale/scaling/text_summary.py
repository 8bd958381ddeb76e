"""The summary of language Records: the parts that vision has too, and the section ``language``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ttscale.errors import TtscaleError
from ttscale.records.profiles import profiled_on
from ttscale.records.records import Records
from ttscale.scaling import sampled
from ttscale.scaling.candidates import candidates, compared_votes, plan_votes
from ttscale.scaling.conventions import text_conventions
from ttscale.scaling.coverage import COVERAGE, coverage_curve, vote_ceiling
from ttscale.scaling.curves import Curve, accuracy_curve
from ttscale.scaling.entries import curve_entry, fit_entry, front_entry, tradeoff_entry
from ttscale.scaling.fit import Fit, fit_law, log_spaced
from ttscale.scaling.halves import first_half
from ttscale.scaling.interval import Interval
from ttscale.scaling.laws import get_law
from ttscale.scaling.learned import can_share, cross_fitted_team, learn_cross_fitted, planned_curve
from ttscale.scaling.plan import choose
from ttscale.scaling.planned import Plan
from ttscale.scaling.sampled_credits import ORDERS, known_costs
from ttscale.scaling.strategy import by_size, without_vote
from ttscale.scaling.text_headline import text_headline
from ttscale.scaling.text_tables import (
    ensembles_table,
    examples,
    families_table,
    main_samples,
    variant_worth,
    variants_table,
    votes_table,
)
from ttscale.scaling.tradeoff import Tradeoff, tradeoff
from ttscale.scaling.weights import CrossFitted

_UNTIL_CURVES, _UNTIL_TRADE, _UNTIL_FITS = 0.6, 0.75, 0.9  # of the time that an analysis takes, roughly


def text_parts(
    records: Records, *, min_accuracy: float | None, vote: str, law: str, ci: float, n_boot: int, seed: int,
    on_progress: Callable[[float], None],
) -> dict[str, Any]:  # fmt: skip
    """What :func:`ttscale.scaling.summary.summarize` gives for text, its head aside. Arguments as there.

    ``language`` holds: ``plain`` (what a plain decision is, per member); ``abstained`` and ``finish_reasons`` per
    member; ``families``; ``votes`` (difference to ``vote`` with the same draws); ``variants`` (one sample of each
    prompt variant); ``variant_worth`` (prompt variants against as many samples of the plain prompt); ``ensembles`` (in
    the limit of many samples; learned weights cross-fitted); ``ceiling`` per curve; and ``examples`` of items.
    """
    settings: dict[str, Any] = {"ci": ci, "n_boot": n_boot, "seed": seed}
    planned = tuple(dict.fromkeys((vote, *plan_votes(records))))
    wanted = candidates(records, votes=tuple(dict.fromkeys((*planned, *compared_votes(records)))))
    curves: list[Curve] = []
    for number, strategy in enumerate(wanted, 1):
        curves.append(accuracy_curve(records, strategy, **settings))
        on_progress(_UNTIL_CURVES * number / len(wanted))
    covered, ceiling = _limits(records, curves, settings)
    learned = learn_cross_fitted(records, seed=seed) if can_share(records) else None
    if learned is not None and (shown := cross_fitted_team(records, learned, vote=vote, **settings)) is not None:
        curves.append(shown.curve)
        covered[shown.curve.name], ceiling[shown.curve.name] = shown.coverage, shown.ceiling
    known = known_costs(records)
    trade = tradeoff(records, vote=vote, **settings) if known else None
    on_progress(_UNTIL_TRADE)
    fitted = _fits([c for c in curves if c.vote == vote and c.kind != "greedy"], covered, law)
    on_progress(_UNTIL_FITS)
    known_curves = [c for c in curves if c.vote in planned and c.kind != "learned"]
    chosen, problem = _plan(records, known_curves, learned, min_accuracy, vote=vote, n_boot=n_boot, seed=seed)
    plain = {
        member.name: accuracy_curve(records, sampled.plain(records, member.name), budgets=[1], **settings)
        for member in records.members
    }
    language = _language(records, curves, plain, covered, ceiling, learned, vote, settings)
    return {
        "outcome": "text",
        "conventions": text_conventions(records, curves[0]),
        "run": _run(records, plain, settings),
        "curves": [_curve(records, curve, covered[curve.name], ceiling[curve.name]) for curve in curves],
        "fits": [_fit(one, one.law == best.law) for best in fitted for one in best.candidates or (best,)],
        "tradeoff": _trade(records, trade),
        "pareto": front_entry(curves),
        "plan": None if chosen is None else chosen.as_dict(),
        "plan_error": problem,
        "headline": text_headline(
            records, trade, curves, covered, ceiling, [fit for fit in fitted if fit.curve.vote != COVERAGE], language,
            chosen, vote=vote,
        ),
        "language": language,
    }  # fmt: skip


def _limits(
    records: Records, curves: Sequence[Curve], settings: Mapping[str, Any]
) -> tuple[dict[str, Curve], dict[str, Interval]]:
    """Coverage and ceiling of every curve; the coverage once for the votes that share their draws."""
    covered: dict[Any, Curve] = {}
    ceiling: dict[str, Interval] = {}
    for curve in curves:
        assert curve.strategy is not None
        draws = curve.strategy.draws
        if draws not in covered:
            covered[draws] = coverage_curve(records, without_vote(curve.strategy), **settings)
        covered[curve.name], ceiling[curve.name] = covered[draws], vote_ceiling(records, curve.strategy, **settings)
    return {curve.name: covered[curve.name] for curve in curves}, ceiling


def _fits(curves: Sequence[Curve], covered: Mapping[str, Curve], law: str) -> list[Fit]:
    needed = max(2, 0 if law == "auto" else len(get_law(law).parameters))
    both = [one for curve in curves for one in (curve, covered[curve.name])]
    return [fit_law(one, law) for one in both if len(log_spaced(one.budgets)) >= needed]


def _plan(
    records: Records, curves: Sequence[Curve], learned: CrossFitted | None, min_accuracy: float | None, *, vote: str,
    n_boot: int, seed: int,
) -> tuple[Plan | None, str | None]:  # fmt: skip
    """The curves are the candidates of a plan already, all but that of learned shares: a plan may learn from its own
    half of the items only."""
    if min_accuracy is None:
        return None, None
    try:
        first = first_half(records.item_ids, records.clusters, seed=seed)
        more = None
        if learned is not None:
            more = planned_curve(
                records, first, vote=vote, level=curves[0].level, n_boot=n_boot, seed=seed, shares=learned.halves[0]
            )
        options = [*curves, *([more] if more is not None else [])]
        return choose(records, options, first, min_accuracy=min_accuracy, n_boot=n_boot, seed=seed), None
    except TtscaleError as error:
        return None, str(error)


def _language(
    records: Records, curves: Sequence[Curve], plain: Mapping[str, Curve], covered: Mapping[str, Curve],
    ceiling: Mapping[str, Interval], learned: CrossFitted | None, vote: str, settings: Mapping[str, Any],
) -> dict[str, Any]:  # fmt: skip
    usual = [curve for curve in curves if curve.vote == vote]
    samples = main_samples(usual)
    return {
        "plain": {name: curve.unit for name, curve in plain.items()},
        "abstained": {member.name: _abstained(records, member.name) for member in records.members},
        "finish_reasons": records.finish_reasons(),
        "families": families_table(records, samples, plain, covered),
        "votes": votes_table(curves, vote),
        "variants": variants_table(records, **settings),
        "variant_worth": variant_worth(usual),
        "ensembles": ensembles_table(records, learned, **settings),
        "ceiling": [{"curve": c.name, **ceiling[c.name].as_dict()} for c in usual if c.kind != "greedy"],
        "examples": examples(records, samples[0], plain[samples[0].members[0]]) if samples else [],
    }  # fmt: skip


def _abstained(records: Records, member: str) -> dict[str, Any]:
    graded = records.graded()
    columns = [column for column, draw in enumerate(graded.draws) if draw.member == member]
    none = int((graded.answers[:, columns] < 0).sum())
    n = len(columns) * graded.n_items
    return {"draws": n, "abstained": none, "share": none / n}


def _curve(records: Records, curve: Curve, covered: Curve, ceiling: Interval) -> dict[str, Any]:
    assert curve.strategy is not None
    draws = [draw for draw in curve.strategy.draws if len(draw) == 4]
    return {
        **curve_entry(curve), "decoding": draws[0][2], "variants": list(dict.fromkeys(draw[1] for draw in draws)),
        "reference": {"member": curve.reference_member, "plain": curve.unit, "flops": curve.reference_flops},
        "tokens": curve.tokens, "seconds": curve.seconds, "ceiling": ceiling,
        "coverage": {"accuracy": covered.accuracy, "low": covered.low, "high": covered.high},
    }  # fmt: skip


def _fit(fit: Fit, chosen: bool) -> dict[str, Any]:
    of = COVERAGE if fit.curve.vote == COVERAGE else "accuracy"
    return {**fit_entry(fit, chosen), "of": of, "covers": fit.curve.name.removesuffix(f"/{COVERAGE}")}


def _trade(records: Records, trade: Tradeoff | None) -> dict[str, Any]:
    if trade is not None:
        return tradeoff_entry(trade)
    note = "FLOPs are not known for every draw: nothing can be compared at matched FLOPs."
    return {"ladder": [], "verdicts": [], "exchange": [], "note": note}


def _run(records: Records, plain: Mapping[str, Curve], settings: Mapping[str, Any]) -> dict[str, Any]:
    manifest, graded = records.manifest, records.graded()
    size_of = {m.name: size for size, members in by_size(records.members).items() for m in members}
    members = []
    for member in records.members:
        curve = plain[member.name]
        columns = [column for column, draw in enumerate(graded.draws) if draw.member == member.name]
        members.append({
            "name": member.name, "size": size_of[member.name], "seed": member.card.get("seed"),
            "n_params": member.n_params or None, "flops": curve.reference_flops, "flops_source": member.flops_source,
            "train_flops": member.card.get("train_flops"), "accuracy": curve.accuracy[0], "low": curve.low[0],
            "high": curve.high[0], "uncounted": dict(member.uncounted), "plain": curve.unit,
            "abstained": _abstained(records, member.name)["share"], "tokens": graded.n_tokens[:, columns].mean(),
            "prompt_tokens": graded.prompt_tokens[member.name, records.variants[0]].mean(),
        })  # fmt: skip
    return {
        "dataset": manifest.dataset.get("name"), "n_items": records.n_items, "n_classes": None,
        "seed": manifest.seed, "analysis_seed": settings["seed"], "n_boot": settings["n_boot"],
        "level": settings["ci"], "device": manifest.device, "versions": dict(manifest.versions),
        "command": manifest.command, "skipped_items": len(manifest.skipped_items), "members": members,
        "variants": list(records.variants), "decodings": [one["id"] for one in manifest.decodings], "orders": ORDERS,
        "grader": graded.grader, "draws_per_item": len(graded.draws), "prefill": manifest.prefill,
        "profiled_on": profiled_on(records.profiles()),
    }  # fmt: skip
