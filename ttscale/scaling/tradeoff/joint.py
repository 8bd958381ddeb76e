"""Joint laws: error over model size, training data and test-time draws, per kind of strategy and axis of data.

For every kind of strategy that a grid of rungs has curves of, and every axis along which the training data vary, one
surface is fitted (:mod:`ttscale.scaling.surfaces`), its law and its quantity chosen by cells held out: whole sizes,
whole amounts of data, whole training budgets and budgets of draws. Size and data stay axes of their own: their
exchange rates with test compute may differ in sign.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import product

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.scaling.curves.combined import mean_curve
from ttscale.scaling.curves.coverage import coverage_curve
from ttscale.scaling.curves.curve import Curve
from ttscale.scaling.planning.options import Option
from ttscale.scaling.surfaces.fit import SurfaceFit
from ttscale.scaling.surfaces.fit_surface import fit_surface
from ttscale.scaling.surfaces.quantity import QUANTITIES
from ttscale.scaling.tradeoff.axes import AXES, Slice, amount, slice_along
from ttscale.scaling.tradeoff.ceilings import Ceiling, ceiling
from ttscale.scaling.tradeoff.costs import Costs, costs_of
from ttscale.scaling.tradeoff.ladder import Rung
from ttscale.scaling.tradeoff.left_out import cells_of, left_out, misfit
from ttscale.scaling.tradeoff.local_exchange import LocalExchange, local_exchange, measured_at
from ttscale.scaling.tradeoff.measured import Measured, measure
from ttscale.scaling.tradeoff.recipes import recipe_words, unlike_recipes
from ttscale.scaling.tradeoff.teams import of_equal_teams, team_size

KINDS = {
    "tta": "TTA", "ensemble": "Ensembles", "product": "Ensembles with TTA", "samples": "Votes over samples",
    "coverage": "Coverage (one of the samples is right)",
}  # fmt: skip
_MEASURED_ONLY = (
    "So no exchange rate, line of equal error or lifetime is taken from a law: only what was measured is compared."
)
_LARGE = 0.5  # an error from which its logarithm is a poor scale


@dataclass(frozen=True, eq=False)
class Joint:
    """The joint law of one kind of strategy along one axis of data.

    Attributes:
        kind: ``"tta"``, ``"ensemble"``, ``"product"``, ``"samples"`` or ``"coverage"``.
        axis: ``"unique"``, ``"epochs"`` or ``"tokens"``: what d counts; n counts parameters and k draws.
        rungs: names of those that it was fitted to. fixed: what the axis holds fixed (epochs, or different items).
        surface: None where no law could be fitted.
        costs: what n, d and k cost.
        exchange: rates along the data, then along the size: in the middle of the grid, then at the ends of the other
            input.
        ceilings: per rung, where test-time compute stops paying.
        cannot: what could not be said, and why.
        describes: whether the law may be used for what was not measured (:mod:`ttscale.scaling.tradeoff.left_out`);
            there are no exchange rates where it may not.
        text: what is to be said, in sentences.
    """

    kind: str
    axis: str
    rungs: tuple[str, ...]
    fixed: float
    surface: SurfaceFit | None = field(repr=False)
    costs: Costs = field(repr=False)
    exchange: tuple[LocalExchange, ...]
    ceilings: tuple[Ceiling, ...]
    cannot: tuple[str, ...]
    text: str
    describes: bool = True

    @property
    def names(self) -> str:
        """``TTA along epochs``."""
        return f"{KINDS[self.kind]} along {AXES[self.axis]}"


def joint_fits(
    rungs: Sequence[Rung], options: Sequence[Option], *, ci: float = 0.95, seed: int = 0, n_boot: int = 1000,
    limits: bool = True, on_progress: Callable[[float], None] = lambda share: None,
) -> tuple[Joint, ...]:  # fmt: skip
    """One joint law per kind of strategy and axis of data that the rungs tell something of.

    Args:
        rungs, options: as :func:`ttscale.scaling.tradeoff.ladder.climb` makes them; rivals are left aside.
        ci, seed, n_boot: as the options' curves were made; of the coverage's curves, which are made here.
        limits: whether the limits of votes are found.
        on_progress: told the share of the laws that are done, in [0, 1].

    Returns:
        None where there is neither a second size nor a second amount of data.
    """
    ladder = [rung for rung in rungs if not rung.of and rung.n_params > 0]
    text = any(option.curve.tokens is not None for option in options)
    slices = [found for axis in (("tokens", "epochs") if text else ("unique", "epochs"))
              if (found := slice_along(ladder, axis)) is not None]  # fmt: skip
    slices = [one for one in slices if one.n_amounts > 1] or slices[:1]
    if not slices and ladder:  # no card says how much data there was: sizes alone can still be told
        slices = [Slice("tokens" if text else "unique", tuple(ladder), math.nan, len({r.n_params for r in ladder}), 1)]
    out = []
    for number, (kind, part) in enumerate(product(KINDS, slices), 1):
        curve_of = partial(_coverage, ci=ci, n_boot=n_boot, seed=seed) if kind == "coverage" else _curve
        joint = _joint(kind, part, options, curve_of, ci=ci, seed=seed, limits=limits)
        if joint is not None:
            out.append(joint)
        on_progress(number / (len(KINDS) * len(slices)))
    return tuple(out)


def _of_kind(kind: str, options: Sequence[Option], rungs: Sequence[Rung]) -> dict[str, Option]:
    """The first option of a kind of each of some rungs, teams of equally many models."""
    names, out = {rung.name for rung in rungs}, dict[str, Option]()
    for option in options:
        if option.curve.kind == kind and option.rung in names and len(option.curve.budgets) > 1:
            out.setdefault(option.rung, option)
    return {one.rung: one for one in of_equal_teams(list(out.values()))} if out else {}


def _curve(option: Option) -> Curve:
    return option.curve


def _coverage(option: Option, *, ci: float, n_boot: int, seed: int) -> Curve:
    """The coverage of an option's samples, the mean over its strategies."""
    curves = [coverage_curve(records, one, ci=ci, n_boot=n_boot, seed=seed) for records, one in option.strategies]
    return mean_curve(curves, f"{option.curve.name}/coverage", subject=option.curve.subject)


