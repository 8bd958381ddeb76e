"""Coverage: the share of items of which at least one of the first k draws is right, what an oracle would pick from.

``pass@k`` of ``n`` exchangeable samples of which ``c`` are right is ``1 − C(n−c, k) / C(n, k)``: the unbiased
estimate of Chen et al., "Evaluating large language models trained on code" (2021), equation 1. A strategy that takes
``k_g`` samples from each of several pools misses with the product of their probabilities. Vote and coverage are drawn
together: a vote cannot beat the coverage, and with ever more samples it goes to its ceiling, the share of items whose
plurality answer is right.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.records.records import Records
from ttscale.scaling.bootstrap import bootstrap_means, check_bootstrap, count_units, mean_credit, unit_index
from ttscale.scaling.checks import check_records
from ttscale.scaling.curves import Curve, check_budgets, curve_of_strategy, default_strategy
from ttscale.scaling.interval import Interval, check_level, percentiles, undefined, wilson
from ttscale.scaling.sampled_credits import parts_of, right_draws, weights_of
from ttscale.scaling.strategy import Strategy, check_draws, without_vote
from ttscale.voting.answers import prefix_credits
from ttscale.voting.votes import AnswerVote, get_vote

COVERAGE = "coverage"


def pass_at_k(n: int, c: np.ndarray | int, k: np.ndarray | int) -> np.ndarray:
    """Probability that ``k`` of ``n`` samples, drawn without replacement, hold one of the ``c`` that are right.

    Args:
        n: samples. c: how many are right, 0 to n, any shape. k: samples drawn, at least 1, broadcast against ``c``.

    Returns:
        ``float64``; NaN where ``k > n``.

    Raises:
        TtscaleError: what is no whole number, a number out of range, or shapes that do not go together.
    """
    c, k = _counts(n, c, k)
    out = np.full(c.shape, np.nan)
    for one in np.unique(k[k <= n]):
        at = k == one
        out[at] = _hit(_log_miss(n, c[at], int(one)))
    return out


def coverage_curve(
    records: Records,
    strategy: Strategy | None = None,
    *,
    ci: float = 0.95,
    n_boot: int = 1000,
    seed: int = 0,
    budgets: Sequence[int] | None = None,
    reference: str | None = None,
) -> Curve:
    """Coverage of a strategy at every budget (pass@k), exact over all orders of its samples.

    Arguments, defaults and errors as in :func:`ttscale.scaling.curves.accuracy_curve`; the strategy's vote plays no
    part, and the cost is that of the draws alone.
    """
    _check_text(records)
    level = check_level(ci)
    check_bootstrap(n_boot, level, count_units(records.n_items, unit_index(records.clusters)), seed)
    chosen = without_vote(strategy if strategy is not None else default_strategy(records))
    check_draws(records, chosen)
    ks = check_budgets(budgets, len(chosen.draws))
    return curve_of_strategy(
        records, chosen, ks, coverage_credits(records, chosen, ks), reference=reference, level=level, n_boot=n_boot,
        seed=seed, name=f"{chosen.name}/{COVERAGE}", vote=COVERAGE,
    )  # fmt: skip


def coverage_credits(records: Records, strategy: Strategy, budgets: np.ndarray) -> np.ndarray:
    """Probability of each item that one of the first k draws is right, ``float64 [k, item]``."""
    graded = records.graded()
    right = right_draws(graded)
    missed = np.zeros((len(budgets), records.n_items))
    for part in parts_of(graded, strategy):
        c, taken = right[:, part.columns].sum(axis=1), part.taken(budgets)
        for one in np.unique(taken[taken > 0]):
            missed[taken == one] += _log_miss(len(part.columns), c, int(one))
    return _hit(missed)


def vote_ceiling(
    records: Records, strategy: Strategy | None = None, *, ci: float = 0.95, n_boot: int = 1000, seed: int = 0
) -> Interval:
    """Share of items whose answer by the vote of all collected draws is right (ties share): where the vote saturates.

    It is NaN for best-of-n, which no number of draws settles: a draw of a still higher score may always come.

    The draws are all those of the member, variant and decoding pools that the strategy takes from, more than its own
    where these run out at different times; each pool counts by the share of the strategy's draws that it has. Arguments
    and errors as in :func:`ttscale.scaling.curves.accuracy_curve`.
    """
    _check_text(records)
    level = check_level(ci)
    check_bootstrap(n_boot, level, count_units(records.n_items, unit_index(records.clusters)), seed)
    chosen = strategy if strategy is not None else default_strategy(records)
    check_draws(records, chosen)
    vote = get_vote(chosen.vote, "text")
    assert isinstance(vote, AnswerVote)
    if vote.best:
        return undefined(level, "best-of-n has no ceiling")
    graded = records.graded()
    parts = parts_of(graded, chosen)
    columns = np.concatenate([part.columns for part in parts])
    share = np.concatenate([np.full(len(part.columns), len(part.places) / len(part.columns)) for part in parts])
    answers = graded.answers[:, columns].T
    weights = weights_of(graded, vote, parts)[:, columns].T + np.log(share)[:, None]
    credit = prefix_credits(answers, right_draws(graded)[:, columns].T, weights)[-1]
    return interval_of(records, credit, f"{vote.name} over {len(columns)} draws", level, n_boot, seed)


def interval_of(records: Records, credit: np.ndarray, what: str, level: float, n_boot: int, seed: int) -> Interval:
    """The mean of each item's credit ``[item]`` with its interval over items (or clusters of them)."""
    units = unit_index(records.clusters)
    n_units = count_units(records.n_items, units)
    low, high = percentiles(bootstrap_means(credit[None], units=units, n_boot=n_boot, seed=seed), level)
    value = float(mean_credit(credit))
    bounds = (float(low[0]), float(high[0])) if np.ptp(credit) > 0 else wilson(value * n_units, n_units, level)
    return Interval(value, *bounds, level, f"{what}, bootstrap over {n_units} items")


