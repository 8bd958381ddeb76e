"""Views that are one view for the members of a run: a cut from the raw image that is what the model cuts out anyway,
or a change of colours where there are none."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from ttscale.collecting.inputs import check_view
from ttscale.draws.frames import OWN, Frame
from ttscale.draws.views import View, ViewSet, is_random
from ttscale.models.model import Model

COLOURS = 3  # channels of an image that has a hue and a saturation
OF_COLOUR = ("hue", "saturation")


def without_same(view_set: ViewSet, members: Sequence[Model]) -> tuple[ViewSet, str | None]:
    """The views without those that show every member the same of every image as a view before them; and a sentence that
    names these, or None.

    ``window(0.875,0.5,0.5)`` is the identity for a model that resizes to 256 and cuts out 224, and so is ``size(224)``;
    of grey images ``saturation(0.5)`` and ``hue(0.1)`` are.
    Random views of two names are never the same: their noise is keyed by the name.

    Raises:
        TtscaleError: a view that a member cannot be shown.
    """
    for view in view_set:
        for model in members:
            check_view(model, view)
    grey = all(model.input_size[0] != COLOURS for model in members)
    framed = any(view.frame != OWN for view in view_set)
    kept: dict[Hashable, View] = {}
    same: dict[str, str] = {}
    for view in view_set:
        steps = tuple(step for step in view.steps if not (grey and step.transform in OF_COLOUR))
        key = steps, view.name if is_random(steps) else None, _places(members, view.frame) if framed else None
        if (first := kept.setdefault(key, view)) is not view:
            same[view.name] = first.name
    if not same:
        return view_set, None
    named = ", ".join(f"{name} (the same as {first})" for name, first in same.items())
    return ViewSet(view_set.spec, tuple(kept.values())), f"Left out, since all members see it in another view: {named}."


def _places(members: Sequence[Model], frame: Frame) -> Hashable:
    """Where a frame lies for each member, all of which can be shown it."""
    return tuple(model.frames and model.frames.place(frame) for model in members)
