"""The state of a training run after its last complete epoch, in a file that knows which run it belongs to."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ttscale.errors import TtscaleError
from ttscale.records.files import write_atomic


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint file of one run.

    Attributes:
        path: the file; it need not exist.
        run: what decides the weights of the run, in plain values (see :func:`refuse_another_run`).
    """

    path: Path
    run: Mapping[str, Any]

    def read(self) -> dict[str, Any] | None:
        """The state written last, or None; a damaged file is deleted with a warning.

        Raises:
            TtscaleError: the file is another run's.
        """
        if not self.path.exists():
            return None
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
            run = state["run"]
        except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, LookupError, TypeError) as error:
            self.path.unlink()
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            warnings.warn(f"{self.path} is damaged ({reason}): this training starts again", stacklevel=2)
            return None
        refuse_another_run(self.path, run, self.run)
        return state

    def write(self, state: Mapping[str, Any]) -> None:
        """Replace the state."""
        write_atomic(self.path, lambda file: torch.save({"run": dict(self.run), **state}, file))


def refuse_another_run(file: Path, was: Mapping[str, Any], run: Mapping[str, Any]) -> None:
    """Raise where ``file`` comes from a run that differs in a key of ``run``; the error says in which, and how. A key
    that ``was`` lacks is None: so it was before there was such a key."""
    changed = [f"{key} was {before}, is {now}" for key, before, now in _changed(was, run)]
    if changed:
        raise TtscaleError(
            "out", expected="a new folder, or one trained on the same data by the same recipe",
            got=f"{file} of another run: {'; '.join(changed)}",
            fix="Choose another `out`, or give the same data, n_validation and recipe to add rungs.",
        )  # fmt: skip


def _changed(was: Mapping[str, Any], run: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """(key, before, now) of what differs; of mappings inside each key, with a dot."""
    found = []
    for key, now in run.items():
        before = was.get(key)
        if isinstance(before, Mapping) and isinstance(now, Mapping):
            inside = _changed(before, dict.fromkeys(before) | dict(now))
            found += [(f"{key}.{name}", *values) for name, *values in inside]
        elif before != now:
            found.append((key, before, now))
    return found
