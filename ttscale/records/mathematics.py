"""Equality of mathematics, by the library math-verify."""

from __future__ import annotations

import logging
import threading
from functools import lru_cache
from typing import Any

from ttscale.errors import require

MOST_CHARACTERS = 400
SECONDS = 2
"""Limits on what is untrusted: ``9^{9^{9^9}}`` is short and never comes back. What goes past them is only equal to
itself. The time limit is an alarm signal, which only the main thread can set; in another thread there is none."""


@lru_cache(maxsize=65536)
def same_mathematics(gold: str, answer: str) -> bool:
    """Whether two expressions are the same by math-verify's rules (``1+x`` and ``x+1``, ``{1,2}`` and ``{2,1}``).

    Raises:
        TtscaleError: math-verify is not installed.
    """
    library = _library()
    if max(len(gold), len(answer)) > MOST_CHARACTERS:
        return False
    return bool(library.verify(_parsed(gold), _parsed(answer), timeout_seconds=_limit()))


@lru_cache(maxsize=65536)
def _parsed(answer: str) -> Any:
    marked = answer if "\\boxed" in answer or "$" in answer else f"${answer}$"
    return _library().parse(marked, parsing_timeout=_limit())


def _limit() -> int | None:
    return SECONDS if threading.current_thread() is threading.main_thread() else None


@lru_cache(maxsize=1)
def _library() -> Any:
    library = require("math_verify", install="ttscale[math]", needed_for="equality='math'")
    for name in ("parser", "grader"):  # they tell of every expression that they cannot read
        logging.getLogger(f"math_verify.{name}").setLevel(logging.CRITICAL)
    return library
