"""Language models as members of a run: what is recorded of each, and what generates for it."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import torch

from ttscale.generation.request import Generator
from ttscale.models.language import Endpoint, LanguageModel
from ttscale.records.schema import Member


def describe(model: LanguageModel | Endpoint, *, dtype: torch.dtype | None = None) -> Member:
    """The member with the cost of one token's forward: its FLOPs, and the bytes of the weights that it reads.

    Args:
        dtype: numeric format that the run works in; default: that of the weights.
    """
    if isinstance(model, Endpoint):
        flops, source, moved = math.nan, "unknown", math.nan
        if model.n_params:
            flops, source = 2.0 * model.n_params, "given"
        n_params = int(model.n_params or 0)
    else:
        from ttscale.cost.language import LanguageCost

        cost = LanguageCost.of(model.module).checked(model.module)
        flops, source, n_params = cost.decode(1), cost.source, cost.n_params
        moved = cost.step_bytes(1, 1, item_bytes=(dtype or next(model.module.parameters()).dtype).itemsize)
    return Member(
        name=model.name, spec=model.spec, fingerprint=model.fingerprint(), flops=flops, flops_source=source,
        bytes=moved, uncounted={}, input_size=(), n_params=n_params, card=dict(model.card),
    )  # fmt: skip


def generator_for(
    model: LanguageModel | Endpoint, *, seed: int, device: torch.device, batch_size: int | None, dtype: str,
    folder: Path | None = None,
) -> Generator:  # fmt: skip
    """What answers for this member; a served one keeps its journal in ``folder``."""
    if isinstance(model, Endpoint):
        from ttscale.generation.endpoint import EndpointGenerator

        return EndpointGenerator(model, seed=seed, journal=None if folder is None else _journal(folder, model.name))
    from ttscale.generation.local import LocalGenerator

    return LocalGenerator(model, seed=seed, device=device, batch_size=batch_size, dtype=dtype)


def journals(folder: Path) -> list[Path]:
    """Files of answers that were paid for in a run that is under way."""
    return sorted(folder.glob("journal-*.jsonl"))


def _journal(folder: Path, member: str) -> Path:
    return folder / f"journal-{hashlib.sha256(member.encode()).hexdigest()[:16]}.jsonl"
