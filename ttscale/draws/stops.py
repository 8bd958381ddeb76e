"""Strings that end a completion, as a user gives them."""

from __future__ import annotations

from collections.abc import Sequence

from ttscale.errors import TtscaleError


def stops(given: Sequence[str] | str) -> tuple[str, ...]:
    """One text or several; TtscaleError for anything else, or an empty one."""
    listed = [given] if isinstance(given, str) else given
    if not isinstance(listed, Sequence) or not all(isinstance(one, str) and one for one in listed):
        raise TtscaleError(
            "stop", expected="texts that are not empty", got=repr(given), fix='Give for example ["\\n"].'
        )
    return tuple(listed)
