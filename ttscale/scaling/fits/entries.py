"""The laws of one curve as rows of a summary: the chosen one in full, the others by what they predicted.

Every refit to the resamples costs time, and a law that was not chosen is judged by its back-test alone: its row has the
point estimates, and the status that follows from the solution without refits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ttscale.scaling.fits.fit_law import STACKED, Fit

_LINE_POINTS = 48


def fit_entries(best: Fit) -> list[dict[str, Any]]:
    """One row a law, the best back-test first, and last the stacked average where it was not the choice itself."""
    rows = [_row(best, fit, rank) for rank, fit in enumerate(best.candidates or (best,), 1)]
    stacked = best if best.law == STACKED else best.stacked
    return rows if stacked is None else [*rows, _row(best, stacked, None)]


def _row(best: Fit, fit: Fit, rank: int | None) -> dict[str, Any]:
    chosen = fit.law == best.law
    known = fit.backtest.possible
    row: dict[str, Any] = {
        "curve": fit.curve.name, "law": fit.law, "formula": fit.formula, "purpose": fit.purpose, "unit": fit.unit,
        "loss": fit.loss, "params": _params(fit, chosen=chosen), "weights": fit.weights,
        "status": fit.status if chosen else fit.point_status, "r2": fit.r2, "rmse": fit.rmse,
        "backtest_rmse": fit.backtest_rmse, "backtest_gain_rmse": fit.backtest_gain_rmse,
        "folds_converged": fit.backtest.converged, "rank": rank if known else None, "chosen": chosen,
        "start_gap": fit.start_gap, "gradient_norm": fit.gradient_norm,
        "backtest": {"fitted": fit.backtest.fitted, "held_out": fit.backtest.held_out},
    }  # fmt: skip
    if chosen:
        last = float(fit.curve.budgets[-1])
        k = np.unique(np.append(np.geomspace(1.0, 2 * last, _LINE_POINTS), last))
        accuracy, low, high = fit.line(k)
        line = {"k": k, "flops": fit.flops_at(k), "accuracy": accuracy, "low": low, "high": high}
        choice = {} if fit.choice is None else {"rmse": fit.choice.rmse, "gain_rmse": fit.choice.gain_rmse}
        refits = min((law.refits_converged for law in fit.forecast.solved), default=1.0)
        row |= {
            "asymptote": fit.asymptote, "skipped": fit.skipped, "line": line, "choice": choice,
            "refits_converged": refits,
        }  # fmt: skip
    return row


def _params(fit: Fit, *, chosen: bool) -> dict[str, Any]:
    """Parameters: with intervals of the chosen law, values alone of another; none of an average."""
    if chosen:
        return dict(fit.params)
    return {name: {"value": value, "low": None, "high": None} for name, value in fit.values.items()}
