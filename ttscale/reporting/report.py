"""`report`: a folder with the page, the figures and summary.json. It shows a summary and computes nothing itself."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ttscale.errors import TtscaleError, unknown_name
from ttscale.records.files import write_atomic, write_json
from ttscale.records.read import read_records
from ttscale.records.records import Records
from ttscale.reporting import canvas
from ttscale.reporting.figures import draw, figure_names
from ttscale.reporting.page import page
from ttscale.reporting.parts import ALONE, parts_of
from ttscale.reporting.ready import check_parts, check_summary, joined, read_summary
from ttscale.reporting.tradeoffs.page import write_tradeoff_page
from ttscale.reporting.tradeoffs.ready import check_tradeoff, is_tradeoff
from ttscale.scaling.summaries.summary import summarize
from ttscale.scaling.summaries.tradeoffs import tradeoff_summary
from ttscale.scaling.tradeoff.tradeoff import Tradeoff

OPTIONS = tuple(name for name, p in inspect.signature(summarize).parameters.items() if p.kind is p.KEYWORD_ONLY)


def report(
    records: Records | Tradeoff | str | Path | Mapping[str, Records | str | Path] | None,
    out: str | Path,
    *,
    summary: Mapping[str, Any] | str | Path | None = None,
    **options: Any,
) -> Path:
    """Write ``summary.json``, ``figures/*.png``, ``figures/*.svg`` and ``report.html`` (one file, no network).

    Args:
        records: Records or their folder; several by name, such as ``{"vision": …, "language": …}``, are shown beside
            each other on one page; may be None when a summary is given.
        out: folder to write into; it is made where it is missing, and an older report in it is replaced.
        summary: a ready summary (a dict or the path of a ``summary.json``), of one run, of several parts or of a
            tradeoff; nothing is analysed then.
        options: for ``ttscale.scaling.summaries.summary.summarize``: ``min_accuracy``, ``vote``, ``law``, ``ci``,
            ``n_boot``, ``seed``, ``shifts``, ``on_progress``.

    Returns:
        The path of ``report.html``.

    Raises:
        TtscaleError: neither records nor summary, something that is not a summary or has another schema version, an
            option that ``summarize`` does not have, options beside a ready summary, ``out`` that is a file or no
            path, or what ``read_records`` and ``summarize`` raise.
    """
    if not isinstance(out, (str, Path)):
        raise TtscaleError("out", expected="the path of a folder", got=repr(out), fix='Give for example "report".')
    folder = Path(out)
    if folder.exists() and not folder.is_dir():
        raise TtscaleError("out", expected="a folder", got=f"the file {folder}", fix="Choose another name.")
    given = read_summary(Path(summary)) if isinstance(summary, (str, Path)) else summary
    if isinstance(records, Tradeoff) or is_tradeoff(given):
        _check_alone(records, given, options)
        return _tradeoff(tradeoff_summary(records) if isinstance(records, Tradeoff) else given, folder)
    ready = _summary(records, given, options)
    drawings = draw(ready)
    older = _older_figures(folder)
    write_json(folder / "summary.json", ready)
    for name in older | drawings.keys():
        for ending, render in (("png", canvas.png), ("svg", canvas.svg)):
            file = folder / "figures" / f"{name}.{ending}"
            if name in drawings:
                _write(file, render(drawings[name].wide))
            else:
                file.unlink(missing_ok=True)  # of an older report, which had more to show
    _write(folder / "report.html", page(ready, drawings).encode("utf-8"))
    return folder / "report.html"


def _tradeoff(summary: Any, folder: Path) -> Path:
    ready = check_tradeoff(summary)
    write_json(folder / "summary.json", ready)
    write_tradeoff_page(folder, ready)
    return folder / "report.html"


def _check_alone(records: object, summary: object, options: Mapping[str, Any]) -> None:
    """A tradeoff is shown as it is: with no options, and not beside other Records."""
    if options or (records is not None and summary is not None):
        raise TtscaleError(
            next(iter(options), "summary"), expected="a tradeoff alone", got=", ".join(options) or "Records beside it",
            fix="Give the options to `tradeoff`.",
        )  # fmt: skip


def _write(file: Path, data: bytes) -> None:
    write_atomic(file, lambda stream: stream.write(data))


def _older_figures(folder: Path) -> set[str]:
    """The figures that the report in this folder may have, from the summary beside it."""
    try:
        parts = parts_of(check_summary(read_summary(folder / "summary.json")))
    except TtscaleError:  # none, or of another version
        parts = {ALONE: {}}
    return figure_names(parts)


def _summary(
    records: Records | str | Path | Mapping[str, Records | str | Path] | None,
    summary: Any,
    options: Mapping[str, Any],
) -> dict[str, Any]:
    """The summary to show: the one given, or that of the records."""
    for name in options:
        if name not in OPTIONS:
            raise unknown_name(name, name, OPTIONS, fix="These are the options of summarize.")
    if summary is None:
        if records is None:
            raise TtscaleError(
                "records", expected="Records, a Records folder, or a summary", got="None", fix="Give one of them."
            )
        if isinstance(records, Mapping):
            parts = check_parts("records", records)
            return check_summary(joined({name: _analysed(one, options) for name, one in parts.items()}))
        return check_summary(_analysed(records, options))
    if options:
        raise TtscaleError(
            next(iter(options)), expected="no analysis options beside a ready summary", got=", ".join(options),
            fix="Give the options without `summary`, so that the Records are analysed with them.",
        )  # fmt: skip
    return check_summary(summary)


def _analysed(records: Records | str | Path, options: Mapping[str, Any]) -> dict[str, Any]:
    return summarize(read_records(records) if isinstance(records, (str, Path)) else records, **options)
