"""The layout of a Records folder: schema version, manifest, and the columns of its tables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import pyarrow as pa

SCHEMA_VERSION = 4
# 1 knew vision only, and 2 as many draws of every item; what they lack has a default. 3 had log-probabilities as
# numbers only, and a table of the draws of images.
READABLE = (1, 2, 3, 4)
KIND = "ttscale-records"
IMPORTED = "import:"  # begins the spec of a member of which only samples are known
DERIVED = -2  # the block number of tables that can be derived again from the draws

_WORD = pa.dictionary(pa.int32(), pa.string())

ITEMS = pa.schema(
    [
        ("item_id", pa.string()), ("label", pa.int64()), ("class_name", _WORD), ("cluster", _WORD), ("family", _WORD),
        ("gold", pa.string()), ("question", pa.string()),
    ]
)  # fmt: skip

# One row a draw of language. The draws of images are told by their place in the log-prob shards, and what they cost is
# in COSTS (older versions have rows of them too, with their `row` in the shard). Where an item has fewer samples than
# others, the rows of those that it lacks say False in `drawn`, which is else null.
DRAWS = pa.schema(
    [
        ("item_id", pa.string()), ("member", _WORD), ("variant", _WORD), ("decode_id", _WORD), ("sample", pa.int32()),
        ("cost_group", _WORD), ("row", pa.int64()), ("text", pa.string()), ("n_tokens", pa.int32()),
        ("sum_logprob", pa.float64()), ("mean_logprob", pa.float64()), ("self_certainty", pa.float64()),
        ("finish_reason", _WORD), ("flops", pa.float64()), ("drawn", pa.bool_()),
    ]
)  # fmt: skip

# Costs. Scope `draw`: of one draw of an image, of a member's `variant`. Those of a group of draws are paid once. Scope
# `forward`: of a member at a shape (key `member@shape`, or `member@token`);
# `prompt`: the prefill of an item's own part of a prompt, after the beginning that it shares, whose key is `prefix`;
# `prefix`: the prefill of a shared beginning (key: its name). `tokens` are those that were prefilled.
COSTS = pa.schema(
    [
        ("scope", _WORD), ("key", pa.string()), ("flops", pa.float64()), ("bytes", pa.float64()), ("member", _WORD),
        ("variant", _WORD), ("item_id", pa.string()), ("prefix", _WORD), ("tokens", pa.int64()),
    ]
)  # fmt: skip

# One row a draw, item by item, under one extractor and checker. Equal answers of an item have one `answer_id`.
GRADES = pa.schema(
    [
        ("item_id", pa.string()), ("member", _WORD), ("variant", _WORD), ("decode_id", _WORD), ("sample", pa.int32()),
        ("answer", pa.string()), ("answer_id", pa.int32()), ("correct", pa.bool_()),
    ]
)  # fmt: skip

# One row a draw, item by item, of one verifier.
SCORES = pa.schema(
    [
        ("item_id", pa.string()), ("member", _WORD), ("variant", _WORD), ("decode_id", _WORD), ("sample", pa.int32()),
        ("score", pa.float64()), ("flops", pa.float64()),
    ]
)  # fmt: skip


def nan_if_none(value: float | None) -> float:
    """An unknown number: null on disk, NaN in memory."""
    return math.nan if value is None else value


def filled(columns: Mapping[str, Any], schema: pa.Schema) -> pa.Table:
    """A table of this schema; columns that are not given are null throughout."""
    rows = len(next(iter(columns.values())))
    arrays = [columns.get(f.name, pa.nulls(rows, f.type)) for f in schema]
    return pa.table([a.cast(f.type) if isinstance(a, pa.Array) else a for a, f in zip(arrays, schema, strict=True)],
                    schema=schema)  # fmt: skip


@dataclass(frozen=True)
class Member:
    """One model of a run.

    Attributes:
        name, spec, fingerprint: its name in Records, what ``load_model`` takes, and the SHA-256 of its weights.
        flops: of one plain forward: of one view, or of one token of a language model without its context (1
            multiply-add = 2 FLOPs); NaN when unknown.
        flops_source: ``"counter"``, ``"analytic"``, ``"given"`` or ``"unknown"``.
        bytes: moved by one forward of one item, estimated.
        uncounted: operators that ``flops`` does not hold, with their number of calls.
        card: facts such as ``train_flops``, ``family``, ``size``, ``seed``; an absent key is unknown.
        class_order: of a classifier, position in its own output of each class of the Records; empty where the order is
            its own; None where it is unknown (Records of an older version).
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
    class_order: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Shard:
    """One file: ``log_probs``, ``draws`` or ``costs`` of one member and block of items, or a table of the whole run: of
    the items and costs (block −1), or of ``grades``, ``scores`` and ``profiles``, which can be made again (block −2).

    ``log_probs`` are an array ``[item, variant, class]`` of float32 or float16, or of uint8: codes of
    :mod:`ttscale.records.codes`. ``flipped`` counts the draws whose most likely class changed in rounding to the stored
    type (0 for float32).
    """

    path: str
    kind: str
    member: str
    block: int
    rows: int
    sha256: str
    flipped: int = 0


