"""The page: one legal file, nothing from outside, everything escaped, every gap explained."""

from __future__ import annotations

import base64
import copy
import hashlib
import itertools
import json
import re
from collections.abc import Callable
from typing import Any
from unittest import mock

import plotly.graph_objects as go
import pytest
from report_checks import Reader
from report_example import NASTY, example_summary, hostile_summary, lone_summary
from report_language import hostile_language_summary, language_summary, unpriced_summary

from ttscale.reporting.figures import FIGURES, draw
from ttscale.reporting.interactive import plot
from ttscale.reporting.markup import Markup, Missing, facts, html, joined, table
from ttscale.reporting.page import page
from ttscale.reporting.sections.overview import tiles
from ttscale.reporting.sections.run import members
from ttscale.reporting.sections.training import training
from ttscale.reporting.series import Series


def parts_summary() -> dict[str, Any]:
    parts = {"vision": hostile_summary(), "language": language_summary()}
    return {"schema_version": 1, "kind": "ttscale-summary", "parts": parts}


WHOLE, FEW = ("example", "lone", "language"), ("accuracy_vs_flops", "votes")  # pages with all figures, or with few
PAGES = ("example", "hostile", "lone", "language", "hostile language", "unpriced", "parts")


@pytest.fixture(scope="module")
def written() -> dict[str, str]:
    makers: dict[str, Callable[[], dict[str, Any]]] = {
        "example": example_summary, "hostile": hostile_summary, "lone": lone_summary, "language": language_summary,
        "hostile language": lambda: hostile_language_summary(NASTY), "unpriced": unpriced_summary,
        "parts": parts_summary,
    }  # fmt: skip
    every = {name: (make(), draw(make())) for name, make in makers.items() if name in WHOLE}
    with mock.patch.dict(FIGURES, {name: FIGURES[name] for name in FEW}, clear=True):  # drawing is most of the time
        every |= {name: (make(), draw(make())) for name, make in makers.items() if name not in WHOLE}
    return {name: page(*every[name]) for name in PAGES}


@pytest.fixture(scope="module", params=PAGES)
def read(request: pytest.FixtureRequest, written: dict[str, str]) -> Reader:
    return Reader(written[request.param])


def test_elements_close_and_ids_are_unique(read: Reader) -> None:
    assert read.open == []
    ids = [attrs["id"] for _, attrs in read.elements if attrs.get("id")]
    assert len(ids) == len(set(ids))
    headings = [int(tag[1]) for tag, _ in read.elements if re.fullmatch(r"h[1-6]", tag)]
    assert headings[0] == 1 and headings.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(headings))


def test_nothing_comes_from_outside(read: Reader) -> None:
    tags = {tag for tag, _ in read.elements}
    assert not tags & {"link", "img", "iframe", "object", "embed", "base", "form", "a", "video", "audio", "image"}
    for tag, attrs in read.elements:
        assert not any(name.startswith("on") for name in attrs), (tag, attrs)
        assert "src" not in attrs and (attrs.get("xlink:href") or attrs.get("href") or "#").startswith("#")
        assert "url(" not in (attrs.get("style") or "").replace("url(#", "")
    metas = {attrs.get("http-equiv"): attrs.get("content") for attrs in read.all("meta")}
    policy = metas["Content-Security-Policy"]
    assert policy is not None and "default-src 'none'" in policy
    runnable = [script for script, attrs in zip(read.scripts, read.all("script"), strict=True) if "type" not in attrs]
    for script in runnable:
        assert f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" in policy
    assert policy.count("sha256-") == len(runnable)


def test_plotly_is_there_once(written: dict[str, str]) -> None:
    assert [text.count("* plotly.js v") for text in written.values()] == [1, 1, 0, 1, 1, 0, 1]
    assert [len(Reader(text).scripts) for text in written.values()] == [3, 3, 0, 3, 3, 0, 4]


def test_nothing_is_nan_and_tables_say_what_they_are(read: Reader) -> None:
    assert not re.search(r"\b(nan|none|inf|null|undefined|NaN|None)\b", read.text.replace("undefined: every", ""))
    tags = [tag for tag, _ in read.elements]
    assert tags.count("table") == tags.count("caption") > 1
    assert all(attrs.get("scope") in ("col", "row") for attrs in read.all("th"))
    for tag, attrs in read.elements:
        if tag == "svg":
            assert attrs.get("aria-hidden") == "true" or (attrs.get("role") == "img" and attrs["aria-label"])


