"""The cost of one forward pass: FLOPs by torch's counter, cross-checked, with its traps avoided."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ttscale.cost.analytic import count_analytic
from ttscale.cost.operators import OperatorProbe
from ttscale.errors import TtscaleError

TOLERANCE = 0.01  # relative difference of the two counts up to which the operator counter is believed
_ONE_AT_A_TIME = Lock()  # what compiles, and what is fused, is one setting of all threads


@dataclass(frozen=True)
class ForwardCost:
    """Cost of one forward pass on one item. 1 multiply-add = 2 FLOPs.

    Attributes:
        flops: the count to use.
        source: ``"counter"`` (torch's FlopCounterMode) or ``"analytic"`` (see :mod:`ttscale.cost.analytic`).
        counter_flops, analytic_flops: both counts.
        uncounted: operators without a FLOP formula, by name, with their number of calls: element-wise arithmetic,
            normalisation, pooling and the like, and whatever else the counter does not know.
        bytes: estimate of the bytes read and written, weights included, for a batch of one.
        n_params: number of parameters, shared ones once.
        input_shape: of one item.
    """

    flops: float
    source: str
    counter_flops: float
    analytic_flops: float
    uncounted: Mapping[str, int]
    bytes: float
    n_params: int
    input_shape: tuple[int, ...]


@torch.no_grad()
def measure_forward(
    module: nn.Module, input_shape: Sequence[int], *, device: torch.device | str | None = None
) -> ForwardCost:
    """Run ``module`` on one item of zeros, in eval mode, and count; the module is left as it was.

    Fused attention, torch's fused transformer layers and compilation are switched off meanwhile, because the counter of
    some torch versions counts nothing inside them. Both counts are lower bounds (an unknown function counts 0), so the
    analytic one is used where it is larger by more than 1 %; ``source`` says which it was.

    Args:
        module: takes ``[batch, *input_shape]`` of its own parameters' type.
        input_shape: of one item, without the batch dimension: (channel, height, width) for images.
        device: where the module is moved for the count and back; default: where it is.

    Raises:
        TtscaleError: the module refuses the shape.
    """
    module = getattr(module, "_orig_mod", module)
    shape = tuple(int(n) for n in input_shape)
    home = _device(module)
    there = torch.device(device) if device is not None else home
    dtype = next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)
    modes = {part: part.training for part in module.modules()}
    try:
        module.to(there).eval()
        x = torch.zeros(1, *shape, device=there, dtype=dtype)
        with _ONE_AT_A_TIME, _eager():
            moved = _bytes_moved(module, x)
            with _countable():
                counter, probe = _count_operators(lambda: module(x))
                analytic = count_analytic(lambda: module(x))
    finally:
        module.to(home)
        for part, mode in modes.items():
            part.training = mode
    counted = float(counter.get_total_flops())
    use_counter = counted >= analytic * (1 - TOLERANCE)
    return ForwardCost(
        flops=counted if use_counter else analytic,
        source="counter" if use_counter else "analytic",
        counter_flops=counted,
        analytic_flops=analytic,
        uncounted=dict(sorted(probe.uncounted.items())),
        bytes=moved,
        n_params=sum(p.numel() for p in module.parameters()),
        input_shape=shape,
    )


def _count_operators(run: Callable[[], Any]) -> tuple[FlopCounterMode, OperatorProbe]:
    """The counter stands above the probe: it decomposes composite operators, and the probe sees what is really run."""
    counter = FlopCounterMode(display=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Using `torch.compile")  # of compiled parts, which run uncompiled here
        with OperatorProbe(counted=set(counter.flop_registry)) as probe, counter:
            run()
    return counter, probe


@contextlib.contextmanager
def _countable() -> Iterator[None]:
    """Fused attention and fused transformer layers off; restored afterwards."""
    fastpath = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fastpath)


def _eager() -> contextlib.AbstractContextManager[Any]:
    """Compiled parts run uncompiled, where torch (2.6 and later) can say so."""
    set_stance = getattr(torch.compiler, "set_stance", None)
    return set_stance("force_eager") if set_stance is not None else contextlib.nullcontext()


def _device(module: nn.Module) -> torch.device:
    tensors = [*module.parameters(), *module.buffers()]
    return tensors[0].device if tensors else torch.device("cpu")


def _bytes_moved(module: nn.Module, x: torch.Tensor) -> float:
    """Bytes of a forward as it really runs, fused kernels and all; here a wrong shape comes out as the user's error."""
    try:
        with OperatorProbe(counted=()) as probe:
            module(x)
    except Exception as error:  # the user's code may raise anything
        raise TtscaleError(
            "input_shape", expected=f"the shape of one item for {type(module).__name__}, without the batch dimension",
            got=f"{tuple(x.shape[1:])}, on which it failed: {error}", fix="Give (channel, height, width) for images.",
        ) from error  # fmt: skip
    return probe.bytes
