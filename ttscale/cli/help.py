"""`ttscale VERB --help`: the groups with their options, and every key with its value and meaning."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, get_type_hints

from hydra import version
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path, get_args_parser
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from ttscale.cli.app import flags_first, register
from ttscale.cli.config_errors import group_of, in_words
from ttscale.cli.groups import GROUPS
from ttscale.cli.paths import configs_folder
from ttscale.cli.schema import SCHEMAS, VerbConfig
from ttscale.cli.verb import Verb
from ttscale.errors import TtscaleError

WIDTH = 118


def verb_help(verb: Verb, arguments: Sequence[str]) -> str:
    """The help of one verb; values are those that ``arguments`` (overrides, ``--config-dir``) would give."""
    register(verb)
    flags = get_args_parser().parse_args(flags_first([word for word in arguments if word not in ("-h", "--help")]))
    hydra = _hydra(verb, flags.config_dir)
    try:
        config = hydra.compose_config(verb.name, flags.overrides, RunMode.RUN)
        chosen = {str(group): str(option) for group, option in config.hydra.runtime.choices.items()}
        groups = [group for group in GROUPS if group in chosen]
        options = {group: hydra.config_loader.get_group_options(group) for group in groups}
    finally:
        GlobalHydra.instance().clear()
    return "\n".join([
        f"ttscale {verb.name}: {verb.summary}", "",
        f"Usage: ttscale {verb.name} [group=option ...] [key=value ...]", f"Example: {verb.example}", "",
        *_group_lines(groups, options, chosen),
        "Keys (key=value; values are those this command would use, ??? must be given)",
        *_key_lines(config, SCHEMAS[verb.name]), "",
        "Flags",
        "  --cfg job          print the config and stop",
        "  -m, --multirun     one job for every combination of values: a=1,2 b=3,4",
        "  --config-dir DIR   group options of your own, as DIR/data/NAME.yaml",
        "  --hydra-help       Hydra's own flags and groups",
    ])  # fmt: skip


def _hydra(verb: Verb, config_dir: str | None) -> Hydra:
    """Hydra over the shipped configs and, as its own ``--config-dir`` does, over the user's."""
    version.setbase("1.3")
    search_path = create_config_search_path(str(configs_folder()))
    if config_dir is not None:
        if not Path(config_dir).is_dir():
            raise TtscaleError(
                "--config-dir", expected="a folder", got=repr(config_dir), fix="Give the folder that holds data/."
            )  # fmt: skip
        search_path.prepend("command-line", f"file://{Path(config_dir).absolute()}", SearchPathQuery(provider="schema"))
    return Hydra.create_main_hydra2(verb.name, search_path)


def _group_lines(groups: Sequence[str], options: dict[str, list[str]], chosen: dict[str, str]) -> Iterator[str]:
    if not groups:
        return
    yield "Groups (group=option; * is chosen)"
    for group in groups:
        listed = "  ".join(option + "*" * (option == chosen[group]) for option in options[group])
        meaning = (GROUPS[group].__doc__ or "").strip()
        yield from textwrap.wrap(
            f"{listed}   {meaning}", WIDTH, initial_indent=f"  {group:9}", subsequent_indent=" " * 11,
            break_on_hyphens=False,
        )  # fmt: skip
    yield ""


def _key_lines(config: DictConfig, schema: type) -> list[str]:
    rows = list(_rows(config, schema, ""))
    width = max(len(key) for key, _, _ in rows)
    lines = []
    for key, value, meaning in rows:
        shown = f"  {key:{width}} = {value}"
        lines += textwrap.wrap(
            f"{meaning}", WIDTH, initial_indent=f"{shown:{width + 26}}  ", subsequent_indent=" " * (width + 28),
            break_on_hyphens=False,
        )  # fmt: skip
    return lines


def _rows(config: DictConfig, schema: type, prefix: str) -> Iterator[tuple[str, str, str]]:
    """(key, value, meaning) of every key: a verb's own, those of its groups, those that every verb has."""
    hints = get_type_hints(schema)
    common = {field.name for field in fields(VerbConfig)}

    def rank(field: Field) -> int:
        return 2 if field.name in common else int(group_of(hints[field.name]) is not None)

    for field in sorted(fields(schema), key=rank):
        if group := group_of(hints[field.name]):
            if config[field.name] is not None:
                yield from _rows(config[field.name], group, f"{prefix}{field.name}.")
        elif field.name != "_target_":
            words = in_words(hints[field.name])
            meaning = field.metadata["meaning"] + f" ({words})" * (hints[field.name] is not Any)
            yield prefix + field.name, _shown(config, field.name), meaning


def _shown(config: DictConfig, key: str) -> str:
    """A value as one would type it on the command line."""
    if OmegaConf.is_missing(config, key):
        return "???"
    value = OmegaConf.to_container(config, resolve=False)[key]  # type: ignore[call-overload, index]
    if isinstance(value, str):
        return "runs/DATE_VERB" if value.startswith("${dated_folder") else value
    return json.dumps(value).replace('"', "")
