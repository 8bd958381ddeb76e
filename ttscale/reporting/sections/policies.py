"""Orders and weights that were learned: what they changed on items that did not choose them, and what they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ttscale.reporting import words
from ttscale.reporting.markup import Cell, Markup, bullets, fold, joined, known, paragraph, table
from ttscale.reporting.sections.cells import accuracy_at
from ttscale.reporting.series import Series, sparse
from ttscale.reporting.words import is_number

_HEADS = (
    "Draws of", "Learned", "Draws k", "Accuracy", "Minus the collected order, points", "Collected draws for no more",
    "Optimism, points",
)  # fmt: skip
_ENDS = (
    "Draws of", "Learned", "All draws", "Accuracy at all", "Gain at half, points", "Gain at all, points",
    "Optimism at half, points",
)  # fmt: skip
_WHAT = {
    "policy": "order",
    "weights": "weights",
    "class_weights": "weights per class",
    "spread": "a view each",
}
_NOTE = (
    "Learned on one half of the items and scored on the other, both ways round, so that no item scores what it chose; "
    "of a size, the mean over its members. Gains are over the draws in the collected order, as many as cost no more "
    "FLOPs (at equal k where all cost the same), paired by item; the optimism is what the same choices look better by "
    "on the items that made them. A view each takes another view with every member and learns nothing. Where labels "
    "are too few for what is to be learned, the weights stay equal, and that is said below."
)
_NEVER = "nothing was chosen by looking at labels"
_NOTHING = "the curves share no budget"


def policies(series: Series) -> Markup:
    """A row a curve; every budget and what was found in folds."""
    entries: dict[str, Mapping[str, Any]] = {}
    every = series.summary.get("policies") or []
    for entry in every:
        entries.setdefault(str(entry.get("curve")), entry)
    pairs = [(series.curves[name], entry) for name, entry in entries.items() if name in series.curves]
    if not pairs:
        return Markup("")
    return joined(
        [
            paragraph(_NOTE + _selection(series)),
            table("At half and at all of the draws", _ENDS, [_ends(series, *pair) for pair in pairs], text_columns=2),
            bullets(_notes(every), "why"),
            fold("At budgets of powers of two", _budgets(series, pairs)),
            fold("The orders and weights found", joined(_found(series, entry) for entry in every)),
        ]
    )


def _selection(series: Series) -> str:
    """How orders were selected, where not as usual."""
    run = series.summary.get("run") or {}
    by = " Orders are those that were most accurate." if run.get("objective") == "accuracy" else ""
    again = " A draw could be chosen again: it costs nothing more and counts more." if run.get("replacement") else ""
    return by + again


def _notes(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """Each note once, and of how many of each kind it is said."""
    every, found = Counter(_what(entry) for entry in entries), dict[str, Counter[str]]()
    for entry in entries:
        if entry.get("note"):
            found.setdefault(words.sentence(words.clean(entry["note"])), Counter())[_what(entry)] += 1
    return [
        f"{note} So for {', '.join(f'{what} {n} of {every[what]} times' for what, n in kinds.items())}."
        for note, kinds in found.items()
    ]


def _ends(series: Series, curve: Mapping[str, Any], entry: Mapping[str, Any]) -> list[Cell]:
    budgets = curve["budgets"]
    half = max((k for k in budgets if 1 < k <= budgets[-1] / 2), default=budgets[-1])
    return [
        *_named(series, entry),
        words.count(budgets[-1]),
        accuracy_at(curve, -1),
        _gain(entry, half),
        _gain(entry, budgets[-1]),
        _optimism(entry, half),
    ]


def _budgets(series: Series, pairs: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> Markup:
    rows: list[list[Cell]] = [
        [
            *_named(series, entry),
            words.count(k),
            accuracy_at(curve, i),
            _gain(entry, k),
            known(words.count(_row(entry, k).get("against_k")), _NOTHING),
            _optimism(entry, k),
        ]
        for curve, entry in pairs
        for i, k in ((i, curve["budgets"][i]) for i in sparse(curve["budgets"]))
    ]
    return table("All budgets", _HEADS, rows, text_columns=2)


def _gain(entry: Mapping[str, Any], k: int) -> Cell:
    """The paired difference to the collected order for no more FLOPs."""
    return known(words.points_interval(_row(entry, k)), _NOTHING)


def _row(entry: Mapping[str, Any], k: int) -> Mapping[str, Any]:
    return next((row for row in entry.get("gain") or [] if row.get("k") == k), {})


def _optimism(entry: Mapping[str, Any], k: int) -> Cell:
    found: dict[int, Any] = dict(zip(entry.get("budgets") or [], entry.get("optimism") or [], strict=False))
    return known(words.points(found.get(k)), _NEVER)


def _named(series: Series, entry: Mapping[str, Any]) -> list[Cell]:
    """What was reordered or weighed, and what was learned about it: ``resnet8-w16, members × views``, ``order``."""
    collected = series.kinds.get(str(entry.get("of")))
    of = collected.name if collected else words.clean(entry.get("of"), 24)
    return [f"{words.clean(entry.get('size') or 'all members', 48)}, {of}", _what(entry)]


def _what(entry: Mapping[str, Any]) -> str:
    return _WHAT.get(str(entry.get("kind"))) or words.clean(entry.get("kind"), 24)


def _found(series: Series, entry: Mapping[str, Any]) -> Markup:
    """What was learned from all items: an order, or the weight of each draw; weights per class stay in the summary."""
    sure = entry.get("temperature")
    member = f"{words.clean(entry['member'], 60)}, {_what(entry)}" if entry.get("member") else ""
    facts = [
        member or series.title_of(str(entry.get("curve"))),
        _alike(entry),
        f"temperature {words.significant(sure)}" if is_number(sure) else "",
        _agreed(entry),
        words.clean(entry.get("note") or ""),
    ]
    return joined([paragraph("; ".join(fact for fact in facts if fact)), bullets(_draws(entry), "draws")])


def _draws(entry: Mapping[str, Any]) -> list[str]:
    draws = [words.clean(draw, 80) for draw in entry.get("order") or []]
    weights, counts = entry.get("weights") or [], entry.get("counts") or []
    if counts:
        return [f"{i}. {draw} × {words.count(n)}" for i, (draw, n) in enumerate(zip(draws, counts, strict=False), 1)]
    if weights and is_number(weights[0]):
        return [f"{draw}: {words.percent(share)}" for draw, share in zip(draws, weights, strict=False)]
    return [] if "weights" in str(entry.get("kind")) else [f"{i}. {draw}" for i, draw in enumerate(draws, start=1)]


def _alike(entry: Mapping[str, Any]) -> str:
    """Of weights that came out alike, the temperatures that were learned of the members."""
    own = entry.get("temperatures") or {}
    if not own or entry.get("weights_k"):
        return ""
    return f"draws count alike, each at its member's temperature ({words.temperatures(own)})"


def _agreed(entry: Mapping[str, Any]) -> str:
    """How far the orders that the two halves of the items chose are the same."""
    first, second = [*(entry.get("halves") or []), None, None][:2]
    if entry.get("kind") != "policy" or not first or not second:
        return ""
    same = next((i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), len(first))
    if same == 0:
        return "the two halves begin with different draws"
    return "both halves chose the same " + ("order" if same == len(first) else f"first {words.plural(same, 'draw')}")
