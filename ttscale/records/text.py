"""Where the graded draws of Records come from: a folder that holds them, or arrays in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from ttscale.errors import TtscaleError, unknown_name
from ttscale.records.graded import VERDICTS, Graded, TextDraw
from ttscale.records.schema import Manifest, Member


class TextSource(Protocol):
    """The text outcomes of a run, for all of its items."""

    @property
    def graders(self) -> tuple[str, ...]:
        """Ids of the grades at hand."""

    @property
    def draws(self) -> tuple[TextDraw, ...]:
        """The draws of every item."""

    def graded(self, grader: str | None) -> Graded:
        """The draws under the grader of this id; None is the run's own. TtscaleError when there is none such."""

    def texts(self, rows: np.ndarray) -> tuple[tuple[str | None, ...], ...] | None:
        """What was generated for the items at these rows, ``[item][draw]``; None when nobody kept it."""

    def finish_reasons(self, rows: np.ndarray | None) -> dict[str, dict[str, int]] | None:
        """Per member, the reasons for which the draws of these items (None: all) ended, counted; None when unknown."""


class InMemory:
    """One :class:`Graded`, and what was generated if it is known."""

    def __init__(self, graded: Graded, texts: Sequence[Sequence[str | None]] | None) -> None:
        self._graded, self._texts = graded, texts
        self.graders, self.draws = (graded.grader,), graded.draws

    def graded(self, grader: str | None) -> Graded:
        if grader not in (None, self._graded.grader):
            raise unknown_name("grader", grader, [self._graded.grader])
        return self._graded

    def texts(self, rows: np.ndarray) -> tuple[tuple[str | None, ...], ...] | None:
        return None if self._texts is None else tuple(tuple(self._texts[row]) for row in rows)

    def finish_reasons(self, rows: np.ndarray | None) -> None:
        return None


def check_graded(graded: Graded, texts: Sequence[Sequence[str | None]] | None) -> None:
    """Refuse graded draws whose arrays disagree in shape, or whose numbers of answers are out of range."""
    n_items, n_draws = np.shape(graded.answers) if np.ndim(graded.answers) == 2 else (0, 0)
    if not n_items or n_draws != len(graded.draws) or len(set(graded.draws)) < n_draws:
        raise _wrong(f"answers [item, draw] of at least one item and {len(graded.draws)} different draws",
                     f"shape {np.shape(graded.answers)}")  # fmt: skip
    tables = {"n_tokens": graded.n_tokens, "flops": graded.flops}
    tables |= {f"scores[{name!r}]": values for name, values in graded.scores.items()}
    tables |= {f"score_flops[{name!r}]": values for name, values in graded.score_flops.items()}
    for name, values in tables.items():
        if np.shape(values) != (n_items, n_draws):
            raise _wrong(f"{name} of shape {(n_items, n_draws)}", f"shape {np.shape(values)}")
    prompts = {(draw.member, draw.variant) for draw in graded.draws}
    for name in ("prompt_flops", "prompt_tokens", "prefix_flops", "beginning_flops"):
        column = getattr(graded, name)
        if set(column) != prompts or any(np.shape(values) != (n_items,) for values in column.values()):
            raise _wrong(f"{name} of shape {(n_items,)} for each of {sorted(prompts)}", f"{sorted(column)}")
    most = max(map(len, graded.texts), default=0)
    known = np.array([len(answers) for answers in graded.texts])
    if len(known) != n_items or np.shape(graded.correct) != (n_items, most):
        raise _wrong(f"texts of {n_items} items and correct of shape {(n_items, most)}",
                     f"{len(known)} items and shape {np.shape(graded.correct)}")  # fmt: skip
    if (graded.answers.max(axis=1, initial=-1) >= known).any() or graded.answers.min(initial=0) < -1:
        raise _wrong("numbers of answers from 0 to those in `texts`, or -1", "others")
    if graded.drawn is not None:
        _check_drawn(graded)
    if not graded.answers_known:
        _check_outcomes(graded)
    if texts is not None and [len(row) for row in texts] != [n_draws] * n_items:
        raise TtscaleError("texts", expected=f"{n_items} items of {n_draws} texts", got="another shape",
                           fix="Give what was generated, [item][draw].")  # fmt: skip


