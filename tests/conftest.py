"""Small real things that several test files share: images, models, Records."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from ttscale.data.dataset import Dataset
from ttscale.models.model import Model
from ttscale.models.resnet8 import resnet8


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Test workers share the cores; one thread each is the fastest (and keeps floating-point sums in one order)."""
    torch.set_num_threads(1)


def make_data(n: int = 40, *, size: int = 28, channels: int = 1, n_classes: int = 10) -> Dataset:
    """Random images with random labels, always the same."""
    rng = np.random.default_rng(5)
    shape = (n, size, size) if channels == 1 else (n, size, size, channels)
    pixels = rng.integers(0, 256, shape, dtype=np.uint8)
    return Dataset(
        name="noise", item_ids=tuple(f"noise/{i:04d}" for i in range(n)), labels=rng.integers(0, n_classes, n),
        load=lambda i: Image.fromarray(pixels[i]),
    )  # fmt: skip


def to_tensor(image: Image.Image) -> torch.Tensor:
    pixels = torch.from_numpy(np.array(image, dtype=np.float32) / 255)
    pixels = pixels[None] if pixels.ndim == 2 else pixels.permute(2, 0, 1)
    return (pixels - 0.3) / 0.4


def make_model(name: str = "a", *, seed: int = 0, channels: int = 1, size: int = 28, n_classes: int = 10) -> Model:
    """An untrained ResNet-8 of width 4 whose batch norms have seen data, so that outputs differ between images."""
    torch.manual_seed(seed)
    module = resnet8(4, n_classes, channels).train()
    with torch.no_grad():
        for _ in range(5):
            module(torch.randn(32, channels, size, size))
    return Model(
        name=name, spec=f"module:{name}", module=module.eval(), preprocess=to_tensor, preprocess_key="to_tensor",
        input_size=(channels, size, size), mean=(0.3,) * channels, std=(0.4,) * channels, n_classes=n_classes,
    )  # fmt: skip
