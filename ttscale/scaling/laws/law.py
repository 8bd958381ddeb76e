"""What a law is: a parametric form with its gradient, bounds and start grid.

The parameters in which a law is linear are marked, so that the solver need not search them: its columns are the law's
gradient in them, and a value and a gradient are all that variable projection needs (Golub and Pereyra 1973, Kaufman
1975).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

_STEP = 6e-6  # the cube root of machine epsilon, the best relative step of a central difference


@dataclass(frozen=True)
class Parameter:
    """One parameter of a law.

    Attributes:
        name: as in the law's formula.
        low, high: bounds, both allowed; infinite only for a linear parameter.
        linear: the law is linear (or affine) in it, given the parameters that are not.
        log: a nonlinear one is searched in its logarithm (``low`` is then above 0), else as it is.
        starts: values from which a nonlinear one is searched; none means evenly spaced between the bounds.
        prior: median of one that is searched in its logarithm, and the standard deviation of that logarithm: a normal
            prior, added to the likelihood of counts. No other loss knows it.
    """

    name: str
    low: float
    high: float
    linear: bool = False
    log: bool = True
    starts: tuple[float, ...] = ()
    prior: tuple[float, float] | None = None

    @property
    def searched_in_log(self) -> bool:
        return self.log and not self.linear


@dataclass(frozen=True)
class Law:
    """A parametric form of one or several inputs.

    Attributes:
        name: its name in ``LAWS``.
        formula: as shown to people.
        purpose: what it is for, one phrase.
        parameters: the linear ones first. The first linear one of a law of accuracy is kept in [0, 1] by its bounds.
        value: takes the inputs (each broadcasts as ``[..., point]``) and the parameters (each as ``[..., 1]``).
        gradient: of the same arguments: one array per parameter, the derivative in it, which broadcasts to
            ``[..., point]``. None takes central differences, good to about 1e-10.
        inputs: names of the inputs.
        of: kinds of curve on which ``law="auto"`` tries it: ``"accuracy"``, ``"coverage"``.
        forecasts: kinds of curve of which it may be chosen, or averaged; None for all that it is tried on.
        limit: takes the parameters (``[...]`` each) and gives the value as the first input grows without end
            (``[...]``, NaN where there is none); None for a law that has no such value.
        log_pmf: log-likelihood of ``c`` right of ``n`` samples (each ``[..., pair]``) given the parameters.
        log_pmf_gradient: of the same arguments: one array per parameter. Needed where ``log_pmf`` is given.
    """

    name: str
    formula: str
    purpose: str
    parameters: tuple[Parameter, ...]
    value: Callable[..., np.ndarray]
    gradient: Callable[..., tuple[np.ndarray, ...]] | None = None
    inputs: tuple[str, ...] = ("k",)
    of: tuple[str, ...] = ("accuracy", "coverage")
    limit: Callable[..., np.ndarray] | None = None
    log_pmf: Callable[..., np.ndarray] | None = None
    log_pmf_gradient: Callable[..., tuple[np.ndarray, ...]] | None = None
    forecasts: tuple[str, ...] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(parameter.name for parameter in self.parameters)

    @property
    def n_linear(self) -> int:
        return sum(parameter.linear for parameter in self.parameters)

    @property
    def low(self) -> np.ndarray:
        """Lower bounds, ``[p]``."""
        return np.array([parameter.low for parameter in self.parameters])

    @property
    def high(self) -> np.ndarray:
        """Upper bounds, ``[p]``."""
        return np.array([parameter.high for parameter in self.parameters])

    def at(self, inputs: Sequence[np.ndarray], parameters: np.ndarray) -> np.ndarray:
        """The law at ``inputs`` (one ``[..., point]`` per input) for ``parameters [..., p]``: ``[..., point]``."""
        value = np.asarray(self.value(*inputs, *_split(parameters)))
        return np.broadcast_to(value, np.broadcast_shapes(_shape(inputs, parameters), value.shape))

    def jacobian(self, inputs: Sequence[np.ndarray], parameters: np.ndarray) -> np.ndarray:
        """Derivatives in the parameters: ``[..., point, p]``."""
        parameters = np.asarray(parameters, dtype=np.float64)
        return np.moveaxis(self.slopes(inputs, parameters), 0, -1)

    def slopes(self, inputs: Sequence[np.ndarray], parameters: np.ndarray) -> np.ndarray:
        """The same with the parameters first, ``[p, ..., point]``."""
        columns = self.gradient(*inputs, *_split(parameters)) if self.gradient else self.differences(inputs, parameters)
        out = np.empty((len(columns), *_shape(inputs, parameters)))
        for i, column in enumerate(columns):
            out[i] = column
        return out

    def differences(self, inputs: Sequence[np.ndarray], parameters: np.ndarray) -> tuple[np.ndarray, ...]:
        """The gradient by central differences, relative steps for parameters searched in their logarithm."""
        columns = []
        for i, parameter in enumerate(self.parameters):
            scale = np.abs(parameters[..., i])
            step = _STEP * (scale if parameter.searched_in_log else np.maximum(scale, 1.0))
            up, down = parameters.copy(), parameters.copy()
            up[..., i] += step
            down[..., i] -= step
            width = (up[..., i] - down[..., i])[..., None]
            columns.append((self.at(inputs, up) - self.at(inputs, down)) / width)
        return tuple(columns)

    def asymptote(self, parameters: np.ndarray) -> np.ndarray:
        """The value that the law tends to, for ``parameters [..., p]``: ``[...]``, NaN where there is none."""
        parameters = np.asarray(parameters, dtype=np.float64)
        if self.limit is None:
            return np.full(parameters.shape[:-1], math.nan)
        value = np.asarray(self.limit(*(parameters[..., i] for i in range(parameters.shape[-1]))), dtype=np.float64)
        return np.broadcast_to(value, parameters.shape[:-1]).copy()


def _split(parameters: np.ndarray) -> list[np.ndarray]:
    parameters = np.asarray(parameters, dtype=np.float64)
    return [parameters[..., i, None] for i in range(parameters.shape[-1])]


def _shape(inputs: Sequence[np.ndarray], parameters: np.ndarray) -> tuple[int, ...]:
    points = np.broadcast_shapes(*(np.shape(x) for x in inputs))
    return np.broadcast_shapes(points, (*np.shape(parameters)[:-1], 1))
