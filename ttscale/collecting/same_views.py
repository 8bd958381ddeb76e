"""Views that are one view for the members of a run: a cut from the raw image that is what the model cuts out anyway."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from ttscale.collecting.inputs import check_view
from ttscale.draws.frames import OWN, Frame
from ttscale.draws.views import View, ViewSet
from ttscale.models.model import Model


def without_same(view_set: ViewSet, members: Sequence[Model]) -> tuple[ViewSet, str | None]:
    """The views without those that show every member the same of every image as a view before them; and a sentence that
    names these, or None.

    ``window(0.875,0.5,0.5)`` is the identity for a model that resizes to 256 and cuts out 224, and so is ``size(224)``.
    Random views of two names are never the same: their noise is keyed by the name.

    Raises:
        TtscaleError: a view that a member cannot be shown.
    """
    for view in view_set:
        for model in members:
            check_view(model, view)
    if all(view.frame == OWN for view in view_set):
        return view_set, None
    kept: dict[Hashable, View] = {}
    same: dict[str, str] = {}
    for view in view_set:
        key = view.steps, view.name if view.random else None, tuple(_place(model, view.frame) for model in members)
        if (first := kept.setdefault(key, view)) is not view:
            same[view.name] = first.name
    if not same:
        return view_set, None
    named = ", ".join(f"{name} (the same as {first})" for name, first in same.items())
    return ViewSet(view_set.spec, tuple(kept.values())), f"Left out, since all members see it in another view: {named}."


def _place(model: Model, frame: Frame) -> Hashable:
    assert model.frames is not None  # it has been checked that the member can be shown a frame of another kind
    return model.frames.place(frame)
