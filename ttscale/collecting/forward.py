"""Forwards that survive a full memory: the batch is halved, and stays halved."""

from __future__ import annotations

import torch

from ttscale.errors import TtscaleError
from ttscale.models.model import Model


class Forward:
    """Runs members on batches; ``limit`` is the largest number of items it still tries at once."""

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def log_probs(self, model: Model, x: torch.Tensor) -> torch.Tensor:
        """Log-probabilities ``float32 [item, class]`` of a batch.

        Raises:
            TtscaleError: not even one item fits in memory.
        """
        while True:
            try:
                parts = [_log_probs(model, part) for part in x.split(self.limit)]
                return parts[0] if len(parts) == 1 else torch.cat(parts)
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not _is_out_of_memory(error):
                    raise
                if self.limit == 1:
                    raise TtscaleError(
                        "batch_size", expected="a model whose forward of one item fits in memory",
                        got=f"out of memory at batch size 1 with {model.name}",
                        fix="Use a smaller model or another device.",
                    ) from error  # fmt: skip
                self.limit = max(1, min(self.limit, len(x)) // 2)
                if x.is_cuda:
                    torch.cuda.empty_cache()


def _log_probs(model: Model, x: torch.Tensor) -> torch.Tensor:
    return torch.log_softmax(model.module(x).float(), -1)


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error)
    return "DefaultCPUAllocator" in text or "out of memory" in text
