"""Figures: what they show is what the summary says, labels do not cover each other, nothing global is touched."""

from __future__ import annotations

import copy
import io
import itertools
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from report_checks import boxes, check_labels
from report_example import NASTY, example_summary, hostile_summary, lone_summary
from report_language import SMALL, hostile_language_summary, language_summary, unpriced_summary

from ttscale.reporting import canvas
from ttscale.reporting.figure_beside import beside
from ttscale.reporting.figures import FIGURES, draw
from ttscale.reporting.labels import Labels
from ttscale.reporting.series import WHOLE, Series, sparse

Summary = dict[str, Any]
LANGUAGE_ONLY = {"accuracy_vs_tokens", "accuracy_vs_seconds", "votes"}  # of those that the examples have data for
VIEWS_ONLY = {"accuracy_vs_bytes", "policies", "breakdown", "shifts"}  # tested with report_views
COSTLESS = {"accuracy_vs_draws"}  # where no cost is known
VISION = [name for name in FIGURES if name not in LANGUAGE_ONLY | VIEWS_ONLY | COSTLESS]
LANGUAGE = [name for name in FIGURES if name not in VIEWS_ONLY | COSTLESS]


def hostile_language() -> Summary:
    return hostile_language_summary(NASTY)


def parts_summary() -> Summary:
    parts = {"vision": example_summary(), "language": language_summary()}
    return {"schema_version": 1, "kind": "ttscale-summary", "parts": parts}


DRAWN = [
    *((name, make) for make in (example_summary, hostile_summary) for name in VISION),
    *((name, make) for make in (language_summary, hostile_language) for name in LANGUAGE),
]


@pytest.mark.parametrize(("name", "make"), DRAWN)
@pytest.mark.parametrize("narrow", [False, True])
def test_no_label_covers_another_or_leaves_the_figure(name: str, narrow: bool, make: Callable[[], Summary]) -> None:
    figure = FIGURES[name](make(), narrow=narrow)
    assert figure is not None
    check_labels(figure)


@pytest.mark.parametrize("narrow", [False, True])
def test_without_any_cost_accuracy_stands_against_draws(narrow: bool) -> None:
    summary = unpriced_summary()
    assert FIGURES["accuracy_vs_draws"](summary, narrow=narrow) is None  # its tokens are known
    curve = summary["curves"][0]
    curve["tokens"] = [None] * len(curve["budgets"])
    figure = FIGURES["accuracy_vs_draws"](summary, narrow=narrow)
    assert figure is not None
    check_labels(figure)
    line = figure.axes[0].lines[0]
    assert np.asarray(line.get_xdata()).tolist() == curve["budgets"]
    assert np.asarray(line.get_ydata()).tolist() == pytest.approx(curve["accuracy"])


@pytest.mark.parametrize("narrow", [False, True])
def test_parts_stand_beside_each_other(narrow: bool) -> None:
    figure = beside(parts_summary()["parts"], narrow=narrow)
    assert figure is not None and len(figure.axes) == 2
    check_labels(figure)
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["Vision: resnet8-w28", "Language: gemma3-270m"]
    drawings = draw(parts_summary())
    expected = {f"vision_{name}" for name in VISION} | {f"language_{name}" for name in LANGUAGE}
    assert set(drawings) == expected | {"beside"}
    assert beside({"vision": example_summary(), "language": unpriced_summary()}) is None


def test_sizes_and_plan_are_named_beside_their_points() -> None:
    figure = FIGURES["accuracy_vs_flops"](example_summary())
    assert figure is not None
    texts = {text for text, _ in boxes(figure)}
    assert {"w4", "w8", "w16", "w28", "all members", "plan", "one view, more training", "Pareto front"} <= texts


def test_lines_are_the_summary() -> None:
    summary = example_summary()
    figure = FIGURES["accuracy_vs_flops"](summary)
    assert figure is not None
    drawn = [line.get_xydata() for line in figure.axes[0].lines]
    curves = [curve for group in Series(summary).groups for curve in group.curves.values()]
    assert len(curves) == 14  # three kinds of four sizes, two of all members; no single seed
    for curve in curves:
        expected = np.column_stack([curve["flops"], curve["accuracy"]])
        assert any(line.shape == expected.shape and np.array_equal(line, expected) for line in drawn), curve["id"]
    ladder = np.array([[rung["flops"], rung["accuracy"]] for rung in summary["tradeoff"]["ladder"]])
    assert any(line.shape == ladder.shape and np.array_equal(line, ladder) for line in drawn)


