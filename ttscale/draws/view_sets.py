"""Every name of a view or a set of views that a specification may use, with its factory."""

from __future__ import annotations

from collections.abc import Callable

from ttscale.draws import changed, framed, moved
from ttscale.draws.making import Views
from ttscale.draws.views import View

NUMBERED: dict[str, Callable[..., Views]] = {**moved.NUMBERED, **changed.NUMBERED}  # the last parameter: how many
FACTORIES: dict[str, Callable[..., View | Views]] = {
    **framed.FACTORIES, **moved.FACTORIES, **changed.FACTORIES, **NUMBERED
}  # fmt: skip
