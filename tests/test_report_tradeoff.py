"""The figures and the page of a tradeoff, from a small simulated grid of a known joint law."""

from __future__ import annotations

import copy
import json
import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from report_checks import Reader, check_labels
from simulated_grid import simulate

from ttscale.errors import TtscaleError
from ttscale.reporting import words
from ttscale.reporting.panels import one_panel
from ttscale.reporting.report import report
from ttscale.reporting.tradeoffs.contours import _runs, contour_lines
from ttscale.reporting.tradeoffs.drawings import FIGURES, drawings_of
from ttscale.reporting.tradeoffs.families import reference_families as families_figure
from ttscale.reporting.tradeoffs.grid import Grid
from ttscale.reporting.tradeoffs.ladder import training_ladder
from ttscale.reporting.tradeoffs.lifetimes import total_flops
from ttscale.reporting.tradeoffs.main import ladder_and_curves
from ttscale.reporting.tradeoffs.page import tradeoff_page
from ttscale.reporting.tradeoffs.ready import check_tradeoff
from ttscale.reporting.tradeoffs.scales import _from_scale, _ticks, _to_scale, accuracy_axis
from ttscale.reporting.tradeoffs.tables import laws, measured_rates, rates
from ttscale.scaling.summaries.tradeoffs import tradeoff_summary
from ttscale.scaling.surfaces.quantity import QUANTITIES
from ttscale.scaling.tradeoff.answers import answers_of
from ttscale.scaling.tradeoff.entrants import Entrants
from ttscale.scaling.tradeoff.exchanges import exchange_between
from ttscale.scaling.tradeoff.joint import joint_fits
from ttscale.scaling.tradeoff.ladder import Rung
from ttscale.scaling.tradeoff.matched import matched
from ttscale.scaling.tradeoff.measured_lives import cheapest_in_turn, lives
from ttscale.scaling.tradeoff.pareto import front
from ttscale.scaling.tradeoff.tradeoff import Tradeoff
from ttscale.scaling.tradeoff.verdicts import verdict

NASTY = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def found() -> Tradeoff:
    """Three sizes under three budgets, and a student that took more training."""
    grid = simulate(sizes=(1e3, 8e3, 6.4e4), draws=(1, 4), n_items=300, n_boot=40)
    rungs = sorted(grid.rungs, key=lambda rung: rung.flops)
    student = replace(
        rungs[-1], name=NASTY, of=rungs[-1].name, how=f"distilled {NASTY}", train_flops=3 * rungs[-1].train_flops
    )
    entrants = Entrants.of(rungs, [student], grid.options)
    joints = joint_fits(rungs, grid.options, ci=0.9, n_boot=40)
    option = next(one for one in grid.options if one.rung == rungs[0].name)
    return Tradeoff(
        ladder=tuple(rungs), rivals=(student,), options=grid.options, axis="train_flops",
        verdicts=(verdict(rungs[-1], rungs[:1], [option]),), exchange=(exchange_between(rungs[0], rungs[-1], option),),
        matched=matched(entrants, None, [math.inf, 1e7]), front=front(entrants),
        laws=tuple(answers_of(joint, queries=(1e4, 1e8), errors=[0.2, 0.3]) for joint in joints),
        notes=(f"{NASTY} was not said.",),
    )  # fmt: skip


@pytest.fixture(scope="module")
def summary(found: Tradeoff) -> dict[str, Any]:
    return tradeoff_summary(found)