def test_gains_that_are_not_positive_are_marked_on_the_edge() -> None:
    summary = example_summary()
    curve = next(curve for curve in summary["curves"] if curve["id"] == "tta/resnet8-w8")
    curve["gain_per_gflop"][1] = {"value": -3.0, "low": -9.0, "high": 2.0}
    figure = FIGURES["gain_per_flop"](summary)
    assert figure is not None
    marks = [line for ax in figure.axes for line in ax.lines if line.get_marker() == "x" and len(line.get_xdata())]
    assert [list(mark.get_xdata()) for mark in marks] == [[curve["flops"][1]]]  # type: ignore[arg-type]
    assert any("where nothing was gained" in text for text, _ in boxes(figure))


def test_the_same_figure_has_the_same_bytes_whatever_the_matplotlibrc() -> None:
    first = FIGURES["laws"](example_summary())
    assert first is not None

    def rendered(figure: Figure) -> tuple[bytes, bytes, str]:
        inline = canvas.inline_svg(figure, name="a", alt="", n_sizes=4, css_class="wide")
        return canvas.svg(figure), canvas.png(figure), inline

    expected = rendered(first)
    with mpl.rc_context({"font.size": 20, "axes.grid": False, "svg.hashsalt": None, "savefig.facecolor": "red"}):
        second = FIGURES["laws"](example_summary())
        assert second is not None
        again = rendered(second)
    assert again == expected


