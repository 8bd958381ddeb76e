"""`ttscale tradeoff`: test-time compute against training compute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from ttscale.cli.build import arguments, naming, strings
from ttscale.cli.console import bar, results, say, table
from ttscale.cli.job import Job
from ttscale.cli.schema import TradeoffConfig
from ttscale.errors import TtscaleError
from ttscale.records.read import read_records
from ttscale.scaling.summaries.entries import json_ready
from ttscale.scaling.summaries.words import accuracy_words, flops_words
from ttscale.scaling.tradeoff.ladder import Rung
from ttscale.scaling.tradeoff.tradeoff import Tradeoff, tradeoff


def run(config: TradeoffConfig, job: Job) -> None:
    records = [read_records(path) for path in strings("records", config.records)]
    groups = arguments(config.vote) | arguments(config.report)
    if groups.pop("ties") != "shared":
        raise TtscaleError(
            "vote.ties", expected="shared", got=repr(config.vote.ties),
            fix="A tradeoff shares the credit of tied answers; ttscale analyze has curves with other rules.",
        )  # fmt: skip
    with bar("comparing sizes") as on_progress, naming(config.vote, config.report):
        found = tradeoff(records, seed=config.seed, **groups, on_progress=on_progress)
    job.write_summary(**as_dict(found))
    say(*ladder_lines(found.ladder), "", *(verdict.text for verdict in found.verdicts))
    say("", *(exchange.text for exchange in found.exchange), *([found.note] if found.note else []))
    results(job.out, every_number="summary.json")


def as_dict(found: Tradeoff) -> dict[str, Any]:
    """JSON-ready: ladder, verdicts and exchange rates; the curves are in the summary of `ttscale analyze`."""
    rung_keys = [field.name for field in fields(Rung) if field.name != "plain"]
    return json_ready({
        "ladder": [{key: getattr(rung, key) for key in rung_keys} for rung in found.ladder],
        "verdicts": [asdict(verdict) for verdict in found.verdicts],
        "exchange": [asdict(exchange) for exchange in found.exchange], "note": found.note,
    })  # fmt: skip


def ladder_lines(ladder: Sequence[Rung]) -> list[str]:
    """The sizes as a table."""
    rows = [
        [
            rung.size, str(rung.n_seeds), flops_words(rung.flops), flops_words(rung.train_flops),
            accuracy_words(rung.accuracy),
        ]
        for rung in ladder
    ]  # fmt: skip
    return table(["size", "models", "one decision", "training", "accuracy of one view"], rows)
