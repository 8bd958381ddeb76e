"""Two runs on the items that both hold, in one order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ttscale.data.dataset import CLEAN
from ttscale.data.equality import number
from ttscale.errors import TtscaleError, unknown_name
from ttscale.records.read import MANIFEST, read_records, runs_below
from ttscale.records.records import Records
from ttscale.records.shifts import shift_of
from ttscale.scaling.checks import check_records

_NAMED = 3  # items that an error names
_ITEMS = ("all", "shared")
_OUTCOMES = ("log_probs", "draws", "items")  # kinds of the shards that hold them
_KINDS = {
    "log_probs": "a classifier",
    "text": "a language model with its answers",
    "verdicts": "which only right and wrong are known",
}


@dataclass(frozen=True)
class PairedRuns:
    """The shared items of two runs.

    Attributes:
        old, new: Records of the same items in the same order, that of the old run.
        only_old, only_new: ids of the items that one run alone holds, in its order.
        notes: what else differs between the runs, in words.
    """

    old: Records
    new: Records
    only_old: tuple[str, ...]
    only_new: tuple[str, ...]
    notes: tuple[str, ...]


def open_run(run: Any, side: str) -> Records:
    """Records as they are, or read from a path; errors name the ``side``, ``old`` or ``new``."""
    if isinstance(run, Records):
        return run
    if not isinstance(run, (str, Path)):
        raise TtscaleError(
            side, expected="Records, or their path", got=repr(run)[:80],
            fix="Give the folder of a run, or what read_records(path) returns.",
        )  # fmt: skip
    path = Path(run)
    summary_alone = (path / "summary.json").is_file() and not (path / MANIFEST).is_file() and not runs_below(path)
    if path.name in ("summary.json", "report.html") or summary_alone:
        raise TtscaleError(
            side, expected="Records, which hold every item", got=f"{run}, which holds only totals",
            fix="Give the Records that it was made of: the `out` of collect or sweep.",
        )  # fmt: skip
    try:
        return read_records(run)
    except TtscaleError as error:
        if error.argument != "records":
            raise
        raise TtscaleError(side, expected=error.expected, got=error.got, fix=error.fix) from error


def pair_runs(old: Records, new: Records) -> PairedRuns:
    """Pair the items of two runs by their ids.

    Raises:
        TtscaleError: other kinds of outcomes, fewer than two shared items, or an id whose label or gold answer differs.
    """
    for records in (old, new):
        check_records(records)
    if old.vote_kind != new.vote_kind:
        raise TtscaleError(
            "new", expected=f"a run of {_KINDS[old.vote_kind]}, as old is", got=f"one of {_KINDS[new.vote_kind]}",
            fix="Compare runs of one kind: what they would vote by differs.",
        )  # fmt: skip
    place = {item: at for at, item in enumerate(new.item_ids.tolist())}
    shared = [at for at, item in enumerate(old.item_ids.tolist()) if item in place]
    if len(shared) < 2:
        raise TtscaleError(
            "new", expected="at least 2 items that old holds too, by their ids",
            got=f"{len(shared)} shared, of {old.n_items} such as {old.item_ids[0]!r} in old and {new.n_items} such as "
            f"{new.item_ids[0]!r} in new", fix="Give runs over the same data.",
        )  # fmt: skip
    both = old.take(shared), new.take([place[item] for item in old.item_ids[shared].tolist()])
    held = set(old.item_ids.tolist())
    _check_truth(*both)
    return PairedRuns(
        *both, tuple(item for item in old.item_ids.tolist() if item not in place),
        tuple(item for item in new.item_ids.tolist() if item not in held), tuple(_differences(*both)),
    )  # fmt: skip


def check_items(paired: PairedRuns, items: str) -> PairedRuns:
    """The same pairs; TtscaleError where items of old are missing from new and ``items`` is ``"all"``."""
    if items not in _ITEMS:
        raise unknown_name("items", str(items), _ITEMS)
    missing = paired.only_old
    if items == "all" and missing:
        raise TtscaleError(
            "new", expected=f"every item of old, which has {paired.old.n_items + len(missing)}",
            got=f"{paired.old.n_items} of them, without {', '.join(missing[:_NAMED])}{', …' * (len(missing) > _NAMED)}",
            fix="Finish the run (what is left out is often hard), or set items=shared to compare what both hold.",
        )  # fmt: skip
    return paired


def same_source(old: Records, new: Records) -> bool:
    """Whether two runs are the same outcomes, by identity, folder or the hashes of what they were read from."""
    if old is new or (old.path is not None and new.path is not None and old.path.resolve() == new.path.resolve()):
        return True
    sources = [_source(run) for run in (old, new)]
    return bool(sources[0]) and sources[0] == sources[1]


def _source(records: Records) -> list[str]:
    """Hashes of the files that hold the outcomes, or of those of another tool; none for arrays."""
    files = records.manifest.dataset.get("source", {}).get("files", {})
    return sorted(files.values()) or [shard.sha256 for shard in records.manifest.shards if shard.kind in _OUTCOMES]


def _check_truth(old: Records, new: Records) -> None:
    """Refuse an item whose right answer is another one in the other run."""
    what, truths = _truths(old, new)
    if truths is None:
        return
    differing = [at for at in np.flatnonzero(truths[0] != truths[1]) if not _same_number(truths[0][at], truths[1][at])]
    if differing:
        shown = ", ".join(
            f"{old.item_ids[at]!r} ({truths[0][at]} in old, {truths[1][at]} in new)" for at in differing[:_NAMED]
        )
        raise TtscaleError(
            "new", expected=f"the {what} of old for every shared item",
            got=f"another for {len(differing)} of {old.n_items}: {shown}{', …' if len(differing) > _NAMED else ''}",
            fix="Equal ids must be the same items: compare runs over the same data.",
        )  # fmt: skip


def _same_number(gold: object, other: object) -> bool:
    """Whether two golds are the same number written in two ways, ``4`` and ``4.0``."""
    return isinstance(gold, str) and number(gold) is not None and number(gold) == number(str(other))


def _truths(old: Records, new: Records) -> tuple[str, tuple[np.ndarray, np.ndarray] | None]:
    """What the right answers are called, and those of both runs; None where one does not tell."""
    if old.outcome == "text":
        if old.golds is None or new.golds is None:
            return "gold answer", None
        return "gold answer", tuple(  # type: ignore[return-value]
            np.array([str(gold).strip() for gold in run.golds.tolist()], dtype=object)
            for run in (old, new) if run.golds is not None
        )  # fmt: skip
    if old.class_names is not None and new.class_names is not None:
        first, second = (np.asarray(run.class_names, dtype=object)[run.labels] for run in (old, new))
        return "class", (first, second)
    return "label", (old.labels, new.labels)


def _differences(old: Records, new: Records) -> list[str]:
    """What a reader should know before comparing the two."""
    notes = []
    shifts = [shift_of(run) for run in (old, new)]
    if shifts[0] != shifts[1]:
        words = ["clean data" if shift == CLEAN else f"data under {shift}" for shift in shifts]
        notes.append(f"Old is on {words[0]}, new on {words[1]}.")
    if old.vote_kind == "verdicts":
        notes.append("Only right and wrong are known: some samples are right where any one of them is (pass@k).")
    if old.outcome == "text":
        if old.golds is None or new.golds is None:
            notes.append("Gold answers are not in both runs, so that items are paired by their ids alone.")
        graders = [run.graded().grader for run in (old, new)]
        if graders[0] != graders[1]:
            notes.append(
                f"The answers were read by two rules (grades {graders[0]} and {graders[1]}); ttscale grade reads those "
                "of both runs by one."
            )
        questions = _questions(old, new)
        if questions:
            notes.append(f"The questions of {questions} shared items are worded differently.")
    for name in ("clusters", "families"):
        first, second = getattr(old, name), getattr(new, name)
        if (first is None) != (second is None) or (first is not None and not np.array_equal(first, second)):
            notes.append(f"The {name} of the items differ; {'those of old' if first is not None else 'none'} count.")
    return notes


def _questions(old: Records, new: Records) -> int:
    if old.questions is None or new.questions is None:
        return 0
    return int((old.questions != new.questions).sum())
