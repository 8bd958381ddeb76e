"""The language of view sets: ``views("flip * shifts(1) + scales(0.9, 1.1)")``.

``A + B`` are the views of A, then those of B that are new. ``A * B`` are all compositions (a view of A, then one of B);
the left factor varies fastest. ``A[:k]`` are the first k; ``random_shift(2)[3]`` is one of a random set. The identity
always comes first, added where it is missing.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable
from itertools import product as all_pairs

from ttscale.draws.views import IDENTITY, Step, View, ViewSet
from ttscale.errors import TtscaleError, unknown_name

Views = tuple[View, ...]


def views(spec: str | ViewSet) -> ViewSet:
    """The view set that a specification names.

    Single views: ``identity``, ``hflip``, ``vflip``, ``shift(right, down)`` in pixels, ``crop(side, x, y)``,
    ``scale(factor)``, ``rotate(degrees)``, ``brightness(factor)``, ``contrast(factor)``.

    Sets: ``flip`` (identity and mirror), ``shifts(distance)`` (identity and 8 neighbours), ``5crop`` or
    ``crops(side)`` (centre and four corners, resized to the full size), ``scales(f, …)``, ``rotations(degrees)`` (one
    each way), and the random ones, new for each item: ``random_shift(distance, n)``, ``random_crop(least_side, n)``,
    ``random_rotate(degrees, n)``, ``random_brightness(strength, n)``, ``random_contrast(strength, n)``.

    Raises:
        TtscaleError: a name that is not one of these, wrong parameters, or something that cannot be read.
    """
    if isinstance(spec, ViewSet):
        return spec
    if not isinstance(spec, str) or not spec.strip():
        raise TtscaleError("draws", expected="a view specification", got=repr(spec), fix="For example: views('flip').")
    source = re.sub(r"\b5crop\b(?!\()", "crops(0.875)", spec)
    try:
        tree = ast.parse(source.strip(), mode="eval").body
        return ViewSet(spec, _distinct((IDENTITY, *_evaluate(tree, spec))))
    except SyntaxError as error:
        raise _unreadable(spec, error.msg) from error
    except (RecursionError, MemoryError) as error:
        raise _unreadable(f"{spec[:40]} …", "too deeply nested") from error


def view_named(name: str) -> View:
    """The one view of this name, as ``ViewSet.names`` gives it."""
    return views(name).views[0 if name == IDENTITY.name else 1]


def _evaluate(node: ast.expr, spec: str) -> Views:
    match node:
        case ast.BinOp(left, ast.Add(), right):
            return _distinct(_evaluate(left, spec) + _evaluate(right, spec))
        case ast.BinOp(left, ast.Mult(), right):
            pairs = all_pairs(_evaluate(right, spec), _evaluate(left, spec))
            return _distinct(tuple(first.then(second) for second, first in pairs))
        case ast.Subscript(value, ast.Slice(None, ast.Constant(int(k)), None)) if k >= 1:
            return _first(_evaluate(value, spec), k, spec)
        case ast.Subscript(ast.Call(ast.Name(name), arguments, []), ast.Constant(int(i))) if name.startswith("random_"):
            numbers = tuple(_number(argument, spec) for argument in arguments)
            return _make(name, (*numbers, i + 1), spec)[i:]
        case ast.Name(name):
            return _make(name, (), spec)
        case ast.Call(ast.Name(name), arguments, []):
            return _make(name, tuple(_number(argument, spec) for argument in arguments), spec)
    raise _unreadable(spec, f"{ast.unparse(node)!r} is not a view, a sum, a product or a prefix")


def _first(some: Views, k: int, spec: str) -> Views:
    if k > len(some):
        raise _unreadable(spec, f"[:{k}] of a set of {len(some)} views")
    return some[:k]


def _make(name: str, arguments: tuple[float, ...], spec: str) -> Views:
    if name not in SETS:
        raise unknown_name("draws", name, SETS)
    try:
        inspect.signature(SETS[name]).bind(*arguments)
        return SETS[name](*arguments)
    except (TypeError, ValueError, OverflowError) as error:
        raise _unreadable(spec, f"{name}{inspect.signature(SETS[name])}: {error}".replace(" -> 'Views'", "")) from error


def _number(node: ast.expr, spec: str) -> float:
    try:
        value = ast.literal_eval(node)
    except ValueError:
        value = None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _unreadable(spec, f"{ast.unparse(node)!r} is not a number")
    return value


def _unreadable(spec: str, why: str) -> TtscaleError:
    return TtscaleError(
        "draws", expected="a view specification such as 'flip * shifts(1)'", got=f"{spec!r} ({why})",
        fix="See `ttscale.views` for the names and operators.",
    )  # fmt: skip


def _distinct(sequence: Views) -> Views:
    return tuple({view.name: view for view in sequence}.values())


def _fixed(transform: str, *values: float) -> View:
    inside = ",".join(_written(value) for value in values)
    return View(f"{transform}({inside})" if values else transform, (Step(transform, values, values),))


def _written(value: float) -> str:
    """The shortest text that reads back as the same number: a view is found again by its name."""
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)


def _random(transform: str, low: tuple[float, ...], high: tuple[float, ...], label: str, n: float) -> Views:
    if n != int(n) or n < 1:
        raise ValueError("n must be a whole number of at least 1")
    return tuple(View(f"random_{transform}({label})[{i}]", (Step(transform, low, high),)) for i in range(int(n)))


def _at_least(value: float, least: float, what: str) -> float:
    if value < least:
        raise ValueError(f"{what} must be at least {least}")
    return value


def _share(value: float, what: str) -> float:
    if not 0 < value <= 1:
        raise ValueError(f"{what} must lie in (0, 1]")
    return value


def _positive(value: float, what: str) -> float:
    if value <= 0:
        raise ValueError(f"{what} must be positive")
    return value


def _shift(right: float, down: float) -> Views:
    if right != int(right) or down != int(down):
        raise ValueError("shifts are whole pixels")
    return (IDENTITY if right == down == 0 else _fixed("shift", right, down),)


def _crop(side: float, x: float = 0.5, y: float = 0.5) -> Views:
    if not (0 <= x <= 1 and 0 <= y <= 1):
        raise ValueError("x and y must lie in [0, 1]")
    return (_fixed("crop", _share(side, "side"), x, y),)


def _crops(side: float) -> Views:
    return tuple(_crop(side, x, y)[0] for x, y in ((0.5, 0.5), (0, 0), (1, 0), (0, 1), (1, 1)))


def _shifts(distance: float) -> Views:
    steps = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1), (1, -1), (-1, 1))
    return tuple(_shift(distance * right, distance * down)[0] for right, down in steps)


def _rotations(degrees: float) -> Views:
    return (_fixed("rotate", degrees), _fixed("rotate", -degrees))


def _scales(*factors: float) -> Views:
    return tuple(_fixed("scale", _positive(factor, "a factor")) for factor in factors)


def _random_shift(distance: float, n: float = 1) -> Views:
    reach = _at_least(distance, 1, "distance") + 0.49999  # rounded to whole pixels, each equally likely
    return _random("shift", (-reach, -reach), (reach, reach), _written(distance), n)


def _random_crop(least_side: float, n: float = 1) -> Views:
    return _random("crop", (_share(least_side, "least_side"), 0, 0), (1, 1, 1), _written(least_side), n)


def _random_rotate(degrees: float, n: float = 1) -> Views:
    return _random("rotate", (-degrees,), (degrees,), _written(degrees), n)


def _random_photometric(transform: str) -> Callable[..., Views]:
    def factory(strength: float, n: float = 1) -> Views:
        return _random(transform, (1 - _share(strength, "strength"),), (1 + strength,), _written(strength), n)

    return factory


def _photometric(transform: str) -> Callable[..., Views]:
    return lambda factor: (_fixed(transform, _positive(factor, "factor")),)


SETS: dict[str, Callable[..., Views]] = {
    "identity": lambda: (IDENTITY,),
    "hflip": lambda: (_fixed("hflip"),),
    "vflip": lambda: (_fixed("vflip"),),
    "flip": lambda: (IDENTITY, _fixed("hflip")),
    "shift": _shift,
    "shifts": _shifts,
    "crop": _crop,
    "crops": _crops,
    "scale": lambda factor: _scales(factor),
    "scales": _scales,
    "rotate": lambda degrees: (_fixed("rotate", degrees),),
    "rotations": _rotations,
    "brightness": _photometric("brightness"),
    "contrast": _photometric("contrast"),
    "random_shift": _random_shift,
    "random_crop": _random_crop,
    "random_rotate": _random_rotate,
    "random_brightness": _random_photometric("brightness"),
    "random_contrast": _random_photometric("contrast"),
}
