"""The training loop: resumable by epoch, metered in FLOPs, reproducible from its seed."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ttscale.errors import TtscaleError
from ttscale.training.checkpoint import Checkpoint
from ttscale.training.images import Images
from ttscale.training.recipe import Recipe
from ttscale.training.teaching import Teaching


@dataclass(frozen=True)
class Training:
    """What a finished run did: metered FLOPs (1 multiply-add = 2), steps, images seen and seconds of wall time."""

    step_flops: float
    steps: int
    images_seen: int
    train_flops: float
    seconds: float


def fit_classifier(
    module: nn.Module,
    images: Images,
    recipe: Recipe,
    *,
    seed: int,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    device: torch.device,
    teaching: Teaching | None = None,
    checkpoint: Checkpoint | None = None,
    on_epoch: Callable[[int, float], None] = lambda epoch, loss: None,
) -> Training:
    """Train ``module`` in place; with ``checkpoint`` a killed run goes on at its last complete epoch.

    The order of the images and their augmentation are drawn per (seed, epoch), so a resumed run makes the same steps.
    FLOPs are those of one step, forward and backward, by torch's counter, times the number of steps: every step has
    the same shapes.

    Args:
        images: training images.
        seed: of order and augmentation.
        mean, std: per channel, of pixel values in [0, 1].
        teaching: what a teacher says of the training images, in their order; None: their labels alone are learned.
        on_epoch: told the number of finished epochs and the mean training loss of the last one.

    Raises:
        TtscaleError: the checkpoint is another run's, or the training diverges.
    """
    module.to(device).to(memory_format=torch.channels_last).train()
    normalise = _Normaliser(mean, std, device)
    optimizer = torch.optim.SGD(
        parameter_groups(module, recipe.weight_decay), lr=recipe.learning_rate, momentum=recipe.momentum, nesterov=True
    )
    steps_per_epoch = len(images.labels) // recipe.batch_size
    total_steps = steps_per_epoch * recipe.epochs
    first_epoch, seconds = _restore(checkpoint, module, optimizer)
    flops = step_flops(module, (recipe.batch_size, *images.pixels.shape[1:]))

    for epoch in range(first_epoch, recipe.epochs):
        started = time.perf_counter()
        rng = np.random.default_rng([seed, epoch])
        order = rng.permutation(len(images.labels))[: steps_per_epoch * recipe.batch_size]
        losses = torch.zeros((), device=device)
        for step, rows in enumerate(np.split(order, steps_per_epoch)):
            rate = one_cycle((epoch * steps_per_epoch + step) / total_steps, recipe.learning_rate, recipe.warmup)
            for group in optimizer.param_groups:
                group["lr"] = rate
            at = torch.from_numpy(rows)
            logits = module(normalise(_augment(images.pixels[at], rng, recipe).to(device)))
            loss = nn.functional.cross_entropy(logits, images.labels[at].to(device))
            if teaching is not None:
                loss = teaching.loss(logits, at, loss)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses += loss.detach()
        seconds += time.perf_counter() - started
        check_finite(module, losses / steps_per_epoch, f"epoch {epoch + 1}")
        if checkpoint is not None:
            state = {"module": module.state_dict(), "optimizer": optimizer.state_dict()}
            checkpoint.write({"epoch": epoch + 1, "seconds": seconds, **state})
        on_epoch(epoch + 1, float(losses) / steps_per_epoch)

    module.eval()
    return Training(flops, total_steps, total_steps * recipe.batch_size, flops * total_steps, seconds)


def check_finite(module: nn.Module, loss: torch.Tensor, after: str) -> None:
    """TtscaleError where a loss or a weight is no number any more."""
    if not all(bool(tensor.isfinite().all()) for tensor in (loss, *module.state_dict().values())):
        raise TtscaleError(
            "recipe.learning_rate", expected="a training that stays finite",
            got=f"weights that are not, and a loss of {loss.item():.3g}, after {after}", fix="Lower it.",
        )  # fmt: skip


@contextmanager
def one_thread(device: str) -> Iterator[None]:
    """A training on the CPU takes one thread, so that its weights do not depend on how many there are."""
    threads = torch.get_num_threads()
    if device == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@torch.inference_mode()
def accuracy(
    module: nn.Module, images: Images, *, mean: tuple[float, ...], std: tuple[float, ...], device: torch.device
) -> float:
    """Share of ``images`` whose most likely class is their label."""
    module.eval()
    normalise = _Normaliser(mean, std, device)
    correct = 0
    for pixels, labels in zip(images.pixels.split(1000), images.labels.split(1000), strict=True):
        correct += int((module(normalise(pixels.to(device))).argmax(-1).cpu() == labels).sum())
    return correct / len(images.labels)


class _Normaliser:
    """uint8 pixels to the normalised float32 that the module takes, channels last."""

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...], device: torch.device) -> None:
        self.scale = (1 / (255 * torch.tensor(std, device=device)))[None, :, None, None]
        self.offset = (torch.tensor(mean, device=device) / torch.tensor(std, device=device))[None, :, None, None]

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        return (pixels * self.scale - self.offset).contiguous(memory_format=torch.channels_last)


def parameter_groups(module: nn.Module, weight_decay: float) -> list[dict]:
    """Weight decay on matrices and kernels, none on vectors."""
    matrices = [p for p in module.parameters() if p.ndim > 1]
    vectors = [p for p in module.parameters() if p.ndim <= 1]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]


def one_cycle(progress: float, peak: float, warmup: float) -> float:
    """Learning rate at a share of all steps: linear up to ``peak`` within ``warmup``, then half a cosine to zero."""
    if progress < warmup:
        return peak * progress / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))


def _augment(pixels: torch.Tensor, rng: np.random.Generator, recipe: Recipe) -> torch.Tensor:
    """Shift (edges repeated) and mirror each image of ``[batch, channel, height, width]`` on its own."""
    n, _, height, width = pixels.shape
    shift = torch.from_numpy(rng.integers(-recipe.max_shift, recipe.max_shift + 1, size=(2, n)))
    mirrored = torch.from_numpy(rng.random(n) < 0.5) & recipe.flip
    rows = (torch.arange(height) + shift[0][:, None]).clamp(0, height - 1)
    columns = torch.where(mirrored[:, None], torch.arange(width - 1, -1, -1), torch.arange(width))
    columns = (columns + shift[1][:, None]).clamp(0, width - 1)
    batch = torch.arange(n)
    return pixels[batch[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def step_flops(module: nn.Module, shape: Sequence[int]) -> float:
    """FLOPs of one training step on a batch of this shape, forward and backward, counted without doing it."""
    shadow = copy.deepcopy(module).to("meta").train()
    with FlopCounterMode(display=False) as counter:
        shadow(torch.empty(tuple(shape), device="meta")).sum().backward()
    return float(counter.get_total_flops())


def one_step(module: nn.Module, shape: Sequence[int], device: torch.device) -> Callable[[], float]:
    """What does a training step on a batch of this shape, of no images, and returns its loss: to be timed."""
    module.to(device).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.0, momentum=0.9, nesterov=True)
    images = torch.zeros(tuple(shape), device=device).contiguous(memory_format=torch.channels_last)
    labels = torch.zeros(shape[0], dtype=torch.long, device=device)

    def step() -> float:
        loss = nn.functional.cross_entropy(module(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def _restore(checkpoint: Checkpoint | None, module: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[int, float]:
    """(epochs done, seconds spent) of the run in ``checkpoint``, its state put into module and optimizer."""
    state = checkpoint.read() if checkpoint is not None else None
    if state is None:
        return 0, 0.0
    module.load_state_dict(state["module"])
    optimizer.load_state_dict(state["optimizer"])
    return state["epoch"], state["seconds"]
