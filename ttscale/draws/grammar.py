"""The language of view sets: ``views("flip * shifts(1) + scales(0.9, 1.1)")``.

``A + B`` are the views of A, then those of B that are new. ``A * B`` are all compositions (a view of A, then one of B);
the left factor varies fastest. ``A[:k]`` are the first k; ``random_shift(2)[3]`` is one of a numbered set. The identity
always comes first, added where it is missing.
"""

from __future__ import annotations

import ast
import inspect
import re
from functools import cache
from itertools import product as all_pairs

from ttscale.draws.making import MOST_VIEWS, Numbers, Views
from ttscale.draws.view_sets import FACTORIES, NUMBERED
from ttscale.draws.views import IDENTITY, View, ViewSet
from ttscale.errors import TtscaleError, unknown_name


def views(spec: str | ViewSet) -> ViewSet:
    """The view set that a specification names.

    *Cut from the raw image* (at most one in a view, and first): ``window(share, x, y)``, its side as a share of the
    short side and its place from 0 to 1; ``size(side)``, the model's own preprocessing at another input size in
    pixels; ``window(share, x, y, size)``. Sets: ``windows(share, n)``, n × n from the centre outwards; ``5crop``,
    centre and four corners of share 0.875; ``10crop``, those and their mirror images; ``sizes(side, …)``. A set begins
    with the plain image, so ``10crop`` is 11 views. Where that is the centre crop of all members (share 0.875, as in
    the papers), or a size is their own, :func:`ttscale.collect` leaves it out, and these are ImageNet's ten.

    *Moved*: ``identity``, ``hflip``, ``vflip``, ``rotate90(turns)``, ``shift(right, down)`` in pixels, ``crop(side,
    x, y)`` of the model's input, ``scale(factor)``, ``rotate(degrees)``, ``shear(across, along)``. Sets: ``flip``
    (identity and mirror), ``rotations90``, ``d4`` (those and their mirror images), ``shifts(distance)`` (identity and
    8 neighbours), ``crops(side)`` (centre and four corners), ``scales(f, …)``, ``rotations(degrees)`` (one each way).

    *Changed*: ``brightness``, ``contrast``, ``saturation``, ``sharpness`` and ``gamma`` of a factor (1 changes
    nothing), ``hue(turns)``, ``autocontrast``, ``equalize``, ``blur(sigma)`` in pixels, ``noise(sigma)`` in units of
    the pixel range (new for each item), ``jpeg(quality)``.

    *New for each item*, n views each: ``random_NAME(strength, n)`` of ``shift`` (pixels), ``translate`` (share of the
    side), ``crop`` (least side), ``scale``, ``rotate``, ``shear``, ``brightness``, ``contrast``, ``saturation``,
    ``sharpness``, ``gamma``, ``hue``, ``blur`` (most), ``noise`` (most) and ``jpeg`` (least quality);
    ``policies(n_ops, magnitude, n)``: n_ops of RandAugment's operations in a row, magnitude up to 30.

    Raises:
        TtscaleError: a name that is not one of these, wrong parameters, two cuts from the raw image in one view, or
            something that cannot be read.
    """
    if isinstance(spec, ViewSet):
        return spec
    if not isinstance(spec, str) or not spec.strip():
        raise TtscaleError("draws", expected="a view specification", got=repr(spec), fix="For example: views('flip').")
    source = re.sub(r"\b(?=(5|10)crop\b)", "_", spec)  # names in Python, whose parser reads the rest
    try:
        tree = ast.parse(source.strip(), mode="eval").body
        return ViewSet(spec, _distinct((IDENTITY, *_evaluate(tree, spec))))
    except SyntaxError as error:
        raise _unreadable(spec, error.msg) from error
    except (RecursionError, MemoryError) as error:
        raise _unreadable(f"{spec[:40]} …", "too deeply nested") from error


@cache
def view_named(name: str) -> View:
    """The one view of this name, as ``ViewSet.names`` gives it."""
    return views(name).views[-1]


def _evaluate(node: ast.expr, spec: str) -> Views:
    match node:
        case ast.BinOp(left, ast.Add(), right):
            return _distinct(_evaluate(left, spec) + _evaluate(right, spec))
        case ast.BinOp(left, ast.Mult(), right):
            return _products(_evaluate(left, spec), _evaluate(right, spec), spec)
        case ast.Subscript(value, ast.Slice(None, ast.Constant(int(k)), None)) if k >= 1:
            return _first(_evaluate(value, spec), k, spec)
        case ast.Subscript(ast.Call(ast.Name(name), arguments, []), ast.Constant(int(i))) if name in NUMBERED:
            return _one(name, tuple(_number(argument, spec) for argument in arguments), i, spec)
        case ast.Name(name):
            return _make(name, (), spec)
        case ast.Call(ast.Name(name), arguments, []):
            return _make(name, tuple(_number(argument, spec) for argument in arguments), spec)
    raise _unreadable(spec, f"{ast.unparse(node)!r} is not a view, a sum, a product or a prefix")


def _products(left: Views, right: Views, spec: str) -> Views:
    if len(left) * len(right) > MOST_VIEWS:
        raise _unreadable(spec, f"a product of {len(left)} and {len(right)} views is more than {MOST_VIEWS}")
    try:
        return _distinct(tuple(first.then(second) for second, first in all_pairs(right, left)))
    except ValueError as error:
        raise _unreadable(spec, str(error)) from error


def _first(some: Views, k: int, spec: str) -> Views:
    if k > len(some):
        raise _unreadable(spec, f"[:{k}] of a set of {len(some)} views")
    return some[:k]


def _one(name: str, arguments: tuple[float, ...], number: int, spec: str) -> Views:
    """The view of this number alone, without those before it."""
    parameters = list(inspect.signature(NUMBERED[name]).parameters)[:-1]  # the last one: how many
    if len(arguments) != len(parameters) or number >= MOST_VIEWS:
        form = f"{name}({', '.join(parameters)})[number]"
        raise _unreadable(spec, f"one of a set is {form}, the number below {MOST_VIEWS}")
    return _make(name, (*arguments, range(number, number + 1)), spec)


def _make(name: str, arguments: tuple[Numbers, ...], spec: str) -> Views:
    name = name.removeprefix("_")
    if name not in FACTORIES:
        raise unknown_name("draws", name, FACTORIES)
    signature = inspect.signature(FACTORIES[name])
    try:
        signature.bind(*arguments)
        made = FACTORIES[name](*arguments)
        return (made,) if isinstance(made, View) else made
    except (TypeError, ValueError, OverflowError) as error:
        bare = (parameter.replace(annotation=inspect.Parameter.empty) for parameter in signature.parameters.values())
        raise _unreadable(spec, f"{name}({', '.join(map(str, bare))}): {error}") from error


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
