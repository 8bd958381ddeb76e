"""What a run over several sets of images would stumble on, found before the first of them is collected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ttscale.collecting.checks import check_together, probe
from ttscale.collecting.inputs import input_maker
from ttscale.collecting.same_views import without_same
from ttscale.data.dataset import CLEAN, Dataset
from ttscale.draws.grammar import views
from ttscale.draws.views import ViewSet
from ttscale.errors import TtscaleError
from ttscale.models.classes import align
from ttscale.models.weights import device_of
from ttscale.records.checks import check_labels

LEAST = 2  # items, or clusters of items, that an interval can be resampled from


def check_ahead(
    models: tuple[Any, ...], sets: Mapping[str, Any], draws: str | ViewSet, *, on_bad_item: str = "error"
) -> None:
    """Some items of every set through every member, where the members stand now.

    Args:
        models, draws, on_bad_item: as :func:`ttscale.collect` takes them.
        sets: of images, by the label of their shift.

    Raises:
        TtscaleError: what :func:`ttscale.collect` raises before it runs, or a set too small to be compared; it names
            the shift.
    """
    for label, data in sets.items():
        check_together(models, data, draws)
        try:
            check_size(len(data), data.clusters)
            _check(models, data, draws, skip_bad=on_bad_item == "skip")
        except TtscaleError as error:
            if label == CLEAN:
                raise
            got = f"{error.got} (shift: {label})"
            raise TtscaleError(error.argument, expected=error.expected, got=got, fix=error.fix) from error


def check_size(n_items: int, clusters: np.ndarray | None) -> None:
    """Refuse what is too small for intervals."""
    n, what = (n_items, "items") if clusters is None else (len(np.unique(clusters)), "clusters of items")
    if n < LEAST:
        raise TtscaleError(
            "data", expected=f"at least {LEAST} {what}, to be compared", got=str(n), fix="Give more, or leave it out."
        )


def _check(models: tuple[Any, ...], data: Dataset, draws: str | ViewSet, *, skip_bad: bool) -> None:
    members = align(models, data)
    check_labels(data.labels, len(data), members[0].n_classes)
    view_set, _ = without_same(views(draws), members)
    for model in members:
        make = input_maker((model, view) for view in view_set)
        probe((model,), data, make, device_of(model.module), skip_bad=skip_bad)
