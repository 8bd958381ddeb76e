"""Records and curves made by formula, for the tests of voting and scaling."""

from __future__ import annotations

import numpy as np

from ttscale.records.records import Records
from ttscale.scaling.curves.curve import Curve, curve_of_credits


def log_softmax(x: np.ndarray) -> np.ndarray:
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def make_records(
    n: int = 300, *, sizes=("s8", "s16"), seeds: int = 2, views: int = 4, classes: int = 5, seed: int = 0,
    train: bool = True, dtype=np.float32, **more,
) -> Records:  # fmt: skip
    """A zoo whose bigger sizes are better: FLOPs 1e6, 4e6, 16e6, … and 1e12, 4e12, … to train."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    ease = rng.normal(1.2, 1.0, n)
    log_probs, flops, cards = {}, {}, {}
    for i, size in enumerate(sizes):
        for s in range(seeds):
            x = rng.normal(size=(n, 1, classes)) + 0.7 * rng.normal(size=(n, views, classes))
            x[np.arange(n), :, labels] += (ease + 0.4 * i)[:, None]
            name = f"{size}-{s}"
            log_probs[name], flops[name] = log_softmax(1.5 * x).astype(dtype), 1e6 * 4.0**i
            cards[name] = {"size": size, "seed": s} | ({"train_flops": 1e12 * 4.0**i} if train else {})
    return Records.from_arrays(log_probs, labels, flops=flops, cards=cards, **more)


def records_of_answers(answers: np.ndarray, labels, classes: int, **more) -> Records:
    """One member whose draw ``[item, draw]`` gives probability 0.9 to the class in ``answers``."""
    shape = (*np.shape(answers), classes)
    log_probs = np.full(shape, np.log(0.1 / (classes - 1)))
    np.put_along_axis(log_probs, np.asarray(answers)[..., None], np.log(0.9), -1)
    return Records.from_arrays({"m": log_probs}, labels, **more)


def curve_with(credit: np.ndarray, *, flops=None, name: str = "c", budgets=None, **more) -> Curve:
    """A curve of given credits ``[k, item]``."""
    credit = np.asarray(credit, dtype=np.float32)
    budgets = np.arange(1, len(credit) + 1) if budgets is None else np.asarray(budgets)
    return curve_of_credits(
        credit, item_ids=np.array([f"i{i}" for i in range(credit.shape[1])]), budgets=budgets,
        flops=np.asarray(budgets if flops is None else flops, dtype=float), name=name, **more,
    )  # fmt: skip


def correlated_credits(accuracy, n: int, rng: np.random.Generator, keep: float = 0.7) -> np.ndarray:
    """Credits ``[k, item]`` with these expected accuracies, an item's outcomes agreeing across budgets."""
    accuracy = np.asarray(accuracy)
    own, fresh = rng.random(n)[None], rng.random((len(accuracy), n))
    return (np.where(rng.random(fresh.shape) < keep, own, fresh) < accuracy[:, None]).astype(np.float32)
