"""Members that change while they run are refused: what they say of an item would depend on the items beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ttscale.errors import TtscaleError
from ttscale.models.model import Model


def check_still(model: Model) -> None:
    """Refuse a module of which a part stays in training mode.

    Raises:
        TtscaleError: the part is named.
    """
    training = [name for name, part in model.module.named_modules() if part.training]
    if training:
        raise TtscaleError(
            "models", expected=f"{model.name} wholly in evaluation mode",
            got=f"{training[0] or 'the module itself'} in training mode after .eval()",
            fix="Let .eval() reach every part: an outcome must not depend on the other items of a batch.",
        )  # fmt: skip


@contextmanager
def unchanged(model: Model) -> Iterator[None]:
    """Refuse a module whose saved buffers (running statistics, counters) a forward inside the block changes; they are
    put back.

    Raises:
        TtscaleError: the buffer is named.
    """
    saved = model.module.state_dict(keep_vars=True).keys()  # detached, torchao's tensors fail in inference mode
    buffers = {name: buffer for name, buffer in model.module.named_buffers() if name in saved}
    before = {name: buffer.clone() for name, buffer in buffers.items()}
    yield
    now = dict(model.module.named_buffers())
    changed = [name for name, values in before.items() if not _same(now.get(name), values)]
    for name in changed:
        owner, _, own_name = name.rpartition(".")
        setattr(model.module.get_submodule(owner), own_name, buffers[name].copy_(before[name]))
    if changed:
        raise TtscaleError(
            "models", expected=f"{model.name} to stay as it is in evaluation mode",
            got=f"a forward that changes {changed[0]}",
            fix="Switch that off: an outcome must not depend on the items before it.",
        )  # fmt: skip


def _same(a: torch.Tensor | None, b: torch.Tensor) -> bool:
    """Whether all values are equal, NaN and NaN too."""
    return a is not None and a.shape == b.shape and bool(((a == b) | ((a != a) & (b != b))).all())
