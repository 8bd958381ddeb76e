"""A tradeoff as one JSON-ready dictionary: all that its page shows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np

from ttscale.scaling.intervals.interval import Interval
from ttscale.scaling.planning.options import Option
from ttscale.scaling.summaries.entries import json_ready
from ttscale.scaling.summaries.tradeoff_words import headline
from ttscale.scaling.summaries.words import kind_words
from ttscale.scaling.surfaces.fit import SurfaceFit
from ttscale.scaling.surfaces.quantity import error_of
from ttscale.scaling.tradeoff.answers import Answers
from ttscale.scaling.tradeoff.axes import AXES
from ttscale.scaling.tradeoff.beside import Beside, Laid
from ttscale.scaling.tradeoff.contours import Contour, contours
from ttscale.scaling.tradeoff.crossing import training_replaced
from ttscale.scaling.tradeoff.entrants import Entrants
from ttscale.scaling.tradeoff.ladder import Rung
from ttscale.scaling.tradeoff.left_out import left_out
from ttscale.scaling.tradeoff.measured_lives import Lives, lives
from ttscale.scaling.tradeoff.tradeoff import Tradeoff

SCHEMA_VERSION = 1
KIND = "ttscale-tradeoff"
_TARGETS = 3
_APART = 1.05  # times: errors nearer to each other are told once
_DIGITS = 8
_BEYOND = 2.0  # times outside of what was measured: how far lines are carried on, dashed
_TRAINING = {"train_flops": "training FLOPs", "n_params": "parameters, since training FLOPs are not known of all"}
_CONVENTIONS = {
    "flops": "1 multiply-add = 2 FLOPs; test FLOPs are per item, of the draws used",
    "training": (
        "training FLOPs are those of the members' cards, forward and backward passes of every step; an ensemble counts "
        "every member, a rival all that went into it"
    ),
    "data": (
        "different items and epochs are axes of their own: along one the other is held fixed; of text, tokens of which "
        "each was seen equally often"
    ),
    "intervals": (
        "over items; the joint laws, and the matched verdicts between rungs, add the noise of training where some rung "
        "has several seeds; they are not adjusted for the number of comparisons"
    ),
    "choices": "what is best at a budget is chosen on nine tenths of the items and scored on the tenth that is left",
    "front": "the points of the Pareto front were chosen on the items that score them, and look better than they are",
    "laws": (
        "the joint law is the one of least error in cells left out at the ends of the grid (whole sizes, amounts of "
        "data and training budgets); lines of equal error and lifetimes are its answers within what was measured, and "
        "dashed lines up to twice outside of it"
    ),
}


def tradeoff_summary(
    found: Tradeoff, *, reference: Beside | None = None, errors: Sequence[float] | None = None
) -> dict[str, Any]:
    """All of a tradeoff.

    Args:
        reference: its options beside published models.
        errors: targets of the measured options' lives; None: those of the lifetimes, or else the errors of the rungs.
    """
    entrants = Entrants.of(found.ladder, found.rivals, found.options)
    targets = _targets(found) if errors is None else errors
    names = {rung.name for rung in found.ladder}
    summary = {
        "schema_version": SCHEMA_VERSION, "kind": KIND, "text": headline(found), "run": _run(found),
        "axis": found.axis, "axis_words": _TRAINING[found.axis], "plain": found.options[0].curve.unit,
        "ladder": [_rung(rung) for rung in found.ladder], "rivals": [_rung(rung) for rung in found.rivals],
        "curves": [_curve(option) for option in found.options if option.rung in names],
        "front": as_rows(found.front), "matched": as_rows(found.matched), "verdicts": as_rows(found.verdicts),
        "exchange": as_rows(found.exchange), "laws": [_answers(one) for one in found.laws],
        "lives": [_lives(one) for error in targets if (one := lives(entrants, error)) is not None],
        "reference": None if reference is None else _reference(reference),
        "notes": found.notes, "conventions": _CONVENTIONS,
    }  # fmt: skip
    ready: dict[str, Any] = _rounded(json_ready(summary))
    return ready


def _rounded(value: Any) -> Any:
    """Floats to the digits that are written; whole numbers stay what they are."""
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value


def as_rows(values: Sequence[Any]) -> list[dict[str, Any]]:
    return [as_row(one) for one in values]


def as_row(value: Any, *without: str) -> dict[str, Any]:
    """A dataclass with those in it as dictionaries, but for the fields that its repr leaves out and ``without``."""
    shown = (one.name for one in fields(value) if one.repr and one.name not in without)
    return {name: _plain(getattr(value, name)) for name in shown}


def _plain(value: Any) -> Any:
    if isinstance(value, Interval) or not is_dataclass(value):
        return as_rows(value) if isinstance(value, tuple) and value and is_dataclass(value[0]) else value
    return as_row(value)


def _run(found: Tradeoff) -> dict[str, Any]:
    """What it is of: the Records of its options."""
    curve = found.options[0].curve
    every = {id(one): one for option in found.options for one, _ in option.strategies if one is not None}
    records = list(every.values())
    manifests = [one.manifest for one in records]

    def told(values: Iterable[Any]) -> str:
        return "; ".join(dict.fromkeys(str(value) for value in values if value not in (None, "")))

    names = dict.fromkeys(name for one in manifests for name in one.versions)
    return {
        "dataset": told(one.dataset.get("name") for one in manifests), "n_items": curve.n_items,
        "n_classes": records[0].n_classes if records else None,
        "n_members": sum(len(rung.members) for rung in (*found.ladder, *found.rivals)),
        "outcome": "text" if curve.tokens is not None else "classes", "seed": told(one.seed for one in manifests),
        "analysis_seed": curve.resampled.seed, "n_boot": curve.n_boot, "level": curve.level, "interval": curve.method,
        "device": told(one.device for one in manifests), "command": told(one.command for one in manifests),
        "versions": {name: told(one.versions.get(name) for one in manifests) for name in names},
    }  # fmt: skip


def _rung(rung: Rung) -> dict[str, Any]:
    return as_row(rung) | {"n_seeds": rung.n_seeds, "plainly": rung.plainly}


def _curve(option: Option) -> dict[str, Any]:
    curve = option.curve
    return {
        "id": curve.name, "rung": option.rung, "kind": curve.kind, "label": kind_words(curve), "vote": curve.vote,
        "budgets": curve.budgets, "flops": curve.flops, "train_flops": option.train_flops, "models": option.models,
        "accuracy": curve.accuracy, "low": curve.low, "high": curve.high,
    }  # fmt: skip


def _answers(answers: Answers) -> dict[str, Any]:
    joint = answers.joint
    return {
        "kind": joint.kind, "axis": joint.axis, "axis_words": AXES[joint.axis], "names": joint.names,
        "rungs": joint.rungs, "fixed": joint.fixed, "text": joint.text, "cannot": joint.cannot,
        "describes": joint.describes,
        "surface": None if joint.surface is None else _surface(joint.surface),
        "points": None if joint.surface is None else _points(answers, joint.surface),
        "costs": vars(joint.costs), "ceilings": as_rows(joint.ceilings),
        "exchange": [as_row(one) | {"two_x_test": _turned(one.slope)} for one in joint.exchange],
        "contours": [vars(line) for line in answers.contours],
        "extrapolated": [vars(line) for line in _beyond(answers)],
        "lifetimes": [_lifetime(one) for one in answers.lifetimes],
    }  # fmt: skip


def _turned(slope: Interval) -> Interval:
    """2^(−1/slope): twice the test compute is worth so many times the training; NaN where the slope is not below 0."""
    if not slope.value < 0:
        return replace(slope, value=math.nan, low=math.nan, high=math.nan)
    value, low, high = (training_replaced(2.0, x) for x in (slope.value, slope.low, slope.high))
    return replace(slope, value=value, low=low, high=high)


def _beyond(answers: Answers) -> Sequence[Contour]:
    """The lines of equal error where size, data and draws may lie a little outside of what was measured."""
    joint, levels = answers.joint, [line.error for line in answers.contours]
    if joint.surface is None or not levels:
        return ()
    return contours(joint.surface, joint.costs, levels, beyond=_BEYOND, warn=False)


def _surface(surface: SurfaceFit) -> dict[str, Any]:
    return {
        "law": surface.law, "formula": surface.formula, "purpose": surface.purpose, "quantity": surface.quantity,
        "inputs": surface.definition.inputs, "status": surface.status, "at_bound": surface.at_bound,
        "not_identified": surface.not_identified, "params": surface.params, "rmse": surface.rmse,
        "refits_converged": surface.refits_converged, "grouping": surface.points.grouping,
        "backtest_rmse": surface.backtest_rmse,
        "held_out": [
            as_row(one) | {"n_points": one.n_points, "at": one.at, "off": one.off} for one in surface.held_out
        ],
        "missed_points": {
            name: {"points": one, "any": every} for name, (one, every) in left_out(surface).items()
        },
        "candidates": [
            {
                "law": one.law, "formula": one.formula, "quantity": one.quantity, "status": one.status,
                "backtest_rmse": one.backtest_rmse, "ranking": one.backtest.ranking,
            }
            for one in surface.candidates
        ],
    }  # fmt: skip


def _points(answers: Answers, surface: SurfaceFit) -> dict[str, Any]:
    """What the law was fitted to: inputs, costs, errors, and the errors that it gives."""
    costs, known = answers.joint.costs, dict(zip(surface.points.names, surface.points.inputs, strict=True))
    nothing = np.full(len(surface.points.y), math.nan)
    n, d, k = (known.get(name, nothing) for name in ("n", "d", "k"))
    sizes = n if "n" in known else np.full(len(nothing), costs.n[0])
    return {
        "n": n, "d": d, "k": k, "fitted": surface.errors_at(surface.best, **known),
        "error": error_of(surface.quantity, surface.points.y),
        "train_flops": costs.train_flops(sizes, d, k), "test_flops": costs.test_flops(sizes, k),
    }  # fmt: skip


def _lifetime(one: Any) -> dict[str, Any]:
    """A lifetime with k as the law has it; what can be run, with whole draws, is under ``whole``."""
    return as_row(one) | {"whole": None if one.whole is None else as_row(one.whole)}


def _lives(one: Lives) -> dict[str, Any]:
    """The options, with their totals where they are the cheapest somewhere."""
    options = [
        as_row(life) | {"total_flops": None if math.isnan(life.cheapest_from) else life.total_flops}
        for life in one.options
    ]
    evens = as_rows(one.break_evens)
    return {"error": one.error, "queries": one.queries, "options": options, "break_evens": evens}


def _reference(beside: Beside) -> dict[str, Any]:
    models = [
        {
            "family": one.family, "name": one.name, "recipe": one.recipe, "accuracy": one.accuracy,
            "test_flops": one.test_flops, "train_flops": one.train_flops, "params": one.params,
            "distilled": one.distilled, "estimate": one.estimate, "source": one.source,
        }
        for one in beside.references
    ]  # fmt: skip
    return as_row(beside) | {"models": models, "laid": as_rows(_some(beside.laid))}


def _some(laid: Sequence[Laid]) -> list[Laid]:
    """Of each curve the last budget, and those that are powers of two where accuracies are compared."""
    last = {one.curve: one.k for one in laid}
    return [
        one for one in laid
        if one.k == last[one.curve] or (math.isfinite(one.scaled.value) and one.k & (one.k - 1) == 0)
    ]  # fmt: skip


def _targets(found: Tradeoff) -> list[float]:
    """The targets of the lifetimes, least error first; without any the errors of the rungs, best first, but for the
    cheapest."""
    votes = (answers for answers in found.laws if answers.joint.kind != "coverage")  # which no vote reaches
    lifetimes = [one.wanted for answers in votes for one in answers.lifetimes]
    known: list[float] = []
    for error in sorted({error for error in lifetimes if math.isfinite(error)}):
        if not known or error > known[-1] * _APART:
            known.append(error)
    return known or sorted(1 - rung.accuracy.value for rung in found.ladder[1:])[:_TARGETS]
