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
from ttscale.reporting.figures import FIGURES, draw
from ttscale.reporting.page import page
from ttscale.reporting.ready import check_summary, read_summary
from ttscale.scaling.summary import summarize

OPTIONS = tuple(name for name, p in inspect.signature(summarize).parameters.items() if p.kind is p.KEYWORD_ONLY)


def report(
    records: Records | str | Path | None,
    out: str | Path,
    *,
    summary: Mapping[str, Any] | str | Path | None = None,
    **options: Any,
) -> Path:
    """Write ``summary.json``, ``figures/*.png``, ``figures/*.svg`` and ``report.html`` (one file, no network).

    Args:
        records: Records or their folder; may be None when a summary is given.
        out: folder to write into; it is made where it is missing, and an older report in it is replaced.
        summary: a ready summary (a dict or the path of a ``summary.json``); nothing is analysed then.
        options: for ``ttscale.scaling.summary.summarize``: ``min_accuracy``, ``vote``, ``law``, ``ci``, ``n_boot``,
            ``seed``, ``on_progress``.

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
    ready = _summary(records, summary, options)
    drawings = draw(ready)
    write_json(folder / "summary.json", ready)
    for name in FIGURES:
        for ending, render in (("png", canvas.png), ("svg", canvas.svg)):
            file = folder / "figures" / f"{name}.{ending}"
            if name in drawings:
                _write(file, render(drawings[name].wide))
            else:
                file.unlink(missing_ok=True)  # of an older report, which had more to show
    _write(folder / "report.html", page(ready, drawings).encode("utf-8"))
    return folder / "report.html"


def _write(file: Path, data: bytes) -> None:
    write_atomic(file, lambda stream: stream.write(data))


def _summary(
    records: Records | str | Path | None, summary: Mapping[str, Any] | str | Path | None, options: Mapping[str, Any]
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
        given = read_records(records) if isinstance(records, (str, Path)) else records
        return check_summary(summarize(given, **options))
    if options:
        raise TtscaleError(
            next(iter(options)), expected="no analysis options beside a ready summary", got=", ".join(options),
            fix="Give the options without `summary`, so that the Records are analysed with them.",
        )  # fmt: skip
    return check_summary(read_summary(Path(summary)) if isinstance(summary, (str, Path)) else summary)
