"""What must hold of a problem set before anything runs."""

from __future__ import annotations

from collections import Counter

from ttscale.data.answers import extractor
from ttscale.data.equality import EQUALITIES
from ttscale.data.problems import Problems
from ttscale.errors import TtscaleError, unknown_name


def check_problems(problems: Problems) -> None:
    """Raise TtscaleError unless the set has items with ids, questions and golds of their own, templates that hold them,
    settings that can be used, and no item among its examples."""
    name = problems.name
    if len(problems) == 0:
        raise TtscaleError("data", expected="at least one problem", got=f"none in {name}", fix="Check the file.")
    _check_columns(problems)
    for item_id, times in Counter(problems.item_ids).items():
        if times > 1:
            raise TtscaleError(
                "data", expected="one id per problem", got=f"{item_id!r} {times} times", fix="Leave doubled ones out."
            )
    for item_id, question, gold in zip(problems.item_ids, problems.questions, problems.golds, strict=True):
        for what, text in (("id", item_id), ("question", question), ("gold", gold)):
            if not isinstance(text, str) or not text.strip() or not is_utf8(text):
                raise TtscaleError(
                    f"{what} of item {item_id}", expected="text that is not empty, and that UTF-8 can write",
                    got=repr(text)[:80], fix="Correct the item or leave it out.",
                )  # fmt: skip
    _check_templates(problems)
    _check_examples(problems)
    _check_settings(problems)


def _check_columns(problems: Problems) -> None:
    columns = {"questions": problems.questions, "golds": problems.golds}
    columns |= {
        name: getattr(problems, name) for name in ("clusters", "families") if getattr(problems, name) is not None
    }
    for name, column in columns.items():
        if len(column) != len(problems):
            raise TtscaleError(
                name, expected=f"one for each of {len(problems)} items", got=str(len(column)), fix="Give one an item."
            )


def _check_templates(problems: Problems) -> None:
    if not problems.templates:
        raise TtscaleError("templates", expected="at least one", got="none", fix="Give the plain template.")
    for template in problems.templates:
        lacking = [f"{{{field}}}" for field in ("question", "answer") if f"{{{field}}}" not in template.example]
        if lacking or "{question}" not in template.query:
            where = f"{' and '.join(lacking)} in its example" if lacking else "{question} in its query"
            raise TtscaleError(
                f"template {template.name}", expected="a place for question and answer", got=f"no {where}",
                fix="Write {question} in query and example, and {answer} in example.",
            )  # fmt: skip


def _check_examples(problems: Problems) -> None:
    asked = {question.strip(): item_id for question, item_id in zip(problems.questions, problems.item_ids, strict=True)}
    for example in problems.examples:
        if example.question.strip() in asked:
            raise TtscaleError(
                "examples", expected="none that is also an item",
                got=f"the question of item {asked[example.question.strip()]}", fix="Take it out of one of the two.",
            )  # fmt: skip


def _check_settings(problems: Problems) -> None:
    families = [None] if problems.families is None else sorted({str(family) for family in problems.families})
    for family in families:
        pool = sum(example.family in (None, family) for example in problems.examples)
        if not 0 <= problems.shots <= pool:
            where = problems.name if family is None else f"family {family}"
            raise TtscaleError(
                "shots", expected=f"0 to {pool}, the examples of {where}", got=str(problems.shots), fix="Give fewer."
            )
    if not isinstance(problems.extract, str):
        raise TtscaleError("extract", expected="a rule", got=repr(problems.extract), fix="For example 'last_number'.")
    extractor(problems.extract)
    if problems.equality not in EQUALITIES:
        raise unknown_name("equality", problems.equality, EQUALITIES)
    if not isinstance(problems.chat, bool):
        raise TtscaleError("chat", expected="True or False", got=repr(problems.chat), fix="Give one of them.")
    if problems.max_tokens < 1:
        raise TtscaleError(
            "max_tokens", expected="at least 1", got=str(problems.max_tokens), fix="Give for example 64."
        )
    if not all(isinstance(stop, str) and stop for stop in problems.stop):
        raise TtscaleError(
            "stop", expected="texts that are not empty", got=repr(problems.stop), fix='Give for example ["\\n"].'
        )


def is_utf8(text: str) -> bool:
    """Whether text can be written as UTF-8: half surrogate pairs cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
