"""What a comparison of two runs found, in plain English and as the content of a ``summary.json``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from ttscale.scaling.comparison.compare import RunComparison
from ttscale.scaling.comparison.paired_test import units_to_show
from ttscale.scaling.comparison.rows import BETTER, FEWEST_ITEMS, WORSE, RunDifference
from ttscale.scaling.comparison.sides import Side
from ttscale.scaling.comparison.verdict import BUDGETS, COSTS, GROUPS, HEADLINE
from ttscale.scaling.intervals.interval import Interval
from ttscale.scaling.summaries.entries import json_ready
from ttscale.scaling.summaries.words import count_words, draws_words, flops_words, points_words, ratio_words

_NAMED = 5  # groups in a sentence
_SAME_COST = 1e-3
_MATCHED = {"flops": "FLOPs", "tokens": "tokens"}
_DECIDING = {
    HEADLINE: "the headline", BUDGETS: "equal draws", COSTS: "equal cost",
    GROUPS: f"groups of {FEWEST_ITEMS} items or more",
}  # fmt: skip


def run_summary(found: RunComparison) -> dict[str, Any]:
    """JSON-ready: every number of a comparison, and its sentences."""
    old, new = found.sides
    items = {"shared": found.n_items, "only_old": found.only_old, "only_new": found.only_new}
    return json_ready({
        "old": _side_entry(found.old, old), "new": _side_entry(found.new, new), "outcome": found.outcome,
        "items": items, "level": found.level, "margin": found.margin, "fail_on": found.fail_on,
        "regressed": found.regressed, "exit_status": int(found.regressed), "verdict": verdict_words(found),
        "text": run_lines(found), "notes": [*pairing_notes(found), *found.notes], "matched": found.matched or None,
        "rows": [
            {"what": row_words(found, row), **{one.name: getattr(row, one.name) for one in fields(row)}}
            for row in found.rows
        ],
        "broken": [asdict(flip) for flip in found.flips_broken], "fixed": [asdict(flip) for flip in found.flips_fixed],
    } | {"method": found.headline.difference.method})  # fmt: skip


def run_lines(found: RunComparison) -> list[str]:
    """The verdict, then what it rests on, one sentence or two a line."""
    row = found.headline
    flips = f"p {p_words(row.p)}; {count_words(row.fixed, 'decision')} fixed and {row.broken} broken{_half_words(row)}"
    drawn = [side_words(side, k) for side, k in zip(found.sides, (row.k_old, row.k_new), strict=True)]
    doing = f"with {drawn[0]}" if drawn[0] == drawn[1] else f"new with {drawn[1]}, old with {drawn[0]}"
    lines = [
        verdict_words(found),
        f"On {_items_words(found)}, {doing}: {100 * row.new.value:.1f}% against "
        f"{100 * row.old.value:.1f}%, {points_words(row.difference)}, {flips}.",
    ]
    if not math.isnan(row.detectable) and row.verdict not in (WORSE, BETTER) and found.margin is None:
        lines[1] += f" A difference of {100 * row.detectable:.2f} points would have been seen with 80% probability."
    lines += [*_alone_line(found), *_too_few_line(found), *_cost_line(row), *_equal_cost_line(found)]
    return [*lines, *_group_line(found), _family_line(found)]


def exit_words(found: RunComparison) -> str:
    """The verdict with what it rests on, where items of old are missing."""
    verdict = verdict_words(found)
    return verdict if not found.only_old else f"{verdict.removesuffix('.')}, on {_items_words(found)}."


def verdict_words(found: RunComparison) -> str:
    """The verdict in a sentence."""
    row = found.headline
    if found.margin is not None:
        points = _margin_words(found.margin, "percentage point")
        if not found.regressed:
            return f"New is good enough: it is shown to lose less than {points}."
        surely = row.difference.high < -found.margin
        return (
            f"New is worse: it loses more than {points}."
            if surely
            else f"New is not shown to be good enough: a loss of {points} or more cannot be ruled out."
        )
    worse = [one for one in found.rows if one.verdict == WORSE]
    if row.verdict == WORSE:
        return "New is worse."
    if worse:
        named = ", ".join(_place(found, one) for one in worse[:_NAMED]) + (", …" if len(worse) > _NAMED else "")
        return f"New is worse in part: {named}."
    if row.verdict == BETTER:
        return "New is better, and nothing is clearly worse."
    return "Nothing is clearly worse." if HEADLINE in found.fail_on else "Nothing that was tested is clearly worse."


def pairing_notes(found: RunComparison) -> list[str]:
    """The items that were left out."""
    parts = [
        f"{count_words(len(only), 'item')} of {side} {'is' if len(only) == 1 else 'are'} not in {other} "
        f"({', '.join(only[:3])}{', …' if len(only) > 3 else ''})"
        for side, other, only in (("old", "new", found.only_old), ("new", "old", found.only_new)) if only
    ]  # fmt: skip
    return [f"Left out: {' and '.join(parts)}."] if parts else []


def row_words(found: RunComparison, row: RunDifference) -> str:
    """What a row compares: ``8 draws``, ``equal FLOPs: 8 and 4 draws``, ``class Shirt``."""
    if row.about == GROUPS:
        return row.group
    drawn = _draws(row)
    if row.about == COSTS:
        return f"equal {_MATCHED[found.matched]}: {drawn}"
    return f"all items, {drawn}" if row.about == HEADLINE else drawn


def side_words(side: Side, k: int) -> str:
    """What a run does with k draws: ``8 views of resnet50``."""
    return draws_words(side.strategy.draws[:k], side.strategy.vote)


def p_words(p: float) -> str:
    return "unknown" if math.isnan(p) else "< 0.0001" if p < 1e-4 else f"= {p:.2g}"


def interval_words(difference: Interval) -> str:
    """``−1.20 (−2.31 to −0.09)``, in percentage points."""
    value, low, high = (
        "–" if math.isnan(one) else f"{100 * one + 0.0:+.2f}".replace("-", "−")
        for one in (difference.value, difference.low, difference.high)
    )
    return f"{value} ({low} to {high})"


def _draws(row: RunDifference) -> str:
    return count_words(row.k_old, "draw") if row.k_old == row.k_new else f"{row.k_old} and {row.k_new} draws"


def _items_words(found: RunComparison) -> str:
    if not found.only_old:
        return count_words(found.n_items, "shared item")
    return f"{found.n_items} of {found.n_items + len(found.only_old)} items of old, which new holds too"


def _margin_words(margin: float, noun: str) -> str:
    points = f"{100 * margin:g}"
    return f"{points} {noun}{'' if points == '1' else 's'}"


def _half_words(row: RunDifference) -> str:
    return f", {row.half} to or from a tie" if row.half else ""


def _too_few_line(found: RunComparison) -> list[str]:
    """How many items the margin takes, where these cannot show it even of equal runs."""
    row = found.headline
    if found.margin is None or not found.regressed or row.difference.high < -found.margin:
        return []
    need = units_to_show(found.margin, (1 - found.level) / 2)
    if need <= row.n_units:
        return []
    what = "item" if row.n_units == row.n_items else "cluster"
    return [
        f"{count_words(row.n_units, what)} cannot rule out so small a loss, even where no decision changes: it takes "
        f"{need}, or a larger margin."
    ]


def _place(found: RunComparison, row: RunDifference) -> str:
    """A row inside a sentence, with its difference."""
    what = f"at {row_words(found, row)}" if row.about in (BUDGETS, COSTS) else row_words(found, row)
    return f"{what} ({100 * row.difference.value:+.1f})".replace("-", "−")


def _alone_line(found: RunComparison) -> list[str]:
    """That the headline's difference is clear by itself but not beside the other comparisons, where that is so."""
    row, error = found.headline, 1 - found.level
    if not row.p <= error < row.p_adjusted:
        return []
    verdict = WORSE if row.difference.value < 0 else BETTER
    return [
        f"Tested alone, the headline would be {verdict}; beside the others it is not clear (adjusted p "
        f"{p_words(row.p_adjusted)}). To ask for it alone, set fail_on={HEADLINE}."
    ]


