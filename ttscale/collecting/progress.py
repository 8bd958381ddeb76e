"""The progress bar of a collection: how much is done, and the time left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


@contextmanager
def bar(what: str, total: int, shown: bool, *, title: str = "collect") -> Iterator[Callable[[int], None]]:
    """Show a bar on stderr inside the block, unless not ``shown``; what is yielded is told how many more are done."""
    columns = (
        TextColumn(title), BarColumn(), MofNCompleteColumn(), TextColumn(f"{what}, left:"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), disable=not shown) as progress:
        task = progress.add_task(title, total=total)
        yield lambda n: progress.advance(task, n)
