"""The parts of a report: one summary alone, or several under names, such as vision and language."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

ALONE = ""  # the name of a part that has the report to itself
NAMES = re.compile(r"[a-z][a-z0-9_-]{0,39}")


def parts_of(summary: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """The summaries of a report by name, in the order in which they are shown."""
    parts: Mapping[str, Mapping[str, Any]] = summary.get("parts", {ALONE: summary})
    return parts


def full_name(part: str, figure: str) -> str:
    """A figure's name among those of all parts; its file is called so."""
    return f"{part}_{figure}" if part else figure


def heading(part: str) -> str:
    """A part's name as a heading: ``vision_and_more`` as ``Vision and more``."""
    return re.sub("[_-]+", " ", part).capitalize()
