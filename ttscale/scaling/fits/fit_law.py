"""Forecasts of a curve: by a law of a name, by what the back-test chooses, or by the average of all."""

from __future__ import annotations

from dataclasses import replace

from ttscale.errors import TtscaleError
from ttscale.scaling.curves.curve import Curve
from ttscale.scaling.fits.backtest import folds_of, scored
from ttscale.scaling.fits.fit import STACKED, Fit, choose, fit_of, stacked_fit
from ttscale.scaling.fits.fitted import DELTA, Fitting
from ttscale.scaling.fits.forecasters import Forecaster, OfLaw, forecaster
from ttscale.scaling.fits.points import Points, log_spaced, points_of
from ttscale.scaling.fits.populations import OverPopulations
from ttscale.scaling.laws.law import Law
from ttscale.scaling.laws.table import LAWS
from ttscale.scaling.numbers import is_whole

__all__ = ["STACKED", "Fit", "check_fitting", "fit_law", "log_spaced", "needed_budgets"]


def fit_law(
    curve: Curve, law: str | Law = "auto", *, loss: str = "auto", delta: float = DELTA, n_splits: int = 5
) -> Fit:
    """Fit one law, choose among all of ``LAWS`` by back-test, or average them.

    Of a curve of coverage with the counts of each item's right samples, the average over populations of problems
    (:mod:`ttscale.scaling.laws.populations`) is one of those chosen among and averaged, by the name ``"populations"``.

    The points are spaced evenly in log k; every bootstrap replicate of the curve is refitted for the intervals. The law
    chosen is the simplest of those whose back-test error of the gain cannot be told from the least (see
    :mod:`ttscale.scaling.fits.choice`), never one whose solver did not converge, and only among those that hold for
    forecasts of such a curve (``Law.forecasts``): coverage is asked for at a hundred times the samples, which no
    back-test reaches, and there a law with a ceiling of its own, or a plain beta-binomial, is far off.

    Args:
        curve: from :func:`ttscale.scaling.curves.curve.accuracy_curve`, with at least 2 budgets.
        law: ``"auto"``, ``"stacked"``, a name in ``LAWS``, ``"populations"``, or a
            :class:`~ttscale.scaling.laws.law.Law` of your own.
        loss: ``"auto"``: the likelihood of the counts for laws of coverage that have one, else ``"gls"``; ``"huber"``;
            ``"binomial"``. See :mod:`ttscale.scaling.fits.fitted`.
        delta: of ``"huber"``, in standard errors.
        n_splits: splits of the items for the back-test, each used both ways.

    Raises:
        TtscaleError: unknown law or loss, budgets that do not increase, fewer of them (evenly spaced in log k) than a
            named law has parameters, undefined accuracy, too few items to halve, or populations of a curve without
            counts or by a loss of its points.
    """
    check_fitting(law, loss, delta)
    if not is_whole(n_splits) or n_splits < 1:
        raise TtscaleError("n_splits", expected="a whole number of at least 1", got=repr(n_splits), fix="Give 5.")
    points, how = points_of(curve), Fitting(loss, delta)
    tried, skipped = _tried(law, points, how)
    folds = folds_of(points, n_splits=int(n_splits))
    fits = []
    for one in tried:
        try:
            fits.append(fit_of(one.fit(points, how), curve, scored(folds, *one.predict(folds, how))))
        except TtscaleError as error:
            if law not in ("auto", STACKED) or error.argument != "law":
                raise
            skipped[one.name] = "is not defined at all of these budgets, wherever on its start grid"
    if law not in ("auto", STACKED):
        return fits[0]
    ranked = tuple(sorted(fits, key=lambda fit: (not fit.backtest.possible, fit.backtest_gain_rmse)))
    if law == "auto":
        return replace(choose(ranked), candidates=ranked, skipped=skipped)
    if (stacked := stacked_fit(ranked, skipped)) is None:
        raise TtscaleError(
            "law", expected="budgets to fit and budgets to predict, for a back-test to weigh the laws by",
            got=f"budgets {points.curve.budgets.tolist()}", fix='Use more budgets, or law="constant".',
        )  # fmt: skip
    return stacked


def check_fitting(law: str | Law = "auto", loss: str = "auto", delta: float = DELTA) -> None:
    """Refuse a law, a loss or a ``delta`` that :func:`fit_law` cannot work with."""
    how = Fitting(loss, delta)
    if law not in ("auto", STACKED):
        forecaster(law).check(how)


def needed_budgets(law: str | Law) -> int:
    """How many budgets, evenly spaced in log k, :func:`fit_law` needs for a law."""
    return 2 if law in ("auto", STACKED) else forecaster(law).needs


def _tried(law: str | Law, points: Points, how: Fitting) -> tuple[list[Forecaster], dict[str, str]]:
    """What to forecast by, and the laws that the curve has too few budgets for, with the reason."""
    n_points = len(points.x)
    every: list[Forecaster] = [*map(OfLaw, LAWS.values()), OverPopulations()]
    if law in ("auto", STACKED):
        meant = [one for one in every if one.tries(points, how)]
        skipped = {
            one.name: f"needs {one.needs} budgets, the curve has {n_points} evenly spaced in log k"
            for one in meant
            if one.needs > n_points
        }
        chosen = [one for one in meant if one.name not in skipped]
        for one in chosen:
            one.check(how)
    else:
        chosen, skipped = [forecaster(law)], {}
        if chosen[0].needs > n_points:
            raise TtscaleError(
                "law", expected=f"at least {chosen[0].needs} budgets for {chosen[0].name!r}",
                got=str(n_points), fix='Use more budgets, or law="constant".',
            )  # fmt: skip
    return chosen, skipped
