"""Fitting laws to a curve: one by name, the one that the back-test chooses, or the average of all."""

from __future__ import annotations

from dataclasses import replace

from ttscale.errors import TtscaleError
from ttscale.scaling.curves.curve import Curve
from ttscale.scaling.fits.backtest import backtest, folds_of
from ttscale.scaling.fits.fit import STACKED, Fit, choose, fit_of, stacked_fit
from ttscale.scaling.fits.fitted import DELTA, Fitting, fit_points
from ttscale.scaling.fits.points import Points, log_spaced, points_of
from ttscale.scaling.laws.law import Law
from ttscale.scaling.laws.table import LAWS, check_law, get_law
from ttscale.scaling.numbers import is_whole

__all__ = ["STACKED", "Fit", "check_fitting", "fit_law", "log_spaced", "needed_budgets"]


def fit_law(
    curve: Curve, law: str | Law = "auto", *, loss: str = "auto", delta: float = DELTA, n_splits: int = 5
) -> Fit:
    """Fit one law, choose among all of ``LAWS`` by back-test, or average them.

    The points are spaced evenly in log k; every bootstrap replicate of the curve is refitted for the intervals. The law
    chosen is the simplest of those whose back-test error of the gain cannot be told from the least (see
    :mod:`ttscale.scaling.fits.choice`), never one whose solver did not converge, and only among those that hold for
    forecasts of such a curve (``Law.forecasts``): coverage is asked for at a hundred times the samples, which no
    back-test reaches, and there a law with a ceiling of its own, or a plain beta-binomial, is far off.

    Args:
        curve: from :func:`ttscale.scaling.curves.curve.accuracy_curve`, with at least 2 budgets.
        law: ``"auto"``, ``"stacked"``, a name in ``LAWS``, or a :class:`~ttscale.scaling.laws.law.Law` of your own.
        loss: ``"auto"``: the likelihood of the counts for laws of coverage that have one, else ``"gls"``; ``"huber"``;
            ``"binomial"``. See :mod:`ttscale.scaling.fits.fitted`.
        delta: of ``"huber"``, in standard errors.
        n_splits: splits of the items for the back-test, each used both ways.

    Raises:
        TtscaleError: unknown law or loss, budgets that do not increase, fewer of them (evenly spaced in log k) than a
            named law has parameters, undefined accuracy, or too few items to halve.
    """
    check_fitting(law, loss, delta)
    if not is_whole(n_splits) or n_splits < 1:
        raise TtscaleError("n_splits", expected="a whole number of at least 1", got=repr(n_splits), fix="Give 5.")
    points, how = points_of(curve), Fitting(loss, delta)
    laws, skipped = _laws(law, points)
    folds = folds_of(points, n_splits=int(n_splits))
    fits = []
    for one in laws:
        try:
            fits.append(fit_of(fit_points(one, points, how), curve, backtest(one, folds, how)))
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
    Fitting(loss, delta)
    if law in ("auto", STACKED):
        return
    named = law if isinstance(law, Law) else get_law(law)
    if len(named.inputs) != 1:
        raise TtscaleError(
            "law", expected="a law of one input, the number of draws k",
            got=f"{named.name!r} of {', '.join(named.inputs)}", fix="Fit it with ttscale.fit_surface.",
        )  # fmt: skip


def needed_budgets(law: str | Law) -> int:
    """How many budgets, evenly spaced in log k, :func:`fit_law` needs for a law."""
    if law in ("auto", STACKED):
        return 2
    return max(2, len((law if isinstance(law, Law) else get_law(law)).parameters))


def _laws(law: str | Law, points: Points) -> tuple[list[Law], dict[str, str]]:
    """The laws to fit, and those that the curve has too few budgets for, with the reason."""
    n_points = len(points.x)
    if law in ("auto", STACKED):
        meant = [one for one in LAWS.values() if points.of in one.of and len(one.inputs) == 1]
        skipped = {
            one.name: f"needs {needed_budgets(one)} budgets, the curve has {n_points} evenly spaced in log k"
            for one in meant
            if needed_budgets(one) > n_points
        }
        chosen = [one for one in meant if one.name not in skipped]
    else:
        chosen, skipped = [law if isinstance(law, Law) else get_law(law)], {}
        if needed_budgets(chosen[0]) > n_points:
            raise TtscaleError(
                "law", expected=f"at least {needed_budgets(chosen[0])} budgets for {chosen[0].name!r}",
                got=str(n_points), fix='Use more budgets, or law="constant".',
            )  # fmt: skip
    for one in chosen:
        check_law(one)
    return chosen, skipped
