"""A wrapped classifier: the module with everything that running it on raw input needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from ttscale.models.framing import Framing
from ttscale.models.reading import reorder, scores_in, to_log_probs
from ttscale.models.weights import fingerprint


@dataclass(frozen=True, eq=False)
class Model:
    """One member: a module in eval mode, its preprocessing and its classes.

    Attributes:
        name: the member's name in Records, unique in a run.
        spec: what :func:`ttscale.load_model` takes to load it again, or ``"module:<class>"`` for a module given
            directly.
        module: maps ``float32 [batch, channel, height, width]`` to scores ``[batch, class]``, or to an output whose
            ``logits`` they are.
        preprocess: maps one raw input (a ``PIL.Image`` for images) to the normalised tensor that ``module`` takes.
        preprocess_key: equal for two members exactly when their ``preprocess`` does the same and their input size,
            mean and std are the same, so that decoded input and its views are shared.
        input_size: (channel, height, width).
        mean, std: per channel, in units of pixel values in [0, 1]; views use them to know the pixel range.
        n_classes: width of the output.
        class_names: in output order, or None when unknown.
        card: facts about the model: ``n_params``, ``train_flops``, ``family``, ``architecture``, ``licence``,
            ``source``; absent keys are unknown. Members of one ``size`` count as seeds of one training recipe, so only
            models whose recipe and ``seed`` are known have it. ``weight_bytes``: of the weights in their numeric
            format. Of a variant: ``of`` (the size or name that it was made of), ``how`` (in words),
            ``format`` or ``soup``.
        frames: makes a preprocess that gives one tensor for each of some frames of a raw input, in their order; the
            first of ``frames([OWN])`` is ``preprocess``. None for a preprocess that cannot be cut otherwise.
        outputs: what ``module`` gives: ``"logits"``, ``"probabilities"`` or ``"log_probs"``.
        class_order: position in the module's output of each class of ``class_names``; None when it is the module's own.
    """

    name: str
    spec: str
    module: nn.Module
    preprocess: Callable[[Any], torch.Tensor]
    preprocess_key: str
    input_size: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    n_classes: int
    class_names: tuple[str, ...] | None = None
    card: Mapping[str, Any] = field(default_factory=dict)
    frames: Framing | None = None
    outputs: str = "logits"
    class_order: tuple[int, ...] | None = None

    def fingerprint(self) -> str:
        """SHA-256 over names, shapes, types and bytes of the weights, the preprocessing key, and what is given if it is
        not logits. The order of the classes is not in it: a plan finds its members in any order."""
        said = "" if self.outputs == "logits" else f" gives {self.outputs}"
        return fingerprint(self.module, self.preprocess_key + said)

    def read(self, output: Any) -> torch.Tensor:
        """What the module gave for a batch as normalised log-probabilities, ``float32 [batch, class]``, in the order of
        ``class_names``.

        Raises:
            TtscaleError: the output is neither a tensor ``[batch, class]`` nor holds one as ``logits``.
        """
        log_probs = to_log_probs(scores_in(output), self.outputs)
        return log_probs if self.class_order is None else reorder(log_probs, self.class_order)
