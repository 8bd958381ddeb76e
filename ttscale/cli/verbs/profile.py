"""`ttscale profile`: how long a decision takes, by model and number of views or samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ttscale.cli.console import results, say, step, table
from ttscale.cli.job import Job
from ttscale.cli.schema import ProfileConfig
from ttscale.errors import TtscaleError
from ttscale.records.profiles import latest, unsteady_words
from ttscale.records.read import read_records


def run(config: ProfileConfig, job: Job) -> None:
    records = read_records(config.records)
    with step("loading torch and models"):
        from ttscale.collecting.profile import profile
        from ttscale.models.language import Endpoint
        from ttscale.models.load import load_model

        loaded = [load_model(member.spec, name=member.name) for member in records.members]
        models = [model for model in loaded if not isinstance(model, Endpoint)]
    if not models:
        raise TtscaleError(
            "records", expected="Records with local models", got=", ".join(m.name for m in records.members),
            fix="Only models that run here can be timed.",
        )  # fmt: skip
    done = profile(
        records, models, n_items=config.n_items, repeats=config.repeats, device=config.device, dtype=config.dtype,
        threads=config.threads,
    )  # fmt: skip
    found = done.profiles()
    rows = [] if found is None else found.to_pylist()
    job.write_summary(records=config.records, profile=rows)
    heads: tuple[str, ...] = ("device", "format", "member", "input", "views", "seconds")
    places = [[row["device"], row["dtype"] or "", row["member"]] for row in rows]
    cells = [[row["shape"], str(row["samples"])] for row in rows]
    if records.outcome == "text":
        heads = ("device", "format", "member", "decoding", "samples", "tokens", "seconds", "slowest item")
        cells = [[row["decode_id"], str(row["samples"]), f"{row['n_tokens']:.1f}"] for row in rows]
    seconds = [_seconds(row, text=records.outcome == "text") for row in rows]
    say(*table(heads, [[*place, *cell, *second] for place, cell, second in zip(places, cells, seconds, strict=True)]))
    if note := unsteady_words(latest(found)):
        say("", note)
    results(job.out, summary="summary.json")
    say("", f"Next: ttscale analyze records={config.records}")


def _seconds(row: Mapping[str, Any], *, text: bool) -> list[str]:
    """The mean, and of text the slowest item where the profile is new enough to have it."""
    slowest = max(row["item_seconds"] or [], default=None)
    told = [] if not text else ["" if slowest is None else f"{slowest:.3g}"]
    return [f"{row['seconds']:.3g}", *told]
