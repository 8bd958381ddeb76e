"""The cheapest strategy for a target: chosen on one half of the items, scored on the other, kept as a file."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.records.files import write_json
from ttscale.records.graded import TextDraw
from ttscale.records.records import Records
from ttscale.records.schema import Member
from ttscale.scaling.at_hand import AtHand
from ttscale.scaling.bootstrap import check_bootstrap
from ttscale.scaling.bounds import Table, joint_tables, table_on
from ttscale.scaling.candidates import candidates, plan_votes
from ttscale.scaling.checks import check_costs, check_records
from ttscale.scaling.curves import Curve, accuracy_curve
from ttscale.scaling.halves import first_half
from ttscale.scaling.interval import check_level
from ttscale.scaling.learned import planned_curve
from ttscale.scaling.learners import BY_LIKELIHOOD, Selection
from ttscale.scaling.policies import planned_curves
from ttscale.scaling.strategy import Draw
from ttscale.scaling.words import flops_words, option_words
from ttscale.voting.votes import AUTO, get_vote
from ttscale.voting.weighting import Weighting, check_weighting

SCHEMA_VERSION = 1
KIND = "ttscale-plan"
_COSTS = ("flops", "flops_worst", "multiplier")  # NaN for a served model of unknown size
_UNTIL_LEARNED = 0.5  # of the time that a plan takes, roughly


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
        flops, flops_worst: mean and largest cost per item, as in :class:`~ttscale.scaling.curves.Curve`: the largest
            is what a first, single request may cost; NaN where unknown. multiplier: in plain decisions
            (``unit``) of ``reference_member``. tokens: of text, mean tokens generated per item.
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


def plan(
    records: Records,
    *,
    min_accuracy: float | None = None,
    max_flops: float | None = None,
    confidence: float = 0.95,
    votes: Sequence[str] | str = AUTO,
    learn: bool = True,
    objective: str = BY_LIKELIHOOD.objective,
    replacement: bool = BY_LIKELIHOOD.replacement,
    n_boot: int = 1000,
    seed: int = 0,
    on_progress: Callable[[float], None] = lambda share: None,
    at_hand: AtHand | None = None,
) -> Plan:
    """The cheapest way to reach an accuracy, or the most accurate way within a cost.

    All strategies of :func:`ttscale.scaling.candidates.candidates` at all budgets are compared on one half of the items
    (keyed by ``seed``; clusters are kept whole), and strategies that this half itself taught, cross-fitted within it
    (see :mod:`ttscale.scaling.crossed`): of images orders and weights of the draws (:mod:`ttscale.scaling.learners`),
    of text from several members their ensemble with learned shares (:mod:`ttscale.scaling.learned`). For
    ``min_accuracy`` the cheapest whose one-sided lower bound reaches it is taken; for ``max_flops`` the most accurate
    that costs no more (the cheapest of equals). The bounds hold for all candidates at once (max-t bootstrap, Romano and
    Wolf 2005, "Exact and approximate stepdown methods for multiple hypothesis testing"), so that looking at many of
    them does not let a lucky one through. The accuracy to quote is the one on the other half, which took no part in the
    choice.

    Args:
        records: with known costs; where a served language model's FLOPs are not known, the cheapest is the one that
            generates the fewest tokens, and ``max_flops`` is refused.
        min_accuracy: fraction in (0, 1). max_flops: per item. Exactly one of them.
        confidence: of the one-sided bound, and level of the intervals.
        votes: to consider; ``"auto"`` is mean and log_mean, of text the plurality and the weighted votes whose scores
            are known.
        learn: whether to consider learned strategies, under the first of the votes.
        objective, replacement: of images, how orders are learned: see :class:`ttscale.scaling.learners.Selection`.
        n_boot, seed: of the bootstrap and of the halves.
        on_progress: told the share of the work that is done, in [0, 1].
        at_hand: what is known already of these Records under the same options, so that it is not computed again.

    Raises:
        TtscaleError: not exactly one target, one out of range or out of reach (the best at hand is named), unknown
            votes or costs, too few items to halve.
    """
    check_records(records)
    check_target(min_accuracy, max_flops)
    level = check_level(confidence, "confidence")
    selection, at_hand = Selection(objective, replacement), AtHand() if at_hand is None else at_hand
    if records.outcome != "text" or max_flops is not None:
        check_costs(records)
    check_bootstrap(n_boot, level, records.n_items, seed)
    first = first_half(records.item_ids, records.clusters, seed=seed)
    strategies = candidates(records, votes=plan_votes(records) if votes == AUTO else votes)
    total = sum(len(strategy.draws) for strategy in strategies)
    until = _UNTIL_LEARNED if learn else 1.0
    curves: list[Curve] = []
    for strategy in strategies:
        curves.append(at_hand.curve(strategy) or accuracy_curve(records, strategy, ci=level, n_boot=n_boot, seed=seed))
        on_progress(until * sum(len(curve.budgets) for curve in curves) / total)
    if learn:
        settings: dict[str, Any] = {"vote": strategies[0].vote, "level": level, "n_boot": n_boot, "seed": seed}
        if records.outcome != "text":
            curves += planned_curves(
                records, first, selection=selection, known=at_hand.learned, on_progress=_rest(on_progress, until),
                **settings,
            )  # fmt: skip
        elif (shared := planned_curve(records, first, **settings)) is not None:
            curves.append(shared)
        on_progress(1.0)
    return choose(records, curves, first, min_accuracy=min_accuracy, max_flops=max_flops, n_boot=n_boot, seed=seed)


def _rest(on_progress: Callable[[float], None], start: float) -> Callable[[float], None]:
    return lambda share: on_progress(start + (1 - start) * share)


def choose(
    records: Records, curves: Sequence[Curve], first: np.ndarray, *, min_accuracy: float | None = None,
    max_flops: float | None = None, n_boot: int, seed: int,
) -> Plan:  # fmt: skip
    """Choose among curves of single strategies on the items where ``first`` holds, and score on the others."""
    level = curves[0].level
    tables = joint_tables(curves, first, level, n_boot, seed)
    points = [(i, row) for i, curve in enumerate(curves) for row in range(len(curve.budgets))]
    accuracy = np.array([tables[i][0][row] for i, row in points])
    bound = np.array([tables[i][3][row] for i, row in points])
    flops = np.array([cost[row] for cost in _costs(curves) for row in range(len(cost))])
    if min_accuracy is not None:
        good = bound >= min_accuracy
        keys = (-accuracy, flops)
    else:
        good = flops <= max_flops
        keys = (flops, -accuracy)
    if not good.any():
        best = int(np.argmax(bound)) if min_accuracy is not None else int(np.argmin(flops))
        i, row = points[best]
        raise _out_of_reach(curves[i], row, float(accuracy[best]), float(bound[best]), level, min_accuracy, max_flops)
    order = np.lexsort(keys)
    i, row = points[int(order[good[order]][0])]
    target = {"min_accuracy": float(min_accuracy)} if min_accuracy is not None else {"max_flops": float(max_flops or 0)}
    return _plan(
        records, curves[i], row, first, tables[i], seed=seed, n_boot=n_boot, n_candidates=len(points), target=target
    )


def _costs(curves: Sequence[Curve]) -> list[np.ndarray]:
    """What makes a budget cheap: its FLOPs, or where these are not known everywhere the tokens that it generates."""
    if all(np.isfinite(curve.flops).all() for curve in curves):
        return [curve.flops for curve in curves]
    return [curve.flops if curve.tokens is None else curve.tokens for curve in curves]


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
            **{name: _tuples(value.get(name)) for name in ("weights", "temperatures")},
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


def _plan(
    records: Records, curve: Curve, row: int, first: np.ndarray, chosen: Table, *, seed: int,
    n_boot: int, n_candidates: int, target: Mapping[str, float],
) -> Plan:  # fmt: skip
    strategy = curve.strategy
    assert strategy is not None  # plan() makes curves of single strategies only
    scored, _ = table_on(curve, ~first, curve.level, n_boot, seed)
    k = int(curve.budgets[row])
    draws = strategy.draws[:k]
    used = [records.member(name) for name in dict.fromkeys(draw[0] for draw in draws)]
    asked = {draw.decoding for draw in draws if isinstance(draw, TextDraw)}
    counted = strategy.weightings.get(k, Weighting())
    halves = [
        Half(int(items.sum()), *(float(part[row]) for part in table))
        for items, table in ((first, chosen), (~first, scored))
    ]
    return Plan(
        strategy=strategy.name, kind=strategy.kind, vote=strategy.vote, draws=draws, k=k,
        members=tuple(_used(member) for member in used),
        seed=int(records.manifest.seed), target=target, confidence=curve.level, chosen_on=halves[0],
        scored_on=halves[1], optimism=halves[0].accuracy - halves[1].accuracy, flops=float(curve.flops[row]),
        flops_worst=float(curve.flops_worst[row]), multiplier=float(curve.multiplier[row]),
        reference_member=curve.reference_member, n_candidates=n_candidates, unit=curve.unit,
        tokens=None if curve.tokens is None else float(curve.tokens[row]), outcome=records.outcome,
        decodings=tuple(one for one in records.manifest.decodings if one["id"] in asked),
        prompting=records.manifest.prompting, prefill=records.manifest.prefill,
        weights=_tuples(counted.weights), temperatures=_tuples(counted.temperatures),
        temperature=None if counted.temperature == 1 else float(counted.temperature),
        class_names=records.class_names,
    )  # fmt: skip


def _used(member: Member) -> dict[str, Any]:
    """What a plan says of a member."""
    order = {} if member.class_order is None else {"class_order": member.class_order}
    return {"name": member.name, "spec": member.spec, "fingerprint": member.fingerprint} | order


def _member(value: Mapping[str, Any]) -> dict[str, Any]:
    """A member as :func:`_used` gives it, from a file."""
    order = value.get("class_order")
    return {key: str(value[key]) for key in ("name", "spec", "fingerprint")} | (
        {} if order is None else {"class_order": tuple(map(int, order))}
    )


def _tuples(values: Any) -> Any:
    """An array, or lists from a file, as tuples of numbers; None stays."""
    if values is None:
        return None
    listed = np.asarray(values, dtype=np.float64).tolist()
    return tuple(tuple(row) if isinstance(row, list) else row for row in listed)


def _lists(values: Any) -> Any:
    """Tuples as lists; None stays."""
    return None if values is None else [list(row) if isinstance(row, tuple) else row for row in values]


def check_target(min_accuracy: float | None, max_flops: float | None) -> None:
    if (min_accuracy is None) == (max_flops is None):
        raise TtscaleError(
            "min_accuracy, max_flops", expected="exactly one of them", got=f"{min_accuracy!r} and {max_flops!r}",
            fix="Give the accuracy to reach, or the cost to stay within.",
        )  # fmt: skip
    target = min_accuracy if min_accuracy is not None else max_flops
    number = isinstance(target, (int, float)) and not isinstance(target, bool)
    if min_accuracy is not None and not (number and 0 < min_accuracy < 1):
        percent = number and 1 < min_accuracy <= 100
        raise TtscaleError(
            "min_accuracy", expected="a fraction strictly between 0 and 1", got=repr(min_accuracy),
            fix=f"Give {min_accuracy / 100:g} for {min_accuracy:g} %." if percent else "Give for example 0.8.",
        )  # fmt: skip
    if max_flops is not None and not (number and 0 < max_flops < math.inf):
        raise TtscaleError("max_flops", expected="a positive number", got=repr(max_flops), fix="Give FLOPs per item.")


def _out_of_reach(
    curve: Curve, row: int, accuracy: float, bound: float, level: float, min_accuracy: float | None,
    max_flops: float | None,
) -> TtscaleError:  # fmt: skip
    words = option_words(curve, int(curve.budgets[row]))
    cost = flops_words(float(curve.flops[row]))
    if min_accuracy is None:
        return TtscaleError(
            "max_flops", expected=f"at least the cheapest decision: {cost} ({words})", got=flops_words(max_flops or 0),
            fix="Allow more, or collect a cheaper member.",
        )  # fmt: skip
    return TtscaleError(
        "min_accuracy", expected=f"a target that a strategy at hand reaches with {100 * level:g}% confidence",
        got=f"{min_accuracy:g}; the best lower bound is {bound:.4f} (accuracy {accuracy:.4f}, {words}, {cost})",
        fix=(f"Ask for at most {math.floor(bound * 1000) / 1000:g}, or c" if bound >= 0.001 else "C")
        + "ollect more draws, members or items.",
    )  # fmt: skip


def _damaged(file: Path, what: str) -> TtscaleError:
    return TtscaleError(
        "plan", expected="a whole plan.json", got=f"{file}, which holds {what}", fix="Make the plan again."
    )
