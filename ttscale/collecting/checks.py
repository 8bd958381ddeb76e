"""What is checked before anything runs: the arguments of ``collect``, and one item through every member."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ttscale.collecting.inputs import InputKey, InputMaker
from ttscale.collecting.loader import read_item
from ttscale.collecting.stillness import check_still, unchanged
from ttscale.data.bad_item import BadItem
from ttscale.data.dataset import Dataset
from ttscale.data.problems import Problems
from ttscale.draws.frames import OWN
from ttscale.draws.sampling import Sampling
from ttscale.draws.views import ViewSet
from ttscale.errors import TtscaleError, in_a_line
from ttscale.models.language import Endpoint, LanguageModel
from ttscale.models.model import Model
from ttscale.models.reading import check_outputs, look_like_probabilities, scores_in
from ttscale.records.codes import DTYPES

PROBED = 2  # items: logits that lie in [0, 1] and sum to 1 by chance do not do so twice


def check_together(members: tuple[Any, ...], data: Any, draws: Any) -> None:
    """Refuse members that are of two kinds, and data or draws of another kind than the members."""
    language = [isinstance(model, LanguageModel | Endpoint) for model in members]
    if not members or not all(isinstance(model, Model | LanguageModel | Endpoint) for model in members):
        raise TtscaleError(
            "models",
            expected="one or more models from load_model",
            got=repr(members)[:80],
            fix="Wrap each with load_model.",
        )
    if any(language) and not all(language):
        classifier, lm = members[language.index(False)], members[language.index(True)]
        raise TtscaleError(
            "models", expected="classifiers, or language models", got=f"both: {classifier.name} and {lm.name}",
            fix="Collect them in separate runs; `report` shows several beside each other.",
        )  # fmt: skip
    if any(language):
        if not isinstance(data, Problems):
            raise TtscaleError(
                "data", expected="Problems, since the members are language models", got=type(data).__name__,
                fix="Make them with load_data, for example load_data('arithmetic:sums_two_digit').",
            )  # fmt: skip
        if not isinstance(draws, Sampling | None):
            raise TtscaleError(
                "draws", expected="a sampling, since the members are language models",
                got=f"the views {draws.spec}" if isinstance(draws, ViewSet) else repr(draws)[:80],
                fix="Make it with ttscale.sampling(n=16, temperature=0.8), on the command line draws=samples: "
                "views are of images.",
            )  # fmt: skip
        return
    if not isinstance(data, Dataset):
        raise TtscaleError(
            "data", expected="a Dataset", got=type(data).__name__,
            fix="Problems are for language models." if isinstance(data, Problems) else "Make it with load_data.",
        )  # fmt: skip
    if isinstance(draws, Sampling):
        raise TtscaleError(
            "draws", expected="views, since the members are classifiers", got="a sampling",
            fix="Give for example draws='flip': sampling is of language models.",
        )  # fmt: skip


def check_arguments(
    members: tuple[Any, ...], data: Dataset | Problems, out: str | Path, seed: int, batch_size: int | None,
    threads: int | None,
) -> None:  # fmt: skip
    """Raise TtscaleError for the first argument that cannot be used, among those of every collection."""
    names = [model.name for model in members]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise TtscaleError(
            "models", expected="different names", got=f"{doubled[0]} twice", fix="Pass load_model(name=…)."
        )
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise TtscaleError(
                "name", expected="member names that UTF-8 can write", got=ascii(name), fix="Pass load_model(name=…)."
            ) from error
    if not len(data):
        raise TtscaleError("data", expected="at least one item", got="none", fix="Check the path and the limit.")
    if len(set(data.item_ids)) != len(data):
        raise TtscaleError(
            "data", expected="unique item ids", got="doubled ones", fix="Give each item one id of its own."
        )
    check_whole(batch_size=batch_size, threads=threads)
    if not _is_whole(seed):
        raise TtscaleError("seed", expected="a whole number", got=repr(seed), fix="Give for example 0.")
    if not isinstance(out, str | Path) or not str(out):
        raise TtscaleError("out", expected="the path of a folder", got=repr(out), fix="Give for example runs/mine.")


def check_unused(given: Mapping[str, Any], defaults: Mapping[str, Any], members: str) -> None:
    """Refuse an argument that a run of such members has no use for, unless it is what nobody asked for."""
    for name, value in given.items():
        if value != defaults[name]:
            raise TtscaleError(
                name, expected=f"nothing: a run of {members} has no use for it", got=repr(value), fix="Leave it out."
            )


def check_whole(**numbers: int | None) -> None:
    for name, value in numbers.items():
        if value is not None and (not _is_whole(value) or value < 1):
            raise TtscaleError(name, expected="a whole number of at least 1", got=repr(value), fix="Give one, or none.")


def check_choices(*rules: tuple[str, str, tuple[str, ...]]) -> None:
    """Each (argument, value, known values)."""
    for name, choice, known in rules:
        if choice not in known:
            raise TtscaleError(name, expected=" or ".join(known), got=repr(choice), fix="Choose one of them.")


def check_vision(workers: int, log_probs_dtype: str, on_bad_item: str, **switches: bool) -> None:
    """Raise TtscaleError for the first argument of a collection of images that cannot be used."""
    check_whole(workers=workers)
    check_choices(
        ("log_probs_dtype", log_probs_dtype, ("auto", *DTYPES)),
        ("on_bad_item", on_bad_item, ("error", "skip")),
    )
    for name, value in switches.items():
        if not isinstance(value, bool):
            raise TtscaleError(name, expected="True or False", got=repr(value), fix="Give one of them.")


@torch.inference_mode()
def probe(
    members: tuple[Model, ...], data: Dataset, make: InputMaker, device: torch.device, *, skip_bad: bool
) -> list[dict[InputKey, torch.Tensor]]:
    """Some real items through every member, so that what does not fit is told before the long work.

    Returns:
        The tensors of these items; none, where all are bad and may be.
    """
    items = _readable(data, make, skip_bad)
    for model in members:
        check_still(model)
        key = (model.preprocess_key, OWN)
        inputs = [item[key] for item in items] or [torch.zeros(model.input_size)]
        x = inputs[0]
        if not isinstance(x, torch.Tensor) or tuple(x.shape) != tuple(model.input_size) or not x.is_floating_point():
            got = f"{x.dtype} {list(x.shape)}" if isinstance(x, torch.Tensor) else type(x).__name__
            raise TtscaleError(
                "preprocess", expected=f"a floating-point tensor {list(model.input_size)} for {model.name}", got=got,
                fix="Give load_model a preprocess that ends in one, or the input_size that it has.",
            )  # fmt: skip
        try:
            with unchanged(model):
                output = model.module(torch.stack((inputs * PROBED)[:PROBED]).to(device))
        except TtscaleError:
            raise
        except Exception as error:  # the user's code may raise anything
            raise TtscaleError(
                "models", expected=f"a module that takes [batch, {', '.join(map(str, model.input_size))}]",
                got=f"{model.name}, which fails on real items: {in_a_line(error)}",
                fix="Mend the module, or give load_model the `input_size` that it works on.",
            ) from error  # fmt: skip
        _check_output(model, output)
    return items


def _readable(data: Dataset, make: InputMaker, skip_bad: bool) -> list[dict[InputKey, torch.Tensor]]:
    """The tensors of the first items that can be read; none, where all are bad and may be."""
    items: list[dict[InputKey, torch.Tensor]] = []
    for position in range(len(data)):
        outcome = read_item(data, position, make)
        if not isinstance(outcome, BadItem):
            items.append(outcome)
        elif not skip_bad:
            raise outcome
        if len(items) == PROBED:
            break
    return items


def _check_output(model: Model, output: Any) -> None:
    """Refuse what holds no scores of the member's classes, and probabilities that were taken for logits."""
    scores = scores_in(output)
    if tuple(scores.shape) != (PROBED, model.n_classes):
        raise TtscaleError(
            "models", expected=f"logits [batch, {model.n_classes}] from {model.name}",
            got=f"shape {tuple(scores.shape)} of a batch of {PROBED}",
            fix="Wrap the module so that it returns its logits alone.",
        )  # fmt: skip
    check_outputs(scores, model.outputs)
    if model.outputs == "logits" and look_like_probabilities(scores):
        raise TtscaleError(
            "outputs", expected=f"logits from {model.name}",
            got="probabilities: on real items every row lies in [0, 1] and sums to 1",
            fix='Load it with load_model(outputs="probabilities"); on the command line, name a package.module:factory '
            "that returns such a model.",
        )  # fmt: skip


def _is_whole(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
