"""What can be learned about the draws of images: a greedy order, weights, and weights of each class."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ttscale.errors import TtscaleError, unknown_name
from ttscale.records.records import Records
from ttscale.scaling.intervals.bootstrap import unit_index
from ttscale.scaling.intervals.halves import folds
from ttscale.scaling.learning import temperature
from ttscale.scaling.learning.crossed import Learned, Learner
from ttscale.scaling.learning.greedy import OBJECTIVES, greedy_path
from ttscale.scaling.learning.sample import MAX_BYTES, Sample, read_sample
from ttscale.scaling.learning.view_weights import learn_weights
from ttscale.scaling.strategy import Draw, Strategy
from ttscale.scaling.summaries.words import count_words
from ttscale.voting.merges import tempered
from ttscale.voting.weighting import Weighting

MIN_LABELS = 50  # fewer teach nothing; of items in clusters, fewer clusters
MIN_PER_CLASS = 20  # of every class, for weights of each class
KINDS = ("policy", "weights", "class_weights")
_FOLDS = 4


@dataclass(frozen=True)
class Selection:
    """How an order of the draws is selected.

    Attributes:
        objective: ``log_likelihood`` (calibrated) or ``accuracy``; the plurality has the second alone.
        replacement: let a draw be chosen again: it costs nothing more and counts more. Takes several times as long.
    """

    objective: str = "log_likelihood"
    replacement: bool = False

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise unknown_name("objective", self.objective, OBJECTIVES)
        if not isinstance(self.replacement, bool):
            raise TtscaleError("replacement", expected="true or false", got=repr(self.replacement), fix="Give false.")


BY_LIKELIHOOD = Selection()


def learner(base: Strategy, kind: str, *, selection: Selection = BY_LIKELIHOOD, seed: int = 0) -> Learner:
    """The learner of this kind: ``policy``, ``weights`` or ``class_weights``.

    Args:
        selection: of a ``policy``.

    Raises:
        TtscaleError: no such kind, or weights under a vote that has no likelihood.
    """
    if kind not in KINDS:
        raise unknown_name("kind", kind, KINDS)
    if kind == "policy":
        return Policy(base, selection.objective, selection.replacement, seed)
    return Weights(base, per_class=kind == "class_weights", seed=seed)


@dataclass(frozen=True)
class Policy:
    """The draws in the order of a greedy selection (see :mod:`ttscale.scaling.learning.greedy`), which does not look at
    what a draw costs: compare it with the order collected at equal FLOPs.

    Every budget has the temperature that calibrates its vote. Fewer than ``MIN_LABELS`` labels, or labels of one class,
    leave the draws in the order collected.

    Attributes:
        base: the draws and their vote.
        objective, replacement: as in :class:`Selection`.
        seed: of the sample of items that is read where they do not all fit into ``max_bytes``; twice as much is held.
    """

    base: Strategy
    objective: str = BY_LIKELIHOOD.objective
    replacement: bool = BY_LIKELIHOOD.replacement
    seed: int = 0
    max_bytes: int = MAX_BYTES

    def __post_init__(self) -> None:
        Selection(self.objective, self.replacement)

    @property
    def budgets(self) -> np.ndarray:
        return np.arange(1, len(self.base.draws) + 1)

    def learn(self, records: Records, items: np.ndarray) -> Learned:
        sample, refused = _sample(records, self.base, items, self.seed, self.max_bytes)
        if refused:
            return Learned(named(self.base, "policy"), sample.positions, f"{refused}: draws stay as collected")
        path = greedy_path(
            sample.log_probs, sample.labels, vote=self.base.vote, objective=self.objective,
            replacement=self.replacement,
        )  # fmt: skip
        counts = {k: path.counts(k) for k in range(1, len(path.order) + 1)}
        draws = tuple(self.base.draws[at] for at in path.order)
        return Learned(
            named(self.base, "policy", draws, {k: self._weighting(*found) for k, found in counts.items()}),
            sample.positions, counts=tuple(counts[len(draws)][0].tolist()) if self.replacement else (),
        )  # fmt: skip

    def _weighting(self, counts: np.ndarray, fitted: float) -> Weighting:
        return Weighting(
            weights=counts / counts.sum() if self.replacement else None,
            temperature=1.0 if self.base.vote == "plurality" else fitted,
        )


@dataclass(frozen=True)
class Weights:
    """Weights of the draws by likelihood (see :mod:`ttscale.scaling.learning.view_weights`), at budgets that double.

    Every draw is first divided by a temperature, its member's own by the likelihood of the member's first draw, and the
    weighted vote by one once more. Too few labels (``MIN_LABELS``; ``MIN_PER_CLASS`` of every class) or labels of one
    class leave the draws as they are. Where cross-validation finds no weights better than alike ones, draws count
    alike, those of several members still each at its member's temperature.

    Attributes:
        base: the draws and their vote, ``mean`` or ``log_mean``.
        per_class: a weight for each class.
        seed: of the folds, and of the sample of items that is read where they do not all fit into ``max_bytes``; up to
            five times as much is held.
    """

    base: Strategy
    per_class: bool = False
    seed: int = 0
    max_bytes: int = MAX_BYTES // 2

    def __post_init__(self) -> None:
        if self.base.vote not in ("mean", "log_mean"):
            raise TtscaleError(
                "base", expected="the vote mean or log_mean", got=self.base.vote,
                fix="Shares of votes are no probabilities, so that weights cannot be learned by likelihood.",
            )  # fmt: skip

    @property
    def kind(self) -> str:
        return "class_weights" if self.per_class else "weights"

    @property
    def budgets(self) -> np.ndarray:
        """1, 2, 4, … and all of the draws; of a product so many views by all members."""
        at_once = len(self.base.members) if self.base.kind == "product" else 1
        n = len(self.base.draws) // at_once
        return at_once * np.array([*(2**i for i in range(math.ceil(math.log2(n)))), n])

    def learn(self, records: Records, items: np.ndarray) -> Learned:
        sample, refused = _sample(records, self.base, items, self.seed, self.max_bytes)
        if self.per_class and not refused:
            refused = _too_few_of_a_class(records, sample)
        if refused:
            return Learned(named(self.base, self.kind), sample.positions, f"{refused}: draws count alike")
        before = _own_temperatures(self.base, sample)
        x = _each_tempered(sample.log_probs, before)
        fold = folds(sample.item_ids, sample.clusters, _FOLDS, seed=self.seed)

        def learned(k: int, strength: float | None = None) -> tuple[Weighting, float]:
            found = learn_weights(
                x[:k], sample.labels, fold, vote=self.base.vote, per_class=self.per_class, strength=strength
            )
            weights = None if math.isinf(found.strength) else found.weights
            return Weighting(weights, before[:k], found.temperature), found.strength

        whole, strength = learned(len(self.base.draws))
        if math.isinf(strength) and len(self.base.members) == 1:
            note = "cross-validation found no weights better than alike ones: draws count alike"
            return Learned(named(self.base, self.kind), sample.positions, note)
        weightings = {int(k): learned(int(k), strength)[0] for k in self.budgets[:-1]} | {len(self.base.draws): whole}
        return Learned(
            named(self.base, self.kind, weightings=weightings), sample.positions,
            temperatures=dict(zip((draw[0] for draw in self.base.draws), before.tolist(), strict=True)),
        )  # fmt: skip


def named(
    base: Strategy, kind: str, draws: Sequence[Draw] = (), weightings: Mapping[int, Weighting] | None = None
) -> Strategy:
    """The base under a name of this kind: ``policy/w8``, ``policy/w8/product``, ``weights/all/ensemble/log_mean``."""
    of = [] if base.kind in ("tta", "single") else [base.kind]
    suffix = [] if base.vote == "mean" else [base.vote]
    name = "/".join([kind, base.subject, *of, *suffix])
    return replace(base, name=name, kind=kind, draws=tuple(draws or base.draws), weightings=weightings or {})


def _sample(records: Records, base: Strategy, items: np.ndarray, seed: int, max_bytes: int) -> tuple[Sample, str]:
    """What there is to learn from, and why nothing can be learned from it (empty when it can)."""
    draws = [(draw[0], draw[1]) for draw in base.draws]
    sample = read_sample(records, draws, items, seed=seed, max_bytes=max_bytes)
    if sample.n_units < MIN_LABELS:
        return sample, f"{_labels_words(sample, sample.n_units)} to learn from, {MIN_LABELS} are needed"
    if len(np.unique(sample.labels)) < 2:
        return sample, "all labels to learn from are of one class"
    return sample, ""


def _labels_words(sample: Sample, n: int) -> str:
    return count_words(n, "label") if sample.clusters is None else f"{count_words(n, 'cluster')} of labels"


def _too_few_of_a_class(records: Records, sample: Sample) -> str:
    labels = sample.labels
    if (units := unit_index(sample.clusters)) is not None:
        labels, _ = np.unique(np.stack([labels, units]), axis=1)  # a label once in a cluster
    counts = np.bincount(labels, minlength=records.n_classes)
    if counts.min() >= MIN_PER_CLASS:
        return ""
    least = int(counts.argmin())
    name = records.class_names[least] if records.class_names else f"class {least}"
    words = _labels_words(sample, int(counts[least]))
    return f"{words} of {name!r} to learn from, {MIN_PER_CLASS} of every class are needed"


def _own_temperatures(base: Strategy, sample: Sample) -> np.ndarray:
    """The temperature of each draw's member, ``float64 [draw]``."""
    members = [draw[0] for draw in base.draws]
    own = {m: temperature.fit(sample.log_probs[members.index(m)], sample.labels) for m in dict.fromkeys(members)}
    return np.array([own[member] for member in members])


def _each_tempered(log_probs: np.ndarray, temperatures: np.ndarray) -> np.ndarray:
    out = np.empty_like(log_probs)
    for draw, one in enumerate(temperatures):
        out[draw] = tempered(log_probs[draw], float(one))
    return out
