"""`ttscale import`: samples that another tool wrote, or the Records of several runs, as a folder of Records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ttscale.cli.console import results, say, step
from ttscale.cli.job import Job
from ttscale.cli.schema import ImportConfig
from ttscale.data.importing import named_function
from ttscale.errors import TtscaleError
from ttscale.records.foreign.build import sample_range
from ttscale.records.merge import merge_records
from ttscale.records.read import MANIFEST, read_records
from ttscale.records.records import Records
from ttscale.records.save import copy_records, save_records
from ttscale.scaling.curves.sampled_credits import right_draws


def run(config: ImportConfig, job: Job) -> None:
    own = _own(config)
    with step("reading"):
        runs = [_read(config, source) for source in own or (config.source,)]
    if own:
        _merge(runs, config, job)
        return
    records = runs[0]
    if records.path is not None:
        _copy(records, config, job)
        return
    told = _told(records)
    with step("writing"):
        save_records(records, job.out, command=job.command)
    job.write_summary(source=config.source, **told)
    verdict = "of the samples right" + ("" if told["answers_known"] else " (answers are not known)")
    least, most = told["samples"]
    each = f"{least}" if least == most else f"{least} to {most}"
    say(
        f"{told['n_items']} items, {told['draws']} samples ({each} an item) of {', '.join(told['members'])}: "
        f"{told['right']:.4f} {verdict}, {told['abstained']} without an answer"
    )
    for note in told["notes"]:
        say(f"- {note}")
    results(job.out, Records="manifest.json", summary="summary.json")
    say("", f"Next: ttscale analyze records={job.out}")


def _own(config: ImportConfig) -> tuple[Any, ...]:
    """The folders of Records that become one, where `source` is several of them or another type is asked for."""
    several = tuple(config.source) if isinstance(config.source, (list, tuple)) else (config.source,)
    own = [source for source in several if (Path(str(source)) / MANIFEST).is_file()]
    if own and len(own) < len(several):
        other = next(source for source in several if source not in own)
        raise TtscaleError(
            "source", expected="folders of Records alone, or files of other tools alone", got=f"{own[0]} and {other}",
            fix="Import the files of other tools by themselves.",
        )  # fmt: skip
    if own and (len(own) > 1 or config.log_probs_dtype != "auto" or not config.texts):
        return several
    if config.log_probs_dtype != "auto":
        raise TtscaleError(
            "log_probs_dtype", expected="nothing: samples of text have no use for it", got=config.log_probs_dtype,
            fix="Leave it out.",
        )  # fmt: skip
    return ()


def _read(config: ImportConfig, source: Any) -> Records:
    """The samples at `source`, which is what errors then name."""
    try:
        path = list(source) if isinstance(source, (list, tuple)) else source
        return read_records(path, **_arguments(config))
    except TtscaleError as error:
        if error.argument != "records":
            raise
        raise TtscaleError("source", expected=error.expected, got=error.got, fix=error.fix) from error


def _merge(runs: Sequence[Records], config: ImportConfig, job: Job) -> None:
    """Runs over the same items, in one folder."""
    with step("writing"):
        merged = merge_records(
            runs, job.out, log_probs_dtype=config.log_probs_dtype, texts=config.texts, command=job.command
        )
    size, n_members = _bytes(job.out), len(merged.members)
    if merged.outcome == "text":
        told: dict[str, Any] = {"draws": merged.graded().n_draws, "texts": config.texts}
        words = f"{told['draws']} samples, {n_members} members of {len(runs)} runs: {size / 1e6:.1f} MB"
    else:
        stored, changed = merged.manifest.config["log_probs_dtype"], merged.manifest.flipped_draws
        n_draws = merged.n_items * len(merged.variants) * n_members
        told = {"log_probs_dtype": stored, "draws": n_draws, "flipped_draws": changed}
        words = (
            f"{len(merged.variants)} views, {n_members} members of {len(runs)} runs, as {stored}: {size / 1e6:.1f} MB; "
            f"{changed} of {n_draws} draws have another most likely class than before"
        )
    job.write_summary(
        source=config.source, format="records", n_items=merged.n_items, members=[m.name for m in merged.members],
        **told, bytes=size,
    )  # fmt: skip
    say(f"{merged.n_items} items, {words}")
    results(job.out, Records="manifest.json", summary="summary.json")
    say("", f"Next: ttscale analyze records={job.out}")


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _copy(records: Records, config: ImportConfig, job: Job) -> None:
    """Our own Records need no import: they are copied as they are."""
    with step("copying"):
        copied = copy_records(records, job.out)
    job.write_summary(source=config.source, format="records", n_items=copied.n_items)
    members = ", ".join(member.name for member in copied.members)
    say(f"{copied.n_items} items of {members}: Records already, copied as they are")
    results(job.out, Records="manifest.json", summary="summary.json")
    say("", f"Next: ttscale analyze records={job.out}")


def _arguments(config: ImportConfig) -> dict[str, Any]:
    """The keys of the config as arguments of `read_records`."""
    checker = None if config.checker is None else named_function("checker", config.checker)
    fields = {name: column for name, column in vars(config.fields).items() if column != "auto"}
    return {
        "format": config.format, "fields": fields,
        "scores": [config.scores] if isinstance(config.scores, str) else list(config.scores or ()), "checker": checker,
        "extract": config.extract, "equality": config.equality, "member": config.member, "filter": config.filter,
        "metric": config.metric, "scorer": config.scorer, "n_params": config.n_params,
        "min_samples": config.min_samples,
    }  # fmt: skip


def _told(records: Records) -> dict[str, Any]:
    """What was imported, for summary.json; numbers that are unknown are null."""
    graded, dataset = records.graded(), records.manifest.dataset
    drawn = graded.exists
    return {
        "dataset": dataset["name"], "format": dataset["source"]["format"], "n_items": records.n_items,
        "members": [member.name for member in records.members], "draws": graded.n_draws,
        "samples": list(sample_range(graded)), "abstained": graded.abstained, "answers_known": graded.answers_known,
        "right": float(right_draws(graded)[drawn].mean()), "tokens": float(graded.tokens[drawn].sum()),
        "flops": float(graded.flops[drawn].sum()), "skipped_items": len(records.manifest.skipped_items),
        "notes": list(dataset["notes"]),
    }  # fmt: skip
