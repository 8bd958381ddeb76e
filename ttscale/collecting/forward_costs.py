"""What one forward of each member costs at each input size that the views ask of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ttscale.collecting.inputs import shape_of
from ttscale.cost.flops import ForwardCost, measure_forward
from ttscale.draws.frames import OWN
from ttscale.draws.views import ViewSet
from ttscale.errors import TtscaleError
from ttscale.models.model import Model

ForwardCosts = Mapping[tuple[str, tuple[int, int, int]], ForwardCost]  # by member's name and input shape


def forward_costs(members: Sequence[Model], view_set: ViewSet) -> ForwardCosts:
    """Measured on the members as they are, once for each input size.

    Raises:
        TtscaleError: a member whose architecture does not take the size of a view; both are named.
    """
    costs: dict[tuple[str, tuple[int, int, int]], ForwardCost] = {}
    for model in members:
        for view in view_set:
            shape = shape_of(model, view)
            if (model.name, shape) in costs:
                continue
            try:
                costs[model.name, shape] = measure_forward(model.module, shape)
            except TtscaleError as error:
                if view.frame == OWN:
                    raise
                raise TtscaleError(
                    "draws", expected=f"views of {model.input_size[1]} × {model.input_size[2]} pixels for {model.name}",
                    got=f"{view.name} of {shape[1]} × {shape[2]}, which its architecture does not take "
                    f"({_cause(error)})",
                    fix="Use windows or crops of its own size in place of other sizes.",
                ) from error  # fmt: skip
    return costs


def flops_of(costs: ForwardCosts, model: Model, view_set: ViewSet) -> list[float]:
    """FLOPs of a draw of each view."""
    return [costs[model.name, shape_of(model, view)].flops for view in view_set]


def cost_rows(costs: ForwardCosts) -> dict[str, list[Any]]:
    """Columns of ``costs.parquet``: a forward of each member at each size."""
    return {
        "scope": ["forward"] * len(costs),
        "key": [f"{name}@{'x'.join(map(str, shape))}" for name, shape in costs],
        "flops": [cost.flops for cost in costs.values()],
        "bytes": [cost.bytes for cost in costs.values()],
        "member": [name for name, _ in costs],
    }


def _cause(error: TtscaleError) -> str:
    return str(error.__cause__).splitlines()[0] if error.__cause__ and str(error.__cause__) else "it failed"