def test_the_summary_holds_what_the_library_found(found: Tradeoff, summary: dict[str, Any]):
    assert (summary["kind"], summary["schema_version"]) == ("ttscale-tradeoff", 1)
    json.dumps(summary, allow_nan=False)
    assert [rung["name"] for rung in summary["ladder"]] == [rung.name for rung in found.ladder]
    assert [one["text"] for one in summary["matched"]] == [one.text for one in found.matched]
    law, joint = summary["laws"][0], found.laws[0].joint
    assert law["kind"] == "tta" and law["axis"] == "epochs" and joint.surface is not None
    assert law["points"]["error"] == pytest.approx(joint.surface.points.y)
    assert law["exchange"][0]["slope"]["value"] == pytest.approx(joint.exchange[0].slope.value)
    turned, slope = law["exchange"][1]["two_x_test"]["value"], joint.exchange[1].slope.value
    told = -900 * slope > 1  # 2^(-1/slope) is a number that can be written
    assert math.log2(turned) == pytest.approx(-1 / slope) if told else turned is None
    assert sum(cell["n_points"] for cell in law["surface"]["held_out"]) == sum(
        len(cell["off"]) for cell in law["surface"]["held_out"]
    )
    assert [one["error"] for one in summary["lives"]] == [0.2, 0.3]
    assert summary["run"]["n_boot"] == 40 and summary["run"]["level"] == 0.9


def test_figures_are_there_in_both_widths_with_labels_apart(summary: dict[str, Any]):
    drawn = drawings_of(summary)
    assert set(drawn) == set(FIGURES) - {"families"}
    for name, one in drawn.items():
        for figure in (one.wide, one.narrow):
            assert figure.axes, name
        check_labels(one.wide)
        assert one.alt and "{" not in one.caption


def test_the_main_figure_bolds_the_best_budget(summary: dict[str, Any]):
    grid = Grid(summary)
    assert grid.sizes == ["w1000", "w8000", "w64000"]
    means = {b: np.mean([r["accuracy"]["value"] for r in rungs]) for b, rungs in grid.budgets.items()}
    assert {rung["budget"] for rung in grid.best} == {max(means, key=lambda budget: means[budget])} != {"e1"}
    figure = ladder_and_curves(summary)
    assert figure is not None
    wide = [line for line in figure.axes[0].lines if line.get_linewidth() == 2.2]
    assert len(wide) == 1
    assert list(wide[0].get_xdata()) == [rung["flops"] for rung in grid.best]
    assert list(wide[0].get_ydata()) == [rung["accuracy"]["value"] for rung in grid.best]
    thin = [line for line in figure.axes[0].lines if line.get_linewidth() == 0.9]
    assert len(thin) == len(grid.budgets) - 1


def line(inside: list[bool]) -> dict[str, Any]:
    n = len(inside)
    rising, falling = [10.0**i for i in range(6, 6 + n)], [10.0 ** (9 - i) for i in range(n)]
    return {
        "error": 0.2, "train_flops": rising, "test_flops": falling, "inside": inside, "low": [x / 2 for x in falling],
        "high": [None] * n, "text": "",
    }  # fmt: skip


def test_contours_are_dashed_exactly_where_a_point_lies_outside():
    pieces = _runs(line([False, True, True, True, False]))
    assert [inside for inside, _ in pieces] == [False, True, False]
    assert [len(x) for _, (x, _) in pieces] == [2, 3, 2]
    assert _runs(line([True, True]))[0][0] is True and len(_runs(line([False, False]))) == 1
    assert _runs(line([])) == []


def test_the_contour_figure_draws_what_is_inside_solid_and_beyond_dashed(summary: dict[str, Any]):
    made = copy.deepcopy(summary)
    law = made["laws"][0]
    law["contours"], law["extrapolated"] = [line([True] * 3)], [line([False, True, True])]
    figure = contour_lines({**made, "laws": [law]})
    assert figure is not None
    curves = [one for one in figure.axes[0].lines if len(one.get_xdata()) > 1]
    assert [(one.get_linestyle(), len(one.get_xdata())) for one in curves] == [("--", 2), ("-", 3)]
    said = " ".join(text.get_text() for text in figure.legends[0].get_texts())
    assert "outside of what was measured" in said
    law["extrapolated"] = []
    whole = contour_lines({**made, "laws": [law]})
    assert whole is not None
    assert "outside" not in " ".join(text.get_text() for text in whole.legends[0].get_texts())
    law["contours"] = []
    assert contour_lines({**made, "laws": [law]}) is None


