"""What the report shows of views: policies, rivals, quality, groups of items and shifts."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from report_checks import Reader, boxes, check_labels
from report_example import NASTY, SIZES, example_summary
from report_views import LOSS, hostile_views_summary, interval, views_summary

from ttscale.reporting.figure_groups import MOST_ROWS
from ttscale.reporting.figures import FIGURES, draw
from ttscale.reporting.interactive import plot
from ttscale.reporting.page import page
from ttscale.reporting.palette import LIGHT
from ttscale.reporting.series import WHOLE, Series

Summary = dict[str, Any]
OWN = ("accuracy_vs_flops", "accuracy_vs_bytes", "accuracy_vs_seconds", "policies", "breakdown", "shifts")
SECTIONS = ("teams", "rivals", "policies", "comparisons", "worth", "quality", "groups", "shifts")


def hostile() -> Summary:
    return hostile_views_summary(NASTY)


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("make", [views_summary, hostile])
def test_no_label_covers_another_or_leaves_the_figure(name: str, narrow: bool, make: Callable[[], Summary]) -> None:
    check_labels(drawn(name, make(), narrow=narrow))


def drawn(name: str, summary: Summary, *, narrow: bool = False) -> Figure:
    figure = FIGURES[name](summary, narrow=narrow)
    assert figure is not None
    return figure


def texts(figure: Figure) -> list[str]:
    figure.canvas.draw()
    return [text for text, _ in boxes(figure)]


def test_dots_are_the_gains_and_full_where_zero_is_excluded() -> None:
    summary = views_summary()
    product = [
        {**row, "curve": f"{row['curve']}/product"} for row in summary["shifts"]["rows"] if row["kind"] == "policy"
    ]
    summary["shifts"]["rows"] += product  # they would cover the dots of the views
    figure = drawn("shifts", summary)
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["w4", "w8", "w16", "w28"]
    assert len({ax.get_xlim() for ax in figure.axes}) == 1  # one scale
    rows = [
        row for row in views_summary()["shifts"]["rows"] if row["size"] == "resnet8-w16" and row["kind"] != "weights"
    ]
    dots = [line for line in figure.axes[2].lines if line.get_marker() not in ("None", "")]
    top_down = sorted(dots, key=lambda line: float(line.get_ydata()[0]))  # type: ignore[arg-type, index]
    assert [float(line.get_xdata()[0]) for line in top_down] == [row["gain"]["value"] for row in rows]  # type: ignore[arg-type, index]
    full = [to_hex(line.get_markerfacecolor()) != LIGHT["surface"] for line in top_down]
    assert full == [row["gain"]["low"] > 0 for row in rows] and len(set(full)) == 1
    names = [text for text in texts(figure) if text in LOSS]
    assert names == list(LOSS)  # clean first, named once


def test_a_gain_that_may_be_nothing_is_empty_and_one_without_an_interval_too() -> None:
    summary = views_summary()
    rows = [row for row in summary["breakdown"] if row["curve"] == "tta/resnet8-w4"]
    rows[0]["gain"], rows[1]["gain"] = interval(-0.03, 0.001), {"value": 0.03, "low": None, "high": None}
    rows[2]["gain"] = {"value": None, "low": None, "high": None}
    figure = drawn("breakdown", {**summary, "breakdown": rows})
    dots = {float(line.get_xdata()[0]): line for line in figure.axes[0].lines if line.get_marker() == "o"}  # type: ignore[arg-type, index]
    assert len(dots) == len(rows) - 1
    assert to_hex(dots[-0.03].get_markerfacecolor()) != LIGHT["surface"]
    assert to_hex(dots[0.03].get_markerfacecolor()) == LIGHT["surface"]


def test_many_classes_leave_the_figure_to_difficulty_and_stay_in_the_table() -> None:
    summary = views_summary()
    one = next(row for row in summary["breakdown"] if row["by"] == "class")
    more = [{**one, "group": f"kind of bird {i}"} for i in range(MOST_ROWS)]
    summary["breakdown"] += more
    found = texts(drawn("breakdown", summary))
    assert "by difficulty" in found and "by class" not in found and "all others wrong" in found
    assert "kind of bird 39" in Reader(page(summary, {})).text
    summary["shifts"]["rows"] += [{**summary["shifts"]["rows"][0], "shift": f"noise {i}"} for i in range(MOST_ROWS)]
    found = texts(drawn("shifts", summary))
    assert "noise 34" in found and "noise 35" not in found  # five shifts stand before them


def test_learned_curves_stand_beside_what_they_were_learned_about() -> None:
    summary = views_summary()
    figure = drawn("policies", summary)
    titles = ["w4, views", "w8, views", "w8, members × views", "w16, views", "w28, views"]
    assert [ax.get_title(loc="left") for ax in figure.axes] == titles
    series = Series(summary)
    named = [series.title_of(name) for name in ("policy/resnet8-w8", "policy/resnet8-w8/product")]
    assert named == ["resnet8-w8, views in learned order", "resnet8-w8, members × views in learned order"]
    curves = {curve["id"]: curve for curve in summary["curves"]}
    lines = [line.get_xydata() for line in figure.axes[1].lines]
    names = ["tta/resnet8-w8", *(f"{kind}/resnet8-w8" for kind in ("policy", "weights", "class_weights"))]
    assert len(lines) == len(names)
    for line, name in zip(lines, names, strict=True):
        assert np.array_equal(line, np.column_stack([curves[name]["multiplier"], curves[name]["accuracy"]])), name
    for entry in summary["policies"]:
        entry["against"] = "tta/unknown"
    assert FIGURES["policies"](summary) is None
    drawn_kinds = {kind for group in Series(summary).groups for kind in group.curves}
    assert drawn_kinds == {"tta", "ensemble", "product"}  # the main figure stays readable


def test_more_views_cost_no_bytes() -> None:
    summary = views_summary()
    curve = next(curve for curve in summary["curves"] if curve["id"] == "tta/resnet8-w8")
    ends = [[curve["weight_bytes"][i], curve["accuracy"][i]] for i in (0, -1)]
    assert ends[0][0] == ends[1][0]
    lines = [line.get_xydata() for line in drawn("accuracy_vs_bytes", summary).axes[0].lines]
    assert any(np.array_equal(line, ends) for line in lines)
    assert "100 kB" in texts(drawn("accuracy_vs_bytes", summary))
    summary["curves"], summary["rivals"] = [curve], []
    assert FIGURES["accuracy_vs_bytes"](summary) is None  # nothing to set against each other


def test_rivals_are_named_points_and_no_rungs() -> None:
    summary = views_summary()
    rival = summary["rivals"][0]
    alone = next(curve for curve in summary["curves"] if curve["id"] == "tta/resnet8-w16")
    members = ["resnet8-w16-s0 int8", "resnet8-w16-s1 int8"]
    summary["curves"].append({**alone, "id": f"tta/{rival['size']}", "size": rival["size"], "members": members})
    series = Series(summary)
    assert [group.key for group in series.groups] == [*SIZES, WHOLE] and series.keys == list(SIZES)
    assert series.title(series.curves[f"tta/{rival['size']}"]) == "resnet8-w16 int8, views"
    for name, x in (("accuracy_vs_flops", "flops"), ("accuracy_vs_bytes", "weight_bytes")):
        figure = drawn(name, summary)
        points = [line for line in figure.axes[0].lines if line.get_marker() == "D"]
        assert [line.get_xydata().tolist() for line in points] == [[[rival[x], rival["accuracy"]]]]  # type: ignore[union-attr]
        assert {"int8", "soup of 3", "number format or pruning", "weight soup"} <= set(texts(figure))
    spec = plot(summary)
    assert spec is not None
    go.Figure(spec)  # refuses unknown properties and illegal values
    (trace,) = [trace for trace in spec["data"] if trace["meta"]["part"] == "rival"]
    assert trace["text"] == ["soup of 3", "int8"] and trace["meta"]["roles"] == ["s2", "s2"]
    (ladder,) = [trace for trace in spec["data"] if trace["meta"]["part"] == "ladder"]
    assert len(ladder["x"]) == len(SIZES)


@pytest.mark.parametrize("name", ["accuracy_vs_flops", "accuracy_vs_bytes", "accuracy_vs_multiplier"])
@pytest.mark.parametrize("span", [0.004, 0.03, 0.13, 0.2, 0.6])
def test_ticks_are_where_their_labels_say(name: str, span: float) -> None:
    summary = views_summary()
    seen = [value for curve in summary["curves"] for value in curve["accuracy"]]
    for row in (*summary["curves"], *summary["tradeoff"]["ladder"], *summary["rivals"], *summary["pareto"]):
        for key in ("accuracy", "low", "high"):
            scaled = 0.95 - span * (max(seen) - np.asarray(row[key])) / np.ptp(seen)
            row[key] = scaled.tolist()
    axis = drawn(name, summary).axes[0].yaxis
    values = axis.get_majorticklocs()
    labels = axis.get_major_formatter().format_ticks(values)
    assert 3 <= len(values) <= 11
    np.testing.assert_allclose([float(label.removesuffix("%")) for label in labels], 100 * values, atol=1e-6)
    assert len({len(label.partition(".")[2]) for label in labels}) == 1


def test_names_of_rivals_stand_on_the_side_that_has_room() -> None:
    for size, place, at_top in (("resnet8-w4", 0, "top right"), ("resnet8-w28", -1, "top left")):
        summary = views_summary()
        rungs = summary["tradeoff"]["ladder"]
        for rival in summary["rivals"]:
            rival.update(of=size, flops=rungs[place]["flops"])
        for curve in summary["curves"]:
            if place:
                curve["flops"] = [min(x, rungs[-1]["flops"]) for x in curve["flops"]]
        spec = plot(summary)
        assert spec is not None
        (trace,) = [trace for trace in spec["data"] if trace["meta"]["part"] == "rival"]
        assert trace["textposition"][0] == at_top
        assert all(side.endswith(at_top.split()[1]) for side in trace["textposition"])


def test_a_rival_no_better_than_chance_does_not_stretch_the_axis() -> None:
    summary = views_summary()
    summary["rivals"][1].update(accuracy=0.108, low=0.09, high=0.12)
    for name in ("accuracy_vs_flops", "accuracy_vs_bytes", "accuracy_vs_seconds"):
        figure = drawn(name, summary)
        assert figure.axes[0].get_ylim()[0] > 0.8
        assert {"soup of 3: 10.8%", "far below, at its accuracy"} <= set(texts(figure))
    spec = plot(summary)
    assert spec is not None
    (trace,) = [trace for trace in spec["data"] if trace["meta"]["part"] == "rival"]
    assert trace["text"] == ["int8", "soup of 3: 10.8%"] and min(trace["y"]) > 0.8
    assert trace["marker"]["symbol"] == ["diamond", "triangle-down"]


@pytest.fixture(scope="module")
def read() -> Reader:
    return Reader(page(views_summary(), draw(views_summary())))


def test_the_page_says_what_the_summary_says(read: Reader) -> None:
    ids = {attrs["id"] for _, attrs in read.elements if attrs.get("id")}
    assert set(SECTIONS) <= ids and read.open == []
    for shown in (
        "resnet8-w16, views", "+0.11 (+0.01 to +0.21)", "equal weights. So for weights per class 1 of 4 times.",
        "both halves chose the same first 2 draws", "temperature 1.31", "shift3: 20.0%",  # policies
        "48 draws of resnet8-w4", "311", "171", "< 0.0001", "0.00038", "−0.021 (−0.025 to −0.017)",  # comparisons
        "more than 3 (2.70 or more)", "1.40 (1.20 to 1.60)", "237 MFLOPs",  # equivalents
        "1.42", "0.310 (0.298 to 0.322)", "0.011 (0.007 to 0.015)", "99.8% (99.7 to 99.9)",  # quality
        "308 kB", "80.1 kB", "0.0012", "as it was trained", "soup of 3",  # rivals
        "one of each draw", "1.27", "resnet8-w16-s0 · identity: 30.0%",  # plan
        "Difficulty: the share", "class 7", "all others wrong", "Views gain +1.",  # groups
        "61.7% (61.1 to 62.3)", "Every shift is analysed by itself", "the clean data, or other items than those",
        "−1.23 (−1.63 to −0.83)", "−1.23 (−1.63 to −0.83), of 13 for no more FLOPs", "48 (48×)",
        "w4-s0 + w28-s0", "93.0% (92.5 to 93.5)", "+0.29 (+0.18 to +0.40)", "w28-s0 92.7%", "15.1 MFLOPs",  # teams
        "count for the front", "the run", "Collected draws for no",
    ):  # fmt: skip
        assert shown in read.text, shown
    assert not re.search(r"\b(nan|none|inf|null|NaN|None)\b", read.text)
    assert '"diamond"' in "".join(read.scripts) and "number formats, soups" in read.text


def test_ensembles_of_some_members_have_no_line() -> None:
    """The main figure keeps the one of all members, whichever comes first in the summary."""
    summary = views_summary()
    summary["curves"].insert(0, summary["curves"].pop())
    whole = next(group for group in Series(summary).groups if group.key == WHOLE)
    assert [curve["id"] for curve in whole.curves.values()] == ["ensemble/all", "product/all"]
    assert Series(summary).title_of("ensemble/pair") == "resnet8-w4-s0 + resnet8-w28-s0, members"
    assert Series(summary).title_of("ensemble/all") == "all members, members"


def test_foreign_strings_stay_text() -> None:
    read = Reader(page(hostile(), draw(hostile())))
    assert not {"img", "b"} & {tag for tag, _ in read.elements} and read.open == []
    shown = NASTY.replace("\x1b", "\ufffd").replace("\u202e", "\ufffd")
    assert read.text.count(shown[:40]) >= 15
    assert "alert(1)" not in "".join(script for script in read.scripts[1:])


def test_summaries_without_these_parts_have_none_of_their_sections() -> None:
    read = Reader(page(example_summary(), {}))
    assert not set(SECTIONS) & {attrs["id"] for _, attrs in read.elements if attrs.get("id")}
