"""The ranking of laws as a figure and a page, and what the main page says of laws, limits and estimates."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from report_checks import Reader, check_labels
from report_example import NASTY
from report_language import SMALL, interval, language_summary

from ttscale.reporting import canvas
from ttscale.reporting.figure_law_ranking import law_ranking
from ttscale.reporting.law_page import law_page
from ttscale.reporting.report import report
from ttscale.reporting.sections.estimates import costs, estimated, sampled_anew
from ttscale.reporting.sections.laws import laws
from ttscale.reporting.sections.limits import limits
from ttscale.reporting.sections.overview import sample_notices
from ttscale.reporting.series import Series

NAME = f"samples/{SMALL}/T0.8"


def ranking(*, of: tuple[str, ...] = ("accuracy", "coverage"), n: int = 9) -> dict[str, Any]:
    """Three laws over ``n`` curves of each kind; the last is far worse than the best."""
    errors = {"power_floor": 0.01, "log_linear": 0.013, "constant": 0.3}
    scores = [
        {
            "law": law, "formula": "A − B·k^−c", "purpose": f"what {law} is for", "of": kind, "n_curves": n,
            "n_without": i, "beats": 1 - i / 2, "mean_rank": 1.0 + i, "n_first": n * (i == 0), "n_chosen": n * (i == 0),
            "median_error": error, "over_best": error / 0.01, "statuses": {"converged": n - 1, "not_identified": 1},
        }
        for kind in of
        for i, (law, error) in enumerate(errors.items())
    ]  # fmt: skip
    curves = [
        {
            "run": f"run {i % 3}", "curve": f"c{i}", "label": f"samples of m{i}", "of": kind, "n_budgets": 8,
            "last": 64, "outcome": ("text", "classes")[i % 2], "chosen": "power_floor", "errors": {
                law: error * (1 + 0.1 * i if law != "power_floor" else 1) for law, error in errors.items()
            }, "statuses": dict.fromkeys(errors, "converged"),
        }
        for kind in of
        for i in range(n)
    ]  # fmt: skip
    runs = [
        {"name": f"run {i}", "outcome": "text", "dataset": "sums", "n_items": 90, "n_members": 2, "n_curves": 3}
        for i in range(3)
    ]
    text = ["3 laws were ranked.", "Of accuracy, power_floor predicts best."]
    return {"scores": scores, "curves": curves, "runs": runs, "text": text, "command": "ttscale laws"}


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("of", [("accuracy",), ("accuracy", "coverage")])
def test_the_figure_has_a_panel_a_kind_and_readable_names(narrow, of):
    figure = law_ranking(ranking(of=of), narrow=narrow)
    assert figure is not None and len(figure.axes) == len(of)
    check_labels(figure)
    said = [text.get_text() for text in figure.axes[0].texts]
    assert [name for name in said if name in ("power floor", "log linear", "constant")] == [
        "power floor", "log linear", "constant"
    ]  # fmt: skip


def test_a_dot_stands_at_its_error_over_the_best_of_its_curve_and_far_ones_at_the_edge():
    found = ranking(of=("accuracy",), n=3)
    figure = law_ranking(found)
    assert figure is not None
    dots = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 1]
    rows = {round(float(line.get_ydata()[0])): [] for line in dots}
    for line in dots:
        rows[round(float(line.get_ydata()[0]))].append((float(line.get_xdata()[0]), line.get_marker()))
    assert [x for x, _ in rows[0]] == pytest.approx([1.0] * 3)
    assert [x for x, _ in rows[1]] == pytest.approx([1.3, 1.3 * 1.1, 1.3 * 1.2])
    assert rows[2] == [(16.0, ">")] * 3


def test_no_figure_without_a_ranked_law():
    found = ranking()
    assert law_ranking({**found, "scores": [{**score, "n_curves": 0} for score in found["scores"]]}) is None


def test_the_page_shows_every_law_and_escapes_names():
    found = ranking()
    found["curves"][0]["label"] = found["curves"][1]["run"] = found["runs"][0]["name"] = NASTY
    found["scores"][0]["purpose"] = found["text"][1] = found["command"] = NASTY
    page = Reader(law_page(found, None))
    assert page.open == [] and page.scripts == [] and not page.all("img")
    for said in ("What log_linear is for".lower(), "9 of 10", "not identified 1", "Every curve (9)", "30×", "39"):
        assert said in page.text or said in page.text.lower(), said


def summary() -> dict[str, Any]:
    """The language example with what an analysis tells beside its curves."""
    made = language_summary()
    curve = next(one for one in made["curves"] if one["id"] == NAME)
    for one in made["curves"]:
        one |= {"estimator": "exact over all subsets of the samples", "ties": "shared", "interval": "bootstrap",
                "sampling_error": [0.0] * len(one["budgets"])}  # fmt: skip
    made["curves"][-1] |= {"estimator": "mean over 32 random orders", "sampling_error": [0.004, 0.006]}
    curve["same_items"] = {
        "budgets": [1, 8, 16], "accuracy": [0.62, 0.69, 0.7], "low": [0.61, 0.68, None], "high": [0.63, 0.7, None],
        "notes": [None, None, "k = 16 takes more than half"],
    }  # fmt: skip
    cost = {"mean": [2.0, 8.0], "quantiles": [[1.0, 7.0], [3.0, 9.0], [4.0, 11.0]], "worst": [5.0, 13.0]}
    none = {"mean": [None] * 2, "quantiles": [[None] * 2] * 3, "worst": [None] * 2}
    curve["spending"] = {
        "budgets": [1, 4], "quantiles": [0.5, 0.9, 0.99], "flops": cost, "tokens": {**cost, "mean": [2.5, 10.0]},
        "bytes": none, "seconds": {**none, "mean": [0.25, 1.5]},
    }  # fmt: skip
    return made


def text_of(markup: str) -> str:
    page = Reader(markup)
    assert page.open == []
    return page.text


def test_how_curves_were_estimated_once_for_all_that_are_alike():
    said = text_of(estimated(Series(summary())))
    assert "none, exact" in said and "mean over 32 random orders" in said and "0.60" in said
    assert "and 9 others" in said or "others" in said
    assert said.count("exact over all subsets of the samples") == 1 and "share the credit" in said


def test_new_samples_of_the_same_items_stand_beside_the_usual_interval():
    said = text_of(sampled_anew(Series(summary())))
    assert "62.0% (61.0 to 63.0)" in said and "k = 16 takes more than half" in said
    assert sampled_anew(Series(language_summary())) == ""


def test_costs_tell_mean_quantiles_and_worst_and_leave_out_what_nobody_knows():
    said = text_of(costs(Series(summary())))
    assert "90% of items within" in said and "Worst item" in said and "13.0" in said and "10.0" in said
    assert "Bytes" not in said and "250 ms" in said and "1.50 s" in said
    seconds = said[said.index("Seconds per item") :]
    assert "Mean" in seconds and "Worst" not in seconds and "Slowest" not in seconds
    assert "keeps only the mean" in seconds


@pytest.mark.parametrize(("timed", "few"), [(4, True), (100, False)])
def test_seconds_say_of_how_many_timed_items_they_are(timed: int, few: bool):
    made = summary()
    curve = next(one for one in made["curves"] if one["id"] == NAME)
    seconds = {"mean": [0.25, 1.5], "quantiles": [[0.2, 1.0], [0.5, 2.0], [0.5, 3.0]], "worst": [0.75, 4.0]}
    curve["spending"] = {**curve["spending"], "seconds": seconds, "timed_items": timed}
    said = text_of(costs(Series(made)))
    said = said[said.index("Seconds per item") :]
    assert all(head in said for head in ("Median", "90% of timed items within", "Slowest timed item"))
    assert all(shown in said for shown in ("200 ms", "3.00 s", "750 ms", "4.00 s"))
    assert f"of the {timed} items that a profile timed" in said and "keeps only the mean" not in said
    assert ("fewer than 100" in said) == few


def test_a_cost_that_every_item_shares_is_told_once():
    made = summary()
    curve = next(one for one in made["curves"] if one["id"] == NAME)
    same = {"mean": [2.0, 8.0], "quantiles": [[2.0, 8.0]] * 3, "worst": [2.0, 8.0]}
    curve["spending"] = {**curve["spending"], "flops": same, "tokens": same, "seconds": same, "bytes": same}
    said = text_of(costs(Series(made)))
    assert "every item alike" in said and "Worst" not in said and said.count("Cost per item") == 1
    assert all(head in said for head in ("FLOPs", "Generated tokens", "Bytes moved", "Seconds")) and "8.00 s" in said


def test_where_votes_end_beside_where_their_laws_end():
    made = summary()
    row = {
        "curve": NAME, **interval(0.7, 0.04), "leading": 0.69, "prior": "a prior", "asymptote": interval(0.9, 0.05),
        "law": "power_floor", "agrees": False, "check": "The limit of the vote is 90 % by the fitted law.",
    }  # fmt: skip
    made["language"]["ceiling"] = [
        row, {**row, "agrees": True, "check": "they agree"}, {**row, "asymptote": None, "agrees": None, "check": ""}
    ]  # fmt: skip
    said = text_of(limits(Series(made)))
    assert "90.0% (85.0 to 95.0), power floor" in said and "disagree" in said and "70.0% (66.0 to 74.0)" in said
    assert said.count("The limit of the vote is") == 1 and "Prior of the answers: a prior." in said
    assert limits(Series(language_summary())) == ""


def test_every_law_is_ranked_with_its_gap_and_the_average_with_its_weights():
    made = summary()
    own = [fit for fit in made["fits"] if fit["curve"] == NAME]
    base = {**copy.deepcopy(own[0]), "chosen": False}
    base.pop("line")
    point = {"A": {"value": 0.75, "low": None, "high": None}}
    other = {**base, "law": "m4", "params": point, "rank": 2, "start_gap": 0.02, "gradient_norm": 3e-13}
    stacked = {**base, "law": "stacked", "params": {}, "weights": {"m4": 0.25, "power_floor": 0.75}, "rank": None}
    own[0] |= {"skipped": {"bnsl": "needs 6 budgets, the curve has 5"}, "rank": 1, "purpose": "a ceiling"}
    own[0] |= {"choice": {"rmse": 0.03, "gain_rmse": 0.0123}, "refits_converged": 0.96, "folds_converged": 1.0}
    made["fits"] = [own[0], other, stacked]
    said = text_of(laws(Series(made)))
    assert "power_floor 75%, m4 25%" in said and "3.0 × 10⁻¹³" in said and "0.020" in said and "A = 0.750" in said
    assert "bnsl needs 6 budgets, the curve has 5" in said and "a ceiling" in said
    assert "Of the choice" in said and "1.2" in said and "(4% of its refits did not converge)" in said


def test_what_is_not_known_of_samples_is_said_at_the_top(tmp_path):
    made = summary()
    assert sample_notices(made["run"]) == []
    made["run"] |= {"answers_known": False, "unequal": [{"fewest": 3, "median": 8.0, "most": 16}]}
    page = Reader(report(None, tmp_path, summary=made).read_text())
    assert "Only right and wrong are known" in page.text
    assert "unequal numbers of samples, 3 to 16, the median 8.00" in page.text


def test_figures_are_the_same_bytes_again():
    first, second = (canvas.svg(law_ranking(ranking())) for _ in range(2))
    assert first == second
