"""Groups of the config as calls of the library: the factory that a group names, with the group's keys as arguments."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from ttscale.cli.groups import GROUPS
from ttscale.errors import TtscaleError


def arguments(group: Any) -> dict[str, Any]:
    """The keys of a group, without the factory's name."""
    return {field.name: getattr(group, field.name) for field in fields(group) if field.name != "_target_"}


def build(group: Any, *positional: Any, **more: Any) -> Any:
    """Call the group's factory with its keys and ``more``; an error about a key names it as the user writes it."""
    keys = arguments(group)
    try:
        return factory(group._target_)(*positional, **keys, **more)
    except TtscaleError as error:
        name = next((name for name, kind in GROUPS.items() if isinstance(group, kind)), None)
        if name is None or error.argument not in keys:
            raise
        raise TtscaleError(f"{name}.{error.argument}", expected=error.expected, got=error.got, fix=error.fix) from error


def factory(target: str) -> Any:
    """The object at ``package.module.name``.

    Raises:
        TtscaleError: there is none.
    """
    module, _, name = target.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise TtscaleError(
            "_target_", expected="an importable package.module.function", got=repr(target), fix=f"{error}."
        ) from error


def strings(argument: str, value: Any) -> Sequence[str]:
    """A key that takes one text or a list of them.

    Raises:
        TtscaleError: it is something else, or empty.
    """
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not listed or not all(isinstance(item, str) and item for item in listed):
        raise TtscaleError(
            argument,
            expected="text, or a list of texts",
            got=repr(value),
            fix=f"Write {argument}=A or '{argument}=[A,B]'.",
        )
    return listed
