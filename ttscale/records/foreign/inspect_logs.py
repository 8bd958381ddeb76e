"""Logs of inspect_ai, read through its own ``inspect_ai.log``: the epochs of a sample are an item's samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ttscale.errors import TtscaleError, require, unknown_name
from ttscale.records.foreign.cells import Cells
from ttscale.records.foreign.columns import value_at
from ttscale.records.foreign.gather import Draw, Gathered
from ttscale.records.foreign.reading import Reading

RIGHT, WRONG = ("C", "correct", "true", "yes", "1"), ("I", "N", "incorrect", "false", "no", "0")
UNREAD = {"messages", "events", "store", "attachments", "timelines"}


def gather_inspect(paths: Sequence[Path], found: Gathered, reading: Reading) -> None:
    """Add the scored samples of all logs; samples that ended in an error are counted in a note and are no draws.

    Raises:
        TtscaleError: inspect_ai is not installed, a log that it cannot read or without scores, several scorers of
            which none was chosen, a score that is neither right nor wrong, or two logs of one model and task.
    """
    logs = require("inspect_ai.log", install="'ttscale[inspect]'", needed_for="reading logs of inspect_ai")
    heads = [_head(logs, path) for path in paths]
    tasks = [head.eval.task for head in heads]
    found.answers_known = reading.wants("answer")
    failed, scorers = 0, set()
    for at, (path, head) in enumerate(zip(paths, heads, strict=True)):
        same = [other for other in range(at) if (tasks[other], heads[other].eval.model) == (tasks[at], head.eval.model)]
        if same and reading.member is None:
            raise TtscaleError(
                "records", expected="one log for each model and task",
                got=f"{paths[same[0]].name} and {path.name}, both of {tasks[at]} by {head.eval.model}",
                fix="Give the log that counts; more epochs belong into one run.",
            )  # fmt: skip
        log = _Log(logs, path, head, len(set(tasks)) > 1, reading)
        failed += log.gather(found)
        scorers |= log.scorers
    if reading.scorer is not None and reading.scorer not in scorers:
        raise unknown_name("scorer", reading.scorer, scorers)
    if failed:
        found.notes.append(f"{failed} samples ended in an error or without a score, and are left out.")


class _Log:
    def __init__(self, logs: Any, path: Path, head: Any, several: bool, reading: Reading) -> None:
        self._logs, self._path, self._head, self._several, self._reading = logs, path, head, several, reading
        self._cells = Cells(f"{path.name}, sample", False)
        self._decoding = _decoding(head)
        self._answered = reading.wants("answer")
        self.scorers: set[str] = set()

    def gather(self, found: Gathered) -> int:
        """Add the samples; returns how many had no score."""
        failed = number = 0
        samples = self._logs.read_eval_log_samples(str(self._path), all_samples_required=False, exclude_fields=UNREAD)
        for number, sample in enumerate(samples, 1):
            if sample.error is not None or not sample.scores:
                failed += 1
                continue
            found.add(self._draw(number, sample))
        if failed == number:
            raise TtscaleError("records", expected="samples with scores", got=f"{self._path.name}, which has none",
                               fix="Give a log whose evaluation ended, or score it with `inspect score`.")  # fmt: skip
        return failed

    def _draw(self, number: int, sample: Any) -> Draw:
        score = self._score(sample)
        usage = (sample.model_usage or {}).get(self._head.eval.model) or sample.output.usage
        targets = [sample.target] if isinstance(sample.target, str) else list(sample.target)
        question = sample.input if isinstance(sample.input, str) else None
        gold = targets[0] if len(targets) == 1 and targets[0] else None
        item = f"{self._head.eval.task}/{sample.id}" if self._several else str(sample.id)
        scores = (self._cells.number(name, value_at(sample.metadata, name), number) for name in self._reading.scores)
        return Draw(
            f"{self._path.name}, sample", number, item,
            self._reading.member or self._head.eval.model, _stripped(score.answer) if self._answered else None,
            self._right(score.value, number), sample.epoch, decoding=self._decoding,
            tokens=usage and usage.output_tokens, prompt_tokens=usage and usage.input_tokens,
            text=sample.output.completion if sample.output.choices else None, scores=tuple(scores),
            facts=(gold, question, *(self._fact(name, sample, number) for name in ("family", "cluster"))),
        )  # fmt: skip

    def _score(self, sample: Any) -> Any:
        held, wanted = sample.scores, self._reading.scorer
        self.scorers.update(held)
        if len(held) == 1 or wanted in held:
            return held[wanted] if wanted in held else next(iter(held.values()))
        if wanted is None:
            raise TtscaleError(
                "scorer", expected=f"one of {', '.join(held)}, the scorers of {self._path.name}", got="none",
                fix=f"Choose: scorer={next(iter(held))}.",
            )  # fmt: skip
        raise unknown_name("scorer", wanted, held, fix=f"These are the scorers of {self._path.name}.")

    def _right(self, value: Any, number: int) -> bool:
        text = str(value)
        if isinstance(value, int | float) and value in (0, 1):
            return bool(value)
        if isinstance(value, str) and text in RIGHT + WRONG:
            return text in RIGHT
        raise self._cells.wrong("score", "right or wrong (C, I, N, 1 or 0)", value, number,
                                "Choose another scorer: partial credit is no vote.")  # fmt: skip

    def _fact(self, role: str, sample: Any, number: int) -> str | None:
        column = self._reading.fields.get(role)
        if column:
            return self._cells.text(column, value_at(sample.metadata, column), number)
        return self._head.eval.task if role == "family" and self._several and self._reading.wants(role) else None


def _head(logs: Any, path: Path) -> Any:
    try:
        return logs.read_eval_log(str(path), header_only=True)
    except Exception as error:  # a damaged log raises what its parts raise
        raise TtscaleError("records", expected="a log of inspect_ai", got=f"{path} ({type(error).__name__}: {error})",
                           fix="Give a .eval or .json file from its log folder.") from error  # fmt: skip


def _decoding(head: Any) -> str:
    heat = head.plan.config.temperature if head.plan else None
    heat = head.eval.model_generate_config.temperature if heat is None else heat
    return "sampled" if heat is None or math.isnan(heat) else "greedy" if heat == 0 else f"T{heat:g}"


def _stripped(answer: str | None) -> str | None:
    return None if answer is None else answer.strip() or None
