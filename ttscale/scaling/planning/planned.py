"""A plan: a strategy to deploy with what it is expected to reach and cost, kept as ``plan.json``."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.records.files import write_json
from ttscale.records.graded import TextDraw
from ttscale.records.schema import IMPORTED
from ttscale.scaling.strategy import Draw
from ttscale.voting.votes import AUTO, get_vote
from ttscale.voting.weighting import Weighting, check_weighting

SCHEMA_VERSION = 1
KIND = "ttscale-plan"
_COSTS = ("flops", "flops_worst", "multiplier")  # NaN for a served model of unknown size


@dataclass(frozen=True)
class Half:
    """Accuracy on one half of the items: two-sided interval, and the one-sided lower bound at the same confidence.

    On the half that chose, the lower bound holds for all candidates at once.
    """

    n_items: int
    accuracy: float
    low: float
    high: float
    lower_bound: float


@dataclass(frozen=True)
class Plan:
    """A strategy to deploy, with what it is expected to reach and cost. ``wrap`` runs it.

    Attributes:
        strategy, kind, vote: of the strategy; ``draws``: its first k, in order: (member, variant) of images, (member,
            variant, decoding, sample) of text.
        k: draws per item.
        members: name, spec and fingerprint of each member used, in order of first use; of images ``class_order`` too,
            as in :class:`~ttscale.records.schema.Member`.
        seed: of the Records; it keys the views and breaks the ties.
        target: ``{"min_accuracy": a}`` or ``{"max_flops": f}``.
        confidence: of the bounds and intervals.
        chosen_on, scored_on: accuracy on the half that chose, and on the half that did not. Quote the second.
        optimism: accuracy on the first minus accuracy on the second.
        flops, flops_worst: mean and largest cost per item, as in :class:`~ttscale.scaling.curves.curve.Curve`: the
            largest is what a first, single request may cost; NaN where unknown. multiplier: in plain decisions
            (``unit``) of ``reference_member``. tokens: of text, mean tokens generated per item; None where unknown.
        outcome: ``"log_probs"`` or ``"text"``. decodings, prompting: of text, how to ask, as in the Records' manifest.
        prefill: of text, what ``flops`` charges a prompt: ``"shared"`` once, ``"per_sample"`` with every sample.
        ties: ``"keyed"``: a tie is broken by the item's own uniform.
        weights, temperatures, temperature: of images, how much each draw counts (``[draw]``, or ``[draw][class]``),
            what its log-probabilities are divided by, and those of the vote; None where all count alike and as they
            are. See :class:`~ttscale.voting.weighting.Weighting`.
        class_names: of images, in the order of the classes in the Records; None when unknown.
        n_candidates: how many (strategy, budget) pairs were considered.
    """

    strategy: str
    kind: str
    vote: str
    draws: tuple[Draw, ...]
    k: int
    members: tuple[Mapping[str, Any], ...]
    seed: int
    target: Mapping[str, float]
    confidence: float
    chosen_on: Half
    scored_on: Half
    optimism: float
    flops: float
    flops_worst: float
    multiplier: float
    reference_member: str
    n_candidates: int
    unit: str = "one view"
    tokens: float | None = None
    outcome: str = "log_probs"
    decodings: tuple[Mapping[str, Any], ...] = ()
    prompting: Mapping[str, Any] | None = None
    prefill: str = "shared"
    ties: str = "keyed"
    weights: tuple[float, ...] | tuple[tuple[float, ...], ...] | None = None
    temperatures: tuple[float, ...] | None = None
    temperature: float | None = None
    class_names: tuple[str, ...] | None = None
    schema_version: int = SCHEMA_VERSION

    @property
    def imported(self) -> tuple[str, ...]:
        """Its members of which only samples were imported, so that nothing here can run them."""
        return tuple(member["name"] for member in self.members if member["spec"].startswith(IMPORTED))

    @property
    def weighting(self) -> Weighting | None:
        """What the vote merges with; None where there are neither weights nor temperatures."""
        if self.weights is None and self.temperatures is None and self.temperature is None:
            return None
        weights, temperatures = (
            None if given is None else np.array(given, dtype=np.float64) for given in (self.weights, self.temperatures)
        )
        return Weighting(weights, temperatures, 1.0 if self.temperature is None else self.temperature)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready, as :meth:`save` writes it; a cost that is not known is None."""
        value = {"kind_of_file": KIND, **asdict(self)}
        value |= {name: None for name in _COSTS if math.isnan(value[name])}
        return {
            **value, "draws": [list(draw) for draw in self.draws],
            "members": [{key: list(v) if isinstance(v, tuple) else v for key, v in m.items()} for m in self.members],
            "decodings": [dict(decoding) for decoding in self.decodings],
            **{name: _lists(value[name]) for name in ("weights", "temperatures", "class_names")},
        }  # fmt: skip

    def save(self, path: str | Path) -> Path:
        """Write ``plan.json`` (to a temporary name, then renamed); returns its path.

        Args:
            path: the file, or a folder to hold ``plan.json``.

        Raises:
            TtscaleError: no path. OSError: a place that cannot be written to.
        """
        file = _plan_file(path)
        write_json(file, self.as_dict())
        return file


