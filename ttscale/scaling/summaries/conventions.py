"""What the numbers of a summary mean: the rules that hold for every kind of Records, and those of one kind."""

from __future__ import annotations

import numpy as np

from ttscale.records.records import Records
from ttscale.scaling.curves.curve import Curve
from ttscale.scaling.curves.estimate import TIES_IN_WORDS
from ttscale.scaling.curves.sampled_credits import ORDERS
from ttscale.scaling.planning.candidates import MOST_IN_SUBSETS

_FLOPS = "1 multiply-add = 2 FLOPs; per item"
_SHARED = "a plan, the tradeoff's verdicts and the quality of probabilities share the credit of tied answers"
_BREAKS = "a deployed plan breaks ties by the item's keyed uniform"
_COMMON = {
    "choices": "an option chosen by its accuracy is chosen on some of the items and scored on others: a plan's on "
    "halves, a verdict's on ten folds",
    "fits": (
        "laws in draws k (in cost relative to the first draw where draws differ in cost), fitted to budgets spaced "
        "evenly in log k; R² and RMSE are of these budgets; the law is chosen by the back-test error of the gain over "
        "the first budget: fitted to lower budgets of one half, scored on higher budgets of the other half of the "
        "items; what a law that falls tends to is no ceiling; a law that was not chosen has its point estimates "
        "and the status of its solution alone"
    ),
    "pareto": (
        "the front of the estimates of draws as collected: its points were chosen by their accuracy on the very items "
        "that score them, so they look better than they are"
    ),
    "detectable": (
        "the true difference whose interval would have excluded 0 with 80% probability on these items, from the "
        "bootstrap standard error"
    ),
}

BREAKDOWN = (
    "accuracy of one view, at the full budget, and their paired difference, in groups of the items; the difficulty of "
    "an item is the share of other members (those that the curve does not use and that share no weights with one that "
    "it uses) whose plain view gets it wrong; where there is no other member, it is how unsure the plain views of the "
    "curve's members are, in quarters of the items: no draw that is judged says which items are hard; at most 50 "
    "classes are shown, the commonest"
)


def image_conventions(curve: Curve) -> dict[str, str]:
    """Of class log-probabilities. ``curve``: any of the summary."""
    return {
        "flops": f"{_FLOPS}; marginal cost of the draws used", "ties": _ties(curve),
        "intervals": _intervals(curve, "training seeds are averaged and held fixed; "),
        "multiplier": _multiplier(curve),
        "quality": (
            "nll: negative log-likelihood in nats; Brier score summed over classes; ECE: expected calibration error in "
            "15 bins of equal width; top-5 is not given with five classes or fewer; calibrated: one temperature a "
            "budget, fitted by likelihood on one half of the items and applied to the other, both ways"
        ),
        "comparisons": (
            "single strategies, of the first training seed; what was learned is set beside as many of the draws as "
            "collected as cost no more FLOPs; fixed: only the first is right, broken: only the second; "
            "McNemar's exact two-sided p, not adjusted, and adjusted for the number of pairs shown (Holm); no p where "
            "items come in clusters"
        ),
        "equivalents": (
            "the number of ensemble members, interpolated, that does as well by calibrated likelihood or accuracy "
            "(deep-ensemble equivalent, Ashukha et al. 2020); the ensemble is that of the same size, the mean over the "
            "orders of its members; where a size has none, m members are the mean over all subsets of m members of the "
            f"run, whatever their sizes (of more than {MOST_IN_SUBSETS}, over as many orders as members)"
        ),
        **_COMMON,
    }  # fmt: skip


def text_conventions(records: Records, curve: Curve) -> dict[str, str]:
    """Of sampled answers. ``curve``: any of the summary."""
    once = (
        "once for all samples of a member and variant (of a served model for every request that brought samples; a "
        "beginning that prompts share once a run, in equal parts to the items that begin with it"
        f"{_spread(records)}: a share depends on their number, and a deployed model computes it once in its life, with "
        "its first request; the worst cost of an item has the whole beginning in it)"
    )
    if records.manifest.prefill == "per_sample":
        once = "once a sample"
    return {
        "flops": f"{_FLOPS}; the prompt is charged {once}; then each sample's own tokens, and the score that a vote "
        "needs",
        "ties": (
            "a draw without an extractable answer abstains, and an item where nobody votes scores 0; " + _ties(curve)
        ),
        "seconds": (
            "of one item alone on the profiled device, from a profile by itself, never from the collection; not "
            "measured for served models, where they depend on who else asks; mean, quantiles and the slowest are of "
            "the items that were timed, each with its first samples"
        ),
        "samples": (
            "samples of one prompt and decoding are exchangeable: accuracy at k is the mean over which k of them are "
            "taken, exact for plurality and best-of-n over the samples of one pool, else over "
            f"{ORDERS} or more keyed random orders, whose error is told; coverage is the unbiased 1 − C(n−c, k)/C(n, k)"
        ),
        "intervals": _intervals(curve, ""),
        "multiplier": _multiplier(curve),
        "ceiling": (
            "share of items that the vote ends right on with ever more samples, from the posterior of each item's "
            "answers; best-of-n has none; of learned shares, the cross-fitted vote over all draws collected"
        ),
        "ensembles": (
            "the top answer of the weighted mean of the members' answer distributions, the limit of many samples; "
            "learned weights, and the best single member, are chosen on one half of the items and scored on the other; "
            "at finite budgets each member has its share of the draws"
        ),
        **_COMMON,
    }  # fmt: skip


def _spread(records: Records) -> str:
    """Over how many items the shared beginnings were spread: ``, here 16 items``; nothing where none is known."""
    graded = records.graded()
    counts = [
        np.rint(graded.beginning_flops[prompt][paid] / share[paid])
        for prompt, share in graded.prefix_flops.items()
        if (paid := share > 0).any()
    ]
    if not counts:
        return ""
    few, many = int(min(map(np.min, counts))), int(max(map(np.max, counts)))
    return f", here {few if few == many else f'{few} to {many}'} items"


def _ties(curve: Curve) -> str:
    others = "" if curve.ties == "shared" else f"{_SHARED}; "
    return f"{TIES_IN_WORDS[curve.ties]}; {others}{_BREAKS}"


def _intervals(curve: Curve, held: str) -> str:
    return (
        f"{100 * curve.level:g}% intervals, {curve.method}; differences are paired by item; {held}intervals are not "
        "adjusted for the number of comparisons"
    )


def _multiplier(curve: Curve) -> str:
    return f"cost in plain decisions ({curve.unit}) of the curve's first member"
