"""The table of laws: parametric forms of accuracy against budget.

A user's own law goes into the table, and into every fit and back-test, with::

    import numpy as np
    import ttscale as tts

    tts.LAWS["root_log"] = tts.Law(
        name="root_log", formula="A + B·(ln k)^c", purpose="gains that slow down with every doubling",
        parameters=(
            tts.Parameter("A", 0.0, 1.0, linear=True),
            tts.Parameter("B", -np.inf, np.inf, linear=True),
            tts.Parameter("c", 0.1, 2.0),
        ),
        value=lambda k, A, B, c: A + B * np.log(k) ** c,
    )
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ttscale.errors import TtscaleError, unknown_name
from ttscale.scaling.laws.counts import COUNT_LAWS
from ttscale.scaling.laws.easy_and_hard import EASY_AND_HARD
from ttscale.scaling.laws.forms import LAWS_IN_K
from ttscale.scaling.laws.law import Law, Parameter
from ttscale.scaling.laws.populations import NAME

__all__ = ["LAWS", "Law", "Parameter", "check_law", "get_law"]

LAWS: dict[str, Law] = {law.name: law for law in (*LAWS_IN_K, *COUNT_LAWS, EASY_AND_HARD)}

_CHECKED_AT = (1.0, 2.0, 5.0, 20.0)
_CHECKED_BETWEEN = (0.5, 0.35, 0.65)  # of the parameters' ranges
_CHECKED_COUNTS = (10, 10, 10, 40), (0, 3, 10, 25)
_FAR = (1e3, 1e6, 1e9, 1e12)
_NEARER, _REACHED = 1e-4, 1e-3
_GRADIENT_AGREES = 1e-5
_KINDS = ("accuracy", "coverage")


def get_law(name: str) -> Law:
    """The law of this name; TtscaleError with the nearest names when there is none."""
    if not isinstance(name, str) or name not in LAWS:
        raise unknown_name("law", name, (*LAWS, NAME), fix='Or "auto" for the law chosen by back-test.')
    return LAWS[name]


def check_law(law: Law) -> None:
    """Refuse a user's law whose parts do not fit together: TtscaleError with what is wrong."""
    try:
        problem = _bounds_problem(law) or _table_problem(law)
        for share in () if problem else _CHECKED_BETWEEN:
            at = np.array([_between(p, share) for p in law.parameters])
            problem = problem or _gradient_problem(law, at) or _counts_problem(law, at) or _limit_problem(law, at)
    except Exception as error:  # whatever the user's functions raise
        problem = f"functions that cannot be called: {error} (write them with numpy, for arrays)"
    if problem:
        raise TtscaleError(
            "law", expected="parameters with bounds (linear ones first), a value and, if given, its gradient",
            got=f"{law.name!r} with {problem}", fix="See the example at the top of ttscale/scaling/laws/table.py.",
        )  # fmt: skip


def _table_problem(law: Law) -> str:
    for name, kinds in (("of", law.of), ("forecasts", law.forecasts or ())):
        if isinstance(kinds, str) or not set(kinds) <= set(_KINDS):
            return f"{name}={kinds!r}, which is not a tuple of {' and '.join(map(repr, _KINDS))}"
    named = [name for name, one in LAWS.items() if one is law and name != law.name]
    return f"another name than its key {named[0]!r} in LAWS" if named else ""


def _bounds_problem(law: Law) -> str:
    if not law.parameters:
        return "no parameter"
    if len(set(law.names)) < len(law.names):
        return f"two parameters of one name in {law.names}"
    if any(
        later.linear and not former.linear for former, later in zip(law.parameters, law.parameters[1:], strict=False)
    ):
        return "a linear parameter behind one that is not"
    for p in law.parameters:
        if not p.low < p.high:
            return f"bounds {p.low:g} and {p.high:g} of {p.name}"
        if not p.linear and not np.isfinite([p.low, p.high]).all():
            return f"infinite bounds of {p.name}, which is not linear"
        if p.searched_in_log and p.low <= 0:
            return f"{p.name} searched in its logarithm from {p.low:g}"
        if any(not p.low <= start <= p.high for start in p.starts):
            return f"starts of {p.name} outside its bounds"
        if problem := _prior_problem(p):
            return problem
    if (law.log_pmf is None) != (law.log_pmf_gradient is None):
        return "only one of log_pmf and log_pmf_gradient"
    return ""