def _counts(n: int, c: np.ndarray | int, k: np.ndarray | int) -> tuple[np.ndarray, np.ndarray]:
    """``c`` and ``k`` as arrays of one shape; TtscaleError unless all three are whole numbers in range."""
    try:
        whole = [np.asarray(value) for value in (n, c, k)]
        good = whole[0].ndim == 0 and all(np.issubdtype(value.dtype, np.integer) for value in whole)
        counts, drawn = np.broadcast_arrays(*whole[1:])
    except ValueError:  # ragged lists, or shapes that do not broadcast
        good = False
    if not good or n < 1 or (counts < 0).any() or (counts > n).any() or (drawn < 1).any():
        raise TtscaleError(
            "n, c, k", expected="whole numbers, n ≥ 1, 0 ≤ c ≤ n and k ≥ 1, c and k of shapes that broadcast",
            got=f"n = {n!r}, c = {c!r}, k = {k!r}", fix="Check the counts.",
        )  # fmt: skip
    return counts, drawn


def _hit(log_miss: np.ndarray) -> np.ndarray:
    """``1 − e^log_miss``, without the sign of −0."""
    return np.abs(np.expm1(log_miss))


def _log_miss(n: int, c: np.ndarray, k: int) -> np.ndarray:
    """``ln(C(n−c, k) / C(n, k))``, the sum of ``ln(1 − k/i)`` for i from n−c+1 to n, −∞ if fewer than k are wrong."""
    i = np.arange(n, k, -1.0)
    log_miss = np.full(n + 1, -np.inf)
    log_miss[: len(i) + 1] = np.append(0.0, np.cumsum(np.log1p(-k / i)))
    return log_miss[c]


def _check_text(records: Records) -> None:
    check_records(records)
    if records.outcome != "text":
        raise TtscaleError(
            "records", expected="Records of a language model", got="Records of class log-probabilities",
            fix="Coverage is of sampled answers; use accuracy_curve.",
        )  # fmt: skip
