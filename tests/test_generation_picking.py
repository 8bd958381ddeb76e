"""Picking tokens: truncation and inverse CDF against sorting in numpy, and the model's own probabilities."""

import math

import numpy as np
import pytest
import torch
from scipy import special, stats

from ttscale.draws.sampling import Decoding
from ttscale.generation import picking
from ttscale.generation.picking import BLOCK, Settings, inverse_cdf, pick, truncate

CPU = torch.device("cpu")


def random_logits(rows: int, size: int, *, seed: int = 0, spread: float = 3.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(scale=spread, size=(rows, size)).astype(np.float32)


def kept_by_sorting(logits: np.ndarray, decoding: Decoding) -> np.ndarray:
    """Which tokens of one row remain, each set by its definition over the sorted probabilities."""
    p = special.softmax(logits.astype(np.float64) / decoding.temperature)
    order = np.argsort(-p, kind="stable")
    kept = np.ones(len(p), bool)
    if decoding.top_k is not None:
        kept[order[decoding.top_k :]] = False
    mass_before = np.concatenate([[0], np.cumsum(p[order])[:-1]])
    kept[order[mass_before >= decoding.top_p]] = False
    kept[p < decoding.min_p * p.max()] = False
    return kept


DECODINGS = [
    Decoding(1.0), Decoding(0.7), Decoding(1.3, top_k=1), Decoding(0.8, top_k=50), Decoding(1.0, top_k=10_000),
    Decoding(0.9, top_p=0.9), Decoding(1.0, top_p=0.3), Decoding(2.5, top_p=0.999), Decoding(1.0, min_p=0.1),
    Decoding(1.2, top_k=20, top_p=0.8, min_p=0.02), Decoding(0.5, top_p=0.95, min_p=0.3),
]  # fmt: skip


@pytest.mark.parametrize("size", [7, BLOCK, 3 * BLOCK + 5])
def test_truncations_of_a_mixed_batch_match_sorting(size: int):
    logits = random_logits(len(DECODINGS), size)
    temperature = np.array([one.temperature for one in DECODINGS], np.float32)[:, None]
    weights = torch.from_numpy(np.exp((logits - logits.max(1, keepdims=True)) / temperature))
    kept = truncate(weights, Settings.of(DECODINGS, CPU)).numpy() > 0
    for row, decoding in enumerate(DECODINGS):
        assert np.array_equal(kept[row], kept_by_sorting(logits[row], decoding)), decoding


def test_top_p_beyond_the_sorted_candidates():
    """A flat distribution: nine tenths of 4,000 tokens is more than the candidates that are sorted first."""
    logits = random_logits(2, 4000, spread=0.1)
    both = [Decoding(1.0, top_p=0.9), Decoding(1.0, top_p=0.01)]
    kept = truncate(torch.from_numpy(np.exp(logits - logits.max(1, keepdims=True))), Settings.of(both, CPU)) > 0
    for row, decoding in enumerate(both):
        assert np.array_equal(kept[row].numpy(), kept_by_sorting(logits[row], decoding))
    assert kept[0].sum() > 3000


@pytest.mark.parametrize("size", [1, 5, BLOCK, BLOCK + 1, 1000])
def test_inverse_cdf_is_the_first_token_whose_cumulated_share_passes_the_uniform(size: int):
    rng = np.random.default_rng(size)
    weights = rng.random((500, size)).astype(np.float32) * (rng.random((500, size)) < 0.6)
    weights[:, rng.integers(size)] = 0.5
    uniforms = rng.random(500)
    tokens = inverse_cdf(torch.from_numpy(weights), torch.from_numpy(uniforms)).numpy()
    cumulated = np.cumsum(weights.astype(np.float64), 1)
    expected = (cumulated > (uniforms * cumulated[:, -1])[:, None]).argmax(1)
    assert np.array_equal(tokens, expected)


@pytest.mark.parametrize("uniform", [0.0, 1 - 2.0**-53])
def test_the_ends_of_the_uniform_never_pick_a_token_without_weight(uniform: float):
    weights = torch.zeros(3, 2 * BLOCK + 9)
    weights[0, 3] = weights[0, BLOCK + 4] = 0.1
    weights[1, 2 * BLOCK + 2] = 1e-7
    weights[2, [0, 2 * BLOCK + 8]] = torch.tensor([1.0, 1e-12])
    tokens = inverse_cdf(weights, torch.full((3,), uniform, dtype=torch.float64))
    assert (weights.gather(1, tokens[:, None]) > 0).all()


@pytest.mark.parametrize("seed", range(5))
def test_a_target_at_the_edge_of_a_block_never_picks_its_first_token_without_weight(seed: int):
    """Weights over many binades, so that sums of blocks round; every block begins with a token of weight zero."""
    rng = np.random.default_rng(seed)
    blocks = 40
    values = np.exp(rng.normal(scale=8, size=(blocks, BLOCK))).astype(np.float32)
    values[:, 0] = 0
    weights = torch.from_numpy(values.reshape(1, -1))
    cumulated = weights.unflatten(1, (-1, BLOCK)).sum(-1).double().cumsum(-1)[0].numpy()
    edges = cumulated[:-1] / cumulated[-1]
    uniforms = np.concatenate([edges, np.nextafter(edges, 0), np.nextafter(edges, 1)])
    uniforms = torch.from_numpy(uniforms[uniforms < 1])
    tokens = inverse_cdf(weights.expand(len(uniforms), -1), uniforms)
    assert (weights[0, tokens] > 0).all()


def test_a_rest_that_rounding_makes_negative_still_picks_a_token_with_weight(monkeypatch):
    """The sum before a block, rounded up past the target."""
    weights = torch.zeros(1, 2 * BLOCK)
    weights[0, [5, BLOCK + 5]] = 1.0
    real = picking._passed

    def passed(cumulated, weights, target):
        if cumulated.shape[1] == 2:  # the level of blocks
            return torch.ones(1, 1, dtype=torch.int64)
        return real(cumulated, weights, target)

    monkeypatch.setattr(picking, "_passed", passed)
    assert inverse_cdf(weights, torch.tensor([0.4], dtype=torch.float64)).tolist() == [BLOCK + 5]


def test_frequencies_follow_the_distribution_at_its_temperature():
    logits = np.array([0.0, 1.0, 2.0, -1.0], np.float32)
    n = 20_000
    uniforms = torch.from_numpy(np.random.default_rng(1).random(n))
    settings = Settings.of([Decoding(0.5)] * n, CPU)
    tokens = pick(torch.from_numpy(np.tile(logits, (n, 1))), settings, uniforms).tokens.numpy()
    assert (
        stats.chisquare(np.bincount(tokens, minlength=4), n * special.softmax(logits.astype(np.float64) / 0.5)).pvalue
        > 1e-3
    )


def test_scores_are_the_models_own_whatever_the_decoding():
    logits = random_logits(4, 600)
    decodings = [Decoding(0.0), Decoding(0.3, top_k=2), Decoding(1.0), Decoding(5.0, min_p=0.5)]
    picked = pick(torch.from_numpy(logits.copy()), Settings.of(decodings, CPU), torch.full((4,), 0.4).double())
    log_p = special.log_softmax(logits.astype(np.float64), 1)
    assert picked.tokens[0] == logits[0].argmax()
    assert np.allclose(picked.log_probs.numpy(), log_p[range(4), picked.tokens.numpy()], atol=1e-5)
    divergence = (np.log(1 / 600) - log_p).mean(1)  # Σ (1/V) log((1/V) / p)
    assert np.allclose(picked.self_certainty.numpy(), divergence, atol=1e-5)


def test_tokens_that_the_model_rules_out_leave_the_scores_finite():
    """Padding of the vocabulary at minus infinity: the scores are those over the other tokens."""
    logits = random_logits(3, 300)
    padded = np.concatenate([logits, np.full((3, 20), -np.inf, np.float32)], 1)
    some, all_ = (
        pick(torch.from_numpy(x.copy()), Settings.of([Decoding(0.9)] * 3, CPU), torch.full((3,), 0.7).double())
        for x in (logits, padded)
    )
    assert torch.equal(some.tokens, all_.tokens)
    assert torch.allclose(some.log_probs, all_.log_probs, atol=1e-6)
    assert torch.allclose(some.self_certainty, all_.self_certainty, atol=1e-5)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_logits_that_are_no_numbers_give_scores_that_are_none(value: float):
    logits = torch.from_numpy(random_logits(2, 50))
    logits[1, 7] = value
    picked = pick(logits, Settings.of([Decoding(1.0)] * 2, CPU), torch.full((2,), 0.3).double())
    assert [math.isfinite(x) for x in picked.log_probs.tolist()] == [True, False]
    assert [math.isfinite(x) for x in picked.self_certainty.tolist()] == [True, False]


def test_a_uniform_distribution_has_no_self_certainty():
    picked = pick(torch.zeros(1, 50), Settings.of([Decoding(1.0)], CPU), torch.tensor([0.5], dtype=torch.float64))
    assert picked.self_certainty[0] == pytest.approx(0, abs=1e-6)
    assert picked.log_probs[0] == pytest.approx(-math.log(50), rel=1e-6)
    assert picked.tokens[0] == 25
