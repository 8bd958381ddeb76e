"""What ``Records.from_arrays`` is given, checked, as a manifest and columns of items; draws of images as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from ttscale.errors import TtscaleError, unknown_name
from ttscale.records.checks import check_column, check_labels, check_log_probs
from ttscale.records.schema import DRAWS, Manifest, Member, filled


def arrays_manifest(
    log_probs: Mapping[str, np.ndarray], labels: np.ndarray | Sequence[int], *, item_ids: Sequence[str] | None,
    variants: Sequence[str] | None, flops: Mapping[str, float], cards: Mapping[str, Mapping[str, Any]],
    class_names: Sequence[str] | None, seed: int,
) -> tuple[Manifest, np.ndarray, np.ndarray]:  # fmt: skip
    """The manifest of a run of which only arrays are known; its item ids ``str [item]`` and labels ``int64 [item]``.

    Arguments and errors are those of :meth:`ttscale.records.records.Records.from_arrays`.
    """
    n_items, n_variants, n_classes = _shape(log_probs)
    gold = check_labels(np.asarray(labels), n_items, n_classes)
    ids = check_column(
        "item_ids", item_ids if item_ids is not None else [f"item{i:06d}" for i in range(n_items)], n_items,
        distinct=True,
    )  # fmt: skip
    names = check_column(
        "variants", variants or ("identity", *(f"view{i}" for i in range(1, n_variants))), n_variants, distinct=True
    )
    classes = None if class_names is None else check_column("class_names", class_names, n_classes, distinct=True)
    _check_members("flops", flops, log_probs)
    _check_members("cards", cards, log_probs)
    for name, values in log_probs.items():
        check_log_probs(np.asarray(values), name, ids)
    if missing := [name for name in log_probs if name not in flops]:
        raise TtscaleError(
            "flops", expected="the FLOPs of one draw of every member", got=f"none for {missing}",
            fix="Give them for all members, or for none.",
        )  # fmt: skip
    members = tuple(
        Member(name, f"arrays:{name}", "", float(flops[name]), "given", float("nan"), {}, (), 0, cards.get(name, {}))
        for name in log_probs
    )
    manifest = Manifest(
        seed=seed, config={}, versions={}, device="", dataset={"name": "arrays", "n_items": n_items},
        n_classes=n_classes, class_names=None if classes is None else tuple(map(str, classes)),
        variants=tuple(map(str, names)), members=members, n_blocks=1, complete=True,
    )  # fmt: skip
    return manifest, ids, gold


def _shape(log_probs: Mapping[str, np.ndarray]) -> tuple[int, int, int]:
    """[item, variant, class] of all members."""
    if not log_probs:
        raise TtscaleError("log_probs", expected="at least one member", got="none", fix="Give one array a member.")
    shapes = {name: np.shape(values) for name, values in log_probs.items()}
    first = next(iter(shapes.values()))
    if len(first) != 3 or len(set(shapes.values())) > 1:
        raise TtscaleError(
            "log_probs", expected="arrays of one shape [item, variant, class]", got=str(shapes), fix="Reshape them."
        )
    return first


def _check_members(argument: str, given: Any, log_probs: Mapping[str, np.ndarray]) -> None:
    if not isinstance(given, Mapping):
        raise TtscaleError(argument, expected="one entry per member", got=repr(given), fix="Give a dict.")
    for name in given:
        if name not in log_probs:
            raise unknown_name(argument, name, log_probs)


def image_draws(
    item_ids: Sequence[str] | np.ndarray, member: str, variants: Sequence[str], flops: np.ndarray
) -> pa.Table:
    """A row (columns of ``schema.DRAWS``) for each item and variant of a member; ``flops [variant]`` of a draw."""
    n, v = len(item_ids), len(variants)
    word = DRAWS.field("member").type
    columns = {
        "item_id": pa.array(np.repeat(np.asarray(item_ids, dtype=object), v), pa.string()),
        "member": pa.DictionaryArray.from_arrays(np.zeros(n * v, np.int32), [member]).cast(word),
        "variant": pa.DictionaryArray.from_arrays(np.tile(np.arange(v, dtype=np.int32), n), list(variants)).cast(word),
        "sample": pa.array(np.zeros(n * v, np.int32)),
        "row": pa.array(np.repeat(np.arange(n), v)),
        "flops": pa.array(np.tile(np.asarray(flops, dtype=np.float64), n)),
    }
    return filled(columns, DRAWS)
