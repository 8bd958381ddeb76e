"""Collection: the outcomes are the model's, a kill loses nothing, and bad input is told before or where it happens."""

import json
import os
import subprocess
import sys
import textwrap
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import make_data, make_model
from killed_run import kill_after_a_shard
from torch import nn

from ttscale.collecting.collect import collect
from ttscale.draws import keyed
from ttscale.draws.grammar import views
from ttscale.draws.steps import TRANSFORMS, PixelSpace
from ttscale.draws.views import apply_view
from ttscale.errors import TtscaleError
from ttscale.records.codes import decoded, encoded
from ttscale.records.read import read_records

DRAWS = "flip * (identity + random_shift(2))"


def files_of(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "manifest.json"
    }


@pytest.fixture(scope="module")
def members():
    return make_model("a", seed=0), make_model("b", seed=1)


def test_outcomes_are_those_of_the_bare_model_on_each_view(tmp_path, members):
    data = make_data(20)
    records = collect(members, data, draws=DRAWS, out=tmp_path / "r", batch_size=8, seed=4, progress=False)
    assert records.item_ids.tolist() == list(data.item_ids) and records.labels.tolist() == data.labels.tolist()
    assert records.variants == views(DRAWS).names and [m.name for m in records.members] == ["a", "b"]
    keys = torch.from_numpy(keyed.item_keys(data.item_ids))
    x = torch.stack([members[0].preprocess(data.load(i)) for i in range(len(data))])
    for model in members:
        for number, view in enumerate(views(DRAWS)):
            seen = apply_view(view, x, PixelSpace.on(torch.device("cpu"), model.mean, model.std), 4, keys)
            with torch.inference_mode():
                expected = torch.log_softmax(model.module(seen), -1).numpy()
            np.testing.assert_allclose(records.log_probs(model.name)[:, number], expected, atol=2e-5)


def test_batch_size_and_subset_do_not_change_the_noise(tmp_path, members):
    data = make_data(20)
    whole = collect(members[0], data, draws=DRAWS, out=tmp_path / "a", batch_size=8, progress=False)
    part = collect(members[0], data.subset([3, 11, 17]), draws=DRAWS, out=tmp_path / "b", batch_size=2, progress=False)
    np.testing.assert_allclose(part.log_probs("a"), whole.log_probs("a")[[3, 11, 17]], atol=2e-5)


def small_blocks(monkeypatch):
    monkeypatch.setattr("ttscale.collecting.batch_sizes._BLOCK_BYTES", 1)


@pytest.mark.parametrize("die_at", [0, 1, 5, 9, 13])
def test_a_run_that_died_anywhere_resumes_to_the_same_bytes(tmp_path, members, monkeypatch, die_at):
    small_blocks(monkeypatch)
    data = make_data(20)
    arguments = {"draws": DRAWS, "batch_size": 4, "progress": False}
    collect(members, data, out=tmp_path / "whole", **arguments)
    calls = iter(range(1000))

    def dying_load(i, load=data.load):
        if next(calls) == die_at:
            raise KeyboardInterrupt
        return load(i)

    with pytest.raises(KeyboardInterrupt):
        collect(members, replace(data, load=dying_load), out=tmp_path / "broken", **arguments)
    collect(members, data, out=tmp_path / "broken", **arguments)
    assert files_of(tmp_path / "whole") == files_of(tmp_path / "broken")
    whole, broken = (json.loads((tmp_path / name / "manifest.json").read_text()) for name in ("whole", "broken"))
    assert whole == broken


