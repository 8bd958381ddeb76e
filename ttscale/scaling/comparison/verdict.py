"""What decides whether the new of two runs is worse.

It is declared before anything is looked at, and tested as one family: Holm's procedure, in which the headline (all
items, at the largest budget that both runs hold) has half of the error for itself and the others share the rest, so
that many classes do not drown it. With a margin the headline decides alone, and has to be shown to lose less than that.

Few items, or clusters of them, cannot give a low p-value whatever they show. A comparison that could not be significant
at its share of the error has no part in the family (Tarone, "A modified Bonferroni method for discrete data",
Biometrics 46, 1990); where the headline could not, the runs cannot be compared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from scipy.special import stdtrit

from ttscale.errors import TtscaleError, unknown_name
from ttscale.scaling.comparison.paired_test import fewest_units, least_p
from ttscale.scaling.comparison.rows import BETTER, FEWEST_ITEMS, UNCLEAR, WORSE, RunDifference
from ttscale.scaling.quality.compare import holm

HEADLINE, BUDGETS, COSTS, GROUPS = "headline", "budgets", "costs", "groups"
ABOUT = (HEADLINE, BUDGETS, COSTS, GROUPS)
ALL = "all"
_POWER = 0.8  # at which a difference is called detectable
_ROUNDING = 1e-9


def check_fail_on(fail_on: str | Sequence[str], margin: float | None) -> tuple[str, ...]:
    """What can decide, in the order of ``ABOUT``; TtscaleError for other names, a margin out of range, or both."""
    if not isinstance(fail_on, (str, Sequence)) or not all(isinstance(name, str) for name in fail_on):
        raise TtscaleError(
            "fail_on", expected=f"{ALL}, or some of {', '.join(ABOUT)}", got=repr(fail_on), fix=f"Give {ALL}."
        )
    given = [fail_on] if isinstance(fail_on, str) else list(fail_on)
    if margin is not None:
        number = isinstance(margin, (int, float)) and not isinstance(margin, bool)
        if not number or not 0 < margin < 1:
            raise TtscaleError(
                "margin", expected="a fraction in (0, 1), or none", got=repr(margin),
                fix=f"Give {margin / 100:g} for {margin:g} percentage points."
                if number and 1 <= margin < 100
                else "Give for example 0.01 for one percentage point.",
            )  # fmt: skip
        if given not in ([ALL], [HEADLINE]):
            raise TtscaleError(
                "fail_on", expected="the headline alone beside a margin", got=repr(fail_on),
                fix="Leave out fail_on or margin.",
            )  # fmt: skip
        return (HEADLINE,)
    if not given:
        raise TtscaleError("fail_on", expected="at least one comparison", got="none", fix=f"Give {ALL}.")
    for name in given:
        if name not in (*ABOUT, ALL):
            raise unknown_name("fail_on", name, (*ABOUT, ALL))
    return ABOUT if ALL in given else tuple(name for name in ABOUT if name in given)


def judged_rows(rows: Sequence[RunDifference], deciding: Sequence[str], level: float) -> list[RunDifference]:
    """The rows with what Holm's procedure makes of those that can decide; TtscaleError where none can."""
    error = 1 - level
    able = _able(rows, deciding, error)
    others = sum(row.about != HEADLINE for row in able)
    weights = [float(max(others, 1)) if row.about == HEADLINE else 1.0 for row in rows]
    all_weights = math.fsum(weight for row, weight in zip(rows, weights, strict=True) if row in able)
    p_values = [row.p if row in able else math.nan for row in rows]
    judged = []
    for row, weight, adjusted in zip(rows, weights, holm(p_values, weights), strict=True):
        if math.isnan(adjusted):
            judged.append(row)
            continue
        clear = adjusted <= error + 1e-12
        verdict = UNCLEAR if not clear else WORSE if row.difference.value < 0 else BETTER
        seen = detectable(row.error, row.n_units, error * weight / all_weights)
        judged.append(replace(row, p_adjusted=adjusted, detectable=seen, verdict=verdict))
    return judged


def detectable(standard_error: float, n_units: int, error: float) -> float:
    """The true difference that a two-sided test of this error would have found with 80 % probability.

    The sum of both quantiles of Student's t, in standard errors (the normal ones are Lehr's "Sixteen s-squared over
    d-squared", 1992), with the bootstrap's ``n`` in the variance turned into ``n − 1``.
    """
    free = n_units - 1
    quantiles = float(stdtrit(free, 1 - error / 2) + stdtrit(free, _POWER))
    return quantiles * standard_error * math.sqrt(n_units / free)


def has_regressed(rows: Sequence[RunDifference], margin: float | None) -> bool:
    """Whether anything that can decide is worse; with a margin, whether the headline is not shown to lose less."""
    if margin is not None:
        return not rows[0].difference.low > -margin
    return any(row.verdict == WORSE for row in rows)


def _able(rows: Sequence[RunDifference], deciding: Sequence[str], error: float) -> list[RunDifference]:
    """The declared rows that could be significant: the headline at half of the error, or at all of it where that takes
    all, and of the others the largest number that could be at an equal share of the rest."""
    declared = [
        row for row in rows
        if row.about in deciding and not math.isnan(row.p) and (row.about != GROUPS or row.n_items >= FEWEST_ITEMS)
    ]  # fmt: skip
    headline = [row for row in declared if row.about == HEADLINE]
    others = sorted((row for row in declared if row.about != HEADLINE), key=lambda row: -row.n_units)
    shared = error / 2 if headline else error
    if headline and not _can(headline[0], shared):
        others = []
    while others and not _can(others[-1], shared / len(others)):
        others.pop()
    units = max((row.n_units for row in rows), default=0)
    if HEADLINE in deciding and not _can(rows[0], error):
        need = fewest_units(error)
        raise TtscaleError(
            "records", expected=f"at least {need} items (or clusters of items) that both runs hold", got=str(units),
            fix=f"With fewer nothing can be significant at {100 * error:.2g}%: collect more, or lower ci.",
        )  # fmt: skip
    if not headline and not others:
        raise TtscaleError(
            "fail_on", expected="comparisons that these runs allow",
            got=f"{', '.join(deciding)}, of which there are none (of items enough)",
            fix=f"Give {ALL}, or {HEADLINE} too.",
        )  # fmt: skip
    return [*headline, *others]


def _can(row: RunDifference, error: float) -> bool:
    return least_p(row.n_units) <= error * (1 + _ROUNDING)
