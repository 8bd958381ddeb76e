"""What verbs print: results on stdout, progress on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn


def say(*lines: str) -> None:
    """Print lines as they are: no wrapping, so that a path can be copied."""
    print("\n".join(lines), flush=True)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns as wide as their widest cell."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    return [
        "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in (heads, *rows)
    ]


@contextmanager
def step(what: str) -> Iterator[None]:
    """Work of unknown length: a spinner with the time so far on a terminal, and one line with the time it took."""
    console = Console(stderr=True)
    started = time.perf_counter()
    columns = (SpinnerColumn(), TextColumn(f"{what} ..."), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as spinner:
        spinner.add_task(what, total=None)
        yield
    print(f"{what}: {time.perf_counter() - started:.1f} s", file=sys.stderr, flush=True)


@contextmanager
def bar(what: str) -> Iterator[Callable[[float], None]]:
    """Work that tells the share done: a bar with the time left on a terminal, and one line with the time it took."""
    console = Console(stderr=True)
    started = time.perf_counter()
    columns = (TextColumn(what), BarColumn(), TextColumn("left:"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=1.0)
        yield lambda share: progress.update(task, completed=share)
    print(f"{what}: {time.perf_counter() - started:.1f} s", file=sys.stderr, flush=True)


def results(out: Path, **files: str) -> None:
    """The last lines of a verb: where its results are."""
    say("", f"Results in {out}")
    files = {meaning: name for meaning, name in files.items() if (out / name).exists()}
    width = max(map(len, files.values()), default=0)
    say(
        *(
            f"  {out / name!s:{len(str(out)) + 1 + width}}  {meaning.replace('_', ' ')}"
            for meaning, name in files.items()
        )
    )
