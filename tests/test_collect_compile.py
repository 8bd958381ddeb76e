"""Compiled members give what plain ones give, in whole batches; what cannot be compiled is told before the run."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import make_data
from torch import nn
from torch._dynamo.testing import CompileCounter

import ttscale as tts
from ttscale.collecting.collect import collect
from ttscale.collecting.vision import VisionRunner
from ttscale.errors import TtscaleError


def linear(size=28):
    torch.manual_seed(0)
    module = nn.Sequential(nn.AdaptiveAvgPool2d(7), nn.Flatten(), nn.Linear(49, 10))
    return tts.load_model(module, input_size=(1, size, size), mean=(0.3,), std=(0.4,), name="a")


@pytest.mark.skipif(not any(map(shutil.which, ("g++", "c++", "clang++"))), reason="needs a C++ compiler")
def test_a_compiled_member_gives_what_the_plain_one_gives(tmp_path):
    arguments = {"data": make_data(11), "draws": "flip", "batch_size": 8, "progress": False}
    plain = collect(linear(), out=tmp_path / "plain", **arguments)
    fast = collect(linear(), out=tmp_path / "fast", compile=True, **arguments)
    np.testing.assert_allclose(fast.log_probs("a"), plain.log_probs("a"), atol=1e-5)
    assert fast.manifest.config["compile"] is True
    assert [fast.draw_flops("a", v) for v in fast.variants] == [plain.draw_flops("a", v) for v in plain.variants]


@pytest.mark.parametrize("channels_last", [False, True])
def test_every_shape_is_compiled_once_and_before_the_run(tmp_path, monkeypatch, channels_last):
    counter, compile_, before, run = CompileCounter(), torch.compile, [], VisionRunner.run
    monkeypatch.setattr(
        torch, "compile", lambda module, dynamic, **_: compile_(module, dynamic=dynamic, backend=counter)
    )
    monkeypatch.setattr(
        VisionRunner, "run", lambda self, *given: before.append(counter.frame_count) or run(self, *given)
    )
    sizes = range(20, 30)  # more than torch compiles of one function by itself
    draws = f"flip * (identity + {' + '.join(f'size({size})' for size in sizes)})"
    torch._dynamo.reset()
    arguments = {"data": make_data(11), "draws": draws, "batch_size": 8, "progress": False}
    fast = collect(linear(), out=tmp_path / "fast", compile=True, channels_last=channels_last, **arguments)
    assert before == [len(sizes)] and counter.frame_count == len(sizes)  # size(28) is the identity
    plain = collect(linear(), out=tmp_path / "plain", channels_last=channels_last, **arguments)
    np.testing.assert_allclose(fast.log_probs("a"), plain.log_probs("a"), atol=1e-6)


def test_compiled_members_see_whole_batches_only(tmp_path, monkeypatch):
    shapes = []

    def watched(model, sizes, device, layout):
        shapes.append(list(sizes))

        class Strict(nn.Module):
            def forward(self, x):
                assert tuple(x.shape) in set(sizes)
                return model.module(x)

        return replace(model, module=Strict())

    monkeypatch.setattr("ttscale.collecting.vision_run.compiled", watched)
    arguments = {"data": make_data(11), "draws": "flip + size(14)", "batch_size": 8, "progress": False}
    fast = collect(linear(), out=tmp_path / "fast", compile=True, **arguments)
    assert shapes == [[(8, 1, 28, 28), (8, 1, 14, 14)]]
    plain = collect(linear(), out=tmp_path / "plain", **arguments)
    np.testing.assert_allclose(fast.log_probs("a"), plain.log_probs("a"), atol=1e-6)


def test_what_cannot_be_compiled_is_told_before_anything_is_written(tmp_path, monkeypatch):
    def failing(*_, **__):
        def fails(x):
            raise RuntimeError("no compiler here\nmore")

        return fails

    monkeypatch.setattr(torch, "compile", failing)
    with pytest.raises(TtscaleError, match=r"compile: .*\(a\), got RuntimeError: no compiler here\. Leave compile out"):
        collect(linear(), make_data(4), out=tmp_path / "r", compile=True, progress=False)
    assert not (tmp_path / "r").exists()


def test_a_numeric_format_is_used_and_recorded(tmp_path):
    arguments = {"data": make_data(20), "draws": "flip", "progress": False}
    plain = collect(linear(), out=tmp_path / "plain", **arguments)
    half = collect(linear(), out=tmp_path / "half", dtype="bfloat16", **arguments)
    assert (plain.manifest.config["dtype"], half.manifest.config["dtype"]) == ("float32", "bfloat16")
    difference = np.abs(half.log_probs("a") - plain.log_probs("a")).max()
    assert 1e-4 < difference < 5e-2
    np.testing.assert_allclose(np.exp(half.log_probs("a")).sum(-1), 1, atol=1e-5)  # normalised in float32
    with pytest.raises(TtscaleError, match="dtype"):
        collect(linear(), out=tmp_path / "r", dtype="int8", **arguments)
