"""A plan for classifiers as a module: the planned draws, their vote and its weights, on any device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ttscale.collecting.fast import fast_copy
from ttscale.collecting.inputs import InputKey, input_maker, key_of, shape_of
from ttscale.collecting.precision import computing_in, image_format
from ttscale.collecting.shared_forward import shared_forward
from ttscale.collecting.transfer import layout_of
from ttscale.draws import keyed
from ttscale.draws.frames import OWN
from ttscale.draws.grammar import view_named
from ttscale.draws.steps import PixelSpace
from ttscale.draws.views import View
from ttscale.errors import TtscaleError
from ttscale.models.classes import align_as
from ttscale.models.model import Model
from ttscale.models.weights import device_of
from ttscale.scaling.planning.planned import Plan
from ttscale.voting.decisions import decide
from ttscale.voting.merges import merge_draws
from ttscale.voting.weighting import Weighting

Inputs = torch.Tensor | Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class _Run:
    """A member's draws: their places in the plan, and their views."""

    model: Model
    places: tuple[int, ...]
    views: tuple[View, ...]


class Wrapped(nn.Module):
    """A planned strategy as a module: ``better(x)`` gives log-probabilities ``float32 [item, class]``.

    ``x`` is what ``better.batch(raws)`` makes of raw inputs: one tensor ``[item, channel, height, width]``, normalised,
    where all draws start from the same one (then it is what the bare model takes), else a mapping of the names in
    ``inputs`` to such tensors. Everything stays on the device of ``x``; nothing waits for the host.

    Attributes:
        plan: what is run.
        inputs: names of the tensors that the draws start from: a member's name, and of a view that is cut from the raw
            image its frame; members of one preprocessing go by the first one's name.
    """

    def __init__(
        self, models: Sequence[Model], plan: Plan, *, fold: bool = True, channels_last: bool = True, dtype: str = "auto"
    ) -> None:
        """See :func:`wrap`."""
        super().__init__()
        orders = {member["name"]: member.get("class_order") for member in plan.members}
        models = align_as(models, plan.class_names, [orders.get(model.name) for model in models])
        self.plan, self._dtype = plan, dtype
        self._channels_last = channels_last
        shapes: dict[str, dict[tuple[int, int, int], None]] = {model.name: {} for model in models}
        named = {model.name: model for model in models}
        views = [(draw[0], view_named(draw[1])) for draw in plan.draws]
        for name, view in views:
            shapes[name][shape_of(named[name], view)] = None
        fast = {
            name: fast_copy(model, list(shapes[name]), fold=fold, channels_last=channels_last)
            for name, model in named.items()
        }
        self.members = nn.ModuleList(model.module for model in fast.values())
        draws = [(fast[name], view) for name, view in views]
        self._make = input_maker(draws)
        self._names: dict[InputKey, str] = {}
        self._shapes: dict[InputKey, tuple[int, int, int]] = {}
        for model, view in draws:
            cut = [] if view.frame == OWN else [view.name.split("*")[0]]
            self._names.setdefault(key_of(model, view), " ".join([model.name, *cut]))
            self._shapes[key_of(model, view)] = shape_of(model, view)
        self.inputs = tuple(self._names.values())
        self._runs = [
            _Run(
                model, tuple(i for i, (one, _) in enumerate(draws) if one is model),
                tuple(view for one, view in draws if one is model),
            )
            for model in fast.values()
        ]  # fmt: skip
        self._plain = len(draws) == 1 and not draws[0][1].steps and plan.vote != "plurality"
        self._random = any(view.random for _, view in draws)
        self._spaces: dict[tuple[str, torch.device], PixelSpace] = {}
        self._weightings: dict[torch.device, Weighting | None] = {}
        self.eval()

    def preprocess(self, raw: object) -> Inputs:
        """One raw input as the tensor, or the tensors by name, that the draws start from; see :meth:`batch`."""
        made = {self._names[key]: tensor for key, tensor in self._make(raw).items()}
        return made if len(made) > 1 else next(iter(made.values()))

    def batch(self, raws: Sequence[object]) -> Inputs:
        """Several raw inputs as ``x``, on the device of the members.

        Raises:
            TtscaleError: no input, or an unusable one.
        """
        if not len(raws):
            raise TtscaleError("raws", expected="at least one input", got="none", fix="Give a list of images.")
        device = device_of(self)
        made = [self._make(raw) for raw in raws]
        x = {name: torch.stack([one[key] for one in made]).to(device) for key, name in self._names.items()}
        return x if len(x) > 1 else next(iter(x.values()))

    def forward(self, x: Inputs, item_ids: Sequence[str] | None = None) -> torch.Tensor:
        """Log-probabilities of the vote (for plurality: logs of the vote shares, −inf where a class has none).

        Args:
            item_ids: key the noise of random views as in the Records of these items; without them it is keyed by the
                content of each image.

        Raises:
            TtscaleError: one tensor where the draws start from several, a missing one, or another shape or type.
        """
        inputs = self._inputs(x)
        return self._scores(inputs, self._keys(inputs, item_ids) if self._random else _NO_KEYS).float()

    def classify(self, x: Inputs, item_ids: Sequence[str] | None = None) -> torch.Tensor:
        """Class index ``int64 [item]``; ties are broken by the item's keyed uniform, as the plan declares.

        Without ``item_ids`` the uniform follows the content of the image. Raises what :meth:`forward` raises, and
        TtscaleError for a wrong number of ids.
        """
        inputs = self._inputs(x)
        keys = self._keys(inputs, item_ids)
        return decide(self._scores(inputs, keys), keyed.uniforms(self.plan.seed, keys, stream=keyed.TIES))

    def _scores(self, inputs: Mapping[InputKey, torch.Tensor], keys: torch.Tensor) -> torch.Tensor:
        device = next(iter(inputs.values())).device
        weighting = self._weighting(device)
        with computing_in(image_format(self._dtype, device), device):
            if self._plain and weighting is None:
                return self._runs[0].model.read(self._runs[0].model.module(next(iter(inputs.values()))))
            draws = {
                place: draw
                for run in self._runs
                for place, draw in zip(run.places, self._outcomes(run, inputs, keys).unbind(1), strict=True)
            }
        return merge_draws((draws[place] for place in sorted(draws)), self.plan.vote, weighting)

    def _outcomes(self, run: _Run, inputs: Mapping[InputKey, torch.Tensor], keys: torch.Tensor) -> torch.Tensor:
        """Log-probabilities of a member's draws, ``float32 [item, draw, class]``."""
        mine = {frame: x for (key, frame), x in inputs.items() if key == run.model.preprocess_key}
        device = next(iter(mine.values())).device
        if (space := self._spaces.get((run.model.preprocess_key, device))) is None:  # made once, with a copy to it
            space = PixelSpace.on(device, run.model.mean, run.model.std)
            self._spaces[run.model.preprocess_key, device] = space
        return shared_forward(run.model, run.views, mine, space=space, seed=self.plan.seed, keys=keys)

    def _weighting(self, device: torch.device) -> Weighting | None:
        """That of the plan, on the device; copied once, so that no forward waits for it."""
        if device not in self._weightings:
            weighting = self.plan.weighting
            with torch.inference_mode(False):
                self._weightings[device] = weighting and Weighting(
                    _there(weighting.weights, device), _there(weighting.temperatures, device), weighting.temperature
                )
        return self._weightings[device]

    def _inputs(self, x: Inputs) -> dict[InputKey, torch.Tensor]:
        if isinstance(x, torch.Tensor):
            if len(self.inputs) > 1:
                raise TtscaleError(
                    "x", expected=f"a tensor for each of {list(self.inputs)}", got="one tensor",
                    fix="Make x with better.batch([image, …]): the draws start from several tensors of an image.",
                )  # fmt: skip
            x = {self.inputs[0]: x}
        missing = [name for name in self.inputs if name not in x]
        if missing:
            raise TtscaleError(
                "x", expected=f"a tensor for each of {list(self.inputs)}", got=f"none for {missing}", fix="Add it."
            )
        layout = layout_of(self._channels_last)
        return {
            key: self._checked(name, x[name], key).contiguous(memory_format=layout) for key, name in self._names.items()
        }

    def _checked(self, name: str, x: Any, key: InputKey) -> torch.Tensor:
        """A tensor of ``x`` of the form that the member was measured with; nothing here waits for the device."""
        shape, own = self._shapes[key], torch.float32
        if isinstance(x, torch.Tensor) and tuple(x.shape[1:]) == shape:
            if x.dtype == torch.float32:
                return x
            own = next((p.dtype for p in self.parameters() if p.is_floating_point()), own)
            if x.dtype in (own, image_format(self._dtype, x.device)):
                return x
        tensor = isinstance(x, torch.Tensor)
        got = f"{str(x.dtype).removeprefix('torch.')} {list(x.shape)}" if tensor else type(x).__name__
        wanted = str(own).removeprefix("torch.")
        raise TtscaleError(
            "x", expected=f"a tensor {wanted} [item, {', '.join(map(str, shape))}] for {name}, normalised", got=got,
            fix="Make x with better.batch([image, …]).",
        )  # fmt: skip

    def _keys(self, inputs: Mapping[InputKey, torch.Tensor], item_ids: Sequence[str] | None) -> torch.Tensor:
        x = next(iter(inputs.values()))
        if item_ids is None:
            return _content_keys(x)
        if len(item_ids) != len(x):
            raise TtscaleError("item_ids", expected=f"{len(x)} ids", got=str(len(item_ids)), fix="Give one a row of x.")
        return torch.from_numpy(keyed.item_keys(item_ids)).to(x.device, non_blocking=True)


_NO_KEYS = torch.empty(0, dtype=torch.int64)  # views without noise read none


def _there(values: Any, device: torch.device) -> torch.Tensor | None:
    return None if values is None else torch.as_tensor(values, dtype=torch.float64, device=device)


def _content_keys(x: torch.Tensor) -> torch.Tensor:
    """A hash of each image's bits, ``int64 [item]``: equal images get equal noise wherever they stand in a batch."""
    bits = x.float().contiguous().flatten(1).view(torch.int32).long()
    odd = 2 * torch.arange(1, bits.shape[1] + 1, device=x.device) + 1
    return (bits * (odd * 0x9E3779B1)).sum(-1)
