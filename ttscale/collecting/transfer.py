"""Copies between host and device that let neither wait for the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch


def layout_of(channels_last: bool) -> torch.memory_format:
    return torch.channels_last if channels_last else torch.contiguous_format


@dataclass(frozen=True)
class Transfer:
    """Moves inputs to a device and results back; on CUDA by streams of its own, elsewhere at once.

    Attributes:
        device: where the members are. layout: memory format of the inputs there.
    """

    device: torch.device
    layout: torch.memory_format
    streams: tuple[Any, ...] = field(default=(), repr=False)

    @classmethod
    def to(cls, device: torch.device, layout: torch.memory_format) -> Transfer:
        streams = (torch.cuda.Stream(device), torch.cuda.Stream(device)) if device.type == "cuda" else ()
        return cls(device, layout, streams)

    def there(self, x: torch.Tensor) -> torch.Tensor:
        """``x`` on the device: from pinned memory, it is copied while the device works on what was asked before."""
        layout = self.layout if x.ndim == 4 else torch.preserve_format
        if not self.streams:
            return x.to(self.device, memory_format=layout)
        working = torch.cuda.current_stream(self.device)
        with torch.cuda.stream(self.streams[0]):
            moved = x.to(self.device, non_blocking=True, memory_format=layout)
        working.wait_stream(self.streams[0])
        moved.record_stream(working)
        return moved

    def back(self, values: torch.Tensor) -> Copied:
        """The start of a copy of ``values`` to the host."""
        if not self.streams:
            return Copied(values.cpu())
        self.streams[1].wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(self.streams[1]):
            host = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
            host.copy_(values, non_blocking=True)
            values.record_stream(self.streams[1])
            return Copied(host, self.streams[1].record_event())


@dataclass(frozen=True)
class Copied:
    """Values on their way to the host."""

    values: torch.Tensor
    arrived: Any = None

    def wait(self) -> torch.Tensor:
        if self.arrived is not None:
            self.arrived.synchronize()
        return self.values