def test_foreign_strings_stay_text(written: dict[str, str]) -> None:
    for name in ("hostile", "hostile language"):
        read = Reader(written[name])
        assert not {"img", "b"} & {tag for tag, _ in read.elements} and NASTY.split("$")[0] in read.text
    read = Reader(written["hostile"])
    nasty = hostile_summary()["headline"][0].replace("\x1b", "\ufffd").replace("\u202e", "\ufffd")
    for place in ("dataset", "command"):
        assert hostile_summary()["run"][place]
    assert read.text.count(nasty) >= 8
    assert "\x1b" not in written["hostile"] and "\u202e" not in written["hostile"]
    assert "alert(1)" not in "".join(read.scripts).replace(read.scripts[0], "")  # nothing but the data holds it
    assert "<" not in read.scripts[0] and json.loads(read.scripts[0])


def test_the_example_says_what_the_summary_says(written: dict[str, str]) -> None:
    text = Reader(written["example"]).text
    summary = example_summary()
    for line in summary["headline"]:
        assert line in text
    for name in ("resnet8-w16-s2", "aten::upsample_bicubic2d (2 calls)", "torch 2.15.0", "ttscale demo models=zoo:*"):
        assert name in text
    for shown in ("92.7% (92.2 to 93.2)", "53.0 TFLOPs", "1.21 (0.910 or more)", "A − B·k^−c", "at bound", "+0.18"):
        assert shown in text
    for verdict in summary["tradeoff"]["verdicts"]:
        assert verdict["text"] in text


def test_the_language_page_says_what_the_summary_says(written: dict[str, str]) -> None:
    text = Reader(written["language"]).text
    for shown in (
        "One greedy answer of the largest model", "weighted by self certainty", "+0.40 (−1.60 to +2.40)",  # votes
        "choice1", "81.2% (75.2 to 87.2)", "+4.80 (+2.80 to +6.80)", "13.6 GFLOPs",  # prompts
        "learned weights", "smollm2-135m 64%", "+1.80",  # ensembles
        "sums_two_digit", "45.0% (35.0 to 55.0)", "stop 14,650, length 70", "1.2%",  # families, abstentions
        "Found, and outvoted", "47 + 38 =", "<b>x</b>", "16 draws of smollm2-135m, 1 without an answer",  # examples
        "samples: coverage", "24.6", "T0.8, T1.2", "last_number-1f3a", "84.3% (79.3 to 89.3)",  # laws, plan, method
    ):  # fmt: skip
        assert shown in text, shown
    assert "view" not in text and "classes" not in text and "its text holds no answer" in text


def test_parts_keep_their_own_colours_and_ids(written: dict[str, str]) -> None:
    read, text = Reader(written["parts"]), written["parts"]
    ids = {attrs["id"] for _, attrs in read.elements if attrs.get("id")}
    assert {"vision", "language", "vision_cost", "language_cost", "language_examples"} <= ids
    styles = re.findall(r"^#(vision|language)\{(.*?)\}$", text, re.MULTILINE)
    assert {name: block.count("--s") for name, block in styles} == {"vision": 4, "language": 2}
    titles = [line for line in read.text.splitlines() if line.startswith("What test-time compute bought")]
    assert titles[0] == "What test-time compute bought: vision and language"


def training_of(summary: dict[str, Any]) -> str:
    return training(Series(summary))


def test_verdicts_say_what_could_have_been_detected() -> None:
    summary = example_summary()
    shown = Reader(training_of(summary)).text
    assert "80% chance to show" in shown and "0.57" in shown
    for verdict in summary["tradeoff"]["verdicts"]:
        del verdict["detectable"]  # as in summaries of older versions
    shown = Reader(training_of(summary)).text
    assert "80% chance to show" not in shown and "0.57" not in shown
    summary["tradeoff"]["verdicts"][0]["detectable"] = None
    assert "not recorded" in Reader(training_of(summary)).text


def test_exchange_rates_that_exist_come_first_and_none_is_folded_away() -> None:
    summary = example_summary()
    rows = summary["tradeoff"]["exchange"]
    rows.sort(key=lambda row: row["crosses"])
    shown = training_of(summary)
    assert shown.index(rows[1]["text"]) < shown.index(rows[0]["text"])
    begin = shown.index("Exchange rates between")
    table = shown[begin : shown.index("</table>", begin)]
    assert table.index("resnet8-w8 to resnet8-w16") < table.index("resnet8-w4 to resnet8-w28")
    assert shown[:begin].count("<details>") == shown[:begin].count("</details>") == 0
    summary["tradeoff"]["exchange"] = rows[:1]
    shown = training_of(summary)
    before = shown[: shown.index("Exchange rates between")]
    assert before.count("<details>") == 1 and "</details>" not in before
    assert "No smaller size becomes as accurate" in before[: before.index("<details>")]
    assert "−3.10" in shown


def test_the_most_accurate_point_says_that_it_was_not_held_out(written: dict[str, str]) -> None:
    assert "chosen and scored on the same items" in Reader(written["example"]).text.split("Accuracy against compute")[0]


