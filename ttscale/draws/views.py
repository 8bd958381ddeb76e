"""Views of an image: what each one does, and ordered sets of them, written as ``flip * shifts(1)``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ttscale.draws import keyed
from ttscale.draws.frames import OWN, Frame


@dataclass(frozen=True)
class Step:
    """One transform with the range of its parameters; ``low == high`` is a fixed parameter.

    Attributes:
        transform: a name in ``draws.steps.TRANSFORMS``.
        low, high: per parameter.
    """

    transform: str
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


@dataclass(frozen=True)
class View:
    """A named frame of the raw image and a sequence of steps on it; the model's own frame and no steps is the
    identity."""

    name: str
    steps: tuple[Step, ...] = ()
    frame: Frame = OWN

    @cached_property
    def key(self) -> int:
        """The view's part of the noise key: it depends on the name alone, not on the set that the view stands in."""
        return int.from_bytes(hashlib.blake2b(self.name.encode(), digest_size=4).digest(), "little")

    def then(self, other: View) -> View:
        """This view, and ``other`` applied to what it gives."""
        names = [view.name for view in (self, other) if view.steps]
        return View("*".join(names) or IDENTITY.name, self.steps + other.steps)


IDENTITY = View("identity")


@dataclass(frozen=True)
class ViewSet:
    """Ordered, distinct views, the identity first: a budget of k uses the first k."""

    spec: str
    views: tuple[View, ...]

    def __len__(self) -> int:
        return len(self.views)

    def __iter__(self) -> Iterator[View]:
        return iter(self.views)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(view.name for view in self.views)


def apply_view(view: View, x: Any, space: Any, seed: int, keys: Any) -> Any:
    """One view of a batch.

    Args:
        x: normalised images, tensor ``[item, channel, height, width]``.
        space: the ``draws.steps.PixelSpace`` of the model.
        seed: the run's seed.
        keys: ``int64 [item]`` tensor on the device of ``x``, from ``keyed.item_keys``; only random views read it.

    Returns:
        A tensor of the shape, type, device and memory format of ``x``.
    """
    import torch

    from ttscale.draws.steps import TRANSFORMS

    layout = torch.channels_last if x.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format
    for number, step in enumerate(view.steps):
        columns = [
            torch.full((len(x),), low, dtype=torch.float64, device=x.device)
            if low == high
            else low
            + (high - low) * keyed.uniforms(seed, keys, stream=keyed.VIEWS, variant=view.key, sample=number, step=i)
            for i, (low, high) in enumerate(zip(step.low, step.high, strict=True))
        ]
        parameters = torch.stack(columns, -1).to(x.dtype) if columns else x.new_empty(len(x), 0)
        x = TRANSFORMS[step.transform](x, parameters, space)
    return x.contiguous(memory_format=layout)
