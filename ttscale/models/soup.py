"""Weight soups: members of one architecture averaged into one, which costs what one does (Wortsman et al. 2022).

They work where the members stand in one basin of the loss: fine-tuned from the same weights, or checkpoints of one run.
Of networks trained from different beginnings the average is mostly worthless, which a report then shows.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Any

import numpy as np
import torch
from torch import nn

from ttscale.data.dataset import Dataset
from ttscale.errors import TtscaleError
from ttscale.models.classes import align
from ttscale.models.model import Model
from ttscale.models.training_cost import added_train_flops
from ttscale.models.weights import device_of, is_wrapper

_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
_TITLES = {"uniform": "soup", "greedy": "greedy soup"}
_SHARED_FACTS = ("family", "architecture", "licence", "pretrained", "n_params", "weight_bytes")


def soup(
    models: Sequence[Model], *, norms: Dataset | None = None, batch_size: int = 64, name: str | None = None
) -> Model:
    """The uniform soup: every weight the mean of the members' (in float64), statistics of batch norms too.

    The spec ``soup:SPEC+SPEC`` (or a glob of the zoo) loads it again, unless ``norms`` is given. The training FLOPs are
    the sum of the members', where each is known; a model that several were tuned from counts once.

    Args:
        models: at least one; of one architecture, preprocessing and class order.
        norms: images on which the means and variances of batch norms are estimated anew, since averaged ones need not
            fit averaged weights (Izmailov et al. 2018, section 3.2); labels are not read.
        batch_size: images a forward, for ``norms``; two at least, whatever is asked.
        name: of the member; by default from the members' names.

    Raises:
        TtscaleError: members that cannot be averaged, and how they differ; fewer than two images in ``norms``.
    """
    _check_images(batch_size, norms=(norms, 2))
    return _made_of(_checked(models), "uniform", norms, batch_size, name)


def greedy_soup(
    models: Sequence[Model], data: Dataset, *, norms: Dataset | None = None, batch_size: int = 64,
    name: str | None = None,
) -> Model:  # fmt: skip
    """The greedy soup: members from the most accurate on, each kept if the soup with it is no worse on ``data``.

    Source: Wortsman et al. 2022, recipe 1. Accuracy is of the plain view. The subset stands in the spec and in
    ``card["soup"]``, with its accuracy on ``data``. The training FLOPs are those of all members that were tried,
    without the forwards on ``data``.

    Args:
        models, norms, batch_size, name: as of :func:`soup`. data: held-out items, on which the members are chosen:
            others than those that the soup is scored on.

    Raises:
        TtscaleError: what :func:`soup` and :func:`ttscale.models.classes.align` raise; no images in ``data``.
    """
    _check_images(batch_size, data=(data, 1), norms=(norms, 2))
    members = _checked(align(_classifiers(models), data))
    alone = [_accuracy(model, data, batch_size) for model in members]
    ranked = sorted(range(len(members)), key=lambda i: -alone[i])
    kept = [members[ranked[0]]]
    best = _accuracy(_made_of(kept, "greedy", norms, batch_size, name), data, batch_size)
    for i in ranked[1:]:
        accuracy = _accuracy(_made_of([*kept, members[i]], "greedy", norms, batch_size, name), data, batch_size)
        if accuracy >= best:
            kept, best = [*kept, members[i]], accuracy
    chosen = _made_of(kept, "greedy", norms, batch_size, name)
    facts = {
        "candidates": [model.name for model in members], "alone": alone, "accuracy": best, "chosen_on": data.name,
        "n_items": len(data),
    }  # fmt: skip
    card = {**chosen.card, "soup": {**chosen.card["soup"], **facts}}
    if (flops := _train_flops(members)) is not None:
        card["train_flops"] = flops
    return replace(chosen, card=card)


def _made_of(models: Sequence[Model], kind: str, norms: Dataset | None, batch_size: int, name: str | None) -> Model:
    first, names = models[0], [model.name for model in models]
    module = _mean_module([model.module for model in models])
    spec = "soup:" + "+".join(model.spec for model in models)
    if norms is not None:
        _estimate_norms(module, first, norms, batch_size)
        spec = f"module:{spec}"  # the statistics are in no file
    title = _TITLES[kind]
    card = _card(models, kind) | ({} if norms is None else {"norms": norms.name})
    return replace(
        first, name=name or f"{_joined(names)}-{title.replace(' ', '-')}", spec=spec, module=module, card=card
    )


def _card(models: Sequence[Model], kind: str) -> dict[str, Any]:
    first, names = models[0], [model.name for model in models]
    card = {key: first.card[key] for key in _SHARED_FACTS if all(key in model.card for model in models)}
    card = {key: value for key, value in card.items() if all(model.card[key] == value for model in models)}
    sizes = {model.card.get("size") or model.card.get("of") for model in models}
    base = sizes.pop() if len(sizes) == 1 else None
    if base:
        card["size"] = f"{base} {_TITLES[kind]}"
    if (flops := _train_flops(models)) is not None:
        card["train_flops"] = flops
    how = f"{_TITLES[kind]} of {len(models)}"
    return {**card, "of": base or first.name, "how": how, "soup": {"kind": kind, "members": names}}


def _train_flops(models: Sequence[Model]) -> float | None:
    """Of all of them together; None where one is not known."""
    made = any("train_flops_parts" in model.card for model in models)  # else none is made of another
    whole = sum(added_train_flops([(model.fingerprint() if made else "", model.card) for model in models]))
    return None if math.isnan(whole) else whole


def _mean_module(modules: Sequence[nn.Module]) -> nn.Module:
    module = copy.deepcopy(modules[0])
    states = [other.state_dict() for other in modules]
    mean = {
        key: torch.stack([state[key].to(first.device, torch.float64) for state in states]).mean(0).to(first.dtype)
        if first.is_floating_point()
        else first
        for key, first in states[0].items()
    }
    module.load_state_dict(mean)
    return module


@torch.no_grad()
def _estimate_norms(module: nn.Module, model: Model, data: Dataset, batch_size: int) -> None:
    """Means and variances of every batch norm over ``data``: the mean over its batches, which hold as many images or
    one more, each of the weight of its images; all else in eval mode."""
    norms = [part for part in module.modules() if isinstance(part, _BATCH_NORMS) and part.track_running_stats]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.train()
    seen = 0
    for images, _ in _batches(model, data, min(-(-len(data) // batch_size), len(data) // 2)):
        seen += len(images)
        for norm in norms:
            norm.momentum = len(images) / seen  # so that the running mean is that of all images so far
        module(images)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()


@torch.inference_mode()
def _accuracy(model: Model, data: Dataset, batch_size: int) -> float:
    """Share of the items that the plain view decides rightly."""
    right = 0
    for images, labels in _batches(model, data, -(-len(data) // batch_size)):
        right += int((model.read(model.module(images)).argmax(-1) == labels).sum())
    return right / len(data)


def _batches(model: Model, data: Dataset, n: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The images and labels in ``n`` batches, whose sizes differ by one at most."""
    device = device_of(model.module)
    for at in np.array_split(np.arange(len(data)), n):
        images = torch.stack([model.preprocess(data.load(int(i))) for i in at])
        yield images.to(device), torch.as_tensor(data.labels[at]).to(device)


