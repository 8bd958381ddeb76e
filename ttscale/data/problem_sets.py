"""``arithmetic:``, ``worked:``, ``jsonl:``, ``gsm8k:``, ``choices:``: from a spec to Problems, with own settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from numbers import Integral
from pathlib import Path
from typing import Any

from ttscale.data.arithmetic import PER_FAMILY, arithmetic
from ttscale.data.gsm8k import gsm8k
from ttscale.data.importing import named_function
from ttscale.data.jsonl_problems import FileOptions, jsonl_problems
from ttscale.data.multiple_choice import multiple_choice
from ttscale.data.problem_checks import check_problems
from ttscale.data.problems import Problems
from ttscale.data.worked_arithmetic import PER_FAMILY as PER_WORKED_FAMILY
from ttscale.data.worked_arithmetic import worked_arithmetic
from ttscale.draws.stops import stops
from ttscale.errors import TtscaleError

GENERATED: Mapping[str, tuple[Callable[..., Problems], int]] = {
    "arithmetic": (arithmetic, PER_FAMILY), "worked": (worked_arithmetic, PER_WORKED_FAMILY),
}  # fmt: skip
FROM_FILES: Mapping[str, Callable[[str | Path, FileOptions], Problems]] = {
    "choices": multiple_choice, "gsm8k": gsm8k, "jsonl": jsonl_problems,
}  # fmt: skip
SPECS = (*GENERATED, *FROM_FILES)


@dataclass(frozen=True)
class ProblemOptions:
    """What :func:`ttscale.load_data` takes for problems; None leaves it to the set.

    Attributes:
        families, n: of ``arithmetic`` and ``worked`` only. fields, gold_pattern, examples: of files only.
        shots, extract, checker, equality, max_tokens, stop, chat: replace what the set suggests, see
            :class:`ttscale.data.problems.Problems`. With ``chat`` the set's own stop strings go: they mark the end of
            an answer in a list of examples, where a chat model says itself that it is done.
    """

    families: Sequence[str] | str | None = None
    n: int | None = None
    fields: Mapping[str, str] | None = None
    gold_pattern: str | None = None
    examples: str | Path | int | None = None
    shots: int | None = None
    extract: str | None = None
    checker: Callable[[str, str], bool] | str | None = None
    equality: str | None = None
    max_tokens: int | None = None
    stop: Sequence[str] | str | None = None
    chat: bool | None = None

    def given(self, *names: str) -> dict[str, Any]:
        """Those of these options that are set; without names, of all."""
        listed = names or tuple(field.name for field in fields(self))
        return {name: getattr(self, name) for name in listed if getattr(self, name) is not None}

    def refuse(self, spec: str, *names: str) -> None:
        """Raise for one of these options that is set: this kind of data has no use for it."""
        for name, value in self.given(*names).items():
            raise TtscaleError(name, expected=f"nothing for {spec}", got=repr(value), fix=f"Leave {name} out.")


def load_problems(spec: str, options: ProblemOptions, root: str | Path | None, name: str | None) -> Problems:
    """The problem set of a spec whose scheme is one of ``SPECS``."""
    scheme, _, rest = spec.partition(":")
    if scheme in GENERATED:
        options.refuse(scheme, "fields", "gold_pattern", "examples")
        if root is not None:
            raise TtscaleError("root", expected=f"nothing for {scheme}", got=repr(root), fix="Leave root out.")
        make, usual = GENERATED[scheme]
        families = _families(rest, options.families)
        problems = make(families, usual if options.n is None else _whole("n", options.n), name=name)
    else:
        options.refuse(spec, "families", "n")
        file = rest or root
        if file is None:
            raise TtscaleError("data", expected=f"{scheme}:FILE", got=repr(spec), fix="Give the path of the file.")
        if rest and root is not None:
            raise TtscaleError("root", expected=f"nothing for {spec}", got=repr(root), fix="Leave root out.")
        given = options.given("fields", "gold_pattern", "examples")
        problems = FROM_FILES[scheme](file, FileOptions(name=name, **given))
    return with_options(problems, options)


def with_options(problems: Problems, options: ProblemOptions) -> Problems:
    """The set with the user's prompting and grading in place of its own, checked."""
    changed: dict[str, Any] = options.given("extract", "equality")
    for name, value in options.given("shots", "max_tokens").items():
        changed[name] = _whole(name, value)
    if options.chat is not None:
        changed |= {"chat": options.chat, "stop": ()} if options.chat else {"chat": options.chat}
    if options.stop is not None:
        changed["stop"] = stops(options.stop)
    if options.checker is not None:
        given = options.checker
        changed["checker"] = given if callable(given) else named_function("checker", str(given))
    problems = replace(problems, **changed)
    check_problems(problems)
    return problems


def _families(rest: str, families: Sequence[str] | str | None) -> list[str]:
    if rest and families is not None:
        raise TtscaleError(
            "families", expected="nothing beside the spec's own", got=repr(families), fix="Name them in one place."
        )
    asked = rest if families is None else families
    return [part for part in asked.split("+") if part.strip()] if isinstance(asked, str) else list(asked)


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral):  # numpy's too
        raise TtscaleError(name, expected="a whole number", got=repr(value), fix="Give one, or leave it out.")
    return int(value)