def test_what_is_missing_has_a_reason(written: dict[str, str]) -> None:
    text = Reader(written["lone"]).text
    for reason in ("its FLOPs are not known", "its card does not say how much compute its training took",
                   "one draw has no extra compute", "No law was fitted", "One size only: there is nothing to compare.",
                   "No plan. min_accuracy: expected at most 0.874, got 0.99.", "3 unreadable items were left out.",
                   "There is no figure of accuracy against FLOPs"):  # fmt: skip
        assert reason in text


def test_the_interactive_figure_is_legal_plotly() -> None:
    for summary in (example_summary(), hostile_summary()):
        spec = plot(copy.deepcopy(summary))
        assert spec is not None
        figure = go.Figure(spec)  # refuses unknown properties and illegal values
        assert len(figure.data) == len(spec["data"])
        json.dumps(spec, allow_nan=False)
        for trace in spec["data"]:
            assert len(trace["x"]) == len(trace["y"]) > 0
            for text in (trace.get("text") or []) + (trace.get("customdata") or []):
                assert set(re.findall(r"<[^>]*>", text)) <= {"<b>", "</b>", "<br>"}
    parts = [trace["meta"]["part"] for trace in plot(example_summary())["data"]]  # type: ignore[index]
    assert {part: parts.count(part) for part in parts} == {
        "front": 1, "band": 14, "line": 14, "ladder": 1, "plan": 1,
    }  # fmt: skip


def test_the_interactive_figure_shows_the_numbers_of_the_summary() -> None:
    summary = example_summary()
    spec = plot(summary)
    assert spec is not None
    curve = next(curve for curve in summary["curves"] if curve["id"] == "product/resnet8-w28")
    trace = next(t for t in spec["data"] if t["meta"]["part"] == "line" and t["x"] == curve["flops"])
    assert trace["y"] == curve["accuracy"]
    assert "k = 48, 48× one plain decision" in trace["text"][-1] and "710 MFLOPs an item" in trace["text"][-1]
    lone = lone_summary()
    lone["curves"][0]["flops"] = [None]
    assert plot(lone) is None


def test_markup_escapes_all_but_markup() -> None:
    assert html("<b>") == "&lt;b&gt;" and html(Markup("<b>")) == "<b>"
    assert joined(["<", Markup("<br>"), ">"]) == "&lt;<br>&gt;"
    assert Markup("<br>").join(["a", "<"]) == "a<br>&lt;"
    rows = [["<x>", Missing("no <idea>")], ["y", Missing("no <idea>")], ["z", Missing("other")], ["w", "1"]]
    text = table("<t>", ["<h>", "n"], rows)
    assert "&lt;x&gt;" in text
    assert not any(raw in text for raw in ("<x>", "<idea>", "<t>", "<h>"))
    assert re.findall(r"<sup>(\d)</sup>", text) == ["1", "1", "2", "1", "2"]  # three cells, then two notes
    assert "– <small>(why)</small>" in facts([("a", Missing("why"))])


def test_a_column_of_nothing_is_left_out_and_named() -> None:
    gap = Missing("its FLOPs are not known")
    text = table("t", ["Name", "What", "FLOPs", "k"], [["a", gap, gap, "1"], ["b", gap, gap, "2"]], text_columns=2)
    read = Reader(text)
    assert [attrs.get("class") for attrs in read.all("th") if attrs["scope"] == "col"] == [None, "n"]
    assert "Not shown: What, FLOPs (its FLOPs are not known)." in read.text and "<sup>" not in text
    some = table("t", ["Name", "FLOPs"], [["a", gap], ["b", "1"]])
    assert "Not shown" not in some and "<sup>" in some


def test_only_the_largest_model_is_called_so() -> None:
    summary = language_summary()
    assert "of the largest model" in Reader(tiles(Series(summary))).text
    for rung in summary["tradeoff"]["ladder"]:
        rung["n_params"] = 7e9
    assert "of one model of 2" in Reader(tiles(Series(summary))).text


def test_operators_are_told_of_members_whose_flops_are_known() -> None:
    summary = language_summary()
    heading = "Operators that the FLOPs leave out"
    assert heading in members(Series(summary))
    for member in summary["run"]["members"]:
        member["flops"] = None
    assert heading not in members(Series(summary))


def test_the_interactive_figure_has_a_tick_where_a_vote_ends() -> None:
    summary = language_summary()
    spec = plot(summary)
    assert spec is not None
    ticks = [trace for trace in spec["data"] if trace["meta"]["part"] == "ceiling"]
    drawn = {curve["ceiling"]["value"] for group in Series(summary).groups for curve in group.curves.values()}
    assert {y for trace in ticks for y in trace["y"]} == drawn - {None} and ticks
    go.Figure(spec)