def test_nothing_global_is_touched() -> None:
    before = copy.deepcopy(dict(mpl.rcParams))
    figure = FIGURES["laws"](example_summary(), narrow=True)
    assert figure is not None and canvas.png(figure) and canvas.svg(figure)
    assert dict(mpl.rcParams) == before
    code = (
        "import sys, ttscale.reporting.report as r, ttscale.reporting.figures, ttscale.reporting.page;"
        "bad = {'torch', 'matplotlib.pyplot'} & set(sys.modules); assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_files_are_images_without_dates() -> None:
    for name in VISION:
        figure = FIGURES[name](hostile_summary())
        assert figure is not None
        vector = canvas.svg(figure).decode()
        assert ElementTree.fromstring(vector).tag.endswith("svg")
        assert "<dc:date>" not in vector and "Matplotlib v" not in vector
        with Image.open(io.BytesIO(canvas.png(figure))) as image:
            assert image.size[0] == 1920 and "Software" not in image.info


def test_inline_svg_follows_the_theme_and_keeps_text() -> None:
    figure = FIGURES["accuracy_vs_multiplier"](example_summary())
    assert figure is not None
    inline = canvas.inline_svg(figure, name="x", alt="what it shows", n_sizes=4, css_class="wide")
    root = ElementTree.fromstring(inline)
    assert (root.get("role"), root.get("aria-label"), root.get("width")) == ("img", "what it shows", None)
    assert "more members × views" in {
        (node.text or "").strip() for node in root.iter("{http://www.w3.org/2000/svg}text")
    }
    assert not re.findall(r"(?:fill|stroke): ?#", inline)
    ids = [node.get("id") for node in root.iter() if node.get("id")]
    assert all(name is not None and name.startswith("x-") for name in ids)
    assert {ref.removeprefix("#") for ref in re.findall(r'(?:url\(|href=")(#[^)"]+)', inline)} <= set(ids)


def test_figures_leave_out_what_there_is_not() -> None:
    assert draw(lone_summary()) == {}
    summary = example_summary()
    summary["fits"], summary["pareto"], summary["plan"] = [], [], None
    for curve in summary["curves"]:
        curve["low"] = curve["high"] = [None] * len(curve["budgets"])
        curve["gain_per_gflop"] = []
    for rung in summary["tradeoff"]["ladder"]:
        rung["low"] = rung["high"] = None
    assert set(draw(summary)) == {"accuracy_vs_flops", "accuracy_vs_multiplier"}
    for curve in summary["curves"]:
        curve["flops"] = curve["multiplier"] = [None] * len(curve["budgets"])
    summary["tradeoff"]["ladder"] = []
    assert set(draw(summary)) == {"accuracy_vs_draws"}


def test_perfect_accuracy_and_equal_points_can_be_drawn() -> None:
    summary = example_summary()
    for curve in summary["curves"]:
        for key in ("accuracy", "low", "high"):
            curve[key] = [1.0] * len(curve["budgets"])
    for rung in summary["tradeoff"]["ladder"]:
        rung.update(accuracy=1.0, low=1.0, high=1.0)
    assert set(draw(summary)) == set(VISION)


def points(figure: Figure, panel: int = 0) -> list[Any]:
    return [line.get_xydata() for line in figure.axes[panel].lines]


@pytest.mark.parametrize(
    ("name", "x"),
    [
        ("accuracy_vs_flops", "flops"),
        ("accuracy_vs_tokens", "tokens"),
        ("accuracy_vs_seconds", "seconds"),
        ("votes", "budgets"),
    ],
)
def test_coverage_and_ceiling_stand_beside_every_vote(name: str, x: str) -> None:
    summary = language_summary()
    figure = FIGURES[name](summary)
    assert figure is not None
    drawn = [line for panel in range(len(figure.axes)) for line in points(figure, panel)]
    for group in Series(summary).groups:
        for curve in (c for c in group.curves.values() if name != "votes" or c["kind"] == "samples"):
            for y in (curve["accuracy"], curve["coverage"]["accuracy"]):
                expected = np.column_stack([curve[x], y])
                assert any(np.array_equal(line, expected) for line in drawn), curve["id"]
            tick = [[curve[x][-1], curve["ceiling"]["value"]]]
            assert any(np.array_equal(line, tick) for line in drawn), curve["id"]


def test_every_vote_over_the_same_samples_has_a_line() -> None:
    summary = language_summary()
    figure = FIGURES["votes"](summary)
    assert figure is not None and len(figure.axes) == 2
    curves = [c for c in summary["curves"] if c["kind"] == "samples" and c["members"] == [SMALL]]
    for curve in curves:
        expected = np.column_stack([curve["budgets"], curve["accuracy"]])
        shown = any(line.shape == expected.shape and np.array_equal(line, expected) for line in points(figure))
        assert shown == (curve["decoding"] == "T0.8"), curve["id"]
    assert "weighted by self certainty" in {text for text, _ in boxes(figure)}


def test_unknown_flops_leave_tokens_to_draw() -> None:
    assert set(draw(unpriced_summary())) == {"accuracy_vs_tokens"}


def test_laws_of_coverage_are_drawn_beside_those_of_the_vote() -> None:
    summary = language_summary()
    figure = FIGURES["laws"](summary)
    assert figure is not None
    lines = {tuple(line.get_ydata()[:3]) for line in figure.axes[1].lines if len(line.get_ydata()) >= 3}  # type: ignore[index]
    fits = [fit for fit in summary["fits"] if fit["covers"] == "samples/gemma3-270m/T0.8" and fit["chosen"]]
    assert [fit["of"] for fit in fits] == ["accuracy", "coverage"]
    assert all(tuple(fit["line"]["accuracy"][:3]) in lines for fit in fits)


def test_labels_find_the_free_place_or_stay_away() -> None:
    with canvas.style():
        figure = canvas.new_figure(3, 3)
        ax = figure.add_axes((0, 0, 1, 1))
        ax.set(xlim=(0, 1), ylim=(0, 1))
        labels = Labels(ax)
        labels.avoid_line([0.5, 1.0], [0.5, 0.5])  # to the right
        labels.avoid_line([0.5, 0.5], [0.5, 1.0])  # and up
        assert labels.put("here", 0.5, 0.5, distance=6)
        box = ax.texts[0].get_window_extent()
        assert not any(box.x0 <= x <= box.x1 and box.y0 <= y <= box.y1 for x, y in labels.lines)
        too_long = "far too long a label for a figure of this width, whichever way it goes"
        assert not labels.put(too_long, 0.5, 0.2)
        assert len(ax.texts) == 1
        assert labels.put(too_long, 0.5, 0.2, always=True)
        placed = sum(labels.put("crowd", 0.2, 0.2) for _ in range(50))
        assert 0 < placed < 50
    crowd = [text.get_window_extent() for text in ax.texts if text.get_text() == "crowd"]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(crowd, 2))


def test_names_of_sizes() -> None:
    series = Series(example_summary())
    assert [group.label for group in series.groups] == ["w4", "w8", "w16", "w28", "all members"]
    assert [group.role for group in series.groups] == ["s0", "s1", "s2", "s3", "whole"]
    assert series.groups[-1].key == WHOLE
    assert [list(group.curves) for group in series.groups[:1]] == [["tta", "ensemble", "product"]]
    assert series.title(series.groups[0].curves["product"]) == "resnet8-w4, members × views"
    assert series.title_of("unknown/curve") == "unknown/curve"
    assert sparse([1, 2, 3, 4, 5, 8, 12]) == [0, 1, 3, 5, 6]
    alone = Series(lone_summary())
    assert [(group.key, group.label) for group in alone.groups] == [("resnet8-w4-s0", "resnet8-w4-s0")]


def test_a_narrow_log_axis_still_has_ticks() -> None:
    ticks = canvas.LogTicks()
    assert ticks.tick_values(1.3e6, 2.6e6) == [2e6]
    assert ticks.tick_values(8e5, 6e6) == [1e6, 2e6, 5e6]
    assert ticks.tick_values(3e5, 2e9) == [1e6, 1e7, 1e8, 1e9]
