"""A user's own ``nn.Module`` as a member, and the checks that every member passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ttscale.data.imagenet import names_of_config
from ttscale.data.importing import named_function
from ttscale.data.paths import to_path
from ttscale.errors import TtscaleError, in_a_line
from ttscale.models.model import Model
from ttscale.models.preprocess import Preprocessing, given_preprocessing, plain_preprocessing, timm_preprocessing
from ttscale.models.reading import OUTPUTS, check_outputs, describe_output, scores_in
from ttscale.models.weights import count_bytes


@dataclass(frozen=True)
class Options:
    """What a caller of ``load_model`` may say about any model; None means: as the model's source has it."""

    preprocess: Callable[[Any], torch.Tensor] | None = None
    input_size: tuple[int, int, int] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    class_names: tuple[str, ...] | None = None
    n_classes: int | None = None
    name: str | None = None
    checkpoint: Path | None = None
    pretrained: bool = True
    outputs: str = "logits"

    def refuse(self, spec: str, *names: str) -> None:
        """Raise where an option is given that this kind of spec has no use for."""
        for name in names:
            if getattr(self, name) != Options.__dataclass_fields__[name].default:
                raise TtscaleError(
                    name, expected=f"nothing for {spec}, which says it itself", got=repr(getattr(self, name)),
                    fix=f"Leave {name} out, or load the module yourself and give it to load_model.",
                )  # fmt: skip


VISION_OPTIONS = tuple(field.name for field in fields(Options) if field.name != "name")  # no use for language models


def make_options(
    *, input_size: Sequence[int] | None, mean: Sequence[float] | None, std: Sequence[float] | None,
    class_names: Sequence[str] | None, n_classes: int | None, name: str | None, checkpoint: str | Path | None,
    outputs: str, **rest: Any,
) -> Options:  # fmt: skip
    """Checked options: sizes, statistics and names as tuples, the checkpoint as a path."""
    size = _tuple_of("input_size", input_size, int)
    if size is not None and (len(size) != 3 or min(size) < 1):
        raise TtscaleError(
            "input_size", expected="(channel, height, width), each at least 1", got=str(size),
            fix="Leave the batch dimension out.",
        )  # fmt: skip
    means, stds = _tuple_of("mean", mean, float), _tuple_of("std", std, float)
    if stds is not None and not min(stds, default=0) > 0:
        raise TtscaleError("std", expected="positive numbers", got=str(stds), fix="Use 1 where nothing is divided by.")
    names = _tuple_of("class_names", class_names, str)
    if n_classes is not None and (isinstance(n_classes, bool) or not isinstance(n_classes, int) or n_classes < 2):
        raise TtscaleError("n_classes", expected="an integer of at least 2", got=repr(n_classes), fix="Leave it out.")
    if name is not None and not (isinstance(name, str) and name):
        raise TtscaleError("name", expected="text", got=repr(name), fix="Leave it out for a name from the spec.")
    if outputs not in OUTPUTS:
        raise TtscaleError("outputs", expected=" or ".join(OUTPUTS), got=repr(outputs), fix="Choose one of them.")
    return Options(
        input_size=size, mean=means, std=stds, class_names=names, n_classes=n_classes, name=name,
        checkpoint=None if checkpoint is None else to_path("checkpoint", checkpoint), outputs=outputs, **rest,
    )  # fmt: skip


def _tuple_of(argument: str, values: Any, kind: type) -> tuple[Any, ...] | None:
    if values is None:
        return None
    try:
        if isinstance(values, str):
            raise TypeError("a string")
        return tuple(kind(value) for value in values)
    except (TypeError, ValueError) as error:
        raise TtscaleError(
            argument, expected=f"a sequence of {kind.__name__}", got=repr(values), fix="Give a list or a tuple."
        ) from error


def wrap_module(module: nn.Module, options: Options, *, spec: str | None = None) -> Model:
    """A module as a member; see :func:`ttscale.models.load.load_model` for where its preprocessing comes from."""
    kind = type(module).__qualname__
    return assemble(
        module, module_preprocessing(module, options), options, spec=spec or f"module:{kind}", name=kind, card={},
        class_names=names_of_config(timm_config(module)),
    )  # fmt: skip


def module_preprocessing(module: nn.Module, options: Options) -> Preprocessing:
    """The preprocessing given, or that of the module's timm config, or a plain one from input_size, mean and std."""
    if options.preprocess is not None:
        return given_preprocessing(
            options.preprocess, input_size=options.input_size, mean=options.mean, std=options.std
        )
    if config := timm_config(module):
        return timm_preprocessing(data_config(config, options))
    if options.input_size is None or options.mean is None or options.std is None:
        missing = [name for name in ("input_size", "mean", "std") if getattr(options, name) is None]
        raise TtscaleError(
            "preprocess", expected=f"preprocessing for {type(module).__name__}",
            got=f"none, no timm data config on the module, and no {', '.join(missing)}",
            fix="Give preprocess=, or input_size=(channel, height, width), mean= and std=.",
        )  # fmt: skip
    return plain_preprocessing(options.input_size, options.mean, options.std)


def timm_config(module: nn.Module) -> dict[str, Any]:
    """The module's timm pretrained config as a dict, empty where it has none."""
    return dict(getattr(module, "pretrained_cfg", None) or getattr(module, "default_cfg", None) or {})


def data_config(pretrained_config: Mapping[str, Any], options: Options) -> dict[str, Any]:
    """timm's data config for a pretrained config, with what the caller says in its place."""
    from timm.data import resolve_data_config

    said = {key: value for key in ("input_size", "mean", "std") if (value := getattr(options, key)) is not None}
    return resolve_data_config(said, pretrained_cfg=dict(pretrained_config))


