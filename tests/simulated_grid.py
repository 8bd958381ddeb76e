"""A grid of rungs whose errors follow a known joint law: items of unlike difficulty, seeds of unlike luck, draws of
each item that fail by one threshold."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from ttscale.scaling.curves.curve import curve_of_credits
from ttscale.scaling.planning.options import Option
from ttscale.scaling.strategy import Strategy
from ttscale.scaling.surfaces.laws import SURFACES
from ttscale.scaling.tradeoff.ladder import Rung
from ttscale.scaling.tradeoff.seed_noise import seed_noise

SIZES, EPOCHS, DRAWS = (1e3, 4e3, 1.6e4, 6.4e4, 2.56e5), (1.0, 4.0, 16.0), (1, 2, 4, 8)
FIRST, PER_EPOCH = 2.0, 300.0  # test FLOPs of a draw and training FLOPs of an epoch, per parameter
TRUTH = {"E": 0.03, "A": 1.3, "B": 0.13, "g": 0.3, "alpha": 0.28, "beta": 0.55, "gamma": 0.9}  # of draws_share
_DIFFICULTY = 1.5  # spread of the items, in normal deviates


@dataclass(frozen=True)
class Grid:
    rungs: tuple
    options: tuple


def true_error(n, d, k, law="draws_share", truth=TRUTH):
    inputs = {"n": n, "d": d, "k": k}
    at = [np.atleast_1d(np.asarray(inputs[name], dtype=float)) for name in SURFACES[law].inputs]
    return SURFACES[law].at(at, np.array(list(truth.values())))


def simulate(
    seed=0, *, sizes=SIZES, epochs=EPOCHS, draws=DRAWS, n_seeds=2, n_items=1000, seed_sd=0.1, n_boot=200, ci=0.9,
    trained=True, law="draws_share", truth=TRUTH,
):  # fmt: skip
    """Rungs and TTA options. ``seed_sd`` is the standard deviation between training seeds in log-odds."""
    rng = np.random.default_rng(seed)
    difficulty = rng.standard_normal(n_items)
    names = [(f"w{n:g}", f"e{d:g}", n, d) for n in sizes for d in epochs]
    credits = []
    for _, _, n, d in names:
        error = true_error(n, d, np.array(draws), law, truth)[:, None]
        luck = seed_sd * rng.standard_normal(n_seeds)
        fails = rng.random((n_seeds, n_items))
        of_seed = []
        for one, threshold in zip(luck, fails, strict=True):
            shifted = 1 / (1 + (1 - error) / error * np.exp(-one))
            wrong = ndtr(_DIFFICULTY * difficulty + np.sqrt(1 + _DIFFICULTY**2) * ndtri(shifted))
            of_seed.append((threshold >= wrong).astype(float))
        credits.append(np.stack(of_seed))
    noise = seed_noise([one[:, 0] for one in credits])
    rungs, options = [], []
    for (size, budget, n, d), credit, sd in zip(names, credits, noise, strict=True):
        name = f"{size}-{budget}"
        curve = curve_of_credits(
            credit.mean(axis=0), item_ids=np.arange(n_items).astype(str), budgets=np.array(draws),
            flops=FIRST * n * np.array(draws, dtype=float), name=f"tta/{name}", kind="tta", members=(name,),
            subject=name, level=ci, n_boot=n_boot, seed=seed,
        )  # fmt: skip
        flops = PER_EPOCH * n * d if trained else np.nan
        strategy = Strategy(curve.name, "tta", tuple((name, f"view{i}") for i in range(max(draws))), "mean", name)
        options.append(Option(name, curve, np.full(len(draws), flops), ((None, strategy),)))
        rungs.append(
            Rung(
                name, tuple(f"{name}-s{i}" for i in range(n_seeds)), n, FIRST * n, flops, curve.at(1), curve,
                size=size, budget=budget, unique=55_000.0, epochs=d, seed_sd=sd,
            )
        )  # fmt: skip
    return Grid(tuple(rungs), tuple(options))
