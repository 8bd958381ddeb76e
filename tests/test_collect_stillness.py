"""Members that change while they run are refused before the run, and are as they were."""

import pytest
import torch
from conftest import make_data
from torch import nn

import ttscale as tts
from ttscale.errors import TtscaleError


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 10)

    def forward(self, x):
        return self.head(self.norm(self.conv(x)).mean((2, 3)))


class Adapts(Net):
    """Its batch norm stays in training mode: it learns from what it is shown."""

    def train(self, mode=True):
        super().train(mode)
        self.norm.train()
        return self


class Counts(Net):
    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.tensor(float("nan")))

    def forward(self, x):
        self.seen = torch.nan_to_num(self.seen) + len(x)
        return super().forward(x)


class Remembers(Net):
    """A table that is made anew for each input and never saved is no state."""

    def __init__(self):
        super().__init__()
        self.register_buffer("table", torch.zeros(1), persistent=False)
        self.register_buffer("constant", torch.tensor(float("nan")))

    def forward(self, x):
        self.table = x.new_ones(x.shape[-1])
        return super().forward(x)


@pytest.mark.parametrize(
    ("make", "got"), [(Adapts, r"norm in training mode after \.eval\(\)"), (Counts, "a forward that changes seen")]
)
def test_a_member_that_changes_is_refused_and_stays(tmp_path, make, got):
    model = tts.load_model(make(), input_size=(1, 28, 28), mean=(0.3,), std=(0.4,), name="a")
    before = model.fingerprint()
    with pytest.raises(TtscaleError, match=rf"models: expected a .*, got {got}"):
        tts.collect(model, make_data(8), out=tmp_path / "r", progress=False)
    assert model.fingerprint() == before and not (tmp_path / "r").exists()


def test_a_table_that_is_not_saved_may_change(tmp_path):
    model = tts.load_model(Remembers(), input_size=(1, 28, 28), mean=(0.3,), std=(0.4,), name="a")
    tts.collect(model, make_data(8), out=tmp_path / "r", progress=False)
