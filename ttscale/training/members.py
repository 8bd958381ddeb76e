"""Trained models that a training takes: loaded, and checked against the images at hand."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ttscale.data.dataset import Dataset
from ttscale.errors import TtscaleError
from ttscale.models.load import expand_specs, load_model
from ttscale.models.model import Model
from ttscale.training.images import count_classes, split_uniforms


def load_member(argument: str, spec: str) -> Model:
    """A classifier; TtscaleError, which names ``argument``, for a language model."""
    model = load_model(spec)
    if not isinstance(model, Model):
        raise TtscaleError(argument, expected="classifiers", got=spec, fix="Give zoo:NAME, or a timm: spec.")
    return model


def trained_members(argument: str, specs: str | Sequence[str], data: Dataset, n_validation: int) -> list[Model]:
    """The models of some specs (``zoo:NAME``, ``zoo:FOLDER/NAME``, globs), of as many classes as the data.

    Raises:
        TtscaleError: no spec or an unknown one, two models of one name, models of other classes, or validation images
            that one was trained on.
    """
    if not specs:
        raise TtscaleError(
            argument, expected="at least one trained model", got=repr(specs),
            fix=f"Give {argument}=zoo:NAME, zoo:FOLDER/*, or a list.",
        )  # fmt: skip
    models = [load_member(argument, spec) for spec in expand_specs(specs)]
    names = [model.name for model in models]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise TtscaleError(
            argument, expected="models of different names", got=f"{', '.join(twice)} twice", fix="Take them one by one."
        )
    for model in models:
        _check_classes(argument, model, data)
        check_held_out(model.name, model.card, data, n_validation)
    return models


def _check_classes(argument: str, model: Model, data: Dataset) -> None:
    n_classes = count_classes(data)
    if model.n_classes != n_classes:
        raise TtscaleError(
            argument, expected=f"models of the {n_classes} classes of the data",
            got=f"{model.name} of {model.n_classes}", fix="Give models that were trained on this set.",
        )  # fmt: skip


def check_held_out(name: str, card: Mapping[str, Any], data: Dataset, n_validation: int) -> None:
    """Refuse validation images that a model was trained on, as its card says.

    A set is split by the keyed uniforms of its items, and ``card["validation_below"]`` is the largest one of a
    validation image. A card without it tells as much of the same images alone.

    Raises:
        TtscaleError: names the number of validation images that the model has not been trained on.
    """
    if card.get("data") != data.name or "n_validation" not in card:
        return
    if "validation_below" in card:
        most = int(np.sum(split_uniforms(data) <= card["validation_below"]))
    elif card.get("data_sha256") == data.digest():
        most = card["n_validation"]
    else:
        warnings.warn(
            f"{name} was trained on other images of {data.name}: whether some of them are for validation here is not "
            "known, so that accuracies on these may be too high",
            stacklevel=2,
        )
        return
    if n_validation > most:
        raise TtscaleError(
            "n_validation", expected=f"at most {most}, the images here that {name} was not trained on",
            got=str(n_validation), fix="Lower it, or give all images that it was trained on and for validation.",
        )  # fmt: skip
