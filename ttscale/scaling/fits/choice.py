"""Which law a back-test chooses: the simplest of those that it cannot tell from the best.

The mean squared error of a back-test is itself uncertain, by the sampling noise of what the law is scored on. A law of
fewer parameters is therefore preferred when its squared error is within one standard error of the least (the rule of
Breiman, Friedman, Olshen and Stone, "Classification and regression trees", 1984, §3.4.3): a flexible law that wins by
luck at twice the fitted range is far off at a hundred times. A parameter with a prior is not free to run off, and is
not counted.
"""

from __future__ import annotations

import numpy as np

_AS_GOOD = 1.02  # errors that differ by less are equal, however well they are known
NOTHING = 5e-5  # an error that no page shows


def pick(errors: np.ndarray, n_parameters: np.ndarray, unsure: float = 0.0) -> int:
    """The law chosen by its back-test errors ``[law]``, some of them finite; of equally simple ones the best.

    Args:
        n_parameters: that the data alone find.
        unsure: standard error of a squared error.
    """
    squares = np.square(np.asarray(errors, dtype=np.float64))
    best = np.nanmin(squares)
    close = np.flatnonzero(squares <= max(best * _AS_GOOD**2, best + unsure, NOTHING**2))
    return int(min(close, key=lambda law: (n_parameters[law], squares[law])))
