"""The layout of a Records folder: schema version, manifest, and the columns of its tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import pyarrow as pa

SCHEMA_VERSION = 1
KIND = "ttscale-records"

_WORD = pa.dictionary(pa.int32(), pa.string())

ITEMS = pa.schema(
    [("item_id", pa.string()), ("label", pa.int64()), ("class_name", _WORD), ("cluster", _WORD), ("family", _WORD)]
)

# One row a draw. Vision fills `row` (its row in the log-prob shard); language fills text and the columns after it.
DRAWS = pa.schema(
    [
        ("item_id", pa.string()), ("member", _WORD), ("variant", _WORD), ("decode_id", _WORD), ("sample", pa.int32()),
        ("cost_group", _WORD), ("row", pa.int64()), ("text", pa.string()), ("n_tokens", pa.int32()),
        ("sum_logprob", pa.float64()), ("mean_logprob", pa.float64()), ("self_certainty", pa.float64()),
        ("finish_reason", _WORD), ("flops", pa.float64()),
    ]
)  # fmt: skip

COSTS = pa.schema([("scope", _WORD), ("key", pa.string()), ("flops", pa.float64()), ("bytes", pa.float64())])


@dataclass(frozen=True)
class Member:
    """One model of a run.

    Attributes:
        name, spec, fingerprint: its name in Records, what ``load_model`` takes, and the SHA-256 of its weights.
        flops: of one plain decision (1 multiply-add = 2 FLOPs); NaN when unknown.
        flops_source: ``"counter"`` or ``"analytic"``.
        bytes: moved by one forward of one item, estimated.
        uncounted: operators that ``flops`` does not hold, with their number of calls.
        card: facts such as ``train_flops``, ``family``, ``size``, ``seed``; an absent key is unknown.
    """

    name: str
    spec: str
    fingerprint: str
    flops: float
    flops_source: str
    bytes: float
    uncounted: Mapping[str, int]
    input_size: tuple[int, ...]
    n_params: int
    card: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Shard:
    """One file: ``log_probs`` or ``draws`` of one member and block of items, or a table of the whole run (block −1).

    ``flipped`` counts the draws whose most likely class changed in rounding to the stored type (0 for float32).
    """

    path: str
    kind: str
    member: str
    block: int
    rows: int
    sha256: str
    flipped: int = 0


@dataclass(frozen=True)
class Manifest:
    """What a Records folder holds and how it came about.

    Attributes:
        config: everything that decides the outcomes; a resumed run must have the same.
        dataset: name, number of items asked for, and a digest of ids and labels.
        skipped_items: item_id, reason and block of each unreadable item that was left out.
        complete: False while blocks are missing.
    """

    seed: int
    config: Mapping[str, Any]
    versions: Mapping[str, str]
    device: str
    dataset: Mapping[str, Any]
    n_classes: int
    class_names: tuple[str, ...] | None
    variants: tuple[str, ...]
    members: tuple[Member, ...]
    n_blocks: int
    shards: tuple[Shard, ...] = ()
    skipped_items: tuple[Mapping[str, Any], ...] = ()
    complete: bool = False
    command: str | None = None
    schema_version: int = SCHEMA_VERSION
    kind: str = KIND

    @property
    def flipped_draws(self) -> int:
        """Draws whose most likely class changed in rounding to the stored type."""
        return sum(shard.flipped for shard in self.shards)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Manifest:
        """The manifest of a parsed ``manifest.json``; KeyError or TypeError when it is not one."""
        known = {f.name: value[f.name] for f in fields(cls)}
        known["members"] = tuple(Member(**{**m, "input_size": tuple(m["input_size"])}) for m in value["members"])
        known["shards"] = tuple(Shard(**shard) for shard in value["shards"])
        known["variants"] = tuple(value["variants"])
        known["skipped_items"] = tuple(value["skipped_items"])
        known["class_names"] = None if value["class_names"] is None else tuple(value["class_names"])
        return cls(**known)
