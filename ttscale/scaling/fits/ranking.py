"""Which law to trust: every law, and their average, on every curve of some runs, ranked by what they predicted.

A law's error on a curve is that of its back-test: fitted to the low budgets of one half of the items, it predicts the
gain at the high budgets of the other half (:mod:`ttscale.scaling.fits.backtest`). Errors of different curves are on
different scales, so laws are ranked curve by curve, ties sharing their ranks, and the ranks are averaged, as Demšar
("Statistical comparisons of classifiers over multiple data sets", JMLR 7, 2006) ranks classifiers over data sets. A law
that needs more budgets than a curve has takes no part there, and a mean rank would favour it among few rivals; what
orders the laws is therefore the share of its rivals on the same curve that a law beats, those back-tested on at most
half of the curves after all others. An error below ``LEAST_ERROR`` counts as that. Curves of one run share their items,
and those of one model their draws: the ranks are no independent witnesses, and no test of them is given.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

from ttscale.errors import TtscaleError
from ttscale.records.records import Records
from ttscale.scaling.curves.coverage import COVERAGE
from ttscale.scaling.curves.curve import Curve
from ttscale.scaling.curves.estimate import check_estimation
from ttscale.scaling.curves.of_run import run_curves
from ttscale.scaling.fits.fit_law import Fit, fit_law, log_spaced
from ttscale.scaling.summaries.entries import json_ready
from ttscale.scaling.summaries.words import count_words, kind_words
from ttscale.voting.votes import DEFAULT

LEAST_ERROR = 5e-5  # of a back-test, a fraction: 0.005 percentage points, below which no data tell two laws apart
LEAST_BUDGETS = 4  # evenly spaced in log k: fewer leave no law but the constant to fit and a budget to predict


@dataclass(frozen=True)
class RankedCurve:
    """What every law came to on one curve.

    Attributes:
        run, curve, label: where it is from, its name, and what it is in words.
        outcome: of the run: ``classes`` or ``text``.
        of: ``accuracy`` or ``coverage``.
        n_budgets, last: how many budgets were fitted, and the largest.
        errors: by law, root mean square error of the gain at budgets and items not seen; a fraction, NaN where the law
            could not be back-tested.
        statuses: by law, of its fit to the whole curve, as the solution alone tells it.
        chosen: the law that the back-test chose.
    """

    run: str
    curve: str
    label: str
    outcome: str
    of: str
    n_budgets: int
    last: int
    errors: dict[str, float]
    statuses: dict[str, str]
    chosen: str


@dataclass(frozen=True)
class LawScore:
    """A law over all curves of accuracy, or of coverage.

    Attributes:
        n_curves: on which it could be back-tested; ``n_without``: on which it could not.
        beats: mean share of the rivals on the same curve with a larger error, equal ones counted as halves.
        mean_rank: 1 is the best of its curve; ``n_first``: how often it was the best, or one of these.
        n_chosen: how often it was chosen, the simpler of two equal laws before the other.
        median_error: over the curves, a fraction.
        over_best: geometric mean over the curves of its error over the smallest one of the same curve; 1 is ideal.
        statuses: how often its fit came to each status.
    """

    law: str
    formula: str
    purpose: str
    of: str
    n_curves: int
    n_without: int
    beats: float
    mean_rank: float
    n_first: int
    n_chosen: int
    median_error: float
    over_best: float
    statuses: dict[str, int]


@dataclass(frozen=True)
class LawRanking:
    """Laws over curves.

    Attributes:
        scores: those of accuracy, then those of coverage, the best first.
        curves: what they are made of.
        n_left_out: curves with too few budgets to predict any.
        n_alike: curves on which every law has the same error, or only one has any, which rank nothing.
    """

    scores: tuple[LawScore, ...]
    curves: tuple[RankedCurve, ...]
    n_left_out: int = 0
    n_alike: int = 0

    def of(self, kind: str) -> tuple[LawScore, ...]:
        """The laws of ``accuracy`` or of ``coverage``, the best first."""
        return tuple(score for score in self.scores if score.of == kind)

    def as_dict(self) -> dict[str, Any]:
        """Plain Python, with None for NaN."""
        ready: dict[str, Any] = json_ready(asdict(self))
        return ready


def rank_laws(
    runs: Records | Mapping[str, Records],
    *,
    vote: str = "auto",
    ci: float = 0.95,
    n_boot: int = 1000,
    seed: int = 0,
    n_splits: int = 5,
    ties: str = "shared",
    interval: str = "percentile",
    on_progress: Callable[[float], None] = lambda share: None,
) -> LawRanking:
    """Fit every law to every curve of some runs, and rank the laws by their back-tests.

    The curves are those that :func:`ttscale.scaling.summaries.summary.summarize` fits: of images per size its views,
    ensemble and product; of text the samples and mixtures of each model under each vote, and their coverage. Where only
    right and wrong are known, the vote is a perfect checker and its accuracy is the coverage, which is there once.

    Args:
        runs: Records, or several by name.
        vote, ci, n_boot, seed, ties, interval: as in ``summarize``. n_splits: of the back-test.
        on_progress: told the share of the work that is done, in [0, 1].

    Raises:
        TtscaleError: no run, the same one twice, none with a curve of enough budgets, or what ``fit_law`` raises.
    """
    named = {"": runs} if isinstance(runs, Records) else dict(runs)
    if not named:
        raise TtscaleError("runs", expected="at least one", got="none", fix="Give Records by name.")
    for records in named.values():
        check_estimation(ties, interval, records.outcome)
    settings: dict[str, Any] = {"ci": ci, "n_boot": n_boot, "seed": seed, "ties": ties, "interval": interval}
    found = {name: run_curves(records, vote=vote, **settings) for name, records in named.items()}
    _check_different(found)
    every = [(name, curve) for name, curves in found.items() for curve in curves]
    long = [(name, curve) for name, curve in every if len(log_spaced(curve.budgets)) >= LEAST_BUDGETS]
    if not long:
        most = max((len(log_spaced(curve.budgets)) for _, curve in every), default=1)
        raise TtscaleError(
            "runs", expected=f"a curve of at least {LEAST_BUDGETS} budgets, evenly spaced in log k",
            got=f"curves of at most {count_words(most, 'budget')}",
            fix=f"Collect at least {2 ** (LEAST_BUDGETS - 1)} draws an item.",
        )  # fmt: skip
    fits: list[tuple[str, Fit]] = []
    for name, curve in long:
        fits.append((name, fit_law(curve, n_splits=n_splits)))
        on_progress(len(fits) / len(long))
    return ranking_of(fits, n_left_out=len(every) - len(long))


def _check_different(found: Mapping[str, Sequence[Curve]]) -> None:
    """Refuse a run that is there under two names: its curves would count twice."""
    for (one, first), (other, second) in combinations(found.items(), 2):
        if first and len(first) == len(second) and all(map(_same, first, second)):
            raise TtscaleError(
                "runs", expected="different runs", got=f"the same draws as {one!r} and as {other!r}",
                fix="Give each run once.",
            )  # fmt: skip


def _same(a: Curve, b: Curve) -> bool:
    return a.name == b.name and np.array_equal(a.credit, b.credit)


def ranking_of(fits: Sequence[tuple[str, Fit]], *, n_left_out: int = 0) -> LawRanking:
    """The ranking that chosen fits hold (those of ``law="auto"``), each with the name of its run."""
    every = [(run, fit, _every_law(fit)) for run, fit in fits]
    described = {one.law: (one.formula, one.purpose) for _, _, candidates in every for one in candidates}
    curves = [
        RankedCurve(
            run=run, curve=fit.curve.name, label=kind_words(fit.curve),
            outcome="classes" if fit.curve.tokens is None else "text",
            of=COVERAGE if fit.curve.vote in (COVERAGE, DEFAULT["verdicts"]) else "accuracy",
            n_budgets=len(fit.budgets), last=int(fit.budgets[-1]),
            errors={one.law: one.backtest_gain_rmse for one in candidates},
            statuses={one.law: one.point_status for one in candidates}, chosen=fit.law,
        )
        for run, fit, candidates in every
    ]  # fmt: skip
    return ranking(curves, described, n_left_out=n_left_out)


def _every_law(best: Fit) -> tuple[Fit, ...]:
    """The laws of a curve, and their average by back-test, whose own back-test has weights from other folds."""
    return best.candidates + ((best.stacked,) if best.stacked is not None else ()) or (best,)


def ranking(
    curves: Sequence[RankedCurve], described: Mapping[str, tuple[str, str]], *, n_left_out: int = 0
) -> LawRanking:
    """Rank laws over curves. ``described``: formula and purpose by law."""
    telling = [curve for curve in curves if len(set(_known(curve).values())) > 1]
    scores = [
        _score(law, formula, purpose, of, [curve for curve in telling if curve.of == of])
        for of in ("accuracy", COVERAGE)
        for law, (formula, purpose) in described.items()
        if any(law in curve.errors for curve in telling if curve.of == of)
    ]
    order = {"accuracy": 0, COVERAGE: 1}
    scores.sort(key=lambda s: (order[s.of], s.n_curves == 0, s.n_curves <= s.n_without, -s.beats, s.over_best))
    return LawRanking(tuple(scores), tuple(curves), n_left_out, len(curves) - len(telling))


def ranks_of(errors: Mapping[str, float]) -> dict[str, float]:
    """Ranks from 1 for the smallest; equal errors share the mean of their ranks."""
    values = np.array(list(errors.values()))
    below, equal = (compare(values[:, None], values).sum(axis=1) for compare in (np.greater, np.equal))
    return dict(zip(errors, (below + (equal + 1) / 2).tolist(), strict=True))


def _score(law: str, formula: str, purpose: str, of: str, curves: Sequence[RankedCurve]) -> LawScore:
    """One law over the curves of a kind; NaN where it was back-tested on none of them."""
    held = [errors for curve in curves if law in (errors := _known(curve)) and len(errors) > 1]
    ranks = [(ranks_of(errors)[law], len(errors)) for errors in held]
    ratios = [errors[law] / min(errors.values()) for errors in held]
    statuses = Counter(curve.statuses[law] for curve in curves if law in curve.statuses)
    return LawScore(
        law=law, formula=formula, purpose=purpose, of=of, n_curves=len(held), n_without=len(curves) - len(held),
        beats=_mean([(n - rank) / (n - 1) for rank, n in ranks]), mean_rank=_mean([rank for rank, _ in ranks]),
        n_first=sum(errors[law] == min(errors.values()) for errors in held),
        n_chosen=sum(curve.chosen == law for curve in curves),
        median_error=float(np.median([errors[law] for errors in held])) if held else math.nan,
        over_best=math.exp(_mean(np.log(ratios).tolist())),
        statuses=dict(statuses.most_common()),
    )  # fmt: skip


def _known(curve: RankedCurve) -> dict[str, float]:
    return {law: max(error, LEAST_ERROR) for law, error in curve.errors.items() if math.isfinite(error)}


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan
