"""Samples of lm-evaluation-harness, as ``--log_samples`` writes them: one line a document and filter.

A line holds ``resps``, what the model said, by request and repeat, and ``filtered_resps``, what a filter made of them:
all repeats become one answer where it takes the first or the most frequent, so that repeats are read from ``resps``,
by the rule ``extract``. Read from lm_eval 0.4.13, ``evaluator.py`` and ``loggers/evaluation_tracker.py``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ttscale.data.answers import extractor
from ttscale.errors import TtscaleError, unknown_name
from ttscale.records.foreign.cells import Cells
from ttscale.records.foreign.columns import value_at
from ttscale.records.foreign.files import Row, read_rows
from ttscale.records.foreign.gather import Draw, Gathered
from ttscale.records.foreign.reading import Reading

INVALID = "[invalid]"  # what the regex filters give where nothing matches
NAME = re.compile(r"samples_(?P<task>.+?)(?:_(?P<date>\d{4}-\d\d-\d\dT[\d.-]+))?\.jsonl")
USUAL_METRICS = ("exact_match", "acc", "em", "pass@1")
_PARTS = ("doc_id", "target", "resps", "filtered_resps")


def is_lm_eval(row: Mapping[str, Any]) -> bool:
    """Whether a row is a line of ``--log_samples``."""
    return all(name in row for name in _PARTS)


def sample_files(folder: Path) -> list[Path]:
    """The ``samples_*.jsonl`` in a folder, at any depth."""
    return sorted(folder.rglob("samples_*.jsonl"))


def gather_lm_eval(paths: Sequence[Path], found: Gathered, reading: Reading) -> None:
    """Add the draws of all files; those of one folder are of one model.

    Raises:
        TtscaleError: two files of one task and model, several filters or metrics of which none was chosen, a metric
            that is not right or wrong, or a line that is not of this format.
    """
    names = [_task_and_date(path) for path in paths]
    members = [reading.member or _model_of(path, date) for path, (_, date) in zip(paths, names, strict=True)]
    _refuse_two(paths, [(member, task) for member, (task, _) in zip(members, names, strict=True)])
    several = len({task for task, _ in names}) > 1
    found.answers_known = reading.wants("answer")
    filters: set[str] = set()
    for path, member, (task, _) in zip(paths, members, names, strict=True):
        filters.update(_File(path, member, task, several, reading).gather(found))
    if reading.filter is not None and reading.filter not in filters:
        raise unknown_name("filter", reading.filter, filters)


class _File:
    def __init__(self, path: Path, member: str, task: str, several: bool, reading: Reading) -> None:
        self._path, self._member, self._task, self._several, self._reading = path, member, task, several, reading
        self._cells = Cells(f"{path.name}, line", False)
        self._read = extractor(reading.extract)
        self._grader = reading.grader

    def gather(self, found: Gathered) -> tuple[str, ...]:
        """Add the draws; returns the filters that the file has."""
        chosen, filters = self._filter()
        repeated = False
        for line, row in read_rows(self._path, found.notes):
            if not is_lm_eval(row):
                raise self._wrong("a line of --log_samples", f"one without {', '.join(_missing(row))}", line)
            if row.get("filter") != chosen:
                continue
            draws = list(self._draws(line, row))
            repeated = repeated or len(draws) > 1
            for draw in draws:
                found.add(draw)
        if repeated:
            found.notes.append(
                f"{self._task}: the answers of all repeats were read from resps by extract={self._reading.extract}, "
                "since a filter keeps one of them."
            )
        return filters

    def _filter(self) -> tuple[str | None, tuple[str, ...]]:
        """The filter to read, and all that there are. It does not matter where there is one, or where repeats are read
        from what was said."""
        held: dict[str | None, None] = {}
        repeated = False
        for _, row in read_rows(self._path):
            held[row.get("filter")] = None
            repeated = repeated or _is_repeated(row)
        wanted = self._reading.filter
        filters = tuple(map(str, held))
        if wanted in held or len(held) == 1 or repeated:
            return (wanted if wanted in held else next(iter(held))), filters
        if wanted is not None:
            raise unknown_name("filter", wanted, filters, fix=f"These are the filters of {self._path.name}.")
        raise TtscaleError(
            "filter", expected=f"one of {', '.join(map(str, held))}, the filters of {self._path.name}", got="none",
            fix=f"Choose: filter={list(held)[-1]}.",
        )  # fmt: skip

    def _draws(self, line: int, row: Row) -> Iterator[Draw]:
        target = self._cells.text("target", row["target"], line)
        item = f"{self._task}/{row['doc_id']}" if self._several else str(row["doc_id"])
        common = Draw(f"{self._path.name}, line", line, item, self._member, sample=0, decoding=_decoding(row),
                      facts=(target, None, self._family(line, row), None))  # fmt: skip
        resps = row["resps"]
        if not isinstance(resps, list) or not resps or not all(isinstance(one, list) and one for one in resps):
            raise self._wrong("resps as lists of what was said, by request and repeat", repr(resps)[:60], line)
        if isinstance(resps[0][0], list):
            yield self._choice(common, row, line)
        elif _is_repeated(row):
            yield from self._repeats(common, resps[0], target)
        else:
            answer = _first(row["filtered_resps"])
            yield common._replace(
                answer=None if answer in (INVALID, "") or not self._reading.wants("answer") else answer,
                text=str(resps[0][0]), correct=self._right(row, line),
            )  # fmt: skip

    def _repeats(self, common: Draw, said: Sequence[Any], target: str | None) -> Iterator[Draw]:
        gold = None if target is None else self._read(target) or target
        for number, text in enumerate(said):
            yield common._replace(answer=self._read(str(text)), text=str(text), sample=number,
                                  facts=(gold, *common.facts[1:]))  # fmt: skip

    def _choice(self, common: Draw, row: Row, line: int) -> Draw:
        """Of a multiple choice: the option of the highest log-likelihood, by its number, as the metric acc has it."""
        try:
            likely = [float(one[0][0]) for one in row["resps"]]
        except (TypeError, ValueError, IndexError) as error:
            raise self._wrong("a log-likelihood of every choice", repr(row["resps"])[:60], line) from error
        normed = (self._reading.metric or "").endswith("_norm")
        answer = None if normed or not self._reading.wants("answer") else str(likely.index(max(likely)))
        right = self._right(row, line)
        if normed:
            answer = common.facts[0] if right else "another"
        return common._replace(answer=answer, correct=right)

    def _right(self, row: Row, line: int) -> bool | None:
        names = row.get("metrics") or [name for name in USUAL_METRICS if name in row]
        wanted = self._reading.metric
        usual = [name for name in USUAL_METRICS if name in names] or (names if len(names) == 1 else [])
        if wanted is None and not usual:
            raise TtscaleError("metric", expected=f"one of {', '.join(names)} that tells right from wrong", got="none",
                               fix="Choose it with metric=NAME.")  # fmt: skip
        chosen = usual[0] if wanted is None else wanted
        if chosen not in row:
            raise unknown_name("metric", chosen, names, fix=f"These are the metrics of {self._path.name}.")
        return self._cells.truth(chosen, row[chosen], line)

    def _family(self, line: int, row: Row) -> str | None:
        column = self._reading.fields.get("family")
        if column:
            return self._cells.text(column, value_at(row, column) or value_at(row["doc"], column), line)
        return self._task if self._several and self._reading.wants("family") else None

    def _wrong(self, expected: str, got: str, line: int) -> TtscaleError:
        return TtscaleError("records", expected=expected, got=f"{got} at {self._path.name}, line {line}",
                            fix="Give samples_*.jsonl as lm_eval --log_samples writes it.")  # fmt: skip


def _is_repeated(row: Row) -> bool:
    """Whether a line holds several texts that were said to one request."""
    said = row.get("resps") or [[]]
    return isinstance(said[0], list) and len(said[0]) > 1 and not isinstance(said[0][0], list)


def _decoding(row: Row) -> str:
    """Greedy or sampled, by the arguments of the request; the likelihood of choices has no chance in it."""
    arguments = row.get("arguments") or {}
    first: Any = next(iter(arguments.values()), {}) if isinstance(arguments, dict) else {}
    settings = first.get("arg_1") if isinstance(first, dict) else None
    if not isinstance(settings, dict):
        return "greedy" if isinstance(settings, str) else "sampled"
    heat = settings.get("temperature")
    if settings.get("do_sample") is False or heat == 0 or (heat is None and not settings.get("do_sample")):
        return "greedy" if len(row["resps"][0]) == 1 else "sampled"
    return "sampled" if heat is None else f"T{float(heat):g}"


def _first(value: Any) -> str | None:
    """The one answer that a filter left, however deep in lists."""
    while isinstance(value, list):
        if not value:
            return None
        value = value[0]
    return None if value is None else str(value)


def _task_and_date(path: Path) -> tuple[str, str | None]:
    parts = NAME.fullmatch(path.name)
    return (parts["task"], parts["date"]) if parts else (path.stem, None)


def _model_of(path: Path, date: str | None) -> str:
    """The name of the model: of the results beside the samples, or else of their folder, which is named after it."""
    results = path.with_name(f"results_{date}.json")
    if date and results.is_file():
        try:
            name = json.loads(results.read_text(encoding="utf-8")).get("model_name")
        except (OSError, ValueError):
            name = None
        if isinstance(name, str) and name:
            return name
    return path.resolve().parent.name


def _refuse_two(paths: Sequence[Path], keys: Sequence[tuple[str, str]]) -> None:
    for at, key in enumerate(keys):
        if key in keys[:at]:
            raise TtscaleError(
                "records", expected="one file of samples for each model and task",
                got=f"{paths[keys.index(key)].name} and {paths[at].name} of {key[0]}", fix="Give the file that counts.",
            )  # fmt: skip


def _missing(row: Row) -> list[str]:
    return [name for name in _PARTS if name not in row]
