"""Groups of the config as calls of the library: the factory that a group names, with the group's keys as arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

from ttscale.cli.groups import GROUPS
from ttscale.data.importing import named_function
from ttscale.errors import TtscaleError


def arguments(group: Any) -> dict[str, Any]:
    """The keys of a group, without the factory's name and without those that are null: these the factory decides."""
    keys = {field.name: getattr(group, field.name) for field in fields(group) if field.name != "_target_"}
    return {name: value for name, value in keys.items() if value is not None}


def build(group: Any, *positional: Any, **more: Any) -> Any:
    """Call the group's factory with its keys and ``more``; an error about a key names it as the user writes it.

    Raises:
        TtscaleError: there is no such factory, or it does not take these arguments.
    """
    keys = arguments(group)
    with naming(group):
        make = factory(group._target_)
        try:
            signature = inspect.signature(make)
            _check_keys(group, keys, signature.parameters)
            signature.bind(*positional, **keys, **more)
        except (TypeError, ValueError) as error:  # ValueError: written in C, and tells no signature
            raise TtscaleError(
                "_target_", expected=f"a function that takes {', '.join([*keys, *more])}",
                got=f"{group._target_!r}: {error}", fix="Name another function.",
            ) from error  # fmt: skip
        return make(*positional, **keys, **more)


def _check_keys(group: Any, keys: Mapping[str, Any], parameters: Mapping[str, inspect.Parameter]) -> None:
    """Of a function of our own, refuse a key that it has no use for, and miss one that it needs."""
    if not group._target_.startswith("ttscale."):
        return
    for name, value in keys.items():
        if name not in parameters:
            takes = ", ".join(known for known in parameters if known in {field.name for field in fields(group)})
            raise TtscaleError(
                name, expected="null", got=repr(value), fix=f"{group._target_} takes {takes}; leave {name} out."
            )
    for field in fields(group):
        parameter = parameters.get(field.name)
        if parameter and parameter.default is parameter.empty and field.name not in keys:
            raise TtscaleError(field.name, expected="a value", got="null", fix=f"{group._target_} needs it.")


@contextmanager
def naming(*groups: Any, but: Container[str] = ()) -> Iterator[None]:
    """Let an error about a key of one of these groups, or about what is inside a given one (``key.name``), name the key
    as the user writes it, ``group.key``; ``but`` are keys that were given outside the groups."""
    try:
        yield
    except TtscaleError as error:
        if error.argument in but:
            raise
        group = next((one for one in groups if _has(one, error.argument)), None)
        name = next((name for name, kind in GROUPS.items() if isinstance(group, kind)), None)
        if name is None:
            raise
        raise TtscaleError(f"{name}.{error.argument}", expected=error.expected, got=error.got, fix=error.fix) from error


def _has(group: Any, argument: str) -> bool:
    key, dot, _ = argument.partition(".")
    return key in (field.name for field in fields(group)) and not (dot and getattr(group, key) is None)


def factory(target: str) -> Callable[..., Any]:
    """The function at ``package.module.name``; TtscaleError when there is none."""
    return named_function("_target_", target, sign=".")


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
