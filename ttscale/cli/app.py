"""One verb as a Hydra application: config in, exit status out."""

from __future__ import annotations

import importlib
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from ttscale.cli.config_errors import unknown_key
from ttscale.cli.job import Job
from ttscale.cli.outcome import INTERRUPTED, guard
from ttscale.cli.paths import configs_folder, dated_folder
from ttscale.cli.schema import SCHEMAS
from ttscale.cli.verb import Verb
from ttscale.errors import TtscaleError


def run_verb(verb: Verb, arguments: Sequence[str]) -> int:
    """Run ``ttscale VERB ARGUMENTS`` and return the exit status: 0, 1 (of ``compare``, a run that got worse), 2 (the
    user's error), 70 (a bug), 130 (Ctrl-C).

    In a multirun every job is run, and the status is that of the worst, the highest.
    """
    register(verb)
    statuses: list[int] = []

    def task(config: DictConfig) -> None:
        statuses.append(_run_job(verb, config, arguments))

    debug = any(argument.lower() == "debug=true" for argument in arguments)
    status = guard(lambda: _hydra(verb, task, arguments), verb, debug=debug)
    return status or max(statuses, default=0)


def register(verb: Verb) -> None:
    """Make the schema and the resolvers that the verb's config uses known to Hydra."""
    ConfigStore.instance().store(name=f"{verb.name}_schema", node=SCHEMAS[verb.name], provider="ttscale")
    OmegaConf.register_new_resolver("dated_folder", lambda: dated_folder(verb.name), replace=True)
    OmegaConf.register_new_resolver("on_cuda", _on_cuda, replace=True)


def typed(config: DictConfig, schema: type, verb: str) -> Any:
    """The config as its dataclass, complete: no key is missing, none is unknown, every interpolation is resolved.

    Raises:
        TtscaleError: naming the key.
    """
    _refuse_unknown(config, schema, verb, prefix="")
    if missing := OmegaConf.missing_keys(config):
        key = min(missing, key=lambda name: (name.count("."), name))
        raise TtscaleError(
            key, expected="a value", got="nothing", fix=f"Give {key}=...; ttscale {verb} --help says what it means."
        )
    return OmegaConf.to_object(config)


def flags_first(arguments: Sequence[str]) -> list[str]:
    """The same arguments, flags before overrides: Hydra's parser refuses an override that comes after a later flag.

    Raises:
        TtscaleError: a flag that Hydra does not have.
    """
    parser = get_args_parser()

    def refuse(message: str) -> NoReturn:
        raise TtscaleError("command line", expected="flags of Hydra", got=message, fix="See ttscale VERB --help.")

    parser.error = refuse  # type: ignore[method-assign]
    overrides = parser.parse_intermixed_args(list(arguments)).overrides
    flags = list(arguments)
    for override in overrides:
        flags.remove(override)
    return [*flags, *overrides]


def _hydra(verb: Verb, task: Callable[[DictConfig], None], arguments: Sequence[str]) -> None:
    """Hydra's own main, with its exit and its messages kept out of the way."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come to us instead of Hydra's sys.exit(1)
    kept, sys.argv = sys.argv, ["ttscale " + verb.name, *flags_first(arguments)]
    try:
        hydra.main(version_base="1.3", config_path=str(configs_folder()), config_name=verb.name)(task)()
    except ValueError as error:  # Hydra checks its flags, and null for a group, so
        raise HydraException(str(error)) from error
    finally:
        sys.argv = kept


def _run_job(verb: Verb, config: DictConfig, arguments: Sequence[str]) -> int:
    context = HydraConfig.get()
    in_multirun = context.mode == RunMode.MULTIRUN

    found: list[int] = []

    def work() -> None:
        keys = typed(config, SCHEMAS[verb.name], verb.name)
        out, words = Path(keys.out).expanduser(), list(arguments)
        if in_multirun:
            out = Path(os.path.relpath(context.runtime.output_dir))
            words = [*(word for word in context.overrides.task if not word.startswith("out=")), f"out={out}"]
            print(f"ttscale: job {context.job.num}: {shlex.join(words)}", file=sys.stderr)
        job = Job(verb, out, shlex.join(["ttscale", verb.name, *words]))
        job.check_out()
        try:
            found.append(importlib.import_module(verb.module).run(keys, job) or 0)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(_how_to_resume(job)) from None

    status = guard(work, verb, debug=bool(config.get("debug")))
    if status == INTERRUPTED:
        raise SystemExit(INTERRUPTED)
    return status or next(iter(found), 0)


def _how_to_resume(job: Job) -> str:
    if not job.verb.resumes:
        return "Nothing half-written is left."
    return f"Finished parts are kept: the same command with out={job.out} goes on from there."


def _refuse_unknown(config: DictConfig, schema: type, verb: str, prefix: str) -> None:
    hints = schema.__dataclass_fields__  # type: ignore[attr-defined]
    for key in config:
        name = prefix + str(key)
        if key not in hints:
            raise unknown_key(name, SCHEMAS[verb], verb)
        if OmegaConf.is_missing(config, key):
            continue
        kind = OmegaConf.get_type(config, str(key))
        if isinstance(kind, type) and is_dataclass(kind):
            _refuse_unknown(config[key], kind, verb, f"{name}.")


def _on_cuda(there: Any, elsewhere: Any, *, _root_: DictConfig) -> Any:
    """Resolver ``${on_cuda:A,B}``: A where the job will run on a CUDA device, B elsewhere."""
    device = str(_root_.collect.device)
    if device != "auto":
        return there if device.startswith("cuda") else elsewhere
    import torch

    return there if torch.cuda.is_available() else elsewhere
