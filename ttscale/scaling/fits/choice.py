"""Which law a back-test chooses: the simplest of those that it cannot tell from the best.

The mean squared error of a back-test is itself uncertain. A law of fewer parameters is therefore preferred when its
squared error is hardly larger than the least, after the rule of Breiman, Friedman, Olshen and Stone, "Classification
and regression trees", 1984, §3.4.3: a flexible law that wins by luck at twice the fitted range is far off at a hundred
times. Their margin is one standard error of the error, as it is for surfaces; of curves, whose laws meet the same
folds, it is the difference that says with odds of two to one which law errs less (:mod:`ttscale.scaling.fits.doubt`).
"""

from __future__ import annotations

import numpy as np

from ttscale.scaling.fits.doubt import NOTHING

_AS_GOOD = 1.02  # errors that differ by less are equal, however well they are known


def pick(errors: np.ndarray, n_parameters: np.ndarray, margin: float | np.ndarray = 0.0) -> int:
    """The law chosen by its back-test errors ``[law]``, some of them finite; of equally simple ones the best.

    Args:
        n_parameters: of each law.
        margin: by how much a squared error may exceed the least and count as equal, one or ``[law]``.
    """
    squares = np.square(np.asarray(errors, dtype=np.float64))
    best = np.nanmin(squares)
    close = np.flatnonzero(squares <= np.maximum(max(best * _AS_GOOD**2, NOTHING**2), best + margin))
    return int(min(close, key=lambda law: (n_parameters[law], squares[law])))
