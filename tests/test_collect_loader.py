"""Batches are made ahead, but not further than asked; memory kept for the run is given back."""

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import make_data, make_model
from torch import nn

from ttscale.collecting.batch_sizes import batches_ahead, default_batch_size
from ttscale.collecting.collect import collect
from ttscale.collecting.inputs import input_maker
from ttscale.collecting.loader import batches
from ttscale.collecting.memory import kept_memory
from ttscale.collecting.transfer import Copied, Transfer
from ttscale.draws.frames import OWN
from ttscale.draws.grammar import views
from ttscale.draws.views import IDENTITY

CPU = torch.device("cpu")


def counted(n=40):
    """Data, and the positions that were loaded so far."""
    data, loaded, lock = make_data(n), [], threading.Lock()

    def load(i):
        with lock:
            loaded.append(i)
        return data.load(i)

    return replace(data, load=load), loaded


@pytest.mark.parametrize(("ahead", "workers"), [(1, 1), (3, 4)])
def test_so_many_batches_are_made_ahead_and_no_more(ahead, workers):
    model = make_model()
    data, loaded = counted()
    make = input_maker([(model, IDENTITY)])
    stream = batches(data, 2, 39, 4, make, workers=workers, ahead=ahead, skip_bad=False, pin=False)
    seen = []
    for number, batch in enumerate(stream):
        assert len(loaded) <= 4 * (number + 1 + ahead)
        x = batch.inputs[model.preprocess_key, OWN]
        assert torch.equal(x, torch.stack([model.preprocess(data.load(int(i[-4:]))) for i in batch.item_ids]))
        del loaded[-len(x) :]
        seen += batch.item_ids
    assert seen == list(data.item_ids[2:39])


def test_a_caller_that_leaves_early_leaves_nothing_running():
    model = make_model()
    data, loaded = counted()
    before = threading.active_count()
    stream = batches(
        data, 0, 40, 4, input_maker([(model, IDENTITY)]), workers=2, ahead=2, skip_bad=False, pin=False
    )  # fmt: skip
    next(stream)
    stream.close()
    assert threading.active_count() == before and len(loaded) <= 12


def test_batches_shrink_with_the_frames_of_an_item():
    model = make_model(channels=3, size=224)
    plain, many = views("flip"), views("windows(0.5, 10)")
    assert default_batch_size([model], plain, CPU) == 32
    values = 3 * 224 * 224 * 101  # the windows and the model's own frame
    size = default_batch_size([model], many, CPU)
    assert size == 2 ** round(np.log2(200_000_000 / values)) < 32
    assert batches_ahead([model], many, size) == 400_000_000 // (values * size) == 1
    assert batches_ahead([model], plain, 32) == 3


def test_a_transfer_on_the_cpu_lays_out_images_and_copies_nothing_else():
    transfer = Transfer.to(CPU, torch.channels_last)
    x = torch.randn(2, 3, 4, 4)
    assert transfer.there(x).is_contiguous(memory_format=torch.channels_last)
    keys = torch.arange(3)
    assert transfer.there(keys).data_ptr() == keys.data_ptr()
    assert transfer.back(x).wait().data_ptr() == x.data_ptr()


def test_results_of_a_batch_are_waited_for_when_the_next_one_runs(tmp_path, monkeypatch):
    told, model = [], make_model()

    class Event:
        def synchronize(self):
            told.append("wait")

    class Watched(nn.Module):
        def forward(self, x):
            told.append("run")
            return model.module(x)

    monkeypatch.setattr(Transfer, "back", lambda self, values: Copied(values, Event()))
    watched = replace(model, module=Watched())
    collect(watched, make_data(12), out=tmp_path, batch_size=4, fold=False, progress=False)
    assert told[-6:] == ["run", "run", "wait", "run", "wait", "wait"]


def test_memory_is_kept_inside_and_given_back_after(monkeypatch):
    told = []

    class Libc:
        most = 1 << 30

        def mallopt(self, option, value):
            told.append((option, value))
            return int(option == -1 or value <= self.most)

        def malloc_trim(self, pad):
            told.append("trim")

    monkeypatch.setattr("ttscale.collecting.memory._glibc", Libc)
    for name in ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(KeyboardInterrupt), kept_memory(CPU):
        assert told == [(-3, 1 << 30), (-1, 1 << 30)]
        raise KeyboardInterrupt
    assert told[2:] == [(-3, 32 << 20), (-1, 64 << 20), "trim"]
    with kept_memory(torch.device("meta")):
        assert len(told) == 5
    with kept_memory(), kept_memory(CPU):  # nested or overlapping: the last one to leave gives it back
        pass
    assert told[5:] == told[:5]
    told.clear()
    Libc.most = 32 << 20  # glibc before 2.35
    with kept_memory(CPU):
        assert told == [(-3, 1 << 30), (-3, 32 << 20), (-1, 1 << 30)]
    told.clear()
    Libc.most = 0
    with kept_memory(CPU):
        pass
    assert told == [(-3, 1 << 30), (-3, 32 << 20)]  # else malloc would keep less than it does by itself


@pytest.mark.parametrize(
    ("name", "value"), [("MALLOC_TRIM_THRESHOLD_", "1000"), ("GLIBC_TUNABLES", "glibc.malloc.mmap_threshold=1000")]
)
def test_what_the_user_told_malloc_stays(monkeypatch, name, value):
    monkeypatch.setattr("ttscale.collecting.memory._glibc", object)
    monkeypatch.setenv(name, value)
    with kept_memory(CPU):
        pass
