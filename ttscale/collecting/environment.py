"""Where a run happens: device, threads and versions."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version

import torch

from ttscale.errors import TtscaleError


def pick_device(device: str) -> torch.device:
    """``"auto"`` is CUDA where there is one, else the CPU; anything else is what torch calls it.

    Raises:
        TtscaleError: an unknown device, or one that is not here.
    """
    if not isinstance(device, str):
        raise TtscaleError("device", expected="text", got=repr(device), fix="Use device='auto'.")
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError) as error:
        raise TtscaleError(
            "device", expected="auto, cpu, or an accelerator that is here", got=repr(device), fix="Use device=auto."
        ) from error
    return chosen


def describe_device(device: torch.device) -> str:
    """One line for reports, for example ``"cpu (x86_64, 2 threads)"`` or ``"cuda (NVIDIA H100)"``."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return f"{device.type} ({platform.machine()}, {torch.get_num_threads()} threads)"


def versions(*more: str) -> dict[str, str]:
    """Versions of Python and of the packages that can change an outcome, those that are here among ``more`` too."""
    found = {"python": platform.python_version()}
    for package in ("ttscale", "torch", "numpy", *more):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


@contextmanager
def torch_threads(threads: int | None) -> Iterator[None]:
    """Let torch compute with so many threads inside the block; None leaves its setting alone."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
