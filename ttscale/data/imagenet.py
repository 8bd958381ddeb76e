"""The class lists of ImageNet-1k and its relatives, as timm holds them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any


@functools.cache
def imagenet_classes(subset: str = "imagenet-1k") -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(WordNet ids, names), in class-index order; ImageNet-1k starts with ``n01440764``, ``tench, Tinca tinca``."""
    from timm.data import ImageNetInfo

    info = ImageNetInfo(subset)
    ids = tuple(info.label_names())
    return ids, tuple(info.label_name_to_description(wordnet_id) for wordnet_id in ids)


def names_of_config(pretrained_config: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Class names for a timm pretrained config: its own, or those of the ImageNet subset with its number of classes."""
    if not pretrained_config:
        return None
    from timm.data import infer_imagenet_subset

    if own := pretrained_config.get("label_names"):
        described = pretrained_config.get("label_descriptions") or {}
        return tuple(described.get(name, name) for name in own)
    subset = infer_imagenet_subset(dict(pretrained_config))
    return None if subset is None else imagenet_classes(subset)[1]