def test_the_ladder_tells_its_two_axes_of_data_apart(summary: dict[str, Any]):
    made = copy.deepcopy(summary)
    rungs = [rung for rung in made["ladder"] if rung["size"] == "w1000"]
    fewer = copy.deepcopy(rungs[-1]) | {"name": "w1000-u550", "budget": "u550", "unique": 550.0}
    fewer["train_flops"] /= 100
    made["ladder"] = [*rungs, fewer]
    figure = training_ladder(made)
    assert figure is not None
    said = {text.get_text() for text in figure.legends[0].get_texts()}
    assert {"more different items", "more epochs"} <= said
    ax = figure.axes[0]
    faces = {one.get_xdata()[0]: one.get_markerfacecolor() for one in ax.lines if one.get_marker() == "o"}
    by_budget = {rung["budget"]: faces[rung["train_flops"]] for rung in made["ladder"]}
    assert by_budget["e16"] == by_budget["u550"] != by_budget["e1"] == by_budget["e4"]


def test_figures_without_their_data_are_left_out(summary: dict[str, Any]):
    assert families_figure(summary) is None
    assert families_figure({**summary, "reference": {"basis": "costs"}}) is None
    assert total_flops({**summary, "lives": []}) is None
    unknown = copy.deepcopy(summary)
    for rung in unknown["ladder"]:
        rung["train_flops"] = None
    assert training_ladder(unknown) is None
    assert ladder_and_curves({**summary, "ladder": [], "curves": [], "rivals": []}) is None


def test_published_families_stand_beside_what_was_measured(summary: dict[str, Any]):
    interval = {"value": 0.78, "low": 0.77, "high": 0.79}
    name = summary["ladder"][0]["name"]
    laid = [{"rung": name, "curve": f"tta/{name}", "flops": x, "scaled": interval} for x in (1e9, 4e9)]
    models = [
        {"family": NASTY, "name": f"m{i}", "accuracy": 0.7 + 0.02 * i, "test_flops": 1e9 * 2**i} for i in range(3)
    ]
    reference = {"basis": "anchored", "benchmark": NASTY, "laid": laid, "models": models}
    figure = families_figure({**summary, "reference": reference})
    assert figure is not None
    lengths = sorted(len(one.get_xdata()) for one in figure.axes[0].lines)
    assert lengths == [1, 2, 3]
    models += [{**one, "recipe": "V2", "accuracy": one["accuracy"] + 0.03} for one in models[:2]]
    models.append({**models[0], "recipe": "A1", "accuracy": 0.75})
    for narrow in (False, True):
        figure = families_figure({**summary, "reference": {**reference, "models": models}}, narrow=narrow)
        drawn = [list(one.get_ydata()) for one in figure.axes[0].lines if one.get_linestyle() == "--"]
        expected = [[0.70, 0.72, 0.74], [0.73, 0.75], [0.75]]  # no line goes from one recipe to another
        assert [pytest.approx(one) for one in drawn] == expected
        assert {"V2", "A1"} <= {text.get_text() for text in figure.axes[0].texts}
        assert len(figure.legends[0].get_texts()) == 2  # one family, and what was measured


def numbers_of(text: str) -> set[str]:
    return set(re.findall(r"\d[\d,]*(?:\.\d+)?", text))


