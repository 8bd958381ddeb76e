"""Gathered draws as arrays ``[item, draw]``: pools side by side, each item's samples first in its pool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.records.foreign.gather import UNKNOWN, Gathered
from ttscale.records.graded import TextDraw
from ttscale.records.grader import Grader

GOLD = 0  # the place of the gold among the facts of an item
_PARTS = "If these are parts of one run, give member=NAME; what was asked apart is imported apart."


@dataclass(frozen=True)
class Layout:
    """Where each gathered draw goes.

    Attributes:
        draws: the columns. kept: positions of the items that stay, in order of appearance.
        rows: ``int32 [item, draw]``, the gathered draw at each place (of counts, the row that it is one of); −1 where
            there is none.
        left_out: items with too few samples.
    """

    draws: tuple[TextDraw, ...]
    kept: np.ndarray
    rows: np.ndarray
    left_out: tuple[str, ...]

    def spread(self, values: Sequence | np.ndarray, dtype: type, nothing: float) -> np.ndarray:
        """Values of the gathered draws as ``[item, draw]``, with ``nothing`` where there is no draw."""
        column: np.ndarray = np.asarray(values, dtype=dtype)
        out = column[np.maximum(self.rows, 0)]
        out[self.rows < 0] = nothing
        return out


def layout(found: Gathered, min_samples: int | None) -> Layout:
    """Sort the draws into their places.

    Raises:
        TtscaleError: two samples of one number, an item that a member lacks, or no item that has ``min_samples``.
    """
    items, pools = np.asarray(found.item), np.asarray(found.pool)
    numbers = np.asarray(found.sample)
    n_items, names = len(found.items), _alike(found)
    order = np.lexsort((numbers, pools, items))
    cell = items[order].astype(np.int64) * len(names) + pools[order]
    _refuse_twice(found, order, cell, numbers)
    counts = np.bincount(cell, minlength=n_items * len(names))
    rank = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    times = np.asarray(found.n)[order] if found.n else np.ones(1, np.int32)  # of counts, a cell has one row
    if found.n:
        counts = np.bincount(cell, weights=times, minlength=len(counts)).astype(np.int64)
    counts = counts.reshape(n_items, len(names))
    few = counts.min(1) < (min_samples or 1)
    if few.any() and min_samples is None:
        raise _lacking(found, int(np.flatnonzero(few)[0]), names[int(counts[few][0].argmin())])
    if few.all():
        if not counts.min(1).any():
            raise TtscaleError("records", expected="items that every model, variant and decoding has samples of",
                               got=f"none that {' and '.join(map('/'.join, names[:3]))} share", fix=_PARTS)  # fmt: skip
        raise TtscaleError(
            "min_samples", expected=f"at most {counts.min(1).max()}, the most samples of an item in every pool",
            got=str(min_samples), fix="Give a smaller one.",
        )  # fmt: skip
    kept = np.flatnonzero(~few)
    pool_order = sorted(range(len(names)), key=lambda pool: _place(names, pool))
    widths = counts[kept].max(0)
    start = np.zeros(len(names), np.int64)
    start[pool_order] = np.cumsum([0, *widths[pool_order][:-1]])
    position = np.full(n_items, -1)
    position[kept] = np.arange(len(kept))
    rows = np.full((len(kept), int(widths.sum())), -1, np.int32)
    for further in range(times.max()):
        chosen = np.flatnonzero((position[items[order]] >= 0) & (times > further))
        row = order[chosen]
        rows[position[items[row]], start[pools[row]] + rank[chosen] + further] = row
    draws = tuple(TextDraw(*names[pool], sample) for pool in pool_order for sample in range(widths[pool]))
    ids = list(found.items)
    return Layout(draws, kept, rows, tuple(ids[at] for at in np.flatnonzero(few)))


def number_answers(
    found: Gathered, grader: Grader
) -> tuple[np.ndarray, tuple[tuple[str, ...], ...], np.ndarray]:  # fmt: skip
    """One number for equal answers of an item.

    Returns:
        ``int32 [row]``, −1 where a draw abstains; per item its different answers as first written; and ``bool [item,
        answer]``, whether they are right, by what the source says or else by the gold.

    Raises:
        TtscaleError: a source that calls one answer both right and wrong, or nothing that tells which are right.
    """
    merged = [grader.same_answers(list(texts)) for texts in found.answer_texts]
    texts = tuple(different for _, different in merged)
    starts = np.cumsum([0, *(len(numbers) for numbers, _ in merged)])
    table = np.concatenate([*(numbers for numbers, _ in merged), np.zeros(1, np.int32)])
    items, raw = np.asarray(found.item), np.asarray(found.answer)
    answers = np.where(raw < 0, UNKNOWN, table[starts[items] + np.maximum(raw, 0)]).astype(np.int32)
    flags = np.asarray(found.correct)[raw >= 0]
    right = np.zeros((len(texts), max(map(len, texts), default=0)), bool)
    if (flags != UNKNOWN).any():
        _by_flags(found, answers, texts, right)
        if found.marks_and_golds:
            _compare_golds(found, grader, answers, merged, right)
    else:
        _by_gold(found, grader, texts, right)
    return answers, texts, right


def _by_flags(found: Gathered, answers: np.ndarray, texts: Sequence[Sequence[str]], right: np.ndarray) -> None:
    at = np.flatnonzero(answers >= 0)
    flags = np.asarray(found.correct)[at]
    if (flags == UNKNOWN).any():
        row = int(at[np.flatnonzero(flags == UNKNOWN)[0]])
        raise TtscaleError(
            "correct", expected="right or wrong for every answer", got=f"none at {found.place_of(row)}",
            fix="Fill it in, or leave the column out with fields.correct=null and give golds.",
        )  # fmt: skip
    items = np.asarray(found.item)[at]
    right[items[flags == 1], answers[at[flags == 1]]] = True
    both = np.zeros_like(right)
    both[items[flags == 0], answers[at[flags == 0]]] = True
    both &= right
    if both.any():
        item, number = (int(place) for place in np.argwhere(both)[0])
        item_id, answer = list(found.items)[item], texts[item][number][:60]
        same = at[(items == item) & (answers[at] == number)]
        yes, no = (int(same[np.asarray(found.correct)[same] == flag][0]) for flag in (1, 0))
        raise TtscaleError(
            "correct", expected=f"one verdict on answer {answer!r} of item {item_id!r}",
            got=f"right at {found.place_of(yes)} and wrong at {found.place_of(no)}",
            fix="Give equality=text if these answers differ, or leave answers out with fields.answer=null.",
        )  # fmt: skip


def _compare_golds(
    found: Gathered, grader: Grader, answers: np.ndarray, merged: Sequence[tuple[np.ndarray, tuple[str, ...]]],
    right: np.ndarray,
) -> None:  # fmt: skip
    """Refuse a mark of wrong on the gold itself; note how many marks differ from what answer and gold tell.

    A mark may differ rightly, where a better checker than ours made it, so that it counts.
    """
    differs = np.zeros_like(right)
    for at, (item_id, (numbers, different)) in enumerate(zip(found.items, merged, strict=True)):
        gold = found.facts[at][GOLD]
        if gold is None:
            continue
        told = np.array(grader.verdicts(different, gold, item_id), bool)
        differs[at, : len(different)] = told != right[at, : len(different)]
        raw = found.answer_texts[at].get(gold)
        if raw is not None and not right[at, numbers[raw]]:
            same = (np.asarray(found.item) == at) & (np.asarray(found.answer) == raw)
            row = int(np.flatnonzero(same)[0])
            raise TtscaleError(
                "correct", expected=f"right, for an answer that is the gold {gold[:60]!r} letter by letter",
                got=f"wrong at {found.place_of(row)} (item {item_id!r})",
                fix="To go by the golds give fields.correct=null, to go by the marks fields.gold=null.",
            )  # fmt: skip
    items, given = np.asarray(found.item), answers >= 0
    n_differ = int(differs[items[given], answers[given]].sum())
    if n_differ:
        found.notes.append(
            f"In {n_differ} of {int(given.sum())} samples the mark says otherwise than answer and gold do: the mark "
            "counts (fields.correct=null goes by the gold)."
        )


def _by_gold(found: Gathered, grader: Grader, texts: Sequence[Sequence[str]], right: np.ndarray) -> None:
    for at, (item_id, different) in enumerate(zip(found.items, texts, strict=True)):
        gold = found.facts[at][GOLD]
        if gold is None:
            raise TtscaleError(
                "correct", expected="which answers are right, or the gold answer of every item",
                got=f"neither for item {item_id!r}", fix="Name the column with fields.correct or fields.gold.",
            )  # fmt: skip
        right[at, : len(different)] = grader.verdicts(different, gold, item_id)


def _alike(found: Gathered) -> list[tuple[str, str, str]]:
    """The pools, with one decoding for all members that have one each: of different names, it is called sampled.

    Raises:
        TtscaleError: members with different variants, or with several decodings that are not the same.
    """
    names = list(found.pools)
    held: dict[str, set[tuple[str, str]]] = {}
    for member, variant, decoding in names:
        held.setdefault(member, set()).add((variant, decoding))
    first, *others = held.values()
    if all(other == first for other in others):
        return names
    if any(len(pairs) > 1 for pairs in held.values()) or len({variant for _, variant, _ in names}) > 1:
        told = "; ".join(f"{', '.join(sorted(map('/'.join, pairs)))} of {member}" for member, pairs in held.items())
        raise TtscaleError("decoding", expected="the same variants and decodings of every model", got=told,
                           fix="Import the models apart, or leave the column out: fields.decoding=null.")  # fmt: skip
    found.notes.append(f"Models were decoded differently: {', '.join(f'{m} {d}' for m, _, d in names)}.")
    return [(member, variant, "sampled") for member, variant, _ in names]


def _refuse_twice(found: Gathered, order: np.ndarray, cell: np.ndarray, numbers: np.ndarray) -> None:
    same = np.flatnonzero((cell[1:] == cell[:-1]) & (numbers[order][1:] == numbers[order][:-1]))
    if same.size:
        first, second = (int(order[same[0] + step]) for step in (0, 1))
        if found.n:
            raise TtscaleError(
                "item", expected="one row of counts for each item",
                got=f"item {list(found.items)[found.item[first]]!r} at {found.place_of(first)} and "
                f"{found.place_of(second)}",
                fix="Add them up, or name the models in a column.",
            )  # fmt: skip
        raise TtscaleError(
            "sample", expected="one draw of each sample number",
            got=f"sample {numbers[first]} of item {list(found.items)[found.item[first]]!r} at "
            f"{found.place_of(first)} and at {found.place_of(second)}",
            fix="Give them different numbers, or let their order count with fields.sample=null.",
        )  # fmt: skip


def _lacking(found: Gathered, item: int, pool: tuple[str, str, str]) -> TtscaleError:
    return TtscaleError(
        "records", expected=f"at least one sample of every item by {' / '.join(pool)}",
        got=f"none of item {list(found.items)[item]!r}",
        fix=f"{_PARTS} Else min_samples=1 leaves such items out.",
    )  # fmt: skip


def _place(names: Sequence[tuple[str, str, str]], pool: int) -> tuple[int, int, int]:
    """Members in order of appearance, then variants, then decodings."""
    columns = [list(dict.fromkeys(column)) for column in zip(*names, strict=True)]
    member, variant, decoding = (column.index(name) for column, name in zip(columns, names[pool], strict=True))
    return member, variant, decoding
