"""Votes: how the log-probabilities of several draws become one set of log-scores.

A vote is a fold. Each draw is read into a state, states are added one draw at a time, and the state of ``k`` draws is
scored. So one pass gives the vote of the first ``k`` draws for every ``k``, the analysis and a deployed model run the
same additions in the same order, and nothing larger than one draw is held in between. Written over the array API:
numpy arrays, torch tensors (on their device) and any other conforming library give the same numbers.

Sources: the mean of probabilities is the sum rule, the mean of log-probabilities the product rule, and plurality the
vote rule of Kittler, Hatef, Duin and Matas, "On combining classifiers", IEEE TPAMI 20 (1998); the normalised geometric
mean is also the logarithmic opinion pool and the product of experts of Hinton, Neural Computation 14 (2002), to the
power 1/k. Weighted sums are the linear and the logarithmic opinion pool (Genest and Zidek, "Combining probability
distributions", Statistical Science 1, 1986); weights of each class, Shanmugam et al., "Better aggregation in test-time
augmentation", ICCV 2021. Temperatures are Guo et al., "On calibration of modern neural networks", ICML 2017.

Sums are in float64 whatever the input (float16 Records included).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from array_api_compat import array_namespace, device, is_numpy_array

from ttscale.errors import TtscaleError, unknown_name
from ttscale.voting.decisions import TIE_TOLERANCE, _float64, tied_best
from ttscale.voting.weighting import Weighting


@dataclass(frozen=True)
class Vote:
    """One way to merge draws.

    Attributes:
        name: its name in ``VOTES``.
        read: one draw's log-probabilities ``[..., class]`` (float64) to a state.
        add: the states of two disjoint sets of draws to the state of both.
        score: the state of ``k`` draws and ``k`` to normalised log-scores ``[..., class]``; weighted states add up to
            one draw.
        weigh: the state of one draw that counts as much as this weight says, a number or one a class.
    """

    name: str
    read: Callable[[Any], Any]
    add: Callable[[Any, Any], Any]
    score: Callable[[Any, int], Any]
    weigh: Callable[[Any, Any], Any]


def merge(log_probs: Any, vote: str, weighting: Weighting | None = None) -> Any:
    """The vote of all draws: log-scores ``float64 [..., class]``, whose exponentials sum to 1.

    Args:
        log_probs: normalised log-probabilities ``[..., draw, class]``; −inf (probability 0) is allowed, NaN is not.
            That they are normalised is checked where they enter (Records), not here: raw logits give a meaningless
            answer.
        vote: a name in ``VOTES``.
        weighting: of these draws. With weights of each class, scores are normalised after they are summed; where no
            class has any left, all are tied. Its arrays may be of another library and are brought to the device of
            ``log_probs``; those that are there already are used as they are.

    Raises:
        TtscaleError: unknown vote, fewer than two axes, no draw, or a weighting of another number of draws or classes.
    """
    draws = _draws(log_probs)
    if weighting is not None:
        _check_shapes(weighting, log_probs.shape[-2], log_probs.shape[-1])
    return merge_draws(draws, vote, weighting)


def merge_draws(draws: Iterable[Any], vote: str, weighting: Weighting | None = None) -> Any:
    """The streaming form of :func:`merge`, for draws that never stand in one array.

    Args:
        draws: normalised log-probabilities ``[..., class]`` of one draw after another, all of one shape, at least one.
        vote, weighting: as in :func:`merge`.
    """
    rule, state, k = get_vote(vote), None, 0
    weights = temperatures = None
    for k, draw in enumerate(draws, start=1):
        xp = array_namespace(draw)
        x = xp.astype(draw, _float64(xp, draw))
        if k == 1 and weighting is not None:
            weights, temperatures = (
                None if given is None else xp.asarray(given, dtype=x.dtype, device=device(x))
                for given in (weighting.weights, weighting.temperatures)
            )
        new = rule.read(x if temperatures is None else tempered(x, temperatures[k - 1, ...]))
        new = new if weights is None else rule.weigh(new, weights[k - 1, ...])
        state = new if state is None else rule.add(state, new)
    scores = rule.score(state, k if weights is None else 1)
    if weights is not None and len(weights.shape) > 1:
        scores = normalised(scores)
    return scores if weighting is None or weighting.temperature == 1 else tempered(scores, weighting.temperature)


def tempered(log_probs: Any, temperature: Any) -> Any:
    """Log-probabilities ``[..., class]`` divided by a positive temperature and normalised again."""
    return normalised(log_probs / temperature)


def normalised(scores: Any) -> Any:
    """Scores ``[..., class]`` with their logarithm of the sum of exponentials taken off; all alike where all are
    −inf."""
    xp = array_namespace(scores)
    top = xp.max(scores, axis=-1, keepdims=True)
    shifted = scores - xp.where(top > -math.inf, top, xp.zeros_like(top))
    total = xp.sum(xp.exp(shifted), axis=-1, keepdims=True)
    some = total > 0
    alike = xp.full_like(scores, -math.log(scores.shape[-1]))
    return xp.where(some, shifted - xp.log(xp.where(some, total, xp.ones_like(total))), alike)


def merge_prefixes(log_probs: Any, vote: str) -> Any:
    """The vote of the first ``k`` draws for every ``k`` at once: ``float64 [..., draw, class]``.

    ``merge_prefixes(x, vote)[..., k - 1, :]`` equals ``merge(x[..., :k, :], vote)`` bit for bit. Arguments and errors
    as in :func:`merge`.
    """
    xp = array_namespace(log_probs)
    return xp.stack(list(prefix_scores(_draws(log_probs), vote)), axis=-2)


def prefix_scores(draws: Iterable[Any], vote: str) -> Iterator[Any]:
    """Yield the vote of the first draw, of the first two, and so on: ``float64 [..., class]`` each.

    The streaming form of :func:`merge_prefixes`, for draws that never stand in one array.

    Args:
        draws: normalised log-probabilities ``[..., class]`` of one draw after another, all of one shape.
        vote: a name in ``VOTES``.
    """
    rule = get_vote(vote)
    state: Any = None
    for k, draw in enumerate(draws, start=1):
        xp = array_namespace(draw)
        new = rule.read(xp.astype(draw, _float64(xp, draw)))
        state = new if state is None else rule.add(state, new)
        yield rule.score(state, k)


def get_vote(name: str) -> Vote:
    """The vote of this name; TtscaleError with the nearest names when there is none."""
    if not isinstance(name, str) or name not in VOTES:
        raise unknown_name("vote", name, VOTES)
    return VOTES[name]


def _draws(log_probs: Any) -> Iterator[Any]:
    if len(log_probs.shape) < 2 or log_probs.shape[-2] == 0 or log_probs.shape[-1] == 0:
        raise TtscaleError(
            "log_probs", expected="an array [..., draw, class] with at least one draw and one class",
            got=f"shape {tuple(log_probs.shape)}", fix="Put the draws on the last axis but one.",
        )  # fmt: skip
    return (log_probs[..., k, :] for k in range(log_probs.shape[-2]))


def _check_shapes(weighting: Weighting, n_draws: int, n_classes: int) -> None:
    for name, accepted in (("weights", ((n_draws,), (n_draws, n_classes))), ("temperatures", ((n_draws,),))):
        given = getattr(weighting, name)
        if given is not None and tuple(given.shape) not in accepted:
            raise TtscaleError(
                "weighting", expected=f"{name} of shape {' or '.join(map(str, accepted))}",
                got=f"shape {tuple(given.shape)}", fix="Give one weight (or one a class) and one temperature a draw.",
            )  # fmt: skip


def _safe_log(x: Any) -> Any:
    """log x, and −inf at 0 without a warning."""
    xp = array_namespace(x)
    positive = x > 0
    return xp.where(positive, xp.log(xp.where(positive, x, xp.ones_like(x))), xp.full_like(x, -math.inf))


def _mean_score(state: Any, k: int) -> Any:
    """Mean of probabilities: log((1/k) Σ p)."""
    return state - math.log(k)


def _log_mean_read(log_probs: Any) -> tuple[Any, Any]:
    xp = array_namespace(log_probs)
    zero = log_probs == -math.inf
    return xp.where(zero, xp.zeros_like(log_probs), log_probs), xp.astype(zero, log_probs.dtype)


def _log_mean_add(a: tuple[Any, Any], b: tuple[Any, Any]) -> tuple[Any, Any]:
    return a[0] + b[0], a[1] + b[1]


def _log_mean_score(state: tuple[Any, Any], k: int) -> Any:
    """Mean of log-probabilities, normalised: the geometric mean (product of experts to the power 1/k).

    A probability of exactly 0 is read as the limit of a vanishing one: classes with the fewest zeros among the draws
    (of the least weight) share the mass, by their finite parts, and the others get −inf. So one zero vetoes a class as
    long as another class has none, and no input gives NaN.
    """
    total, zeros = state
    xp = array_namespace(total)
    fewest = zeros <= xp.min(zeros, axis=-1, keepdims=True) + TIE_TOLERANCE  # weights do not add up exactly
    return normalised(xp.where(fewest, total / k, xp.full_like(total, -math.inf)))


def _plurality_read(log_probs: Any) -> Any:
    """One vote per draw for its most probable class; classes tied for that share the vote equally."""
    xp = array_namespace(log_probs)
    best = xp.astype(tied_best(log_probs), log_probs.dtype)
    return best / xp.sum(best, axis=-1, keepdims=True)


def _add(a: Any, b: Any) -> Any:
    return a + b


def _log_add(a: Any, b: Any) -> Any:
    """log(eᵃ + eᵇ). numpy's own takes eight times as long as its exp and log1p together."""
    xp = array_namespace(a)
    if not is_numpy_array(a):
        return xp.logaddexp(a, b)
    high = xp.maximum(a, b)
    finite = xp.where(high > -math.inf, high, 0.0)
    return high + xp.log1p(xp.exp(xp.minimum(a, b) - finite))


VOTES: dict[str, Vote] = {
    vote.name: vote
    for vote in (
        Vote("mean", lambda x: x, _log_add, _mean_score, lambda x, w: x + _safe_log(w)),
        Vote("log_mean", _log_mean_read, _log_mean_add, _log_mean_score, lambda pair, w: (pair[0] * w, pair[1] * w)),
        Vote("plurality", _plurality_read, _add, lambda n, k: _safe_log(n / k), lambda n, w: n * w),
    )
}
