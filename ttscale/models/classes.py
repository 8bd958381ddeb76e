"""Members of unlike class orders, brought to one order by the names of the classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from ttscale.data.dataset import Dataset
from ttscale.errors import TtscaleError
from ttscale.models.model import Model

_NAMED = 3  # so many classes of a difference are named


def align(members: Sequence[Model], data: Dataset) -> tuple[Model, ...]:
    """The members with their classes in the order of the data, or where these name none, of the first that does.

    A member without names is taken to have that order already. See :func:`align_to`.

    Raises:
        TtscaleError: a member has other classes, or another number of them; what is missing on either side is named.
    """
    return align_to(members, data.class_names or names_known(members))


def names_known(members: Sequence[Model]) -> tuple[str, ...] | None:
    """The class names of the first member that has some."""
    return next((model.class_names for model in members if model.class_names is not None), None)


def align_to(members: Sequence[Model], class_names: Sequence[str] | None) -> tuple[Model, ...]:
    """The members with their classes in the order of ``class_names``; None leaves each as it is.

    A member whose order differs gets a ``class_order``, so that :meth:`Model.read` gives every member's classes in the
    same place. Nothing is copied.

    Raises:
        TtscaleError: a member has other classes, or another number of them; or it has them in another order and a name
            stands twice, so that it does not say which is which.
    """
    n_classes = members[0].n_classes if class_names is None else len(class_names)
    wanted = None if class_names is None else tuple(class_names)
    return tuple(_aligned(model, wanted, n_classes, members[0]) for model in members)


def align_as(
    members: Sequence[Model], class_names: Sequence[str] | None, orders: Sequence[tuple[int, ...] | None]
) -> tuple[Model, ...]:
    """The members with their classes in the order in which they were collected, whether or not they name them now.

    Args:
        class_names: of the Records.
        orders: per member, position in its own output of each class; empty where the order is its own; None where it is
            unknown, and then the names alone decide, as in :func:`align_to`.

    Raises:
        TtscaleError: what :func:`align_to` raises, or a member that names its classes in another order than when it was
            collected: its weights are the same, so one of the two is wrong.
    """
    named = align_to(members, class_names)
    wanted = None if class_names is None else tuple(class_names)
    return tuple(
        now if order is None else _as_collected(before, now, wanted, order)
        for before, now, order in zip(members, named, orders, strict=True)
    )


def _as_collected(before: Model, now: Model, wanted: tuple[str, ...] | None, order: tuple[int, ...]) -> Model:
    if sorted(order) != list(range(now.n_classes)) and order:
        raise TtscaleError(
            "models", expected=f"{len(order)} classes, as collected", got=f"{now.n_classes} in {now.name}",
            fix="Plan again from Records of this model.",
        )  # fmt: skip
    if before.class_names is None or wanted is None:
        return replace(now, class_names=wanted or now.class_names, class_order=order or None)
    if (now.class_order or ()) == order:
        return now
    at = next(i for i in range(len(wanted)) if _position(now.class_order, i) != _position(order, i))
    raise TtscaleError(
        "models", expected=f"{now.name} with the class names that it was collected with",
        got=f"{wanted[at]!r} as its output {_position(now.class_order, at)}, where the Records have output "
        f"{_position(order, at)}",
        fix="Load it with the same class_names, or without any; if the Records are wrong, collect again.",
    )  # fmt: skip


def _position(order: tuple[int, ...] | None, place: int) -> int:
    return order[place] if order else place


def _aligned(model: Model, wanted: tuple[str, ...] | None, n_classes: int, first: Model) -> Model:
    if model.n_classes != n_classes:
        other = f"the data have {n_classes}" if wanted is not None else f"{first.name} has {n_classes}"
        raise TtscaleError(
            "models", expected=f"members with {n_classes} classes", got=f"{model.n_classes} in {model.name}; {other}",
            fix="Collect such members in separate runs; a folder that holds some of a model's classes needs "
            "`class_index` in load_data.",
        )  # fmt: skip
    own = model.class_names
    if wanted is None or own is None or own == wanted:
        return model
    missing, left_over = Counter(wanted) - Counter(own), Counter(own) - Counter(wanted)
    if missing or left_over:
        raise TtscaleError(
            "models", expected="members with the classes of the data, in any order",
            got=f"{model.name} without {_listed(missing)}, but with {_listed(left_over)}",
            fix="If only the names differ, give `class_index` to load_data, or load_model(class_names=…) in the "
            "model's output order.",
        )  # fmt: skip
    if doubled := [name for name, count in Counter(own).items() if count > 1]:
        raise TtscaleError(
            "models", expected="different class names, where the order is not that of the data",
            got=f"{doubled[0]!r} twice in {model.name}",
            fix="Give load_model(class_names=…) with a name for each class.",
        )  # fmt: skip
    place = {name: i if model.class_order is None else model.class_order[i] for i, name in enumerate(own)}
    order = tuple(place[name] for name in wanted)
    return replace(model, class_names=wanted, class_order=None if order == tuple(range(n_classes)) else order)


def _listed(names: Counter[str]) -> str:
    shown = ", ".join(map(repr, list(names)[:_NAMED]))
    return shown + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "") or "nothing"
