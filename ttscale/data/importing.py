"""A function of the user's, by its name."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from ttscale.errors import TtscaleError, in_a_line


def named_function(argument: str, name: str, *, sign: str = ":") -> Callable[..., Any]:
    """The function at ``package.module:function``.

    Args:
        argument: what the error is about.
        sign: between module and function; ``"."`` for ``package.module.function``.

    Raises:
        TtscaleError: there is none, or its module cannot be imported.
    """
    module, _, attribute = name.rpartition(sign)
    problem = "It cannot be called."
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:  # whatever the user's module raises while it is imported
        found, problem = None, f"{in_a_line(error)}; put the module's folder on PYTHONPATH."
    if not callable(found):
        raise TtscaleError(
            argument, expected=f"an importable package.module{sign}function", got=repr(name), fix=problem
        )  # fmt: skip
    return found
