"""The members, and how everything was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ttscale.reporting import words
from ttscale.reporting.markup import Cell, Markup, Missing, bullets, facts, joined, known, table
from ttscale.reporting.sections.cells import NOT_RECORDED, accuracy, cost, parameters, training_cost
from ttscale.reporting.series import Series
from ttscale.reporting.words import is_number

_TEXT = ("Generated tokens", "Prompt tokens", "Draws without an answer")


def members(series: Series) -> Markup:
    every = (series.summary.get("run") or {}).get("members") or []
    rows: list[list[Cell]] = [
        [
            words.clean(member["name"], 80),
            words.clean(member.get("flops_source") or words.DASH, 24),
            parameters(member),
            cost(member),
            training_cost(member),
            accuracy(member),
            *(_of_text(member) if series.text else []),
        ]
        for member in every
    ]
    of_plain = (f"FLOPs of {series.plain}", "Training FLOPs", f"Accuracy, {series.plain}")
    heads = ("Member", "FLOPs by", "Parameters", *of_plain, *(_TEXT if series.text else ()))
    shown = table("Members at one plain decision", heads, rows, text_columns=2)
    counted = [member for member in every if is_number(member.get("flops"))]
    if not counted:
        return shown
    return joined([shown, Markup("<h3>Operators that the FLOPs leave out</h3>\n"), _uncounted(counted)])


def _of_text(member: Mapping[str, Any]) -> list[Cell]:
    return [
        known(words.significant(member.get("tokens")), NOT_RECORDED),
        known(words.significant(member.get("prompt_tokens")), NOT_RECORDED),
        known(words.percent(member.get("abstained")), NOT_RECORDED),
    ]


def _uncounted(members: Sequence[Mapping[str, Any]]) -> Markup:
    """Operators that were not counted, once for all members that have the same."""
    groups: dict[str, list[str]] = {}
    for member in members:
        operators = (member.get("uncounted") or {}).items()
        listed = ", ".join(f"{words.clean(name, 60)} ({words.plural(calls, 'call')})" for name, calls in operators)
        groups.setdefault(listed or "nothing", []).append(words.clean(member["name"], 80))
    return bullets(f"{_who(names, len(members))}: {operators}" for operators, names in groups.items())


def _who(names: Sequence[str], n_members: int) -> str:
    if len(names) == n_members > 1:
        return "All members"
    return ", ".join(names[:3]) + (f" and {words.plural(len(names) - 3, 'other')}" if len(names) > 3 else "")


def method(series: Series) -> Markup:
    run, conventions = series.summary.get("run") or {}, series.summary.get("conventions") or {}
    versions = run.get("versions") or {}
    pairs: list[tuple[str, Cell]] = [
        ("Data", words.clean(run.get("dataset") or words.DASH, 200)),
        ("Items", _items(run)),
        ("Skipped items", words.count(run.get("skipped_items"))),
        *((_name(name), words.clean(text)) for name, text in conventions.items()),
        *(_asked(run) if series.text else [("Views, in order", _variants(run))]),
        ("Seed of the draws", _recorded(run.get("seed"))),
        ("Seed of the analysis", _recorded(run.get("analysis_seed"))),
        ("Resamples", known(words.count(run.get("n_boot")), NOT_RECORDED)),
        ("Device", _recorded(run.get("device"))),
        *([("Profiled on", words.clean(run["profiled_on"], 200))] if run.get("profiled_on") else []),
        ("Versions", _listed(f"{words.clean(name, 60)} {words.clean(v, 60)}" for name, v in versions.items())),
        ("Command", _command(run.get("command"))),
    ]
    return facts(pairs)


def _items(run: Mapping[str, Any]) -> str:
    classes = run.get("n_classes")
    return words.count(run.get("n_items")) + (f" in {words.count(classes)} classes" if classes else "")


def _variants(run: Mapping[str, Any]) -> Cell:
    return _listed(words.clean(variant, 40) for variant in run.get("variants") or [])


def _asked(run: Mapping[str, Any]) -> list[tuple[str, Cell]]:
    """How language models were asked and read."""
    return [
        ("Prompt variants", _variants(run)),
        ("Decodings", _listed(words.clean(decoding, 40) for decoding in run.get("decodings") or [])),
        ("Draws an item", known(words.count(run.get("draws_per_item")), NOT_RECORDED)),
        ("Prompt charged", _recorded(str(run.get("prefill") or "").replace("_", " "))),
        ("Orders of samples", known(words.count(run.get("orders")), NOT_RECORDED)),
        ("Answers read by", _recorded(run.get("grader"))),
    ]


def _name(convention: str) -> str:
    name = words.clean(convention, 40).replace("_", " ")
    return "FLOPs" if name == "flops" else name[:1].upper() + name[1:]


def _recorded(value: Any) -> Cell:
    return Missing(NOT_RECORDED) if value is None or value == "" else words.clean(value, 200)


def _listed(names: Any) -> Cell:
    return ", ".join(names) or Missing(NOT_RECORDED)


def _command(command: Any) -> Cell:
    if not command:
        return Missing("made from Python")
    return joined([Markup("<code>"), words.clean(command), Markup("</code>")])
