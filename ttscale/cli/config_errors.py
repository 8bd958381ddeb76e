"""Hydra's and OmegaConf's errors, said as one `TtscaleError`: which key, what it takes, what came, what to do."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from hydra.errors import MissingConfigException, OverrideParseException
from omegaconf.errors import InterpolationResolutionError, OmegaConfBaseException

from ttscale.errors import TtscaleError, unknown_name

NAMED = ("fields", "records", "recipe", "budgets")  # keys that take names with their values, {name: value}
WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false", type(None): "null"}


def explain(error: Exception, schema: type, verb: str) -> TtscaleError:
    """What went wrong while the config of ``verb`` was put together, in the user's words."""
    for cause in _chain(error):
        if isinstance(cause, TtscaleError):
            return cause
        if isinstance(cause, MissingConfigException):
            return _unknown_option(cause, verb)
        if isinstance(cause, OverrideParseException):
            return _not_an_override(cause, verb)
        if isinstance(cause, OmegaConfBaseException) and cause.full_key:
            return _bad_key(cause, error, schema, verb)
    return _said_by_hydra(str(error), schema, verb)


def keys_of(schema: type, prefix: str = "") -> dict[str, Any]:
    """Every key of a config dataclass with its type, nested ones with dots, groups included."""
    hints = typing.get_type_hints(schema)
    found: dict[str, Any] = {}
    for field in fields(schema):
        found[prefix + field.name] = hints[field.name]
        if group := group_of(hints[field.name]):
            found |= keys_of(group, f"{prefix}{field.name}.")
    return found


def group_of(hint: Any) -> type | None:
    """The dataclass of a group's annotation, of one that may be null too; None for every other annotation."""
    parts = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    return next((part for part in parts if isinstance(part, type) and is_dataclass(part)), None)


def unknown_key(key: str, schema: type, verb: str) -> TtscaleError:
    """The error for a key that ``schema`` does not have."""
    parent, _, name = key.rpartition(".")
    if parent.rpartition(".")[2] in NAMED and keys_of(schema).get(parent) is Any:
        fix = f"Give all of its names at once: '{parent}={{{name}: ...}}'"
        return TtscaleError(key, expected=f"{parent} as one value", got=f"a part of it, {name!r}", fix=fix)
    return unknown_name(key, key, _near(key, schema), fix=_see(verb))


def in_words(hint: Any) -> str:
    """A type annotation as a reader would say it, for example "a whole number or null"."""
    if hint is Any:
        return "a value"
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return " or ".join(in_words(part) for part in typing.get_args(hint))
    if typing.get_origin(hint) is list:
        return f"a list, each {in_words(typing.get_args(hint)[0])}"
    if typing.get_origin(hint) is dict:
        return "names with their values, {name: value}"
    return "a group" if group_of(hint) else WORDS.get(hint, str(hint))


def _bad_key(cause: OmegaConfBaseException, error: Exception, schema: type, verb: str) -> TtscaleError:
    given = re.search(r"override \+*([\w./@]+)=(.*)", str(error))
    key = given[1] if given else str(cause.full_key)
    hint = keys_of(schema).get(key)
    if isinstance(cause, InterpolationResolutionError):
        return TtscaleError(
            key, expected="a value that can be worked out", got=str(cause.msg).splitlines()[0], fix=_see(verb)
        )
    if hint is None:
        return unknown_key(key, schema, verb)
    got = repr(given[2]) if given else str(cause.msg).splitlines()[0]
    return TtscaleError(key, expected=in_words(hint), got=got, fix=f"Change {key}=...; {_see(verb)}")


def _said_by_hydra(text: str, schema: type, verb: str) -> TtscaleError:
    """An error of Hydra's that only its text tells apart."""
    if at := re.match(r"Ambiguous value for argument '([^=]+)=(.*)'", text):
        return TtscaleError(
            at[1], expected="one value", got=repr(at[2]),
            fix=f"For a list, write '{at[1]}=[{at[2]}]'; for one job for each value, add --multirun.",
        )  # fmt: skip
    if (at := re.match(r"Could not override '([^']+)'", text)) and at[1] not in keys_of(schema):
        return unknown_key(at[1], schema, verb)
    first, *rest = text.strip().splitlines() or ["an error without a message"]
    return TtscaleError(
        "config", expected="something that Hydra accepts", got=first.rstrip("."), fix=" ".join(rest) or _see(verb)
    )


def _unknown_option(error: MissingConfigException, verb: str) -> TtscaleError:
    if error.missing_cfg_file and "/" in error.missing_cfg_file and error.options:
        group, _, option = error.missing_cfg_file.rpartition("/")
        return unknown_name(group, option, error.options, fix=_see(verb))
    got = (str(error).strip().splitlines() or ["nothing"])[0]
    return TtscaleError("config", expected="a config that is there", got=got.rstrip("."), fix=_see(verb))


def _not_an_override(error: OverrideParseException, verb: str) -> TtscaleError:
    given = error.override
    if "=" not in given:
        fix = f"Say which key it is for; {_see(verb)}"
    else:
        key, _, value = given.partition("=")
        fix = f"Quote a value with special characters: '{key}=\"{value}\"'"
    return TtscaleError("command line", expected="key=value", got=repr(given), fix=fix)


def _near(key: str, schema: type) -> list[str]:
    """Known keys to compare a wrong one with: the same name elsewhere, else its siblings, else the top level."""
    known = [name for name in keys_of(schema) if not name.endswith("_target_")]
    parent, _, leaf = key.rpartition(".")
    elsewhere = [name for name in known if name.rpartition(".")[2] == leaf]
    beside = [name for name in known if name.rpartition(".")[0] == parent]
    return elsewhere or beside or [name for name in known if "." not in name]


def _see(verb: str) -> str:
    return f"ttscale {verb} --help lists the keys and groups."


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
