"""How somebody else's records are to be read: the options of ``ttscale.read_records`` and ``ttscale import``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ttscale.errors import TtscaleError, unknown_name
from ttscale.records.grader import Checker, Grader

FORMATS = ("auto", "records", "rows", "counts", "lm_eval", "inspect_ai")

ROLES = (
    "item", "answer", "correct", "gold", "text", "tokens", "prompt_tokens", "sample", "samples", "member", "variant",
    "decoding", "temperature", "family", "cluster", "question", "n", "c",
)  # fmt: skip


@dataclass(frozen=True)
class Reading:
    """Options of reading.

    Attributes:
        fields: per role (see ``ROLES``) the column that holds it; None: no column does, whatever its name.
        scores: columns that hold a score of each draw, for ``best:NAME`` and ``weighted:NAME``.
        extract: rule that reads the answer in a text, where answers are not given (see
            :func:`ttscale.data.answers.extractor`).
        equality, checker: when answers are the same, and which are right, see :class:`ttscale.records.grader.Grader`.
        member: name of the model, where the source does not say.
        filter, metric: of lm-evaluation-harness: which of several. scorer: of inspect_ai.
        n_params: parameters of the model, or per member: a token then costs 2 FLOPs each; None: FLOPs are unknown.
        min_samples: leave items with fewer samples out, and say how many; None: keep all.

    Raises:
        TtscaleError: an unknown role, or a value of the wrong kind.
    """

    fields: Mapping[str, str | None] = field(default_factory=dict)
    scores: Sequence[str] = ()
    extract: str = "last_number"
    equality: str = "numeric"
    checker: Checker | None = None
    member: str | None = None
    filter: str | None = None
    metric: str | None = None
    scorer: str | None = None
    n_params: float | Mapping[str, float] | None = None
    min_samples: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.fields, Mapping):
            raise TtscaleError("fields", expected="names of columns by what they hold", got=repr(self.fields),
                               fix="Give for example {'item': 'problem', 'answer': 'prediction'}.")  # fmt: skip
        for role, column in self.fields.items():
            if role not in ROLES:
                raise unknown_name("fields", role, ROLES)
            if column is not None and not isinstance(column, str):
                raise TtscaleError(f"fields.{role}", expected="the name of a column, or null", got=repr(column),
                                   fix="Give text.")  # fmt: skip
        if isinstance(self.scores, str) or not all(isinstance(name, str) for name in self.scores):
            raise TtscaleError("scores", expected="a list of names of columns", got=repr(self.scores),
                               fix="Give for example ['reward'].")  # fmt: skip
        least = self.min_samples
        if least is not None and (isinstance(least, bool) or not isinstance(least, int) or least < 1):
            raise TtscaleError("min_samples", expected="a whole number of at least 1", got=repr(least),
                               fix="Give how many samples an item needs to be kept.")  # fmt: skip
        sizes = self.n_params.values() if isinstance(self.n_params, Mapping) else [self.n_params]
        if any(n is not None and not (_is_number(n) and 0 < n < math.inf) for n in sizes):
            raise TtscaleError("n_params", expected="a positive number of parameters, or one per member",
                               got=repr(self.n_params), fix="Give for example 7e9.")  # fmt: skip

    @property
    def grader(self) -> Grader:
        return Grader(self.extract, self.checker, self.equality)

    def wants(self, role: str) -> bool:
        """False where the user said that no column holds it."""
        return self.fields.get(role, "") is not None

    def params_of(self, members: Sequence[str]) -> dict[str, float]:
        """Per member the number of parameters, NaN where unknown; TtscaleError for one that is not there."""
        if not isinstance(self.n_params, Mapping):
            return dict.fromkeys(members, math.nan if self.n_params is None else float(self.n_params))
        for name in self.n_params:
            if name not in members:
                raise unknown_name("n_params", name, members)
        return {name: float(self.n_params.get(name, math.nan)) for name in members}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