def test_a_killed_process_resumes_to_the_same_bytes(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import sys, time
            sys.path.insert(0, {os.path.dirname(__file__)!r})
            import torch
            torch.set_num_threads(1)
            from dataclasses import replace
            from conftest import make_data, make_model
            import ttscale.collecting.batch_sizes as run
            from ttscale.collecting.collect import collect
            run._BLOCK_BYTES = 1
            data, pause = make_data(40), float(sys.argv[2])
            slow = replace(data, load=lambda i: (time.sleep(pause), data.load(i))[1])
            collect(make_model(), slow, draws="flip", batch_size=4, out=sys.argv[1], progress=False)
            """
        )
    )
    kill_after_a_shard(script, tmp_path / "broken", "0.05")
    for name in ("broken", "whole"):
        subprocess.run([sys.executable, script, tmp_path / name, "0"], check=True)
    assert files_of(tmp_path / "whole") == files_of(tmp_path / "broken")


def test_a_changed_call_is_refused_by_what_changed(tmp_path, members):
    data = make_data(8)
    collect(members[0], data, draws="flip", out=tmp_path, batch_size=4, progress=False)
    before = files_of(tmp_path)
    for change, message in (
        ({"draws": "flip * shifts(1)"}, "views was"),
        ({"seed": 1}, "seed was 0, is 1"),
        ({"batch_size": 2}, "batch_size was 4, is 2"),
    ):  # fmt: skip
        with pytest.raises(TtscaleError) as error:
            collect(members[0], data, out=tmp_path, **({"draws": "flip", "batch_size": 4, "progress": False} | change))
        assert message in str(error.value)
    with pytest.raises(TtscaleError, match="members was"):
        collect(make_model("a", seed=9), data, draws="flip", out=tmp_path, batch_size=4, progress=False)
    with pytest.raises(TtscaleError, match="dataset was"):
        collect(members[0], data.subset(range(7)), draws="flip", out=tmp_path, batch_size=4, progress=False)
    assert files_of(tmp_path) == before


def broken_data(n=12, bad=(5, 7)):
    data = make_data(n)

    def load(i, load=data.load):
        if i in bad:
            raise OSError("image file is truncated")
        return load(i)

    return replace(data, load=load)


def test_a_broken_item_is_named(tmp_path, members):
    with pytest.raises(TtscaleError, match=r"noise/0005.*truncated.*skip"):
        collect(members[0], broken_data(), out=tmp_path, progress=False)


def test_a_run_that_stopped_at_a_broken_item_goes_on_with_skip(tmp_path, members, monkeypatch):
    small_blocks(monkeypatch)
    arguments = {"out": tmp_path, "batch_size": 4, "progress": False}
    with pytest.raises(TtscaleError, match="on_bad_item=skip"):
        collect(members[0], broken_data(), **arguments)
    assert len(json.loads((tmp_path / "manifest.json").read_text())["shards"]) == 1  # the first block is kept
    assert collect(members[0], broken_data(), on_bad_item="skip", **arguments).n_items == 10


def test_a_block_is_no_more_work_than_a_kill_may_cost(tmp_path, members, monkeypatch):
    monkeypatch.setattr("ttscale.collecting.batch_sizes._BLOCK_FLOPS", {"cpu": 10 * 330_000 * 2})
    records = collect(members[0], make_data(40), draws="flip", out=tmp_path, batch_size=4, progress=False)
    assert records.members[0].flops == pytest.approx(330_000, rel=0.01)
    assert next(records.blocks()) == slice(0, 8)  # whole batches within 10 items' work


def test_broken_items_can_be_skipped_and_are_counted(tmp_path, members):
    records = collect(members[0], broken_data(), out=tmp_path, batch_size=4, on_bad_item="skip", progress=False)
    assert records.n_items == 10 and "noise/0005" not in records.item_ids.tolist()
    assert [item["item_id"] for item in records.manifest.skipped_items] == ["noise/0005", "noise/0007"]
    good = collect(members[0], make_data(12), out=tmp_path / "good", batch_size=4, progress=False)
    kept = [i for i in range(12) if i not in (5, 7)]
    np.testing.assert_allclose(records.log_probs("a"), good.log_probs("a")[kept], atol=2e-5)


def test_only_broken_items_is_an_error(tmp_path, members):
    with pytest.raises(TtscaleError, match="at least one readable item"):
        collect(members[0], broken_data(3, bad=(0, 1, 2)), out=tmp_path, on_bad_item="skip", progress=False)


class NanOn(nn.Module):
    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.module(x)
        return torch.where((x.mean((1, 2, 3)) > 0.6)[:, None], torch.nan, out)


def test_nan_names_item_and_member(tmp_path, members):
    bright = make_data(12)
    data = replace(bright, load=lambda i: bright.load(i).point(lambda v: 255) if i == 9 else bright.load(i))
    spoiled = replace(members[0], module=NanOn(members[0].module))
    with pytest.raises(TtscaleError, match="NaN from member 'a' on item 'noise/0009', view 'identity'"):
        collect(spoiled, data, out=tmp_path, progress=False)


class Greedy(nn.Module):
    """Runs out of memory above a batch of three."""

    def __init__(self, module: nn.Module, most: int = 3) -> None:
        super().__init__()
        self.module, self.most, self.tried = module, most, []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.tried.append(len(x))
        if len(x) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.module(x)


def test_out_of_memory_halves_the_batch_and_goes_on(tmp_path, members):
    model = replace(members[0], module=Greedy(members[0].module))
    arguments = {"draws": DRAWS, "out": tmp_path / "r", "batch_size": 8, "fold": False, "progress": False}
    records = collect(model, make_data(20), **arguments)
    plain = collect(members[0], make_data(20), draws=DRAWS, out=tmp_path / "plain", batch_size=8, progress=False)
    np.testing.assert_allclose(records.log_probs("a"), plain.log_probs("a"), atol=2e-5)
    assert model.module.tried[-1] == 2 and max(model.module.tried[-30:]) == 2


def test_out_of_memory_in_a_view_halves_too(tmp_path, members, monkeypatch):
    def greedy_flip(x, parameters, space):
        if len(x) > 3:
            raise RuntimeError("DefaultCPUAllocator: not enough memory")
        return x.flip(-1)

    plain = collect(members[0], make_data(8), draws="flip", out=tmp_path / "plain", progress=False)
    monkeypatch.setitem(TRANSFORMS, "hflip", greedy_flip)
    records = collect(members[0], make_data(8), draws="flip", out=tmp_path / "r", batch_size=8, progress=False)
    np.testing.assert_allclose(records.log_probs("a"), plain.log_probs("a"), atol=2e-5)


def test_a_model_that_never_fits_is_told(tmp_path, members):
    model = replace(members[0], module=Greedy(members[0].module))
    data = make_data(4)

    def load(i):
        model.module.most = 3 if i < 2 else 0  # the first items are also the probe's
        return data.load(i)

    with pytest.raises(TtscaleError, match="batch size 1"):
        collect(model, replace(data, load=load), out=tmp_path, fold=False, progress=False)


def test_other_runtime_errors_are_not_taken_for_a_full_memory(tmp_path, members):
    class Broken(Greedy):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if len(x) > 2:
                raise RuntimeError("an odd fault")
            return self.module(x)

    told = (
        r"a to take every batch, got RuntimeError: an odd fault, on items 'noise/0000' to 'noise/0007', view 'identity'"
    )
    broken = replace(members[0], module=Broken(members[0].module))
    with pytest.raises(TtscaleError, match=told):
        collect(broken, make_data(8), draws="flip", out=tmp_path, batch_size=8, progress=False)


def test_a_module_that_fails_later_is_named_and_the_run_goes_on_when_it_is_mended(tmp_path, members):
    class Late(torch.nn.Module):
        def __init__(self, module: torch.nn.Module, at: int) -> None:
            super().__init__()
            self.module, self.at, self.rows = module, at, 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            assert not (len(x) == 4 and float(x[0, 0, 0, 0]) == self.at), "not this one"
            return self.module(x)

    data, model = make_data(12), members[0]
    first = float(model.preprocess(data.load(8))[0, 0, 0])
    given = {"data": data, "out": tmp_path, "batch_size": 4, "fold": False, "progress": False}
    with pytest.raises(TtscaleError, match="AssertionError: not this one, on items 'noise/0008' to 'noise/0011'"):
        collect(replace(model, module=Late(model.module, first)), **given)
    done = collect(replace(model, module=Late(model.module, 1e9)), **given)
    assert done.n_items == 12


def test_a_module_that_fails_on_real_items_is_named_by_the_probe(tmp_path, members):
    class Blank(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            assert not x.any(), "only nothing"
            return torch.zeros(len(x), 10)

    with pytest.raises(TtscaleError, match="a, which fails on real items: AssertionError: only nothing"):
        collect(replace(members[0], module=Blank()), make_data(4), out=tmp_path, progress=False)


def test_a_name_that_no_file_can_hold_is_refused(tmp_path, members):
    with pytest.raises(TtscaleError, match=r"name: expected member names that UTF-8 can write, got 'a\\udcff'"):
        collect(replace(members[0], name="a\udcff"), make_data(4), out=tmp_path, progress=False)


def test_modules_come_back_as_they_were(tmp_path, members):
    model = make_model("a")
    laid_out = make_model("b", seed=1)
    laid_out.module.to(memory_format=torch.channels_last)
    collect([model, laid_out], make_data(4), out=tmp_path, progress=False)
    kernel, other = model.module[3].conv1.weight, laid_out.module[3].conv1.weight
    assert kernel.is_contiguous() and not other.is_contiguous()


def test_a_damaged_block_is_run_again(tmp_path, members, monkeypatch):
    small_blocks(monkeypatch)
    arguments = {"draws": "flip", "batch_size": 4, "progress": False}
    collect(members, make_data(16), out=tmp_path / "whole", **arguments)
    collect(members, make_data(16), out=tmp_path / "hurt", **arguments)
    (tmp_path / "hurt" / "log_probs" / "m001-b00002.npy").write_bytes(b"no")
    loaded = []
    data = make_data(16)
    collect(members, replace(data, load=lambda i: loaded.append(i) or data.load(i)), out=tmp_path / "hurt", **arguments)
    assert sorted(set(loaded)) == [0, 1, 8, 9, 10, 11]  # the probe's items, and block 2
    assert files_of(tmp_path / "whole") == files_of(tmp_path / "hurt")
    assert (tmp_path / "whole" / "manifest.json").read_text() == (tmp_path / "hurt" / "manifest.json").read_text()


def test_another_order_of_members_or_version_of_torch_is_refused(tmp_path, members, monkeypatch):
    data = make_data(8)
    collect(members, data, out=tmp_path, progress=False)
    with pytest.raises(TtscaleError, match="members was"):
        collect(members[::-1], data, out=tmp_path, progress=False)
    monkeypatch.setattr("ttscale.collecting.vision_run.versions", lambda *_: {"torch": "99"})
    assert collect(members, data, out=tmp_path, progress=False).n_items == 8  # finished: nothing is left to run
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps(manifest | {"complete": False}))
    with pytest.raises(TtscaleError, match=r"versions\.torch was"):
        collect(members, data, out=tmp_path, progress=False)


def test_preprocessing_that_does_not_fit_is_never_skipped(tmp_path, members):
    def broken(image):
        raise ValueError("no such axis")

    model = replace(members[0], preprocess=broken)
    with pytest.raises(TtscaleError, match=r"preprocess.*ValueError on item 'noise/0000' \(a Image\): no such axis"):
        collect(model, make_data(4), out=tmp_path / "r", on_bad_item="skip", progress=False)
    with pytest.raises(TtscaleError, match=r"floating-point tensor \[1, 28, 28\] for a"):
        collect(replace(members[0], preprocess=lambda i: torch.zeros(1, 9, 9)), make_data(4), out=tmp_path / "r")
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: {"models": []}, "one or more models"),
        (lambda: {"models": nn.Identity()}, "one or more models"),
        (lambda: {"models": [make_model("a"), make_model("a", seed=1)]}, "a twice"),
        (lambda: {"models": [make_model("a"), make_model("b", n_classes=7)]}, "got 7 in b; a has 10"),
        (lambda: {"models": make_model("a", n_classes=5)}, "class indices from 0 to 4"),
        (lambda: {"models": replace(make_model("a"), n_classes=11)}, "logits [batch, 11]"),
        (lambda: {"models": replace(make_model("a"), module=TupleOut())}, "tuple"),
        (lambda: {"data": [1, 2]}, "a Dataset"),
        (lambda: {"data": make_data(4).subset([])}, "at least one item"),
        (lambda: {"data": make_data(4).subset([1, 1])}, "unique item ids"),
        (lambda: {"data": named_data("kbcdefghij"), "models": swapped()}, "a without 'k'"),
        (lambda: {"draws": "flop"}, "flip"),
        (lambda: {"draws": "shifts(28)"}, "28 × 28 pixels of a"),
        (lambda: {"batch_size": 0}, "batch_size"),
        (lambda: {"batch_size": 8.0}, "batch_size"),
        (lambda: {"seed": "a"}, "seed"),
        (lambda: {"out": None}, "out"),
        (lambda: {"device": None}, "device"),
        (lambda: {"data": named_data("ab")}, "the data have 2"),
        (lambda: {"threads": 0}, "threads"),
        (lambda: {"device": "toaster"}, "device=auto"),
        (lambda: {"log_probs_dtype": "int8"}, "float32"),
        (lambda: {"on_bad_item": "ignore"}, "skip"),
    ],
)  # fmt: skip
def test_unusable_arguments_are_told_before_anything_is_written(tmp_path, change, message):
    arguments = {"models": make_model(), "data": make_data(4), "out": tmp_path / "r", "progress": False} | change()
    with pytest.raises(TtscaleError) as error:
        collect(**arguments)
    assert message in str(error.value)
    assert not (tmp_path / "r").exists()


class TupleOut(nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor]:
        return (x,)


def named_data(names):
    return replace(make_data(4), class_names=tuple(names))


def swapped():
    return replace(make_model(), class_names=tuple("bacdefghij"))


def test_float16_records_are_close(tmp_path, members):
    data = make_data(16)
    full = collect(members[0], data, out=tmp_path / "a", progress=False)
    half = collect(members[0], data, out=tmp_path / "b", log_probs_dtype="float16", progress=False)
    assert half.log_probs("a").dtype == np.float16
    np.testing.assert_allclose(half.log_probs("a"), full.log_probs("a"), rtol=1e-3, atol=1e-3)


def test_records_of_codes_are_close_and_go_on_like_others(tmp_path, members, monkeypatch):
    data = make_data(16)
    arguments = {"draws": DRAWS, "batch_size": 4, "progress": False}
    full = collect(members, data, out=tmp_path / "a", **arguments)
    small_blocks(monkeypatch)
    codes = collect(members, data, out=tmp_path / "b", log_probs_dtype="uint8", **arguments)
    assert codes.manifest.config["log_probs_dtype"] == "uint8" and codes.manifest.flipped_draws == 0
    assert len(list(codes.blocks())) == 4 and len(list((tmp_path / "b/log_probs").iterdir())) == 4 * len(members)
    for model in members:
        assert np.array_equal(codes.log_probs(model.name), decoded(encoded(full.log_probs(model.name))))
        assert codes.draw_flops(model.name, "hflip") == full.member(model.name).flops > 0
    with pytest.raises(TtscaleError, match='log_probs_dtype was "uint8", is "float32"'):
        collect(members, data, out=tmp_path / "b", **arguments)


def test_decisions_flipped_by_rounding_are_counted(tmp_path):
    class NearTies(nn.Module):
        """The best class is ahead by 1e-4, which float16 cannot tell; of bright images it is clear."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            clear = (x.mean((1, 2, 3)) > 0.5).float()[:, None]
            return torch.tensor([[1.0, 1.0001, 1.0]]) + clear * torch.tensor([[0.0, 1.0, 0.0]])

    data = make_data(6, n_classes=3)
    mixed = replace(data, load=lambda i: data.load(i).point(lambda v: 255 if i < 2 else v // 2))
    model = replace(make_model("a", n_classes=3), module=NearTies())
    for dtype, flipped in (("float32", 0), ("float16", 4)):
        records = collect(model, mixed, out=tmp_path / dtype, log_probs_dtype=dtype, progress=False)
        assert records.manifest.flipped_draws == flipped


def test_a_finished_run_is_not_run_again(tmp_path, members):
    data = make_data(8)
    collect(members[0], data, out=tmp_path, progress=False)

    def must_not_load(i):
        assert i < 2, "only the probe reads items"
        return data.load(i)

    again = collect(members[0], replace(data, load=must_not_load), out=tmp_path, progress=False)
    assert again.n_items == 8 and read_records(tmp_path).manifest.complete
