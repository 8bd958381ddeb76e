"""How numbers and foreign strings are written; expectations by hand."""

from __future__ import annotations

import math

import pytest

from ttscale.reporting import words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (1.0, "1.00"), (0.5, "0.500"), (12.345, "12.3"), (999.6, "1,000"), (123456.0, "123,000"),
        (0.00012345, "0.000123"), (0.000012345, "1.23 × 10⁻⁵"), (-0.25, "−0.250"), (1.5e9, "1.50 × 10⁹"),
        (-2e-7, "−2.00 × 10⁻⁷"), (math.nan, "–"), (math.inf, "–"), (None, "–"), (True, "–"),
    ],
)  # fmt: skip
def test_significant_digits(value: object, text: str) -> None:
    assert words.significant(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (14_800_000.0, "14.8 MFLOPs"), (330_000.0, "330 kFLOPs"), (999.7, "1.00 kFLOPs"), (9.999e8, "1.00 GFLOPs"),
        (5.3e13, "53.0 TFLOPs"), (12.0, "12.0 FLOPs"), (None, "–"),
    ],
)  # fmt: skip
def test_flops_have_a_prefix(value: float | None, text: str) -> None:
    assert words.flops(value) == text


def test_accuracies_and_differences() -> None:
    assert words.percent_interval({"accuracy": 0.919, "low": 0.9131, "high": 0.9244}) == "91.9% (91.3 to 92.4)"
    assert words.percent_interval({"accuracy": 0.919, "low": None, "high": 0.92}) == "91.9%"
    assert words.percent_interval({"accuracy": None, "low": 0.1, "high": 0.2}) == "–"
    assert words.points_interval({"value": -0.0112, "low": -0.015, "high": 0.001}) == "−1.12 (−1.50 to +0.10)"
    assert words.number_interval({"value": 1.21, "low": 0.91, "high": None}) == "1.21 (0.910 or more)"
    assert words.number_interval({"value": 1.21, "low": None, "high": None}) == "1.21"
    assert words.number_interval({"value": math.nan, "low": 0.0, "high": 1.0}) == "–"
    assert [words.times(x) for x in (5.24, 1.024, 0.053, 3104.0, None)] == ["5.2×", "1.02×", "0.053×", "3,100×", "–"]
    assert (words.plural(1, "draw"), words.plural(12_000, "draw")) == ("1 draw", "12,000 draws")


def test_foreign_strings_lose_what_cannot_be_shown() -> None:
    assert words.clean("a\x1b[31m\u202eb\ud800\x00") == "a\ufffd[31m\ufffdb\ufffd\ufffd"
    assert words.clean("two\nlines\tand tabs") == "two lines and tabs"
    assert words.clean("abcdefghij", 5) == "abcd…"
    assert words.clean("模型 é ✓") == "模型 é ✓"
    assert words.escape("<a href='x'>&\"") == "&lt;a href=&#x27;x&#x27;&gt;&amp;&quot;"
