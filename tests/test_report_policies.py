"""What the page says of orders whose draws count more than once, and of weights that came out alike."""

from __future__ import annotations

from typing import Any

from report_checks import Reader
from report_views import views_summary

from ttscale.reporting.sections.plan import plan
from ttscale.reporting.sections.policies import policies
from ttscale.reporting.series import Series


def text_of(summary: dict[str, Any]) -> str:
    series = Series(summary)
    return " ".join(Reader(policies(series) + plan(series)).text.split())


def test_how_often_a_draw_was_chosen() -> None:
    summary = views_summary()
    assert "× 3" not in text_of(summary) and "could be chosen again" not in text_of(summary)
    entry = next(one for one in summary["policies"] if one["kind"] == "policy")
    entry["counts"] = [3, *([1] * (len(entry["order"]) - 1))]
    summary["run"] |= {"replacement": True, "objective": "accuracy"}
    text = text_of(summary)
    assert f"1. {entry['order'][0]} × 3 2. {entry['order'][1]} × 1" in text
    assert "A draw could be chosen again" in text and "Orders are those that were most accurate." in text


def test_temperatures_of_weights_that_came_out_alike() -> None:
    summary = views_summary()
    entry = next(one for one in summary["policies"] if one["kind"] == "weights")
    entry |= {"temperatures": {"m0": 1.25, "m1": 0.8}}
    assert "draws count alike" not in text_of(summary)
    entry |= {"weights": None, "weights_k": None}
    assert "draws count alike, each at its member's temperature (m0 1.25, m1 0.800)" in text_of(summary)


def test_temperatures_of_a_plan() -> None:
    summary = views_summary()
    chosen = summary["plan"]
    assert "Temperatures before the vote" not in text_of(summary)
    chosen["temperatures"] = [1.25] * len(chosen["draws"])
    text = text_of(summary)
    assert "Temperatures before the vote" in text and f"{chosen['draws'][0][0]} 1.25" in text
