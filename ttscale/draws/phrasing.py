"""The language of prompt variants: ``prompt_variants("plain + order(3) + choice(3) * templates")``.

``A + B`` are the variants of A, then those of B that are new. ``A * B`` are all pairs that change different things (the
left factor varies fastest). The plain variant always comes first, added where it is missing.
"""

from __future__ import annotations

import ast
from dataclasses import replace

from ttscale.draws.prompts import PLAIN, PromptVariant
from ttscale.errors import TtscaleError, unknown_name

Variants = tuple[PromptVariant, ...]

COUNTED = ("choice", "order", "template")  # name1, name2, … are its single variants
NAMES = ("plain", "shots(n)", "order(n)", "choice(n)", "templates", "templates(n)")
EVERY_BUILT_IN_SET_HAS = 2  # templates beside the plain one


def prompt_variants(spec: str) -> Variants:
    """The ways to ask that a specification names.

    ``plain`` is what the data suggest. ``order(n)`` are n other orders of its examples, ``choice(n)`` n other
    selections of examples, ``templates`` the two further phrasings that every built-in set has (``templates(n)``: n of
    them), ``shots(n)`` the plain prompt with n examples. ``order2``, ``choice3``, ``template1`` and ``shots8`` are
    single ones, so that a variant is found again by its name.

    Raises:
        TtscaleError: a name that is not one of these, a count that is not one, or something that cannot be read.
    """
    if not isinstance(spec, str) or not spec.strip():
        raise TtscaleError(
            "variants", expected="a specification of prompt variants", got=repr(spec), fix="For example 'order(3)'."
        )
    try:
        found = _evaluate(ast.parse(spec.strip(), mode="eval").body, spec)
    except SyntaxError as error:
        raise _unreadable(spec, error.msg) from error
    except (RecursionError, MemoryError) as error:
        raise _unreadable(f"{spec[:40]} …", "too deeply nested") from error
    return _distinct((PLAIN, *found))


def variant_named(name: str) -> PromptVariant:
    """The one variant of this name, as :func:`prompt_variants` gives it."""
    return PLAIN if name == PLAIN.name else prompt_variants(name)[1]


def _evaluate(node: ast.expr, spec: str) -> Variants:
    match node:
        case ast.BinOp(left, ast.Add(), right):
            return _distinct(_evaluate(left, spec) + _evaluate(right, spec))
        case ast.BinOp(left, ast.Mult(), right):
            lefts, rights = _evaluate(left, spec), _evaluate(right, spec)
            return _distinct(tuple(_both(one, other, spec) for other in rights for one in lefts))
        case ast.Name(name):
            return _single(name, spec)
        case ast.Call(ast.Name(name), [ast.Constant(n)], []):
            return _several(name, n, spec)
    raise _unreadable(spec, f"{ast.unparse(node)!r} is not a variant, a sum or a product")


def _single(name: str, spec: str) -> Variants:
    if name == "plain":
        return (PLAIN,)
    if name == "templates":
        return _several("templates", EVERY_BUILT_IN_SET_HAS, spec)
    kind = name.rstrip("0123456789")
    digits = name[len(kind) :]
    if not digits or (kind != "shots" and kind not in COUNTED):
        raise unknown_name("variants", name, NAMES)
    number = int(digits[:9])
    if str(number) != digits or (number == 0 and kind != "shots"):
        raise _unreadable(spec, f"{name}: single variants are numbered 1, 2, …")
    return (_named(PromptVariant(name, **{kind: number})),)


def _several(name: str, n: object, spec: str) -> Variants:
    kind = "template" if name == "templates" else name
    if kind not in (*COUNTED, "shots") or name == "template":
        raise unknown_name("variants", name, NAMES)
    if isinstance(n, bool) or not isinstance(n, int) or not (0 if kind == "shots" else 1) <= n <= 10_000:
        raise _unreadable(spec, f"{name}({n!r}): a whole number is needed")
    if kind == "shots":
        return (_named(PromptVariant(name, shots=n)),)
    return tuple(_named(PromptVariant(name, **{kind: i + 1})) for i in range(n))


def _both(one: PromptVariant, other: PromptVariant, spec: str) -> PromptVariant:
    for field in ("shots", *COUNTED):
        changed = [getattr(variant, field) != getattr(PLAIN, field) for variant in (one, other)]
        if all(changed):
            raise _unreadable(spec, f"{one.name} * {other.name} change the same thing")
        if changed[1]:
            one = replace(one, **{field: getattr(other, field)})
    return _named(one)


def _named(variant: PromptVariant) -> PromptVariant:
    parts = [] if variant.shots is None else [f"shots{variant.shots}"]
    parts += [f"{kind}{getattr(variant, kind)}" for kind in COUNTED if getattr(variant, kind)]
    return replace(variant, name="*".join(parts) or PLAIN.name)


def _distinct(sequence: Variants) -> Variants:
    return tuple({variant.name: variant for variant in sequence}.values())


def _unreadable(spec: str, why: str) -> TtscaleError:
    return TtscaleError(
        "variants", expected="prompt variants such as 'plain + order(3) + templates'", got=f"{spec!r} ({why})",
        fix=f"Names: {', '.join(NAMES)}; operators + and *.",
    )  # fmt: skip
