"""Laws: parametric forms of accuracy against budget.

Every law here is linear in some parameters and takes its shape from a few others, so that a fit searches the shape
alone (variable projection, Golub and Pereyra 1973). A user's own law goes into the table, and into every fit and
back-test, with::

    import numpy as np
    from ttscale.scaling.laws import LAWS, Law

    LAWS["root_log"] = Law(
        name="root_log", formula="A + B·(ln k)^c", linear=("A", "B"), shape=("c",), bounds=((0.1, 2.0),),
        basis=lambda k, c: (np.ones_like(k), np.log(k) ** c),
    )
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ttscale.errors import TtscaleError, unknown_name


@dataclass(frozen=True)
class Law:
    """A form ``Σ_j linear_j · basis_j(k; shape)``.

    Attributes:
        name: its name in ``LAWS``.
        formula: as shown to people.
        linear: names of the linear parameters. The first is an accuracy and is kept in [0, 1].
        basis: takes ``k`` (``float64 [..., k]``, at least 1) and each shape parameter (``float64 [..., 1]``), and
            gives one column per linear parameter, which broadcasts to ``[..., k]``.
        shape: names of the shape parameters, all positive.
        bounds: (lowest, highest) of each shape parameter; the search grid is logarithmic between them.
    """

    name: str
    formula: str
    linear: tuple[str, ...]
    basis: Callable[..., tuple[np.ndarray, ...]]
    shape: tuple[str, ...] = ()
    bounds: tuple[tuple[float, float], ...] = ()

    @property
    def parameters(self) -> tuple[str, ...]:
        return self.linear + self.shape

    def columns(self, k: np.ndarray, shape: np.ndarray) -> np.ndarray:
        """Basis functions ``[..., k, linear]`` for shape parameters ``[..., shape]``."""
        columns = self.basis(k, *(shape[..., i, None] for i in range(len(self.shape))))
        return np.stack(np.broadcast_arrays(*columns), axis=-1)

    def value(self, k: np.ndarray, parameters: np.ndarray) -> np.ndarray:
        """The law at ``k`` (``[k]``) for parameters ``[..., linear + shape]``: ``[..., k]``."""
        linear, shape = np.split(parameters, [len(self.linear)], axis=-1)
        return (self.columns(k, shape) * linear[..., None, :]).sum(-1)


LAWS: dict[str, Law] = {
    law.name: law
    for law in (
        Law(
            "constant", "A", linear=("A",),
            basis=lambda k: (np.ones_like(k),),  # the null: more compute changes nothing
        ),
        Law(
            "log_linear", "A + B·ln k", linear=("A", "B"),
            basis=lambda k: (np.ones_like(k), np.log(k)),  # each doubling adds the same, no ceiling in sight
        ),
        Law(
            "power_floor", "A − B·k^−c", linear=("A", "B"), shape=("c",), bounds=((0.01, 10.0),),
            basis=lambda k, c: (np.ones_like(k), -(k**-c)),  # a ceiling A approached as a power of k
        ),
        Law(
            "saturating_exponential", "A − B·e^(−c(k−1))", linear=("A", "B"), shape=("c",), bounds=((0.001, 10.0),),
            basis=lambda k, c: (np.ones_like(k), -np.exp(-c * (k - 1.0))),  # a ceiling A reached quickly
        ),
    )
}  # fmt: skip


def get_law(name: str) -> Law:
    """The law of this name; TtscaleError with the nearest names when there is none."""
    if not isinstance(name, str) or name not in LAWS:
        raise unknown_name("law", name, LAWS, fix='Or "auto" for the law chosen by back-test.')
    return LAWS[name]


def check_law(law: Law) -> None:
    """Refuse a user's law whose parts do not fit together."""
    problem = ""
    if not law.linear:
        problem = "no linear parameter"
    elif len(law.bounds) != len(law.shape) or any(not 0 < low < high for low, high in law.bounds):
        problem = f"shape {law.shape} with bounds {law.bounds}"
    else:
        k = np.array([1.0, 2.0, 3.0])
        middle = np.array([np.sqrt(low * high) for low, high in law.bounds])
        got = [np.shape(column) for column in law.basis(k, *(middle[i, None] for i in range(len(middle))))]
        if len(got) != len(law.linear) or any(shape not in ((3,), (1,), ()) for shape in got):
            problem = f"basis columns of shapes {got} at three budgets for {len(law.linear)} linear parameters"
    if problem:
        raise TtscaleError(
            "law", expected="positive bounds per shape parameter and one basis column per linear parameter",
            got=f"{law.name!r} with {problem}", fix="See the example at the top of ttscale/scaling/laws.py.",
        )  # fmt: skip
