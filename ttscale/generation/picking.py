"""Picking the next token of every row: truncation, one uniform and an inverse CDF, and the model's own probability.

A row's distribution is the softmax of its logits over its temperature. Truncations each keep a set of its tokens and
act together: a token must be in every set. Ties at the edge of a set are kept. The token is the one in whose share of
the cumulated distribution (in the order of the vocabulary) the row's uniform falls. The cumulation has two levels,
blocks and the tokens of one block, so that it costs one pass over the logits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ttscale.draws.sampling import Decoding

BLOCK = 256
CANDIDATES = 512  # tokens that are sorted for top-p before a whole row is


@dataclass(frozen=True, eq=False)
class Settings:
    """The decodings of rows, as tensors on the device of their logits.

    Attributes:
        temperature: float32 ``[row]``, 1 where greedy.
        greedy: int64 ``[greedy row]``: which rows are.
        all_greedy, all_one: whether every row is greedy; whether every temperature is 1.
        min_p: float32 ``[row]``; None where no row has one.
        top_k: int64 ``[limited row]`` twice: the rows with a limit, and their limits; None without any.
        nucleus: int64 and float32 ``[nucleus row]``: the rows with top-p below 1, and it; None without any.
    """

    temperature: Tensor
    greedy: Tensor
    all_greedy: bool
    all_one: bool
    min_p: Tensor | None
    top_k: tuple[Tensor, Tensor] | None
    nucleus: tuple[Tensor, Tensor] | None

    @classmethod
    def of(cls, decodings: Sequence[Decoding], device: torch.device) -> Settings:
        def column(values: Sequence[float], dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.tensor(values, dtype=dtype, device=device)

        greedy = [row for row, one in enumerate(decodings) if one.greedy]
        cut = [row for row, one in enumerate(decodings) if one.top_k is not None and not one.greedy]
        nucleus = [row for row, one in enumerate(decodings) if one.top_p < 1 and not one.greedy]
        limits = [decodings[row].top_k or 1 for row in cut]
        temperatures = [1.0 if one.greedy else one.temperature for one in decodings]
        shares = [decodings[row].top_p for row in nucleus]
        return cls(
            temperature=column(temperatures),
            greedy=column(greedy, torch.int64),
            all_greedy=len(greedy) == len(decodings),
            all_one=all(t == 1 for t in temperatures),
            min_p=column([one.min_p for one in decodings]) if any(one.min_p > 0 for one in decodings) else None,
            top_k=(column(cut, torch.int64), column(limits, torch.int64)) if cut else None,
            nucleus=(column(nucleus, torch.int64), column(shares)) if nucleus else None,
        )


class Picked(NamedTuple):
    """Tokens ``int64 [row]``; and float32 ``[row]``, their log-probabilities under the model itself (temperature 1,
    nothing cut), and the Kullback-Leibler divergence from the uniform distribution to the model's. Logits of NaN or
    plus infinity make these two NaN."""

    tokens: Tensor
    log_probs: Tensor
    self_certainty: Tensor


def pick(logits: Tensor, settings: Settings, uniforms: Tensor) -> Picked:
    """The next token of each row.

    Args:
        logits: float32 ``[row, vocabulary]``; overwritten. Tokens at minus infinity, which the model rules out, are
            no part of the uniform distribution either.
        uniforms: float64 ``[row]``, in [0, 1).
    """
    mean, n_tokens = _mean(logits)
    greedy = logits[settings.greedy].argmax(-1)
    most = logits.amax(-1, keepdim=True)
    shifted = logits.sub_(most)
    weights = shifted.exp()
    log_total = weights.sum(-1).log()
    certainty = log_total + most[:, 0] - mean - n_tokens.log()
    if settings.all_greedy:
        tokens = greedy
    else:
        if not settings.all_one:
            weights = torch.div(shifted, settings.temperature[:, None], out=weights).exp_()
        tokens = inverse_cdf(truncate(weights, settings), uniforms)
        tokens[settings.greedy] = greedy
    log_probs = shifted.gather(-1, tokens[:, None])[:, 0] - log_total
    return Picked(tokens, log_probs, certainty)


def _mean(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Float32 ``[row]``: the mean of the logits above minus infinity, and their number."""
    mean = logits.mean(-1)
    n_tokens = torch.full_like(mean, logits.shape[-1])
    if bool(torch.isneginf(mean).any()):
        given = ~torch.isneginf(logits)
        n_tokens = given.sum(-1).to(mean.dtype)
        mean = logits.masked_fill(~given, 0).sum(-1) / n_tokens
    return mean, n_tokens


def truncate(weights: Tensor, settings: Settings) -> Tensor:
    """Zero the weights of tokens that a truncation leaves out, in place; the largest weight of a row is 1."""
    if settings.min_p is None and settings.top_k is None and settings.nucleus is None:
        return weights
    least = weights.new_zeros(len(weights)) if settings.min_p is None else settings.min_p.clone()
    if settings.top_k is not None:
        rows, limits = settings.top_k
        limits = limits.clamp(max=weights.shape[-1])
        best = weights[rows].topk(int(limits.max()), -1).values
        least[rows] = least[rows].maximum(best.gather(-1, limits[:, None] - 1)[:, 0])
    if settings.nucleus is not None:
        rows, shares = settings.nucleus
        least[rows] = least[rows].maximum(_nucleus_edge(weights[rows], shares))
    return weights.masked_fill_(weights < least[:, None], 0)


def _nucleus_edge(weights: Tensor, shares: Tensor) -> Tensor:
    """The least weight in the smallest set of largest weights that holds each row's share of the total."""
    goal = weights.sum(-1).double() * shares
    best = weights.topk(min(CANDIDATES, weights.shape[-1]), -1).values
    sums = best.cumsum(-1, dtype=torch.float64)
    if bool((sums[:, -1] < goal).any()):
        best = weights.sort(-1, descending=True).values
        sums = best.cumsum(-1, dtype=torch.float64)
    edge = torch.searchsorted(sums, goal[:, None]).clamp(max=best.shape[-1] - 1)
    return best.gather(-1, edge)[:, 0]


def inverse_cdf(weights: Tensor, uniforms: Tensor) -> Tensor:
    """The token of each row where its cumulated weights pass ``uniform × total``; never one of weight zero."""
    size = weights.shape[1]
    whole = size // BLOCK * BLOCK
    sums = weights[:, :whole].unflatten(1, (-1, BLOCK)).sum(-1)
    if whole < size:
        sums = torch.cat([sums, weights[:, whole:].sum(-1, keepdim=True)], 1)
    sums = sums.double()
    cumulated = sums.cumsum(-1)
    target = cumulated[:, -1:] * uniforms[:, None]
    block = _passed(cumulated, sums, target)
    before = cumulated.gather(1, block) - sums.gather(1, block)
    inside = block * BLOCK + torch.arange(BLOCK, device=weights.device)
    chosen = weights.gather(1, inside.clamp(max=size - 1)).double()
    chosen = chosen.masked_fill_(inside >= size, 0)
    inner = (target - before).clamp(min=0)  # rounding may leave less, and a first token of weight zero is below none
    return (block * BLOCK + _passed(chosen.cumsum(-1), chosen, inner))[:, 0]


def _passed(cumulated: Tensor, weights: Tensor, target: Tensor) -> Tensor:
    """First place ``[row, 1]`` with ``cumulated > target``, or the last with any weight where rounding leaves none."""
    place = torch.searchsorted(cumulated, target, right=True)
    places = torch.arange(weights.shape[1], device=weights.device)
    last = torch.where(weights > 0, places, 0).amax(-1, keepdim=True)
    return place.minimum(last)
