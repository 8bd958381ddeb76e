"""Credits of every item at every budget, with how they were estimated and what the estimating added of error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ttscale.errors import TtscaleError

IN_ORDER = "in the order of the strategy"
EXACT = "exact over all subsets of the samples"
TIES = ("shared", "first_seen", "strict")
TIES_IN_WORDS = {
    "shared": "tied answers share the credit",
    "first_seen": "of tied answers the one that was seen first counts",
    "strict": "a vote whose best answers are tied earns nothing",
}


@dataclass(frozen=True, eq=False)
class Estimate:
    """Expected credits over which samples, or which members, a budget takes.

    Attributes:
        credit: ``float64 [k, item]``.
        error: Monte Carlo standard error of the mean over items, ``float64 [k]``; 0 where the credits are exact.
        estimator: how they were made, in words.
    """

    credit: np.ndarray
    error: np.ndarray
    estimator: str


@dataclass(frozen=True, eq=False)
class Counts:
    """How many samples each item has, and how many of them are right: what the coverage of one pool follows from.

    Attributes:
        n, c: ``int64 [item]``.
    """

    n: np.ndarray
    c: np.ndarray


def in_order(credit: np.ndarray) -> Estimate:
    """Credits ``[k, item]`` of draws taken in the order of their strategy: nothing was averaged."""
    return Estimate(credit, np.zeros(len(credit)), IN_ORDER)


def check_estimation(ties: str, interval: str, outcome: str = "text") -> None:
    """Refuse a tie rule, or a kind of interval, that not every curve of an analysis can have: Wilson's is that of plain
    proportions, and most credits are shares."""
    check_ties(ties, outcome)
    if interval not in ("percentile", "bca"):
        raise TtscaleError(
            "interval", expected='"percentile" or "bca"', got=repr(interval),
            fix="Only accuracy_curve knows wilson, of credits of 0 and 1." if interval == "wilson" else "Use bca.",
        )  # fmt: skip


def check_ties(ties: str, outcome: str) -> str:
    """TtscaleError unless a tie rule that suits the outcome."""
    known = TIES if outcome == "text" else ("shared", "strict")
    if ties not in known:
        raise TtscaleError(
            "ties", expected=f"one of {', '.join(known)}", got=repr(ties),
            fix="Classes of an image have no first one seen: use shared or strict." if ties in TIES else "Use shared.",
        )  # fmt: skip
    return ties
