"""Published answers to training against test-time compute, as special cases of the searches here.

- Snell et al. 2024 ("Scaling LLM test-time compute optimally can be more effective than scaling model parameters", §7):
  how much more test-time compute a small model may spend in place of pretraining a larger one.
- Sardana et al. 2023 ("Beyond Chinchilla-optimal: accounting for inference in language model scaling laws", §3): which
  size and data reach a loss most cheaply, training and inference together.

The third, Jones 2021 ("Scaling scaling laws with board games"), is a slope of a line of equal error and no formula: see
:func:`ttscale.scaling.tradeoff.crossing.ten_x_training_equals`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ttscale.scaling.numbers import positive
from ttscale.scaling.tradeoff.breakeven import Priced, equal_cost_multiplier
from ttscale.scaling.tradeoff.costs import token_costs
from ttscale.scaling.tradeoff.lifetime import Lifetime, cheapest
from ttscale.scaling.tradeoff.published import published

_SIZES, _TOKENS = (1e6, 1e13), (1e6, 1e16)  # where the law is searched


def snell_exchange(size_ratio: float, r: float) -> float:
    """How many times its test-time tokens a model may generate, for the FLOPs of a larger one: ``M + 3 (M − 1) / R``.

    The larger model has M times the parameters and the same training tokens; training takes 6 FLOPs per parameter and
    token, inference 2.

    Args:
        size_ratio: M, at least 1. r: R, inference tokens per pretraining token, above 0.

    Raises:
        TtscaleError: what is no such number.
    """
    m, ratio = positive("size_ratio", size_ratio, least=1.0), positive("r", r)
    costs = token_costs()
    big, small = (
        Priced(name, float(costs.train_flops(n, 1.0)), float(costs.test_flops(n, 1.0)))
        for name, n in (("big", m), ("small", 1.0))
    )
    return equal_cost_multiplier(big, small, ratio)


@dataclass(frozen=True)
class Sardana:
    """A loss reached most cheaply, beside the way of least training.

    Attributes:
        size, tokens: the model that reaches it with the least training, and its tokens.
        plain_flops: what that one costs over its life.
        lifetime: the size and tokens of least total FLOPs.
        saving_flops, saving_fraction: what these save.
        fractions: the saving under each other set of parameters, ``float64 [other]``.
    """

    size: float
    tokens: float
    plain_flops: float
    lifetime: Lifetime
    saving_flops: float
    saving_fraction: float
    fractions: np.ndarray


def sardana_optimum(
    parameters: Mapping[str, float], size: float, inference_tokens: float, *, others: Sequence[Mapping[str, float]] = ()
) -> Sardana:
    """The size and tokens that reach, with the least FLOPs over the life, the loss of a model of a given size trained
    on its own compute-optimal tokens: ``cheapest`` with one draw, 6ND for training and 2N per token served.

    Args:
        parameters: E, A, B, alpha, beta of ``E + A/N^α + B/D^β``.
        size: in parameters. inference_tokens: over the life.
        others: further published parameters; what the model would save under these says how far the answer hangs on
            them.

    Raises:
        TtscaleError: other parameters, or numbers that are not finite and above 0.
    """
    n, served = positive("size", size), positive("inference_tokens", inference_tokens)
    surface, costs = published("chinchilla", parameters, n=_SIZES, d=_TOKENS, others=others), token_costs()
    tokens = optimal_tokens(parameters, n)
    loss = float(surface.errors_at(surface.best, np.array(n), np.array(tokens), np.ones(())))
    plain = float(costs.train_flops(n, tokens) + served * costs.test_flops(n, 1.0))
    found = cheapest(surface, costs, served, loss, unit="tokens")
    saved = plain - found.total_flops.value
    fractions = [sardana_optimum(one, n, served).saving_fraction for one in others]
    return Sardana(n, tokens, plain, found, saved, saved / plain, np.array(fractions))


def optimal_tokens(parameters: Mapping[str, float], size: float) -> float:
    """The tokens D for which ``6 N D`` is spent best at this N: ``α A / N^α = β B / D^β``.

    It is the first-order condition of least ``E + A/N^α + B/D^β`` at a constant product of N and D, whose solution is
    eq. 4 of Hoffmann et al. 2022.
    """
    a, b, alpha, beta = (parameters[name] for name in ("A", "B", "alpha", "beta"))
    return float((beta * b / (alpha * a) * size**alpha) ** (1 / beta))
