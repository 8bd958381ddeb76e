"""Views of an image: what each one does, and ordered sets of them, written as ``flip * shifts(1)``."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ttscale.draws import keyed
from ttscale.draws.frames import OWN, Frame
from ttscale.draws.symmetries import NONE, followed_by, symmetry_of, transforms_of

PIXELWISE = ("noise",)  # transforms that draw a standard normal for every pixel, besides their parameters


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
    identity. The name joins those of its parts by ``*``, the frame first."""

    name: str
    steps: tuple[Step, ...] = ()
    frame: Frame = OWN

    @cached_property
    def key(self) -> int:
        """The view's part of the noise key: it depends on the name alone, not on the set that the view stands in."""
        return int.from_bytes(hashlib.blake2b(self.name.encode(), digest_size=4).digest(), "little")

    @property
    def random(self) -> bool:
        """Whether the view is another one for every item."""
        return is_random(self.steps)

    def then(self, other: View) -> View:
        """This view, and ``other`` applied to what it gives; a frame comes first whichever brings it, and flips and
        quarter turns that meet become the one symmetry that they are.

        Raises:
            ValueError: both bring a frame.
        """
        if self.frame != OWN and other.frame != OWN:
            raise ValueError(
                f"{self._parts[0][0]} and {other._parts[0][0]} are both cut from the raw image, and a view has one "
                "such frame: window(share, x, y, size) says place and size together"
            )
        (mine, first), (theirs, second) = self._parts, other._parts
        before, after = _turns(self.steps[::-1]), _turns(other.steps)
        met = NONE
        for step in (*self.steps[len(self.steps) - before :], *other.steps[:after]):
            met = followed_by(met, symmetry_of(step.transform, step.low) or NONE)
        one = [(f"{name}({values[0]})" if values else name, Step(name, values, values))
               for name, values in transforms_of(met)]  # fmt: skip
        frame = self.frame if self.frame != OWN else other.frame
        steps = (*self.steps[: len(self.steps) - before], *(step for _, step in one), *other.steps[after:])
        names = (*mine, *theirs, *first[: len(first) - before], *(name for name, _ in one), *second[after:])
        return View("*".join(names) or IDENTITY.name, steps, frame)

    @property
    def _parts(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Names of the frame (none or one) and of the rest."""
        names = () if self == IDENTITY else tuple(self.name.split("*"))
        return (names[:1], names[1:]) if self.frame != OWN else ((), names)


def is_random(steps: Sequence[Step]) -> bool:
    """Whether some of these are others for every item."""
    return any(step.low != step.high or step.transform in PIXELWISE for step in steps)


def _turns(steps: Sequence[Step]) -> int:
    """How many steps at the beginning are flips or quarter turns; each has a name of its own."""
    found = [symmetry_of(step.transform, step.low) is None for step in steps]
    return found.index(True) if True in found else len(found)


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


def needs_square(view: View) -> bool:
    """Whether the view turns the sides of an image into each other, so that only square ones keep their shape."""
    return any(step.transform == "rotate90" and step.low[0] % 2 == 1 for step in view.steps)


def apply_view(view: View, x: Any, space: Any, seed: int, keys: Any) -> Any:
    """The steps of one view, on a batch cut by its frame; where autocast is on, they work in the type of ``x`` all the
    same, since a sampling grid or a DCT in half precision is another view.

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
    with _no_autocast(x.device.type):
        for number, step in enumerate(view.steps):
            noise = _Noise(seed, keys, view.key, number)
            values = [
                low if low == high else noise.between(low, high, i).to(x.dtype)[:, None, None, None]
                for i, (low, high) in enumerate(zip(step.low, step.high, strict=True))
            ]
            if step.transform in PIXELWISE:
                values.append(noise.normals(x.shape[1:], len(values)).to(x.dtype))
            x = TRANSFORMS[step.transform](x, values, space)
    return x.contiguous(memory_format=layout)


def _no_autocast(device: str) -> AbstractContextManager[Any]:
    """Operations in the types of their inputs, on a kind of device that may know no autocast."""
    import torch

    known = torch.amp.is_autocast_available(device)
    return torch.autocast(device, enabled=False) if known and torch.is_autocast_enabled(device) else nullcontext()


@dataclass(frozen=True, eq=False)
class _Noise:
    """The keyed noise of one step of a view."""

    seed: int
    keys: Any
    variant: int
    sample: int

    def between(self, low: float, high: float, step: int) -> Any:
        """Uniform per item, ``float64 [item]``."""
        drawn = keyed.uniforms(
            self.seed, self.keys, stream=keyed.VIEWS, variant=self.variant, sample=self.sample, step=step
        )
        return low + (high - low) * drawn

    def normals(self, shape: Any, first_step: int) -> Any:
        """Standard normals per item and pixel, ``float32 [item, *shape]``, by the inverse of their distribution."""
        import torch

        steps = first_step + torch.arange(shape.numel(), device=self.keys.device)
        drawn = keyed.uniforms(
            self.seed, self.keys[:, None], stream=keyed.VIEWS, variant=self.variant, sample=self.sample, step=steps
        )
        least = torch.finfo(torch.float32).eps
        return (math.sqrt(2) * torch.erfinv((2 * drawn - 1).float().clamp(least - 1, 1 - least))).reshape(-1, *shape)
