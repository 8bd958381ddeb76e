"""`ttscale laws`: every law on every curve of some runs, ranked by back-test."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from ttscale.cli.build import arguments, naming, strings
from ttscale.cli.console import bar, results, say, step, table
from ttscale.cli.job import Job
from ttscale.cli.schema import LawsConfig
from ttscale.errors import TtscaleError
from ttscale.records.read import read_records
from ttscale.records.records import Records
from ttscale.records.shifts import read_shifts, shifts_below
from ttscale.reporting.law_page import write_law_page
from ttscale.reporting.ready import check_parts
from ttscale.scaling.fits.ranking import LawRanking, LawScore, rank_laws
from ttscale.scaling.fits.words import ranking_words


def run(config: LawsConfig, job: Job) -> None:
    runs = _read(config.records)
    groups = arguments(config.vote) | arguments(config.report)
    with bar("fitting every law") as on_progress, naming(config.vote, config.report):
        try:
            found = rank_laws(runs, seed=config.seed, n_splits=config.n_splits, on_progress=on_progress, **groups)
        except TtscaleError as error:
            if error.argument != "runs":
                raise
            raise TtscaleError("records", expected=error.expected, got=error.got, fix=error.fix) from error
    said = ranking_words(found)
    summary = {"text": said, "runs": [_run(name, one, found) for name, one in runs.items()], **found.as_dict()}
    job.write_summary(**summary)
    with step("drawing"):
        write_law_page(job.out, summary | {"command": job.command})
    for of in dict.fromkeys(score.of for score in found.scores):
        say("", f"Laws of {of}", *_lines(found.of(of)))
    say("", *(f"- {line}" for line in said))
    results(job.out, page="report.html", every_number="summary.json", figures="figures")


def _read(given: Any) -> dict[str, Records]:
    """Runs by name; where Records of several shifts stand side by side, each is a run."""
    folders: Mapping[str, str]
    if isinstance(given, Mapping):
        folders = {name: str(folder) for name, folder in check_parts("records", given).items()}
    else:
        listed = strings("records", given)
        folders = dict(zip(_names(listed), listed, strict=True))
    runs: dict[str, Records] = {}
    for name, folder in folders.items():
        below = shifts_below(Path(folder))
        if below is None:
            runs[name] = read_records(folder)
        else:
            runs |= {f"{name}, {shift}": records for shift, records in read_shifts(below).items()}
    return runs


def _names(folders: list[str] | Any) -> list[str]:
    """The last parts of the folders' paths, as many as tell them apart; ``records`` at the end says nothing."""
    parts = [PurePath(folder).parts for folder in folders]
    parts = [one[:-1] if len(one) > 1 and one[-1] == "records" else one for one in parts]
    for n in range(1, max(map(len, parts)) + 1):
        names = ["/".join(one[-n:]) for one in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{'/'.join(one)} {number}" for number, one in enumerate(parts, 1)]


def _run(name: str, records: Records, found: LawRanking) -> dict[str, Any]:
    return {
        "name": name, "outcome": records.outcome, "dataset": records.manifest.dataset.get("name"),
        "n_items": records.n_items, "n_members": len(records.members),
        "n_curves": sum(curve.run == name for curve in found.curves),
    }  # fmt: skip


def _lines(scores: tuple[LawScore, ...]) -> list[str]:
    rows = [
        [
            score.law, _tested(score), f"{100 * score.beats:.0f}%", f"{score.mean_rank:.1f}", str(score.n_first),
            f"{score.over_best:.2f} ×", f"{100 * score.median_error:.2f}",
        ]
        for score in scores
        if score.n_curves
    ]  # fmt: skip
    return table(
        ["law", "curves", "rivals beaten", "mean rank", "first", "over the best", "median error, points"], rows
    )


def _tested(score: LawScore) -> str:
    """The curves that a law was back-tested on: ``4``, or ``1 of 4``."""
    return f"{score.n_curves} of {score.n_curves + score.n_without}" if score.n_without else str(score.n_curves)
