"""Colours by role, for paper (light) and for screens at night (dark).

Sizes are ordered, so their colours run from amber over green and blue to violet; neighbours stay apart in the common
colour-vision deficiencies, and strategies differ by line style, never by colour alone. Every colour that letters are
set in has a contrast of at least 4.5:1 against its surface (WCAG 2.2, 1.4.3).
"""

from __future__ import annotations

import re

LIGHT = {
    "surface": "#ffffff",
    "ink": "#16202b",
    "muted": "#5a6673",
    "grid": "#e4e8ec",
    "front": "#d3dae2",
    "whole": "#a8123f",
}
DARK = {
    "surface": "#141a21",
    "ink": "#e9eef3",
    "muted": "#9aa7b4",
    "grid": "#2a333d",
    "front": "#424d5a",
    "whole": "#e26876",
}
_SCALE_LIGHT = ("#946200", "#0f8277", "#3f4f9e", "#3a1158")
_SCALE_DARK = ("#f7cb5c", "#4fdad4", "#4a93c2", "#9e79fe")


def scale(n: int, *, dark: bool = False) -> tuple[str, ...]:
    """``n`` ordered colours, small sizes first."""
    anchors = _SCALE_DARK if dark else _SCALE_LIGHT
    if n == 1:
        return (anchors[2],)
    return tuple(_between(anchors, (len(anchors) - 1) * i / (n - 1)) for i in range(n))


def roles(n: int, *, dark: bool = False) -> dict[str, str]:
    """Colour of every role: the fixed ones and ``s0 … s{n-1}`` for the sizes."""
    return {**(DARK if dark else LIGHT), **{f"s{i}": colour for i, colour in enumerate(scale(n, dark=dark))}}


def stylesheet(n: int) -> str:
    """The roles as CSS custom properties, dark where the reader's system is."""

    def block(dark: bool) -> str:
        return "".join(f"--{name}:{colour};" for name, colour in roles(n, dark=dark).items())

    return (
        f":root{{color-scheme:light;{block(False)}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root{{color-scheme:dark;{block(True)}}}}}\n"
    )


def sizes_stylesheet(selector: str, n: int) -> str:
    """The colours of ``n`` sizes for the elements that a CSS selector picks, in place of the page's own."""

    def block(dark: bool) -> str:
        return "".join(f"--s{i}:{colour};" for i, colour in enumerate(scale(n, dark=dark)))

    return (
        f"{selector}{{{block(False)}}}\n@media screen and (prefers-color-scheme:dark){{{selector}{{{block(True)}}}}}\n"
    )


def themed(svg: str, n: int) -> str:
    """An SVG with each light colour of a role replaced by that role's CSS custom property."""
    by_colour = {colour: f"var(--{name})" for name, colour in roles(n).items()}
    return re.sub(
        r"((?:fill|stroke|stop-color): ?)(#[0-9a-f]{6})\b",
        lambda match: match[1] + by_colour.get(match[2], match[2]),
        svg,
    )


def _between(anchors: tuple[str, ...], at: float) -> str:
    left = min(int(at), len(anchors) - 2)
    share = at - left
    pairs = zip(_rgb(anchors[left]), _rgb(anchors[left + 1]), strict=True)
    return "#" + "".join(f"{round(a + share * (b - a)):02x}" for a, b in pairs)


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