def assemble(
    module: nn.Module, preprocessing: Preprocessing, options: Options, *, spec: str, name: str, card: Mapping[str, Any],
    class_names: tuple[str, ...] | None,
) -> Model:  # fmt: skip
    """The finished member: eval mode, one forward to see that it takes its input and how many classes it gives.

    Raises:
        TtscaleError: the module refuses its input size, does not give scores ``[batch, class]`` of the declared form,
            or the number of classes, class names, means or stds does not fit.
    """
    module.eval()
    channels = preprocessing.input_size[0]
    for what, values in (("mean", preprocessing.mean), ("std", preprocessing.std)):
        if len(values) != channels:
            raise TtscaleError(
                what, expected=f"{channels} value(s), one per channel", got=f"{len(values)}: {values}",
                fix="Give one value per channel of input_size.",
            )  # fmt: skip
    _check_statistics(preprocessing)
    n_classes = count_classes(module, preprocessing.input_size, options.outputs)
    if options.n_classes is not None and options.n_classes != n_classes:
        raise TtscaleError(
            "n_classes", expected=f"{n_classes}, the width of the model's output", got=str(options.n_classes),
            fix="Give the weights of a model with so many classes, or leave n_classes out.",
        )  # fmt: skip
    if options.class_names is not None and len(options.class_names) != n_classes:
        raise TtscaleError(
            "class_names", expected=f"{n_classes} names, one per output", got=f"{len(options.class_names)}",
            fix="Give one name per class, in output order.",
        )  # fmt: skip
    names = options.class_names or class_names
    n_params = sum(p.numel() for p in module.parameters())
    facts = {"n_params": n_params, "weight_bytes": count_bytes(module)}
    facts |= {key: value for key, value in card.items() if value is not None}
    return Model(
        name=options.name or name, spec=spec, module=module, preprocess=preprocessing.preprocess,
        preprocess_key=preprocessing.key, input_size=preprocessing.input_size, mean=preprocessing.mean,
        std=preprocessing.std, n_classes=n_classes, card=facts, frames=preprocessing.frames, outputs=options.outputs,
        class_names=names if names is not None and len(names) == n_classes else None,
    )  # fmt: skip


def _check_statistics(preprocessing: Preprocessing) -> None:
    """Refuse a mean and std that are not of pixel values in [0, 1], such as those of values up to 255."""
    for what, values, good in (
        ("mean", preprocessing.mean, [abs(value) <= 1 for value in preprocessing.mean]),
        ("std", preprocessing.std, [0 < value <= 1 for value in preprocessing.std]),
    ):
        if not all(good):
            raise TtscaleError(
                what, expected=f"the {what} of pixel values in [0, 1]" + (", above 0" if what == "std" else ""),
                got=str(values), fix="Divide what is meant for pixel values up to 255 by 255.",
            )  # fmt: skip


@torch.no_grad()
def count_classes(module: nn.Module, input_size: tuple[int, int, int], outputs: str = "logits") -> int:
    """Number of classes of a module in eval mode, by one forward of float32 zeros on its own device.

    Raises:
        TtscaleError: the module does not take this input, or gives no scores of the form ``outputs``.
    """
    weight = next((p for p in module.parameters() if p.is_floating_point()), torch.zeros(()))
    try:
        output = module(torch.zeros(1, *input_size, device=weight.device))
    except Exception as error:  # the user's code may raise anything
        if weight.dtype != torch.float32:
            raise TtscaleError(
                "module", expected="a module that takes float32 input",
                got=f"{type(module).__name__} with parameters of {weight.dtype}: {error}".splitlines()[0],
                fix="Give module.float(), or wrap it so that its forward casts its input.",
            ) from error  # fmt: skip
        raise TtscaleError(
            "input_size", expected=f"an input that {type(module).__name__} takes",
            got=f"{input_size}, on which it failed: {type(error).__name__}: {error}".splitlines()[0],
            fix="Give the (channel, height, width) that the module works on.",
        ) from error  # fmt: skip
    scores = scores_in(output)
    if len(scores) != 1 or scores.shape[1] < 2:
        raise TtscaleError(
            "module", expected="logits of shape (batch, class), with at least 2 classes",
            got=f"{describe_output(scores)} from a batch of one",
            fix="Wrap the module so that its forward returns the logits of a classifier.",
        )  # fmt: skip
    check_outputs(scores, outputs)
    return scores.shape[1]


def load_factory(spec: str, options: Options) -> Model:
    """``package.module:factory``, called without arguments; it gives an ``nn.Module`` or a :class:`Model`."""
    factory = named_function("models", spec)
    try:
        made = factory()
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        raise TtscaleError(
            "models", expected="a package.module:factory that can be called without arguments",
            got=f"{spec!r}, which failed: {in_a_line(error)}", fix="Mend the factory.",
        ) from error  # fmt: skip
    if isinstance(made, Model):
        options.refuse(spec, *VISION_OPTIONS)
        return replace(made, spec=spec, name=options.name or made.name)
    if not isinstance(made, nn.Module):
        raise TtscaleError(
            "models", expected=f"an nn.Module or a ttscale Model from {spec}", got=type(made).__name__,
            fix="Make the factory return the module.",
        )  # fmt: skip
    options.refuse(spec, "pretrained")
    if options.checkpoint is not None:
        from ttscale.models.weights import load_strictly, read_weights

        load_strictly(made, read_weights(options.checkpoint), source=str(options.checkpoint))
    return wrap_module(made, options if options.name else replace(options, name=spec.rpartition(":")[2]), spec=spec)
