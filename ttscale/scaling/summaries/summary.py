"""Everything that a report shows, as one JSON-ready dictionary (``summary.json``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ttscale.errors import TtscaleError
from ttscale.records.records import Records
from ttscale.scaling.checks import check_records
from ttscale.scaling.curves.estimate import check_estimation, check_ties
from ttscale.scaling.fits.fit_law import check_fitting
from ttscale.scaling.fits.fitted import DELTA
from ttscale.scaling.fits.options import LawOptions
from ttscale.scaling.intervals.bootstrap import check_resampling
from ttscale.scaling.intervals.interval import check_level
from ttscale.scaling.learning.learners import BY_LIKELIHOOD, Selection
from ttscale.scaling.planning.plan import check_target
from ttscale.scaling.summaries.entries import json_ready
from ttscale.scaling.summaries.images import image_parts
from ttscale.scaling.summaries.text import text_parts
from ttscale.voting.votes import get_vote, resolve

SCHEMA_VERSION = 1
KIND = "ttscale-summary"


def summarize(
    records: Records,
    *,
    min_accuracy: float | None = None,
    vote: str = "auto",
    law: str = "auto",
    loss: str = "auto",
    delta: float = DELTA,
    ci: float = 0.95,
    n_boot: int = 1000,
    seed: int = 0,
    ties: str = "shared",
    interval: str = "percentile",
    objective: str = BY_LIKELIHOOD.objective,
    replacement: bool = BY_LIKELIHOOD.replacement,
    shifts: Mapping[str, Records] | None = None,
    on_progress: Callable[[float], None] = lambda share: None,
) -> dict[str, Any]:
    """Analyse Records: curves, gains, fits, tradeoff, Pareto front, plan and headline.

    Every curve says how it was estimated (``estimator``, its Monte Carlo error, the tie rule, the kind of interval);
    every law fitted to it has a row under ``"fits"``, ranked by back-test, and so has their average. Curves of images:
    per size TTA (mean over training seeds), ensemble and product; the ensemble and product of all
    members where there are several sizes; what else is said of images, see
    :func:`ttscale.scaling.summaries.images.image_parts`. Curves of text: all that
    :func:`ttscale.scaling.planning.candidates.candidates` names, each with its coverage and the ceiling of its vote;
    and under ``"language"`` what is said of language alone (see :mod:`ttscale.scaling.summaries.text`). Numbers are
    plain Python; NaN and infinity are None.

    A linear algebra library that shares small products among the threads of all cores makes this slower, not faster,
    the more so on a busy machine: set ``OMP_NUM_THREADS=1`` before numpy is loaded where an analysis takes long.

    Args:
        records: with known costs; of text these may be unknown, and what needs them is then left out.
        min_accuracy: target of the plan; without one there is no plan. The plan considers ``vote`` and those
            that :func:`ttscale.scaling.planning.plan.plan` considers by default.
        vote: of every curve; of text the one that the others are compared with. ``"auto"`` is the mean, of text the
            plurality.
        law: ``"auto"`` fits all laws to every curve and marks the chosen one; a name fits that law to every curve
            that has budgets enough for it. loss, delta: what a fit makes small; see
            :func:`ttscale.scaling.fits.fit_law.fit_law`.
        ci, n_boot, seed: level of all intervals, number of resamples, and seed of resamples and halves.
        ties: what tied answers earn in every curve: ``"shared"``, ``"strict"`` or, of text, ``"first_seen"``; see
            :func:`ttscale.scaling.curves.curve.accuracy_curve`. A plan, the tradeoff's verdicts and, of images, the
            quality of probabilities share the credit whatever it is.
        interval: of every curve and difference: ``"percentile"`` or ``"bca"``.
        objective, replacement: of images, how orders of the draws are learned: by calibrated ``log_likelihood`` or by
            ``accuracy``, and whether a draw may be chosen again, which costs nothing more and makes it count more
            (slower).
        shifts: of images, Records of the same members and views on shifted data, by the name of the shift (any but
            ``clean``, which is ``records``).
        on_progress: told the share of the work that is done, in [0, 1].

    Raises:
        TtscaleError: unknown names, options out of range, unknown costs, too few items. A target out of reach is no
            error here: it is told in ``plan_error``.
    """
    options: dict[str, Any] = {"min_accuracy": min_accuracy, "ci": ci, "n_boot": n_boot, "seed": seed}
    options |= {"ties": ties, "interval": interval}
    check_options(vote=vote, law=law, loss=loss, delta=delta, objective=objective, replacement=replacement, **options)
    options["law"] = LawOptions(law, loss, delta)
    check_records(records)
    check_ties(ties, records.outcome)
    scores = records.graded().scores if records.outcome == "text" else ()
    chosen = get_vote(resolve(vote, records.vote_kind), records.vote_kind, scores).name
    if shifts and (records.outcome == "text" or "clean" in shifts):
        raise TtscaleError(
            "shifts", expected='shifted Records of images, under names other than "clean"', got=str(list(shifts)),
            fix="Summarize text by itself; the clean Records come first.",
        )  # fmt: skip
    if records.outcome == "text":
        parts = text_parts(records, vote=chosen, on_progress=on_progress, **options)
    else:
        parts = image_parts(
            records, vote=chosen, selection=Selection(objective, replacement), shifts=shifts or {},
            on_progress=on_progress, **options,
        )  # fmt: skip
    on_progress(1.0)
    return json_ready({"schema_version": SCHEMA_VERSION, "kind": KIND, **parts})


def check_options(
    *, min_accuracy: float | None, vote: str, law: str, ci: float, n_boot: int, seed: int, loss: str = "auto",
    delta: float = DELTA, ties: str = "shared", interval: str = "percentile",
    objective: str = BY_LIKELIHOOD.objective, replacement: bool = BY_LIKELIHOOD.replacement,
) -> None:  # fmt: skip
    """Refuse options that :func:`summarize` cannot work with, before anything is collected or computed.

    Raises:
        TtscaleError: unknown names, or options out of range.
    """
    if min_accuracy is not None:
        check_target(min_accuracy, None)
    get_vote(vote)
    check_fitting(law, loss, delta)
    check_resampling(n_boot, check_level(ci), seed)
    check_estimation(ties, interval)
    Selection(objective, replacement)