def _cost_line(row: RunDifference) -> list[str]:
    if math.isfinite(row.flops_old) and math.isfinite(row.flops_new) and row.flops_old > 0:
        old, new, ratio = flops_words(row.flops_old), flops_words(row.flops_new), row.flops_new / row.flops_old
    elif math.isfinite(row.tokens_old) and math.isfinite(row.tokens_new) and row.tokens_old > 0:
        old, new = (f"{tokens:,.0f} tokens" for tokens in (row.tokens_old, row.tokens_new))
        ratio = row.tokens_new / row.tokens_old
    else:
        return ["What a decision costs is not known in both runs."]
    if abs(ratio - 1) <= _SAME_COST:
        return [f"A decision costs the same: {new}."]
    return [f"A decision costs {new} against {old} ({ratio_words(ratio)})."]


def _equal_cost_line(found: RunComparison) -> list[str]:
    """The last of the comparisons at equal cost."""
    rows = [row for row in found.rows if row.about == COSTS]
    if not rows:
        return []
    row = rows[-1]
    less = 1 - _matched_cost(found, row, "new") / _matched_cost(found, row, "old")
    cheaper = f", where new costs {100 * less:.2g}% less" if less > _SAME_COST else ""
    return [
        f"At equal {_MATCHED[found.matched]} ({row.k_new} draws in new, {row.k_old} in old{cheaper}): "
        f"{points_words(row.difference)}{_said(row)}."
    ]


def _matched_cost(found: RunComparison, row: RunDifference, side: str) -> float:
    return float(getattr(row, f"{found.matched}_{side}"))


def _group_line(found: RunComparison) -> list[str]:
    rows = [row for row in found.rows if row.about == GROUPS]
    tested = [row for row in rows if not math.isnan(row.p_adjusted)]
    if not tested or found.margin is not None:
        return []
    told = []
    for verdict in (WORSE, BETTER):
        some = sorted((row for row in tested if row.verdict == verdict), key=lambda row: -abs(row.difference.value))
        named = ", ".join(_place(found, row) for row in some[:_NAMED])
        told += [f"{verdict} in {len(some)}: {named}{', …' if len(some) > _NAMED else ''}"] if some else []
    what = "; ".join(told) or "none clearly different"
    return [f"Of {count_words(len(tested), 'group')} of items, {what}."]


def _said(row: RunDifference) -> str:
    return "" if math.isnan(row.p_adjusted) else f", {row.verdict}"


def _family_line(found: RunComparison) -> str:
    if found.margin is not None:
        return (
            f"The headline alone decides: its {100 * found.level:g}% interval must lie above "
            f"−{_margin_words(found.margin, 'point')}."
        )
    tested, error = found.tested, f"{100 * (1 - found.level):.2g}%"
    able = [words for about, words in _DECIDING.items() if any(row.about == about for row in tested)]
    left = sum(row.about in found.fail_on for row in found.rows) - len(tested)
    few = f" {count_words(left, 'other')} of too few items to show anything {'is' if left == 1 else 'are'} left out."
    few = few if left else ""
    if len(tested) == 1:
        return f"One comparison can decide ({able[0]}), tested at {error}.{few}"
    half = "; half of that is the headline's" if HEADLINE in found.fail_on else ""
    return (
        f"{len(tested)} comparisons can decide ({_listed(able)}), tested at {error} together (Holm's procedure{half}): "
        f"{sum(row.verdict == WORSE for row in tested)} worse, {sum(row.verdict == BETTER for row in tested)} better."
        f"{few}"
    )


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _side_entry(name: str, side: Side) -> dict[str, Any]:
    strategy = side.strategy
    return {
        "records": name, "strategy": strategy.name, "vote": strategy.vote, "members": strategy.members,
        "draws": len(strategy.draws), "label": side_words(side, side.last),
    }  # fmt: skip