_MAY_BE_UNKNOWN = ("flops", "bytes")
_SINCE_VERSION_1 = ("outcome", "decodings", "prefill", "prompting", "generation", "grader")
_SINCE_VERSION_2 = ("answers_known", "texts_known", "equal_draws")


@dataclass(frozen=True)
class Manifest:
    """What a Records folder holds and how it came about.

    Attributes:
        config: everything that decides the outcomes; a resumed run must have the same.
        dataset: name, number of items asked for, and a digest of ids and labels.
        skipped_items: item_id, reason and block of each unreadable item that was left out.
        complete: False while blocks are missing.
        outcome: ``"log_probs"`` (vision) or ``"text"`` (language); the attributes after it are those of text.
        decodings: per decoding its ``id``, its settings (see :class:`ttscale.draws.sampling.Decoding`) and ``samples``.
        prefill: ``"shared"`` charges the prefill of a prompt once, ``"per_sample"`` with every sample.
        prompting: how prompts are made and answers read: what :func:`ttscale.wrap` needs to ask new questions.
        generation: per member, the settings of its generator that can change an outcome.
        grader: id of the grades that count, among those in ``grades/``.
        answers_known: False where only right and wrong are known of the draws (see ``Graded.answers_known``).
        texts_known: False where nobody kept what was generated.
        equal_draws: False where items or members have different numbers of samples (see ``Graded.drawn``).
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
    outcome: str = "log_probs"
    decodings: tuple[Mapping[str, Any], ...] = ()
    prefill: str = "shared"
    prompting: Mapping[str, Any] | None = None
    generation: Mapping[str, Any] | None = None
    grader: str | None = None
    answers_known: bool = True
    texts_known: bool = True
    equal_draws: bool = True
    schema_version: int = SCHEMA_VERSION
    kind: str = KIND

    @property
    def flipped_draws(self) -> int:
        """Draws whose most likely class changed in rounding to the stored type."""
        return sum(shard.flipped for shard in self.shards)

    def to_json(self) -> dict[str, Any]:
        """JSON-ready; a member's unknown costs (NaN) are null there."""
        value = asdict(self)
        for member in value["members"]:
            member.update({name: None for name in _MAY_BE_UNKNOWN if math.isnan(member[name])})
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Manifest:
        """The manifest of a parsed ``manifest.json``; KeyError or TypeError when it is not one."""
        if value["schema_version"] < SCHEMA_VERSION:
            later = (*_SINCE_VERSION_1, *_SINCE_VERSION_2)
            value = {**{f.name: f.default for f in fields(cls) if f.name in later}, **value}
        known = {f.name: value[f.name] for f in fields(cls)}
        known["members"] = tuple(_member(member) for member in value["members"])
        known["shards"] = tuple(Shard(**shard) for shard in value["shards"])
        known["variants"] = tuple(value["variants"])
        known["decodings"] = tuple(known["decodings"])
        known["skipped_items"] = tuple(value["skipped_items"])
        known["class_names"] = None if value["class_names"] is None else tuple(value["class_names"])
        return cls(**known)


def _member(value: Mapping[str, Any]) -> Member:
    unknown = {name: math.nan for name in _MAY_BE_UNKNOWN if value[name] is None}
    order = value.get("class_order")
    return Member(**{
        **value, **unknown, "input_size": tuple(value["input_size"]),
        "class_order": None if order is None else tuple(map(int, order)),
    })  # fmt: skip
