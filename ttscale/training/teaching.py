"""What a student learns from its teacher (Hinton, Vinyals and Dean 2015, "Distilling the knowledge in a network")."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from ttscale.errors import TtscaleError
from ttscale.training.recipe import is_real


@dataclass(frozen=True, eq=False)
class Teaching:
    """Soft labels with their place in the loss: ``hard`` x cross-entropy of the labels + (1 - ``hard``) x
    ``temperature``² x cross-entropy of the teacher's probabilities, both sides at ``temperature`` (sections 2 and 3).

    Attributes:
        log_probs: the teacher's, float32 ``[training item, class]``.
        temperature: above 0; log-probabilities are divided by it.
        hard: weight of the labels, in [0, 1).
    """

    log_probs: torch.Tensor
    temperature: float
    hard: float

    def loss(self, logits: torch.Tensor, rows: torch.Tensor, label_loss: torch.Tensor) -> torch.Tensor:
        """Of a batch: ``logits [row, class]`` of these ``rows`` of the training items, whose loss by their labels is
        ``label_loss``."""
        taught = torch.softmax(self.log_probs[rows].to(logits.device) / self.temperature, -1)
        soft = nn.functional.cross_entropy(logits / self.temperature, taught)
        return self.hard * label_loss + (1 - self.hard) * self.temperature**2 * soft


def check_teaching(temperature: float, hard: float) -> None:
    """TtscaleError unless both are in their ranges."""
    for name, value, holds, expected in (
        ("temperature", temperature, lambda v: v > 0, "a number above 0"),
        ("hard", hard, lambda v: 0 <= v < 1, "a number in [0, 1)"),
    ):
        if not is_real(value) or not holds(value):
            raise TtscaleError(name, expected=expected, got=repr(value), fix="Leave it out for the default.")