def _joint(
    kind: str, part: Slice, options: Sequence[Option], curve_of: Callable[[Option], Curve], *, ci: float, seed: int,
    limits: bool,
) -> Joint | None:  # fmt: skip
    """The joint law of one kind on one slice of the grid; None where it has fewer than two rungs with such curves."""
    chosen = _of_kind("samples" if kind == "coverage" else kind, options, part.rungs)
    rungs = [rung for rung in part.rungs if rung.name in chosen]
    if len(rungs) < 2:
        return None
    ways = [chosen[rung.name] for rung in rungs]
    curves = [curve_of(option) for option in ways]
    costs = costs_of(rungs, ways, part.axis)
    points = measure(rungs, curves, part.axis, seed=seed)
    sizes, amounts = (len(np.unique(np.round(np.log(x), 2))) for x in (points.n, points.d))
    cannot = _told(part, rungs, ways, sizes, amounts, costs)
    surface = None
    try:
        surface = _surface(points, sizes, amounts, ci, seed)
    except TtscaleError as reason:
        cannot.append(f"No law is fitted to {KINDS[kind]} over these {len(rungs)} rungs: {reason}")
    if surface is None:
        return Joint(kind, part.axis, _names(rungs), part.fixed, None, costs, (), (), tuple(cannot), " ".join(cannot))
    why_not = misfit(surface)
    if why_not:
        cannot.insert(0, f"No law of these describes this grid: {why_not}. {_MEASURED_ONLY}")
    exchange = () if why_not else _exchanges(surface, costs, points, part.axis, KINDS[kind])
    vote = limits and kind == "samples"
    ceilings = tuple(
        ceiling(
            rung,
            curve,
            None if why_not else surface,
            amount(rung, part.axis),
            option=option if vote else None,
            seed=seed,
        )
        for rung, curve, option in zip(rungs, curves, ways, strict=True)
    )
    text = " ".join([_headline(kind, part, surface, sizes, amounts), *(one.text for one in exchange[:2]), *cannot])
    return Joint(
        kind, part.axis, _names(rungs), part.fixed, surface, costs, exchange, ceilings, tuple(cannot), text, not why_not
    )


