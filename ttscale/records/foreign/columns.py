"""Which column of a table holds what: by the user's word, or by the names that columns usually have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ttscale.errors import TtscaleError, unknown_name
from ttscale.records.foreign.reading import Reading

ALIASES: Mapping[str, tuple[str, ...]] = {
    "item": ("item_id", "item", "problem_id", "question_id", "task_id", "prompt_id", "doc_id", "id"),
    "n": ("n", "n_samples", "num_samples"),
    "c": ("c", "n_correct", "num_correct"),
    "correct": ("correct", "is_correct", "passed"),
    "answer": ("answer", "answers", "prediction", "predictions", "predicted", "pred", "extracted_answer"),
    "gold": ("gold", "gold_answer", "target", "reference", "ground_truth", "expected"),
    "text": (
        "text", "texts", "completion", "completions", "response", "responses", "generation", "generations", "output",
        "outputs",
    ),
    "samples": ("samples", "completions", "responses", "generations", "outputs"),
    "tokens": ("tokens", "n_tokens", "num_tokens", "completion_tokens", "output_tokens"),
    "prompt_tokens": ("prompt_tokens", "input_tokens"),
    "sample": ("sample", "sample_id", "sample_index", "sample_idx", "epoch"),
    "member": ("member", "model", "model_name"),
    "variant": ("variant",),
    "decoding": ("decoding", "decode_id"),
    "temperature": ("temperature",),
    "family": ("family", "subject", "category"),
    "cluster": ("cluster",),
    "question": ("question", "problem", "prompt"),
}  # fmt: skip

COUNTS = ("item", "n", "c", "tokens", "member", "variant", "decoding", "temperature", "family", "cluster", "question")
DRAWS = tuple(role for role in ALIASES if role not in ("n", "c", "samples"))


def columns_of(names: Sequence[str], reading: Reading, roles: Sequence[str], where: str) -> dict[str, str]:
    """Per role the column that holds it, of the roles that are there.

    Raises:
        TtscaleError: a column that the user named and that is not there, two that could hold a role, or none for the
            items.
    """
    for role, column in reading.fields.items():
        if column is not None and column.partition(".")[0] not in names and column not in names:
            raise unknown_name(f"fields.{role}", column, names, fix=f"These are the columns of {where}.")
    for column in reading.scores:
        if column not in names:
            raise unknown_name("scores", column, names, fix=f"These are the columns of {where}.")
    taken = {column for column in reading.fields.values() if column} | set(reading.scores)
    found: dict[str, str] = {}
    for role in roles:
        given = reading.fields.get(role)
        if given is not None or not reading.wants(role):
            found |= {role: given} if given is not None else {}
            continue
        usual = [name for name in ALIASES[role] if name in names and name not in taken]
        if len(usual) > 1 and role != "item":
            raise _two(role, usual, where)
        found |= {role: usual[0]} if usual else {}
    if "item" not in found:
        raise TtscaleError("fields.item", expected=f"a column of item ids in {where}, such as item_id",
                           got=f"the columns {listed(names)}", fix="Name it: fields.item=COLUMN.")  # fmt: skip
    return found


def value_at(row: Mapping[str, Any], column: str) -> Any:
    """The value of a column, or inside of one where the name has dots (``metadata.subject``); None where missing."""
    if column in row or "." not in column:
        return row.get(column)
    value: Any = row
    for part in column.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _two(role: str, usual: Sequence[str], where: str) -> TtscaleError:
    other = " Name the gold answers too, with fields.gold=COLUMN." if role == "answer" else ""
    return TtscaleError(
        f"fields.{role}", expected=f"one column that holds it in {where}", got=" and ".join(usual),
        fix=f"Choose: fields.{role}={usual[-1]}, or fields.{role}=null for none.{other}",
    )  # fmt: skip


def listed(names: Sequence[str]) -> str:
    """Names of columns, the first of many."""
    return ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