def load_plan(path: str | Path) -> Plan:
    """Read a ``plan.json`` (or the one in a folder).

    Raises:
        TtscaleError: no path, no such file, not a plan, another schema version, or damaged.
    """
    file = _plan_file(path)
    if not file.is_file():
        raise TtscaleError(
            "plan", expected="a plan.json", got=str(file), fix="Make one with ttscale.plan(...).save(path)."
        )
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise _damaged(file, "no JSON") from error
    if not isinstance(value, dict) or value.pop("kind_of_file", None) != KIND:
        raise _damaged(file, "something else")
    if value.get("schema_version") != SCHEMA_VERSION:
        raise TtscaleError(
            "plan", expected=f"schema version {SCHEMA_VERSION}", got=f"{value.get('schema_version')!r} in {file}",
            fix="Make the plan again with this version of ttscale.",
        )  # fmt: skip
    try:
        loaded = Plan(**{
            **value,
            **{name: math.nan for name in _COSTS if value[name] is None},
            "draws": tuple(_draw(draw, value.get("outcome")) for draw in value["draws"]),
            "decodings": tuple(value.get("decodings", ())),
            **{name: as_tuples(value.get(name)) for name in ("weights", "temperatures")},
            "class_names": None if value.get("class_names") is None else tuple(map(str, value["class_names"])),
            "members": tuple(_member(member) for member in value["members"]),
            "chosen_on": Half(**value["chosen_on"]),
            "scored_on": Half(**value["scored_on"]),
        })  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(file, f"a plan with a missing or wrong part ({error})") from error
    _check_loaded(loaded, file)
    return loaded


def _draw(parts: Sequence[Any], outcome: str | None) -> Draw:
    if outcome == "text":
        member, variant, decoding, sample = parts
        return TextDraw(str(member), str(variant), str(decoding), int(sample))
    member, variant = parts
    return str(member), str(variant)


def _plan_file(path: object) -> Path:
    if not isinstance(path, (str, os.PathLike)):
        raise TtscaleError("path", expected="a path", got=repr(path), fix='Give for example "plan.json".')
    file = Path(path)
    return file / "plan.json" if file.is_dir() else file


def _check_loaded(loaded: Plan, file: Path) -> None:
    floats = [f.name for f in fields(Plan) if f.type == "float"]
    numbers = [name for name in floats if not isinstance(getattr(loaded, name), (int, float))]
    if numbers or not isinstance(loaded.seed, int) or not isinstance(loaded.k, int):
        raise _damaged(file, f"text where a number belongs ({', '.join(numbers) or 'k or seed'})")
    if not _known_vote(loaded) or loaded.k != len(loaded.draws) or not loaded.draws:
        raise _damaged(file, f"{len(loaded.draws)} draws for k = {loaded.k} under the vote {loaded.vote!r}")
    if {draw[0] for draw in loaded.draws} != {member["name"] for member in loaded.members}:
        raise _damaged(file, "draws of members that it does not list")
    if (weighting := loaded.weighting) is not None:
        try:
            check_weighting(weighting, loaded.k, None if loaded.class_names is None else len(loaded.class_names))
        except (TtscaleError, TypeError, ValueError) as error:
            raise _damaged(file, f"weights or temperatures that are none ({error})") from error


def _known_vote(loaded: Plan) -> bool:
    try:
        return loaded.vote != AUTO and get_vote(loaded.vote, loaded.outcome).name == loaded.vote
    except (TtscaleError, KeyError):
        return False


def _member(value: Mapping[str, Any]) -> dict[str, Any]:
    """A member as a plan holds it, from a file."""
    order = value.get("class_order")
    return {key: str(value[key]) for key in ("name", "spec", "fingerprint")} | (
        {} if order is None else {"class_order": tuple(map(int, order))}
    )


def as_tuples(values: Any) -> Any:
    """An array, or lists from a file, as tuples of numbers; None stays."""
    if values is None:
        return None
    listed = np.asarray(values, dtype=np.float64).tolist()
    return tuple(tuple(row) if isinstance(row, list) else row for row in listed)


def _lists(values: Any) -> Any:
    """Tuples as lists; None stays."""
    return None if values is None else [list(row) if isinstance(row, tuple) else row for row in values]


def _damaged(file: Path, what: str) -> TtscaleError:
    return TtscaleError(
        "plan", expected="a whole plan.json", got=f"{file}, which holds {what}", fix="Make the plan again."
    )