def _check_drawn(graded: Graded) -> None:
    """Refuse draws that do not exist and yet have an answer or tokens, or stand before others of their pool."""
    drawn = graded.exists
    if drawn.shape != graded.answers.shape or drawn.dtype != bool:
        raise _wrong(f"drawn of booleans and shape {graded.answers.shape}", f"{drawn.dtype} of shape {drawn.shape}")
    if (graded.answers[~drawn] >= 0).any() or graded.n_tokens[~drawn].any():
        raise _wrong("no answer and 0 tokens where a draw does not exist", "others")
    for pool, columns in graded.pools.items():
        held = drawn[:, columns]
        if not held[:, 0].all() or (held[:, 1:] > held[:, :-1]).any():
            raise _wrong("one draw or more of each item, those that exist first",
                         f"others in the samples of {', '.join(pool)}")  # fmt: skip


def _check_outcomes(graded: Graded) -> None:
    """Refuse draws of which only right and wrong are known and that do not say so in the agreed way."""
    values = graded.scores.get("correct")
    right = (graded.answers == 0).astype(np.float64)
    agreed = graded.correct.shape[1] == 2 and (graded.correct == [True, False]).all() and graded.grader == VERDICTS
    if values is None or not agreed or not np.array_equal(values[graded.exists], right[graded.exists]):
        raise _wrong(
            "of draws whose answers are unknown: answer 0 where right, 1 where wrong, the score `correct` of 1 and 0, "
            f"and the grader {VERDICTS!r}", "others",
        )  # fmt: skip


def graded_manifest(
    graded: Graded, members: Sequence[Member | str] | None, cards: Mapping[str, Mapping[str, Any]],
    decodings: Sequence[Mapping[str, Any]] | None, prefill: str, seed: int,
) -> Manifest:  # fmt: skip
    """The manifest of a run of which only graded draws are known, for ``Records.from_graded``."""
    names = dict.fromkeys(draw.member for draw in graded.draws)
    known = tuple(m if isinstance(m, Member) else _unmeasured(m, cards.get(m, {})) for m in members or names)
    if sorted(member.name for member in known) != sorted(names):
        raise TtscaleError(
            "members", expected=f"the members of the draws: {', '.join(names)}",
            got=", ".join(member.name for member in known), fix="Name each once.",
        )  # fmt: skip
    if prefill not in ("shared", "per_sample"):
        raise TtscaleError("prefill", expected="shared or per_sample", got=repr(prefill), fix="Choose one of them.")
    samples: dict[str, set[int]] = {}
    for draw in graded.draws:
        samples.setdefault(draw.decoding, set()).add(draw.sample)
    counted = [{"id": decoding, "samples": len(numbers)} for decoding, numbers in samples.items()]
    return Manifest(
        seed=seed, config={}, versions={}, device="", dataset={"name": "arrays", "n_items": graded.n_items},
        n_classes=0, class_names=None, variants=tuple(dict.fromkeys(draw.variant for draw in graded.draws)),
        members=known, n_blocks=1, complete=True, outcome="text", prefill=prefill, grader=graded.grader,
        decodings=tuple(decodings or counted), answers_known=graded.answers_known,
    )  # fmt: skip


def _unmeasured(name: str, card: Mapping[str, Any]) -> Member:
    """A member of which nothing is known but its name and card."""
    unknown = float("nan")
    return Member(str(name), f"arrays:{name}", "", unknown, "unknown", unknown, {}, (), 0, card)


def _wrong(expected: str, got: str) -> TtscaleError:
    return TtscaleError("graded", expected=expected, got=got, fix="See ttscale.records.graded.Graded for the shapes.")
