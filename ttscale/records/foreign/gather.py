"""Gathering draws one at a time, in any order, in a few bytes each; what contradicts itself is refused by name."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import NamedTuple

from ttscale.errors import TtscaleError
from ttscale.records.foreign.spool import Spool

UNKNOWN = -1
ITEM_FACTS = ("gold", "question", "family", "cluster")
NO_FACTS: tuple[str | None, ...] = (None,) * len(ITEM_FACTS)
_MOST_TOKENS = 2**31 - 1


class Draw(NamedTuple):
    """One draw as a source tells it.

    ``answer`` None: it abstains, or answers are unknown. ``correct``, ``tokens``, ``prompt_tokens``, ``sample`` None:
    unknown; a sample is then numbered by its appearance. ``source`` and ``line`` say where it stands, for errors.
    """

    source: str
    line: int
    item: str
    member: str
    answer: str | None = None
    correct: bool | None = None
    sample: int | None = None
    variant: str = "plain"
    decoding: str = "sampled"
    tokens: int | None = None
    prompt_tokens: int | None = None
    text: str | None = None
    scores: tuple[float, ...] = ()
    facts: tuple[str | None, ...] = NO_FACTS

    @property
    def place(self) -> str:
        return f"{self.source} {self.line}"


@dataclass
class Gathered:
    """Everything that was read, row by row; ``answers`` number the different texts of an item's answers.

    Attributes:
        items, pools: number of each item id, and of each (member, variant, decoding).
        facts: per item its gold, question, family and cluster.
        n, c: of counts, how many samples each row stands for and how many of them are right; else empty.
        marks_and_golds: whether a table says both which samples are right and what the golds are.
        notes: sentences about what was read, for the user.
    """

    score_names: tuple[str, ...] = ()
    items: dict[str, int] = field(default_factory=dict)
    pools: dict[tuple[str, str, str], int] = field(default_factory=dict)
    facts: list[tuple[str | None, ...]] = field(default_factory=list)
    answer_texts: list[dict[str, int]] = field(default_factory=list)
    item: array = field(default_factory=lambda: array("i"))
    pool: array = field(default_factory=lambda: array("i"))
    answer: array = field(default_factory=lambda: array("i"))
    correct: array = field(default_factory=lambda: array("b"))
    sample: array = field(default_factory=lambda: array("q"))
    tokens: array = field(default_factory=lambda: array("i"))
    prompt_tokens: array = field(default_factory=lambda: array("i"))
    scores: list[array] = field(default_factory=list)
    source: array = field(default_factory=lambda: array("i"))
    line: array = field(default_factory=lambda: array("q"))
    sources: dict[str, int] = field(default_factory=dict)
    spool: Spool = field(default_factory=Spool)
    n: array = field(default_factory=lambda: array("i"))
    c: array = field(default_factory=lambda: array("i"))
    answers_known: bool = True
    marks_and_golds: bool = False
    numbered: bool | None = None
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.scores = [array("d") for _ in self.score_names]

    def add(self, draw: Draw) -> None:
        """Take a draw.

        Raises:
            TtscaleError: a fact of its item that differs from an earlier one, an answer that is right and yet not
                there, a number out of range, or a sample number where others have none.
        """
        at = self.items.get(draw.item)
        if at is None:
            at = self.items[draw.item] = len(self.items)
            self.facts.append(draw.facts if any(draw.facts) else NO_FACTS)
            if self.answers_known:
                self.answer_texts.append({})
        elif draw.facts != self.facts[at]:
            self._join_facts(at, draw)
        self.item.append(at)
        self.pool.append(self.pools.setdefault((draw.member, draw.variant, draw.decoding), len(self.pools)))
        if draw.answer is None:
            if draw.correct and self.answers_known:
                raise TtscaleError(
                    "correct", expected="an answer where a draw is right",
                    got=f"none at {draw.place} (item {draw.item!r})",
                    fix="Name the column of answers, or leave answers out with fields.answer=null.",
                )  # fmt: skip
            self.answer.append(UNKNOWN)
        else:
            known = self.answer_texts[at]
            self.answer.append(known.setdefault(draw.answer, len(known)))
        self.correct.append(UNKNOWN if draw.correct is None else draw.correct)
        self._number(draw)
        for values, count, name in (
            (self.tokens, draw.tokens, "tokens"), (self.prompt_tokens, draw.prompt_tokens, "prompt_tokens")
        ):  # fmt: skip
            if count is not None and not 0 <= count <= _MOST_TOKENS:
                raise TtscaleError(name, expected="a number of tokens", got=f"{count} at {draw.place}",
                                   fix="Leave it out where it is not known.")  # fmt: skip
            values.append(UNKNOWN if count is None else count)
        for column, value in zip(self.scores, draw.scores, strict=True):
            column.append(value)
        self.spool.add(draw.text)
        self.source.append(self.sources.setdefault(draw.source, len(self.sources)))
        self.line.append(draw.line)

    def add_counts(self, draw: Draw, n: int, right: int) -> None:
        """Take one draw for ``n`` of which ``right`` are right, and which differ in nothing else; errors as of
        :meth:`add`."""
        self.add(draw)
        self.n.append(n)
        self.c.append(right)

    def place_of(self, row: int) -> str:
        """Where a draw stands in its source."""
        return f"{list(self.sources)[self.source[row]]} {self.line[row]}"

    def _number(self, draw: Draw) -> None:
        given = draw.sample is not None
        if self.numbered not in (None, given):
            raise TtscaleError("sample", expected="a sample number of every draw, or of none",
                               got=f"{'one' if given else 'none'} at {draw.place}, unlike before",
                               fix="Number all, or leave the column out with fields.sample=null.")  # fmt: skip
        self.numbered = given
        self.sample.append(len(self.item) if draw.sample is None else draw.sample)

    def _join_facts(self, at: int, draw: Draw) -> None:
        for name, before, value in zip(ITEM_FACTS, self.facts[at], draw.facts, strict=True):
            if before is not None and value is not None and value != before:
                raise TtscaleError(
                    name, expected=f"one {name} of item {draw.item!r}",
                    got=f"{before[:60]!r}, and {value[:60]!r} at {draw.place}",
                    fix="Give different items different ids (fields.item names their column).",
                )  # fmt: skip
        both = zip(self.facts[at], draw.facts, strict=True)
        self.facts[at] = tuple(value if before is None else before for before, value in both)
