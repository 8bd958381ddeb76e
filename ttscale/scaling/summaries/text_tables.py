"""What only language has to say: votes compared, prompt variants, families, ensembles, and a few items as examples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ttscale.records.records import Records
from ttscale.scaling import sampled
from ttscale.scaling.curves.combined import paired_difference
from ttscale.scaling.curves.curve import Curve, accuracy_curve
from ttscale.scaling.curves.sampled_credits import right_draws
from ttscale.scaling.intervals.bootstrap import unit_index
from ttscale.scaling.intervals.halves import first_half
from ttscale.scaling.intervals.interval import Interval, detectable, undefined
from ttscale.scaling.intervals.resampled import Resampled
from ttscale.scaling.learning.learned import equal_compute, team_pools
from ttscale.scaling.learning.weights import CrossFitted, answer_shares, best_single, crossed, same_for_all
from ttscale.scaling.quality.quality import doublings

_EXAMPLE_CHARACTERS = 600
_EXAMPLE_ANSWERS = 6


def votes_table(curves: Sequence[Curve], usual: str) -> list[dict[str, Any]]:
    """Every vote at the largest budget of its strategy, and its difference to the usual one with the same draws."""
    base = {_draws(curve): curve for curve in curves if curve.vote == usual}
    several = {_draws(curve) for curve in curves if curve.vote != usual}
    out = []
    for curve in curves:
        rival = base.get(_draws(curve))
        if rival is None or _draws(curve) not in several:
            continue
        k, own = int(curve.budgets[-1]), curve is rival
        out.append({
            "member": curve.members[0] if len(curve.members) == 1 else None, "curve": curve.name, "vote": curve.vote,
            "k": k, "flops": curve.flops[-1], **_accuracy(curve.at(k)),
            "difference": undefined(curve.level) if own else paired_difference(curve, k, rival, k),
            "detectable": math.nan if own else _detectable(curve, k, rival, k),
        })  # fmt: skip
    return out


def variants_table(records: Records, *, ci: float, **settings: Any) -> list[dict[str, Any]]:
    """One sample of each prompt variant beside one sample of the plain prompt."""
    if len(records.variants) < 2:
        return []
    out = []
    for member in records.members:
        plain: Curve | None = None
        for variant in records.variants:
            one = sampled.samples(records, member.name, variant=variant)
            curve = accuracy_curve(records, one, ci=ci, budgets=[1], **settings)
            plain = plain or curve
            difference = undefined(ci) if curve is plain else paired_difference(curve, 1, plain, 1)
            out.append({
                "member": member.name, "variant": variant, "decoding": sampled.main_decoding(records),
                **_accuracy(curve.at(1)), "difference": difference,
            })  # fmt: skip
    return out


def variant_worth(curves: Sequence[Curve]) -> list[dict[str, Any]]:
    """What a prompt variant buys against one more sample: both at equal numbers of draws, paired by item.

    The prompt variants are taken in turn (``mixture``, or one sample of each where no more were collected).
    """
    usual = [curve for curve in curves if curve.vote == curves[0].vote]
    spread = {curve.subject: curve for kind in ("variants", "mixture") for curve in usual if curve.kind == kind}
    out = []
    for curve in main_samples(usual):
        other = spread.get(curve.subject)
        shared = [] if other is None else sorted(set(curve.budgets.tolist()) & set(other.budgets.tolist()) - {1})
        for k in [k for k in doublings(max(shared, default=1)) if k in shared]:
            assert other is not None
            out.append({
                "member": curve.subject, "curve": other.name, "against": curve.name, "k": k, "variants": other.at(k),
                "samples": curve.at(k), "difference": paired_difference(other, k, curve, k),
                "detectable": _detectable(other, k, curve, k), "flops_variants": other.flops[other.row(k)],
                "flops_samples": curve.flops[curve.row(k)],
            })  # fmt: skip
    return out


def main_samples(curves: Sequence[Curve]) -> list[Curve]:
    """Per member the curve of its samples under the main decoding (most of them, the first of equals)."""
    out: dict[str, Curve] = {}
    for curve in curves:
        if curve.kind == "samples" and (curve.subject not in out or curve.budgets[-1] > out[curve.subject].budgets[-1]):
            out[curve.subject] = curve
    return list(out.values())


def families_table(
    records: Records, curves: Sequence[Curve], plain: Mapping[str, Curve], coverage: Mapping[str, Curve]
) -> list[dict[str, Any]]:
    """Per family and member: one sample, the vote and the coverage at the largest budget, and the greedy answer
    (``plain``) where there is one.

    Args:
        curves: of each member's samples. plain: per member. coverage: per curve's name.
    """
    if records.families is None:
        return []
    out = []
    for curve in curves:
        for family in dict.fromkeys(records.families.tolist()):
            items = np.flatnonzero(records.families == family)
            rows = {
                "one_sample": curve.credit[0], "vote": curve.credit[-1], "coverage": coverage[curve.name].credit[-1],
            }  # fmt: skip
            if (single := plain[curve.members[0]]).kind == sampled.GREEDY:
                rows["plain"] = single.credit[0]
            out.append({
                "family": family, "n_items": len(items), "member": curve.members[0], "curve": curve.name,
                "k": int(curve.budgets[-1]),
                **{name: mean_interval(row[items], _clusters(records, items), curve) for name, row in rows.items()},
            })  # fmt: skip
    return out


def ensembles_table(
    records: Records, learned: CrossFitted | None, *, ci: float, n_boot: int, seed: int, interval: str = "percentile"
) -> list[dict[str, Any]]:
    """Ensembles of all members in the limit of many samples, each beside the best single member.

    Accuracy is that of the top answer of the weighted mean of the members' answer distributions. The single member is
    chosen, and weights are learned, on one half of the items and scored on the other, both ways.

    Args:
        learned: weights from :func:`ttscale.scaling.learning.learned.learn_cross_fitted`; None where there is no
            ensemble.
    """
    if learned is None:
        return []
    names = [member.name for member in records.members]
    by_kind = {**_fixed(records, seed), "learned": learned}
    rival, units = by_kind["single"].credit, unit_index(records.clusters)
    out = []
    for kind, one in by_kind.items():
        rows = Resampled(np.stack([one.credit, rival]), units, ci, n_boot, seed, interval)
        difference = rows.minus(0, rows, 1)
        fitted, alone = kind in ("single", "learned"), kind == "single"
        out.append({
            "kind": kind, "members": names, "weights": dict(zip(names, one.weights, strict=True)),
            **_accuracy(rows.interval(0)), "cross_fitted": fitted,
            "optimism": one.optimism if fitted else math.nan, "difference": undefined(ci) if alone else difference,
            "detectable": math.nan if alone else detectable(rows.replicates[:, 0] - rows.replicates[:, 1], ci),
        })  # fmt: skip
    return out


def _fixed(records: Records, seed: int) -> dict[str, CrossFitted]:
    """The best single member, cross-fitted, and shares that look at no label."""
    graded = records.graded()
    shares, correct = answer_shares(graded, team_pools(records)), graded.correct
    first = first_half(records.item_ids, records.clusters, seed=seed)

    def single(items: np.ndarray) -> np.ndarray:
        return best_single(shares[:, items], correct[items])

    given = {"uniform": np.full(len(shares), 1 / len(shares)), "quotas": equal_compute(records)}
    return {
        "single": crossed(single, shares, correct, first),
        **{kind: same_for_all(shares, correct, weights) for kind, weights in given.items() if weights is not None},
    }


def examples(records: Records, curve: Curve, plain: Curve) -> list[dict[str, Any]]:
    """A few items and the answers that a member's samples gave: the first item of each kind of outcome. ``plain`` is
    its greedy answer, where there is one."""
    graded = records.graded()
    member = curve.members[0]
    columns = np.array(graded.pools[member, records.variants[0], sampled.main_decoding(records)])
    right, exists = right_draws(graded)[:, columns], graded.exists[:, columns]
    voted, single = curve.credit[-1], plain.credit[0]
    cases = {
        "the vote repairs it": (voted == 1) & (single == 0),
        "found, and outvoted": (voted == 0) & right.any(axis=1),
        "never found": ~right.any(axis=1),
        "always right": (right | ~exists).all(axis=1),
        "right by most": (voted == 1) & (single == 1) & ~(right | ~exists).all(axis=1),
    }
    chosen = {case: int(np.flatnonzero(held)[0]) for case, held in cases.items() if held.any()}
    texts = records.texts(sorted(set(chosen.values()))) if chosen else None
    said = {} if texts is None else dict(zip(sorted(set(chosen.values())), texts, strict=True))
    assert plain.strategy is not None
    asked, greedy = graded.draws.index(plain.strategy.draws[0]), plain.kind == sampled.GREEDY
    return [
        {
            "case": case, "item": records.item_ids[item], "member": member, "draws": int(exists[item].sum()),
            "family": None if records.families is None else records.families[item],
            "question": None if records.questions is None else records.questions[item],
            "gold": None if records.golds is None else records.golds[item],
            "abstained": int((graded.answers[item, columns[exists[item]]] < 0).sum()),
            **({"plain": _answer(graded.texts[item], int(graded.answers[item, asked]))} if greedy else {}),
            "answers": _answers(records, item, columns, said.get(item)),
        }
        for case, item in chosen.items()
    ]  # fmt: skip


def mean_interval(credit: np.ndarray, clusters: np.ndarray | None, like: Curve) -> Interval:
    """The mean of some items' credit, resampled by itself, with an interval of a curve's kind and level."""
    one = replace(like.resampled, credit=credit[None], units=unit_index(clusters))
    return one.interval(0)


def _answers(
    records: Records, item: int, columns: np.ndarray, said: Sequence[str | None] | None
) -> list[dict[str, Any]]:
    """The answers of an item by how often they came, with the text of the first draw that gave each."""
    graded = records.graded()
    given = graded.answers[item, columns]
    numbers, where, counts = np.unique(given, return_index=True, return_counts=True)
    order = [i for i in np.lexsort((where, -counts)) if numbers[i] >= 0]
    return [
        {
            "answer": graded.texts[item][numbers[i]], "count": counts[i], "correct": graded.correct[item, numbers[i]],
            "text": None if said is None else _cut(said[columns[where[i]]]),
        }
        for i in order[:_EXAMPLE_ANSWERS]
    ]  # fmt: skip


def _answer(texts: Sequence[str], number: int) -> str | None:
    return texts[number] if number >= 0 else None


def _cut(text: str | None) -> str | None:
    if text is None:
        return None
    return text if len(text) <= _EXAMPLE_CHARACTERS else text[: _EXAMPLE_CHARACTERS - 1] + "…"


def _accuracy(at: Interval) -> dict[str, float]:
    return {"accuracy": at.value, "low": at.low, "high": at.high}


def _detectable(a: Curve, k_a: int, b: Curve, k_b: int) -> float:
    return detectable(a.replicates[:, a.row(k_a)] - b.replicates[:, b.row(k_b)], a.level)


def _draws(curve: Curve) -> tuple:
    """What votes must share to be compared. Learned shares may come to the draws of one member, and are not they."""
    return curve.kind, curve.strategy.draws if curve.strategy is not None else ()


def _clusters(records: Records, items: np.ndarray) -> np.ndarray | None:
    return None if records.clusters is None else records.clusters[items]
