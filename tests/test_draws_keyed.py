"""Keyed noise: uniform, independent of everything but its key, equal in numpy and torch."""

import numpy as np
import pytest
import torch
from scipy import stats

from ttscale.draws import keyed

KEYS = keyed.item_keys(f"item{i}" for i in range(20_000))


def splitmix_finaliser(z: int) -> int:
    """The reference mixer in plain Python integers, as published."""
    mask = (1 << 64) - 1
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return z ^ (z >> 31)


def test_uniforms_match_the_published_mixer_in_integer_arithmetic():
    golden, mask = 0x9E3779B97F4A7C15, (1 << 64) - 1
    seed, key = 7, int(KEYS[3])
    state = splitmix_finaliser((key + splitmix_finaliser((seed + golden) & mask)) & mask)
    for part in (keyed.VIEWS, 4, 2, 1):
        state = splitmix_finaliser((state + golden * (part + 1)) & mask)
    drawn = keyed.uniforms(seed, KEYS[3:4], stream=keyed.VIEWS, variant=4, sample=2, step=1)
    assert drawn[0] == (state >> 11) / 2**53


def test_numpy_and_torch_agree_to_the_bit():
    drawn = keyed.uniforms(3, KEYS, stream=keyed.TIES)
    assert drawn.dtype == np.float64
    assert np.array_equal(drawn, keyed.uniforms(3, torch.from_numpy(KEYS), stream=keyed.TIES).numpy())


def test_uniform_and_uncorrelated_between_streams_seeds_variants_and_steps():
    base = keyed.uniforms(0, KEYS, stream=1)
    assert stats.kstest(base, "uniform").pvalue > 1e-3
    others = [
        keyed.uniforms(1, KEYS, stream=1), keyed.uniforms(0, KEYS, stream=2), keyed.uniforms(0, KEYS, stream=1, step=1),
        keyed.uniforms(0, KEYS, stream=1, variant=1), keyed.uniforms(0, KEYS, stream=1, sample=1),
    ]  # fmt: skip
    for other in others:
        assert abs(np.corrcoef(base, other)[0, 1]) < 4 / np.sqrt(len(KEYS))


@pytest.mark.parametrize("rows", [slice(5, 9), slice(None, None, -1)])
def test_noise_of_an_item_does_not_depend_on_its_batch(rows):
    assert np.array_equal(keyed.uniforms(0, KEYS[rows], stream=2), keyed.uniforms(0, KEYS, stream=2)[rows])


def test_item_keys_are_pinned():
    assert keyed.item_keys(["a", "b"]).tolist() == [
        int.from_bytes(__import__("hashlib").blake2b(name, digest_size=8).digest(), "little", signed=True)
        for name in (b"a", b"b")
    ]


def test_array_parts_are_the_single_ones():
    keys, samples, steps = KEYS[:4], np.array([0, 3, 2, 0]), np.array([1, 0, 7, 300])
    together = keyed.uniforms(5, keys, stream=keyed.SAMPLING, sample=samples, step=steps)
    for at in range(4):
        for kind in (int, np.int64):
            one = keyed.uniforms(
                5, keys[at : at + 1], stream=keyed.SAMPLING, sample=kind(samples[at]), step=kind(steps[at])
            )
            assert together[at] == one[0]
    in_torch, of_sample, of_step = (torch.from_numpy(x) for x in (keys, samples, steps))
    drawn = keyed.uniforms(5, in_torch, stream=keyed.SAMPLING, sample=of_sample, step=of_step)
    assert np.array_equal(together, drawn.numpy())
    table = keyed.uniforms(5, keys[:, None], stream=keyed.SAMPLING, step=np.arange(3))
    assert table.shape == (4, 3)


def test_row_keys_differ_between_members_items_and_variants_and_are_stable():
    rows = [("m", "a", "plain"), ("n", "a", "plain"), ("m", "b", "plain"), ("m", "a", "order1"), ("m", "a b", "")]
    rows.append(("m a", "b", ""))
    keys = [int(keyed.row_keys(member, [item], [variant])[0]) for member, item, variant in rows]
    assert len(set(keys)) == len(rows)
    assert keyed.row_keys("m", ["a", "b"], ["plain", "plain"]).tolist() == [keys[0], keys[2]]
    assert keys[0] == int(keyed.item_keys(['["m", "a", "plain"]'])[0])