def _surface(points: Measured, sizes: int, amounts: int, ci: float, seed: int) -> SurfaceFit:
    """The law of draws and of what else varies; TtscaleError where the points do not tell one. Laws without draws take
    no part: how little draws do, the parameters of the others say with their intervals."""
    return fit_surface(
        points.n if sizes > 1 else None, points.d if amounts > 1 else None, points.error, points.k, law="draws", ci=ci,
        seed=seed, replicates=points.replicates, quantity="auto" if points.error.max() > _LARGE else "error",
    )  # fmt: skip


def _told(
    part: Slice, rungs: Sequence[Rung], ways: Sequence[Option], sizes: int, amounts: int, costs: Costs
) -> list[str]:  # fmt: skip
    """What the grid does not tell, before anything is fitted."""
    out = []
    if amounts == 1:
        out.append(
            f"There is one amount of training data only: nothing can be said along {AXES[part.axis]}, "
            "and there are no lines of equal error over training FLOPs."
        )
    elif amounts == 2:
        out.append(f"Two amounts of {AXES[part.axis]} do not tell a power from a floor: trust it between them.")
    if sizes == 1:
        out.append("There is one model size only: nothing can be said along size.")
    elif sizes == 2:
        out.append("Two sizes do not tell a power from a floor: trust it between them.")
    if not np.isfinite(costs.train).all():
        out.append("Training FLOPs are not known for all sizes: no exchange rates with training.")
    if costs.told:
        out.append(costs.told)
    if all(math.isnan(rung.seed_sd) for rung in rungs):
        out.append("No rung has two training seeds: the intervals leave the noise of training out.")
    least = team_size(ways[0])
    if any(rung.n_seeds > least > 1 for rung in rungs):
        out.append(f"Teams are of {least} models on every rung, since not all have more training seeds.")
    if unlike := unlike_recipes(ways):
        out.append(recipe_words(unlike))
    return out


def _exchanges(
    surface: SurfaceFit, costs: Costs, points: Measured, axis: str, subject: str
) -> tuple[LocalExchange, ...]:
    """Rates along data and size in the middle of the grid, then at the ends of the other input, each in the middle of
    what was measured there: a grid need not hold the largest size on the most data."""
    inputs = surface.definition.inputs
    if not np.isfinite(costs.train).all():
        return ()
    measured = {"n": points.n, "d": points.d, "k": points.k}
    middle = {name: math.exp(math.log(x.min() * x.max()) / 2) for name, x in measured.items()}
    moving = [name for name in ("d", "n") if name in inputs]
    places = [(along, middle) for along in moving]
    for along, other in zip(moving, reversed(moving), strict=True):
        if along != other:
            for end in (float(measured[other].min()), float(measured[other].max())):
                inside = math.sqrt(math.prod(measured_at(surface.points, along, end)))
                places.append((along, {**middle, other: end, along: inside}))
    return tuple(
        local_exchange(surface, costs, along, (at["n"], at["d"], at["k"]), axis=axis, subject=subject)
        for along, at in places
    )


def _headline(kind: str, part: Slice, surface: SurfaceFit, sizes: int, amounts: int) -> str:
    held = "items" if part.axis == "epochs" else "epochs"
    held = held.removesuffix("s") if part.fixed == 1 else held
    fixed = f" ({part.fixed:,.0f} {'different ' if part.axis == 'epochs' else ''}{held})" if part.fixed > 0 else ""
    words = (
        f"{KINDS[kind]} over {sizes} sizes and {amounts} amounts of {AXES[part.axis]}{fixed}: "
        f"{QUANTITIES[surface.quantity]} = {surface.formula} ({surface.purpose}; {surface.status})"
    )
    told = [
        f"{name} is missed by {largest:.1f} points (any one of them by {every:.1f})"
        for name, (largest, every) in left_out(surface).items()
    ]
    words = f"{words}; left out and predicted, {', '.join(told)}." if told else f"{words}."
    for axis, few in {"n": "sizes", "d": f"amounts of {AXES[part.axis]}", "k": "numbers of draws"}.items():
        cells = cells_of(surface, axis)
        if cells and not cells[-1].ranks:
            words += (
                f" With one of {len(cells)} {few} left out the law is not determined: beyond them it is not tested."
            )
    return words


def _names(rungs: Sequence[Rung]) -> tuple[str, ...]:
    return tuple(rung.name for rung in rungs)
