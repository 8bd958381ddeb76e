"""Figures as elements of the page: still ones in two widths, and the main one with its interactive form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from ttscale.reporting import words
from ttscale.reporting.canvas import inline_svg
from ttscale.reporting.figures import Drawing
from ttscale.reporting.kinds import COVERAGE, Kind
from ttscale.reporting.markup import Markup, joined, paragraph
from ttscale.reporting.series import Series

_NO_MAIN_FIGURE = (
    "There is no figure of accuracy against FLOPs: it takes two points that have both an accuracy and a known cost."
)
_TICK = '<svg width="30" height="8" aria-hidden="true"><path d="M8 4H22" stroke="currentColor" stroke-width="2"/></svg>'
_STILL = "<noscript><p class=why>Scripts are off, so this is a still image.</p></noscript>\n"


def figure(drawing: Drawing | None, n_sizes: int) -> Markup:
    """A still figure with its caption; nothing where there is none. ``n_sizes`` is the number of ordered colours."""
    if drawing is None:
        return Markup("")
    caption = (Markup("<figcaption>"), drawing.caption, Markup("</figcaption></figure>\n"))
    return joined([Markup("<figure>\n"), _svgs(drawing, n_sizes), *caption])


def main_figure(series: Series, drawing: Drawing | None, interactive: Mapping[str, Any] | None) -> Markup:
    """The still image, which the page's script replaces by the interactive one once that is drawn."""
    if drawing is None or interactive is None:
        return paragraph(_NO_MAIN_FIGURE, "why")
    data = f'<script type="application/json" class=plot-data>{_json(interactive)}</script>\n'
    return joined(
        [
            Markup("<figure class=interactive>\n<div class=live hidden>\n"),
            _chips(series, interactive),
            Markup(f'<div class=plot role=group aria-label="{words.escape(drawing.alt)}"></div>\n</div>\n'),
            Markup("<div class=still>\n"),
            _svgs(drawing, len(series.keys)),
            Markup(f"{_STILL}</div>\n{data}<figcaption>"),
            drawing.caption,
            Markup("</figcaption></figure>\n"),
        ]
    )


def _chips(series: Series, interactive: Mapping[str, Any]) -> Markup:
    """Check boxes that show and hide sizes, kinds and parts; they are the figure's legend too."""
    parts = {trace["meta"]["part"] for trace in interactive["data"]}
    kinds = [kind for kind in series.kinds if any(kind in group.curves for group in series.groups)]
    names = {
        "ladder": series.ladder_label, "rival": "number formats, soups", "band": "intervals", "coverage": "coverage",
        "ceiling": "where votes end", "front": "Pareto front",
    }  # fmt: skip
    marks = {
        "ladder": "<i class=ring></i>", "rival": "<i class=diamond></i>", "coverage": _stroke(COVERAGE),
        "ceiling": _TICK,
    }  # fmt: skip
    chips = [
        *(_chip("group", group.role, _dot(group.role), group.label) for group in series.groups),
        *(_chip("kind", kind, _stroke(series.kinds[kind]), f"more {series.kinds[kind].name}") for kind in kinds),
        *(_chip("part", part, marks.get(part, ""), name) for part, name in names.items() if part in parts),
    ]
    begin = Markup('<div class=chips role=group aria-label="What the figure shows">\n')
    return joined([begin, *chips, Markup("</div>\n")])


def _chip(what: str, value: str, mark: str, label: str) -> Markup:
    box = f'<label><input type=checkbox data-what="{what}" value="{value}" checked>{mark}'
    return joined([Markup(box), label, Markup("</label>\n")])


def _dot(role: str) -> str:
    return f'<i class=dot style="background:var(--{role})"></i>'


def _stroke(kind: Kind) -> str:
    dashes = f' stroke-dasharray="{kind.dasharray}"' if kind.dasharray else ""
    path = f'<path d="M0 4H30" stroke="currentColor" stroke-width="2"{dashes}/>'
    return f'<svg width="30" height="8" aria-hidden="true">{path}</svg>'


def _svgs(drawing: Drawing, n_sizes: int) -> Markup:
    """The wide drawing and the one for phones; the stylesheet shows one of them."""

    def one(drawn: Figure, kind: str) -> str:
        name, alt = f"{drawing.name}-{kind}", words.escape(drawing.alt)
        return inline_svg(drawn, name=name, alt=alt, n_sizes=n_sizes, css_class=kind)

    return Markup(one(drawing.wide, "wide") + one(drawing.narrow, "narrow"))


def _json(value: Any) -> str:
    """JSON inside a script element."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
