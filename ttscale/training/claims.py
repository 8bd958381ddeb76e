"""Who trains a rung: one live run, which holds the rung's lock file beside its models."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Protocol, TypeVar

from filelock import FileLock, Timeout

from ttscale.errors import TtscaleError


class Named(Protocol):
    """A rung: all that is asked of it here is the name of its files."""

    @property
    def name(self) -> str: ...


R = TypeVar("R", bound=Named)


@contextmanager
def claimed(folder: Path, rungs: Sequence[R], is_finished: Callable[[R], bool]) -> Iterator[list[R]]:
    """The rungs that ``folder`` does not hold yet, in their order, kept from every other run until the block ends.

    All of them are claimed before the first is trained, so that a run meets another one at once and not after hours.
    Runs that train different rungs share a folder freely. The lock is the system's, so a killed run lets go by itself.

    Raises:
        TtscaleError: another live run, named by what it trains, has claimed some of them; a folder that cannot be
            written; or what ``is_finished`` raises.
    """
    missing = [rung for rung in rungs if not is_finished(rung)]
    if not missing:
        yield []
        return
    with ExitStack() as held:
        taken = [rung.name for rung in missing if not _claim(folder, rung.name, held) and not is_finished(rung)]
        if taken:
            raise TtscaleError(
                "out", expected="models that no other run is training",
                got=f"{folder}, where another run is training {', '.join(taken[:3])}"
                + (f" and {len(taken) - 3} more" if len(taken) > 3 else ""),
                fix="Wait for that run, train others here (other seeds, for example), or choose another `out`.",
            )  # fmt: skip
        yield [rung for rung in missing if not is_finished(rung)]  # another run may have finished some just now


def _claim(folder: Path, name: str, held: ExitStack) -> bool:
    """Whether the lock of that name was free; it is then held until ``held`` ends."""
    file = folder / f".{name}.lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(file)
        lock.acquire(timeout=0)
    except Timeout:
        return False
    except OSError as error:
        raise TtscaleError(
            "out", expected="a folder that can be written", got=f"{folder} ({error.strerror or error})",
            fix="Choose another `out`.",
        ) from error  # fmt: skip

    def let_go() -> None:
        with suppress(OSError):  # while it is held: who opened it just before sees that it is gone, and does not claim
            os.unlink(file)
        lock.release()

    held.callback(let_go)
    return True
