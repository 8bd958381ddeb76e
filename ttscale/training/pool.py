"""Trainings one after another, or side by side in processes of their own that tell how far they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from functools import partial
from multiprocessing import get_context
from queue import Empty, Queue
from typing import Any, TypeVar

Task = TypeVar("Task")
Card = dict[str, Any]
_LISTEN = 0.2  # seconds between two looks at what the processes tell


def train_all(
    train: Callable[..., Card],
    tasks: Mapping[str, Task],
    processes: int,
    on_told: Callable[..., None],
    on_done: Callable[[Card], None],
) -> None:
    """Train every task, in this order as far as several at a time have one.

    Args:
        train: called as ``train(task, tell)``; it calls ``tell`` with what it likes, and returns a card. With more than
            one process, it, the tasks and what it tells must be picklable.
        tasks: by their names.
        processes: trained at a time; 1: here, without another process.
        on_told: called here as ``on_told(task, *told)``. on_done: told each card.
    """
    if processes == 1:
        for task in tasks.values():
            on_done(train(task, partial(on_told, task)))
        return
    context = get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(processes, mp_context=context) as pool:
        told: Queue[tuple[str, tuple[Any, ...]]] = manager.Queue()
        running: set[Future[Card]] = {
            pool.submit(train, task, partial(_tell, told, name)) for name, task in tasks.items()
        }
        try:
            while running:
                done, running = wait(running, timeout=_LISTEN, return_when=FIRST_COMPLETED)
                for name, facts in _heard(told):
                    on_told(tasks[name], *facts)
                for finished in done:
                    on_done(finished.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _tell(told: Queue[tuple[str, tuple[Any, ...]]], name: str, *facts: Any) -> None:
    told.put((name, facts))


def _heard(told: Queue[tuple[str, tuple[Any, ...]]]) -> list[tuple[str, tuple[Any, ...]]]:
    heard = []
    while True:
        try:
            heard.append(told.get_nowait())
        except Empty:
            return heard