def _prior_problem(p: Parameter) -> str:
    if p.prior is None:
        return ""
    if not p.searched_in_log:
        return f"a prior of {p.name}, which is not searched in its logarithm"
    median, deviation = p.prior
    return "" if p.low <= median <= p.high and 0 < deviation < np.inf else f"the prior {p.prior} of {p.name}"


def _gradient_problem(law: Law, at: np.ndarray) -> str:
    """Compare with differences at parameters ``[p]``."""
    inputs = [np.array(_CHECKED_AT) * (i + 1) for i in range(len(law.inputs))]
    value = np.asarray(law.value(*inputs, *at[:, None]))
    if value.shape not in (inputs[0].shape, (1,), ()) or not np.isfinite(value).all():
        return f"value {value} at {', '.join(law.inputs)} = {_CHECKED_AT}"
    numeric = law.differences(inputs, at)
    if law.gradient is not None:
        problem = _slopes_problem(law, law.gradient(*inputs, *at[:, None]), numeric, value, "its value")
        if problem:
            return problem
    return _linearity_problem(law, inputs, at, numeric)


def _slopes_problem(
    law: Law, columns: Sequence[np.ndarray], numeric: Sequence[np.ndarray], value: np.ndarray, of: str
) -> str:
    if len(columns) != len(law.parameters):
        return f"a gradient of {len(columns)} parts for {len(law.parameters)} parameters"
    for p, ours, other in zip(law.parameters, columns, numeric, strict=True):
        scale = np.abs(other).max() + np.abs(value).max() * 1e-3
        if not np.abs(ours - other).max() <= _GRADIENT_AGREES * scale:
            return f"a gradient in {p.name} that is not the derivative of {of}"
    return ""


def _counts_problem(law: Law, at: np.ndarray) -> str:
    if law.log_pmf is None or law.log_pmf_gradient is None:
        return ""
    n, c = (np.array(counts, dtype=np.float64) for counts in _CHECKED_COUNTS)
    of_counts = replace(law, value=law.log_pmf, gradient=law.log_pmf_gradient, inputs=("n", "c"))
    value = np.asarray(law.log_pmf(n, c, *at[:, None]))
    if value.shape != n.shape or not (value <= 1e-9).all():
        return f"log_pmf {value}, which is no logarithm of probabilities"
    columns = law.log_pmf_gradient(n, c, *at[:, None])
    return _slopes_problem(of_counts, columns, of_counts.differences([n, c], at), value, "its log_pmf")


def _limit_problem(law: Law, at: np.ndarray) -> str:
    """Values that move away from the limit as the first input grows."""
    limit = float(law.asymptote(at))
    if not np.isfinite(limit) or len(law.inputs) > 1:
        return ""
    with np.errstate(all="ignore"):
        off = np.abs(law.at([np.array(_FAR)], at) - limit)
    slow = off[1:] < (1.0 - _NEARER) * off[:-1]
    return (
        "" if (slow | (off[1:] <= _REACHED * max(1.0, abs(limit)))).all() else "a limit that its value does not tend to"
    )


def _linearity_problem(law: Law, inputs: list[np.ndarray], middle: np.ndarray, slopes: tuple[np.ndarray, ...]) -> str:
    """Whether the value is affine in all linear parameters at once."""
    moved = middle + np.array([0.5 if p.linear else 0.0 for p in law.parameters])
    predicted = law.at(inputs, middle) + sum(0.5 * slopes[i] for i in range(law.n_linear))
    off = np.abs(law.at(inputs, moved) - predicted).max()
    scale = np.abs(predicted).max() + sum(np.abs(slope).max() for slope in slopes[: law.n_linear])
    return "" if off <= _GRADIENT_AGREES * scale else "a parameter marked linear in which the value is not"


def _between(p: Parameter, share: float) -> float:
    if p.searched_in_log:
        return float(p.low ** (1.0 - share) * p.high**share)
    low, high = np.clip([p.low, p.high], -1.0, 1.0) if p.linear else (p.low, p.high)
    return low + share * (high - low) + (0.3 if p.linear else 0.01 * (high - low))