def _check_images(batch_size: int, **sets: tuple[Dataset | None, int]) -> None:
    """TtscaleError unless each data set, where there is one, has as many images as it needs."""
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise TtscaleError(
            "batch_size", expected="a whole number of at least 1", got=repr(batch_size), fix="Leave it out for 64."
        )
    for argument, (data, least) in sets.items():
        if data is not None and (not isinstance(data, Dataset) or len(data) < least):
            raise TtscaleError(
                argument, expected=f"a data set of {least} labelled images or more",
                got=f"{len(data)} in {data.name}" if isinstance(data, Dataset) else type(data).__name__,
                fix="Give a data set of load_data that is not used for scoring.",
            )  # fmt: skip


def _classifiers(models: Sequence[Model]) -> list[Model]:
    listed = isinstance(models, Iterable) and not isinstance(models, str)
    members = list(models) if listed else []
    if not members or not all(isinstance(model, Model) for model in members):
        came = ", ".join(type(model).__name__ for model in members) or "none"
        raise TtscaleError(
            "models", expected="a list of classifiers to average",
            got=came if listed else f"one {type(models).__name__}",
            fix="Load each with load_model; soups are made of classifiers.",
        )  # fmt: skip
    return members


def _checked(models: Sequence[Model]) -> list[Model]:
    """The members; TtscaleError unless their weights can be averaged."""
    members = _classifiers(models)
    first = members[0]
    for model in members:
        tensors = model.module.state_dict().values()
        if "format" in model.card or any(is_wrapper(tensor) for tensor in tensors):
            raise TtscaleError(
                "models", expected="plain weights to average",
                got=f"{model.name} in {model.card.get('format', 'integers')}",
                fix="Average first, then round: int8:soup:SPEC+SPEC.",
            )  # fmt: skip
        if "soup" in model.card:
            raise TtscaleError(
                "models", expected="single members to average", got=f"{model.name}, which is a soup",
                fix="Give the members of both: a spec has no way to say how much each counts.",
            )  # fmt: skip
    for i, model in enumerate(members):
        twins = [other for other in members[:i] if other.spec == model.spec]
        if twins and model.fingerprint() in [other.fingerprint() for other in twins]:
            raise TtscaleError(
                "models", expected="different members to average", got=f"{model.name} twice", fix="Give each once."
            )
    for model in members[1:]:
        if difference := _difference(first, model):
            raise TtscaleError(
                "models", expected="members of one architecture, preprocessing and class order, for a soup",
                got=f"{first.name} and {model.name}, which differ in {difference}",
                fix="Average seeds, fine-tunings or checkpoints of one model; ensemble others.",
            )  # fmt: skip
    return members


def _difference(a: Model, b: Model) -> str | None:
    """What keeps two members from being averaged, in words."""
    if type(a.module) is not type(b.module):
        return f"their modules ({type(a.module).__name__}, {type(b.module).__name__})"
    shapes, others = ({k: tuple(v.shape) for k, v in model.module.state_dict().items()} for model in (a, b))
    if shapes != others:
        unlike = sorted(k for k in shapes.keys() | others.keys() if shapes.get(k) != others.get(k))
        return f"{len(unlike)} tensors, such as {unlike[0]} ({shapes.get(unlike[0])}, {others.get(unlike[0])})"
    for what in ("preprocess_key", "class_names", "class_order", "outputs"):
        if getattr(a, what) != getattr(b, what):
            return f"their {what.replace('_', ' ')}"
    return None


def _joined(names: Sequence[str]) -> str:
    """``w16-s0+1+2``: what the names begin with alike once, then how each ends; whole numbers stay whole."""
    letters = zip(*names, strict=False) if len(names) > 1 else ()
    alike = "".join(letter[0] for letter in takewhile(lambda letter: len(set(letter)) == 1, letters))
    alike = alike.rstrip("0123456789")
    return alike + "+".join(name.removeprefix(alike) for name in names)