def shown_forms(value: Any) -> set[str]:
    """Every way in which the page may write the numbers of a summary."""
    if isinstance(value, dict):
        return set().union(*(shown_forms(one) | numbers_of(str(key)) for key, one in value.items()))
    if isinstance(value, list):
        return set().union(numbers_of(str(len(value))), *(shown_forms(one) for one in value))
    if isinstance(value, str):
        return numbers_of(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return set()
    forms = [words.count(value), words.flops(value), words.scaled(value, "", 2), words.times(value), f"{value:g}"]
    forms += [words.percent(value, n) for n in (0, 1)] + [words.points(value), f"{100 * value:+.1f}"]
    forms += [words.significant(x, n) for x in (value, 100 * value) for n in (2, 3)]
    return numbers_of(" ".join(forms))


def test_every_number_of_the_tables_is_in_the_summary(summary: dict[str, Any]):
    page = tradeoff_page(summary, {})
    cells = re.findall(r"<(?:td|th scope=row)[^>]*>(.*?)</t[dh]>", page, flags=re.DOTALL)
    shown = set().union(*(numbers_of(Reader(cell).text) for cell in cells))
    assert len(cells) > 200 and shown <= shown_forms(summary) | {"1", "2", "3", "4", "5"}  # notes under tables


def test_the_page_answers_in_order_and_escapes_foreign_names(summary: dict[str, Any]):
    page = tradeoff_page(summary, drawings_of(summary))
    reader = Reader(page)
    assert reader.open == [] and "<script" not in page and "<img" not in page and "nan" not in reader.text
    order = [attrs["id"] for tag, attrs in reader.elements if tag == "section"]
    assert order == [
        "tradeoff", "matched", "exchange", "contours", "lifetimes", "ceilings", "ladder", "rivals", "laws", "unsaid",
        "method",
    ]  # fmt: skip
    assert NASTY in reader.text  # as text
    assert all(one["text"] in reader.text for one in summary["matched"][:3])


def test_report_shows_a_tradeoff_and_its_summary_again(found: Tradeoff, summary: dict[str, Any], tmp_path):
    page = report(replace(found, laws=()), tmp_path / "a")  # fewer figures
    again = report(None, tmp_path / "b", summary=tmp_path / "a" / "summary.json")
    assert page.read_text() == again.read_text()
    names = {file.name for file in (tmp_path / "b" / "figures").iterdir()}
    assert names == {f"{name}.{end}" for name in ("tradeoff", "ladder", "lifetimes") for end in ("png", "svg")}
    with pytest.raises(TtscaleError, match="n_boot: expected a tradeoff alone"):
        report(found, tmp_path / "c", n_boot=10)
    with pytest.raises(TtscaleError, match="all parts of a tradeoff, got one without lives"):
        report(None, tmp_path / "c", summary={key: one for key, one in summary.items() if key != "lives"})
    with pytest.raises(TtscaleError, match="schema version 1, got version 2"):
        report(None, tmp_path / "c", summary=summary | {"schema_version": 2})


def test_the_envelope_of_lives_is_that_of_brute_force():
    rng = np.random.default_rng(3)
    train, test = rng.lognormal(0, 2, 40), rng.lognormal(0, 2, 40)
    chain, met = cheapest_in_turn(list(train), list(test))
    queries = np.geomspace(1e-4, 1e6, 4001)
    best = (train[:, None] + test[:, None] * queries).argmin(axis=0)
    assert list(dict.fromkeys(best.tolist())) == chain and met == sorted(met)
    at = [queries[np.flatnonzero(best == i)[0]] for i in chain[1:]]
    assert met == pytest.approx(at, rel=0.01)
    assert cheapest_in_turn([2.0, 2.0, 1.0], [3.0, 3.0, 3.0]) == ([2], [])


def test_lives_take_the_first_budget_that_is_accurate_enough(found: Tradeoff):
    entrants = Entrants.of(found.ladder, found.rivals, found.options)
    told = lives(entrants, 0.3)
    assert told is not None
    curves = {option.curve.name: option for option in found.options}
    for life in told.options:
        curve = curves[life.curve].curve
        row = curve.budgets.tolist().index(life.k)
        assert curve.accuracy[row] >= 0.7 and (row == 0 or (curve.accuracy[:row] < 0.7).all())
        assert life.total_flops == pytest.approx(life.train_flops + told.queries * life.test_flops)
        assert 0 < life.share_reaching <= 1
    assert len(told.break_evens) == sum(math.isfinite(one.cheapest_from) for one in told.options) - 1
    surer = {life.words: life.share_reaching for life in lives(entrants, 0.6).options if life.k == 1}  # type: ignore[union-attr]
    sure = {life.words: life.share_reaching for life in told.options if life.k == 1}
    assert all(surer[words] >= share for words, share in sure.items())
    assert lives(entrants, 1e-6) is None


def test_accuracy_scale_is_its_own_inverse_and_has_round_ticks_apart():
    accuracy = np.array([0.05, 0.5, 0.9, 0.999])
    assert _from_scale(_to_scale(accuracy)) == pytest.approx(accuracy)
    ticks = _ticks(0.35, 0.95)
    assert {0.4, 0.8, 0.9, 0.95} <= set(ticks) and 3 <= len(ticks) <= 14
    assert len(_ticks(0.931, 0.962)) >= 3


@pytest.mark.parametrize(
    ("values", "scale"),
    [((0.7, 0.95), "function"), ((0.9, 0.93), "linear"), ((0.05, 0.95), "linear"), ((0.6, 1.0), "linear")],
)
def test_errors_are_told_apart_by_ratios_only_where_that_reads_well(values, scale):
    _, ax = one_panel(narrow=False)
    name = accuracy_axis(ax, values)
    assert ax.get_yscale() == scale and ("log scale" in name) == (scale == "function")
    low, high = ax.get_ylim()
    assert low < min(values) and high > max(values)


def test_rungs_without_a_card_still_have_a_page(found: Tradeoff):
    """No budget, no data, no training costs, one seed: what is unknown is told, nothing breaks."""
    nan = math.nan
    rungs: list[Rung] = [
        replace(one, budget="", unique=nan, epochs=nan, train_flops=nan, n_params=0.0, seed_sd=nan)
        for one in found.ladder[:2]
    ]
    names = {rung.name for rung in rungs}
    options = tuple(
        replace(one, train_flops=np.full(len(one.curve.budgets), nan)) for one in found.options if one.rung in names
    )
    bare = replace(found, ladder=tuple(rungs), rivals=(), options=options, laws=(), exchange=(), axis="n_params")
    made = tradeoff_summary(bare)
    assert made["lives"] == [] and made["laws"] == []
    text = Reader(tradeoff_page(made, drawings_of(made))).text
    assert "nan" not in text.lower().replace("finance", "") and "its card does not say" in text


def test_an_exchange_beyond_what_a_number_holds_is_told_in_words(summary: dict[str, Any]):
    """JSON has no infinity; a rate that is there has no cell that says that there is none."""
    made = copy.deepcopy(summary)
    made["exchange"][0] |= {"crosses": True, "rate": {"value": 693.1, "low": 600.0, "high": None}}
    made["exchange"][0]["ten_x_training_equals"] = math.inf
    told = measured_rates(check_tradeoff(made)["exchange"], "training FLOPs")
    assert "<td>693 (600 or more)<td>more than 10³⁰⁸×" in re.sub(r"<td[^>]*>", "<td>", told).replace("</td>", "")
    assert "no rate" not in told and "inf" not in told and "nan" not in told
    law = made["laws"][0]
    law["exchange"] = [law["exchange"][0] | {"slope": {"value": -400.0, "low": -500.0, "high": -300.0}}]
    law["exchange"][0] |= {"ten_x": dict.fromkeys(("value", "low", "high"), math.inf), "two_x_test": {"value": 1.002}}
    told = rates([check_tradeoff(made)["laws"][0]])
    assert "more than the draws measured span" in told and "no exchange rate" not in told


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_the_page_says_what_a_law_is_of(summary: dict[str, Any], quantity: str):
    law = copy.deepcopy(summary["laws"][0])
    law["surface"]["quantity"] = quantity
    law["surface"]["candidates"] = [law["surface"]["candidates"][0] | {"quantity": one} for one in QUANTITIES]
    told = laws([law])
    assert f"{words.capital(QUANTITIES[quantity])} = " in told
    assert all(len(re.findall(f"<td[^>]*>{re.escape(one)}", told)) == 1 for one in QUANTITIES.values())
