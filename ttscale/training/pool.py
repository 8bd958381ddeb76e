"""Trainings one after another, or side by side in processes of their own that tell how far they are."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from functools import partial
from multiprocessing import get_context
from multiprocessing.managers import SyncManager
from queue import Empty, Queue
from threading import Event, Thread
from typing import Any, TypeVar

Task = TypeVar("Task")
Card = dict[str, Any]
_LISTEN = 0.2  # seconds between two looks at what the processes tell
_WATCH = 0.5  # seconds between two looks of a process at the one that started it


def train_all(
    train: Callable[..., Card],
    tasks: Mapping[str, Task],
    processes: int,
    on_told: Callable[..., None],
    on_done: Callable[[Card], None],
) -> None:
    """Train every task, in this order as far as several at a time have one.

    Where one training fails the others stop the next time they tell something. No process outlives this one.

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
    manager = SyncManager(ctx=context)
    manager.start(_end_with, (os.getpid(),))
    pool = ProcessPoolExecutor(processes, mp_context=context, initializer=_end_with, initargs=(os.getpid(),))
    with manager, pool:
        told: Queue[tuple[str, tuple[Any, ...]]] = manager.Queue()
        stop = manager.Event()
        running: set[Future[Card]] = {
            pool.submit(train, task, partial(_tell, told, stop, name)) for name, task in tasks.items()
        }
        try:
            while running:
                done, running = wait(running, timeout=_LISTEN, return_when=FIRST_COMPLETED)
                for name, facts in _heard(told):
                    on_told(tasks[name], *facts)
                for finished in done:
                    on_done(finished.result())
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _end_with(parent: int) -> None:
    """End this process as soon as ``parent`` is no more its parent, as it is where that one was killed."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_WATCH)
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def _tell(told: Queue[tuple[str, tuple[Any, ...]]], stop: Event, name: str, *facts: Any) -> None:
    told.put((name, facts))
    if stop.is_set():
        raise InterruptedError("another training failed")


def _heard(told: Queue[tuple[str, tuple[Any, ...]]]) -> list[tuple[str, tuple[Any, ...]]]:
    heard = []
    while True:
        try:
            heard.append(told.get_nowait())
        except Empty:
            return heard
