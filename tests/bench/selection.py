"""The rows of view selection: against a naive search in memory, and from Records that memory does not hold."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from measure import in_process, paired_ratio
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from ttscale.records.read import read_records
from ttscale.records.schema import Manifest, Member
from ttscale.records.store import RecordsWriter
from ttscale.scaling.learning.crossed import cross_fitted
from ttscale.scaling.learning.greedy import greedy_path
from ttscale.scaling.learning.learners import Policy
from ttscale.scaling.strategy import tta

ITEMS, VIEWS, CLASSES, BLOCK = 50_000, 64, 1000, 1000


def selection_over_naive() -> dict[str, Any]:
    """Greedy selection by calibrated likelihood, over a plain one in double precision that finds the same order."""
    log_probs, labels = outcomes(500, 12, 100)
    by_view = np.ascontiguousarray(log_probs.transpose(1, 0, 2))
    assert greedy_path(by_view, labels).chosen.tolist() == naive(by_view, labels)
    row = paired_ratio(lambda: greedy_path(by_view, labels), lambda: naive(by_view, labels))
    return row | {"limit": 0.5, "setting": "500 items, 12 views, 100 classes; both find the same order"}


def naive(log_probs: np.ndarray, labels: np.ndarray) -> list[int]:
    """Every candidate of every step at its own temperature."""
    probabilities, at = np.exp(log_probs.astype(np.float64)), np.arange(len(labels))

    def loss(scores: np.ndarray, temperature: float) -> float:
        return -log_softmax(scores / temperature, axis=-1)[at, labels].mean()

    def calibrated(scores: np.ndarray) -> float:
        return minimize_scalar(lambda t: loss(scores, np.exp(t)), bounds=(-3, 3), method="bounded").fun

    total, chosen = 0.0, []
    while len(chosen) < len(log_probs):
        left = [view for view in range(len(log_probs)) if view not in chosen]
        merged = {view: np.log(total + probabilities[view]) for view in left}
        losses = {view: calibrated(scores) for view, scores in merged.items()}
        best = min(losses, key=losses.__getitem__)
        total = total + probabilities[best]
        chosen.append(best)
    return chosen


def selection_from_disk() -> dict[str, Any]:
    """Peak memory of a cross-fitted selection from 6.4 GB of Records in a process of its own, over 4 GB."""
    with tempfile.TemporaryDirectory() as out:
        in_process("write_records", out, module="selection")
        done = in_process("select", out, module="selection")
    return {
        "ratio": done["peak_mib"] / 4096, "limit": 1.0, "peak_mib": done["peak_mib"], "seconds": done["result"],
        "setting": f"{ITEMS:,} items, {VIEWS} views, {CLASSES:,} classes, float16, one thread",
    }  # fmt: skip


def select(folder: str) -> dict[str, float]:
    """Seconds of reading (with checks of every value), and of three selections with all items scored."""
    start = time.perf_counter()
    records = read_records(folder, verify=False)
    records.check("made")
    read = time.perf_counter()
    found = cross_fitted(records, Policy(tta(records, "made")))
    assert len(found.curve.budgets) == VIEWS and found.curve.n_items == ITEMS
    return {"read_and_check": read - start, "select_and_score": time.perf_counter() - read}


def write_records(folder: str) -> int:
    """Blocks of the same outcomes, the classes of each turned round by another number."""
    member = Member("made", "module:made", "", 1e9, "given", float("nan"), {}, (3, 1, 1), 0, {"size": "made"})
    views = tuple(["identity", *(f"view{i}" for i in range(1, VIEWS))])
    manifest = Manifest(
        seed=0, config={}, versions={}, device="cpu", dataset={"name": "made"}, n_classes=CLASSES, class_names=None,
        variants=views, members=(member,), n_blocks=ITEMS // BLOCK, complete=False,
    )  # fmt: skip
    log_probs, labels = outcomes(BLOCK, VIEWS, CLASSES)
    ids = [f"{i:06d}" for i in range(ITEMS)]
    with RecordsWriter(Path(folder), manifest) as writer:
        for block in range(ITEMS // BLOCK):
            some = ids[block * BLOCK : (block + 1) * BLOCK]
            writer.write_block(block, some, {"made": np.roll(log_probs, block, axis=-1)})
        turned = [(labels + block) % CLASSES for block in range(ITEMS // BLOCK)]
        writer.finish(ids, np.concatenate(turned))
    return ITEMS


def outcomes(n_items: int, n_views: int, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Views of unlike quality of items of unlike difficulty: log-probabilities ``float16 [item, view, class]`` and
    labels."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, n_classes, n_items)
    seen = rng.standard_normal((n_items, n_classes), dtype=np.float32)
    ease = rng.normal(2, 1.5, n_items)
    out = np.empty((n_items, n_views, n_classes), dtype=np.float16)
    for view, noise in enumerate(rng.uniform(0.3, 0.9, n_views)):
        x = seen + np.float32(noise) * rng.standard_normal((n_items, n_classes), dtype=np.float32)
        x[np.arange(n_items), labels] += ease
        out[:, view] = log_softmax(1.5 * x, axis=-1)
    return out, labels


ROWS = {"selection_over_naive": selection_over_naive, "selection_from_disk": selection_from_disk}
