"""`ttscale tradeoff`: test-time compute against training compute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from ttscale.cli.app import Job
from ttscale.cli.build import arguments, strings
from ttscale.cli.console import results, say, step, table
from ttscale.cli.schema import TradeoffConfig
from ttscale.records.files import write_json
from ttscale.records.read import read_records
from ttscale.scaling.ladder import Rung
from ttscale.scaling.summary import json_ready
from ttscale.scaling.tradeoff import Tradeoff, tradeoff
from ttscale.scaling.words import accuracy_words, flops_words


def run(config: TradeoffConfig, job: Job) -> None:
    records = [read_records(path) for path in strings("records", config.records)]
    with step("comparing sizes"):
        found = tradeoff(records, vote=config.vote.vote, seed=config.seed, **arguments(config.report))
    write_json(job.out / "summary.json", as_dict(found, job))
    say(*ladder_lines(found.ladder), "", *(verdict.text for verdict in found.verdicts))
    say("", *(exchange.text for exchange in found.exchange), *([found.note] if found.note else []))
    results(job.out, every_number="summary.json")


def as_dict(found: Tradeoff, job: Job) -> dict[str, Any]:
    """JSON-ready: ladder, verdicts and exchange rates; the curves are in the summary of `ttscale analyze`."""
    rung_keys = [field.name for field in fields(Rung) if field.name != "plain"]
    return json_ready({
        "schema_version": 1, "kind": "ttscale-tradeoff", "command": job.command,
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
