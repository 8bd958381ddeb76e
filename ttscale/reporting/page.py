"""report.html: one file that needs no network, reads in light and dark, on a phone and on paper."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from matplotlib.figure import Figure

from ttscale.reporting import words
from ttscale.reporting.canvas import inline_svg
from ttscale.reporting.figures import Drawing
from ttscale.reporting.interactive import plot
from ttscale.reporting.markup import Markup, joined, paragraph
from ttscale.reporting.palette import stylesheet
from ttscale.reporting.sections.curves import reached
from ttscale.reporting.sections.laws import laws
from ttscale.reporting.sections.overview import header, tiles, title
from ttscale.reporting.sections.plan import plan
from ttscale.reporting.sections.run import members, method
from ttscale.reporting.sections.training import training
from ttscale.reporting.series import KINDS, Series

_NO_MAIN_FIGURE = (
    "There is no figure of accuracy against FLOPs: it takes two points that have both an accuracy and a known cost."
)
_ONE_BUDGET = "Every curve has one budget only, so there is no more compute to compare."
_FOOTER = "Made by ttscale. Every number here is in summary.json; the figures are in figures/ as PNG and SVG."
_STROKES = {"tta": "", "ensemble": ' stroke-dasharray="9 4"', "product": ' stroke-dasharray="2 4"'}


def page(summary: Mapping[str, Any], drawings: Mapping[str, Drawing]) -> str:
    """The whole page.

    Args:
        summary: as ``scaling.summary.summarize`` gives it, JSON-ready.
        drawings: the figures of ``reporting.figures.draw``, by name.
    """
    series = Series(summary)
    interactive = plot(summary) if "accuracy_vs_flops" in drawings else None
    scripts = [_plotly(), _asset("page.js")] if interactive else []
    sections = (
        ("cost", "Accuracy against compute", _main_figure(series, drawings.get("accuracy_vs_flops"), interactive)),
        ("bought", "What more compute bought", _bought(series, drawings)),
        ("laws", "Scaling laws", joined([_figure(series, drawings.get("laws")), laws(series)])),
        ("training", "Training compute against test-time compute", training(series)),
        ("plan", "Plan", plan(series)),
        ("members", "Members", members(series)),
        ("method", "How it was measured", method(series)),
    )
    return "".join(
        [
            _head(series, scripts),
            "<body>\n<main>\n",
            *(header(series), tiles(series)),
            *(_section(name, heading, body) for name, heading, body in sections),
            f"<footer>{_FOOTER}</footer>\n</main>\n",
            f'<script type="application/json" id="plot-data">{_json(interactive)}</script>\n' if interactive else "",
            *(f"<script>{script}</script>\n" for script in scripts),
            "</body></html>\n",
        ]
    )


def _head(series: Series, scripts: Sequence[str]) -> str:
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(scripts)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{words.escape(title(series))}</title>\n"
        f"<style>\n{stylesheet(len(series.keys))}{_asset('page.css')}</style></head>\n"
    )


def _section(name: str, heading: str, body: Markup) -> Markup:
    return joined([Markup(f'<section id="{name}">\n<h2>'), heading, Markup("</h2>\n"), body, Markup("</section>\n")])


def _main_figure(series: Series, drawing: Drawing | None, interactive: Mapping[str, Any] | None) -> Markup:
    """The still image, which the script replaces by the interactive one once that is drawn."""
    if drawing is None:
        return paragraph(_NO_MAIN_FIGURE, "why")
    still = "<noscript><p class=why>Scripts are off, so this is a still image.</p></noscript>\n"
    return joined(
        [
            Markup("<figure>\n<div id=live hidden>\n"),
            _chips(series, interactive),
            Markup(f'<div id=plot role=group aria-label="{words.escape(drawing.alt)}"></div>\n</div>\n'),
            Markup("<div id=still>\n"),
            _svgs(series, drawing),
            Markup(f"{still}</div>\n<figcaption>"),
            drawing.caption,
            Markup("</figcaption></figure>\n"),
        ]
    )


def _chips(series: Series, interactive: Mapping[str, Any] | None) -> Markup:
    """Check boxes that show and hide sizes, kinds and parts; they are the figure's legend too."""
    parts = {trace["meta"]["part"] for trace in (interactive or {}).get("data", [])}
    kinds = [kind for kind in KINDS if any(kind in group.curves for group in series.groups)]
    chips = [
        *(_chip("group", group.role, _dot(group.role), group.label) for group in series.groups),
        *(_chip("kind", kind, _stroke(kind), f"more {KINDS[kind]}") for kind in kinds),
    ]
    if "ladder" in parts:
        chips.append(_chip("part", "ladder", "<i class=ring></i>", series.ladder_label))
    if "band" in parts:
        chips.append(_chip("part", "band", "", "intervals"))
    if "front" in parts:
        chips.append(_chip("part", "front", "", "Pareto front"))
    begin = Markup('<div class=chips role=group aria-label="What the figure shows">\n')
    return joined([begin, *chips, Markup("</div>\n")])


def _chip(what: str, value: str, mark: str, label: str) -> Markup:
    box = f'<label><input type=checkbox data-what="{what}" value="{value}" checked>{mark}'
    return joined([Markup(box), label, Markup("</label>\n")])


def _dot(role: str) -> str:
    return f'<i class=dot style="background:var(--{role})"></i>'


def _stroke(kind: str) -> str:
    path = f'<path d="M0 4H30" stroke="currentColor" stroke-width="2"{_STROKES[kind]}/>'
    return f'<svg width="30" height="8" aria-hidden="true">{path}</svg>'


def _bought(series: Series, drawings: Mapping[str, Drawing]) -> Markup:
    figures = [_figure(series, drawings.get(name)) for name in ("accuracy_vs_multiplier", "gain_per_flop")]
    return joined([*figures, "" if any(figures) else paragraph(_ONE_BUDGET, "why"), reached(series)])


def _figure(series: Series, drawing: Drawing | None) -> Markup:
    if drawing is None:
        return Markup("")
    caption = (Markup("<figcaption>"), drawing.caption, Markup("</figcaption></figure>\n"))
    return joined([Markup("<figure>\n"), _svgs(series, drawing), *caption])


def _svgs(series: Series, drawing: Drawing) -> Markup:
    """The wide drawing and the one for phones; the stylesheet shows one of them."""

    def one(figure: Figure, kind: str) -> str:
        name, alt = f"{drawing.name}-{kind}", words.escape(drawing.alt)
        return inline_svg(figure, name=name, alt=alt, n_sizes=len(series.keys), css_class=kind)

    return Markup(one(drawing.wide, "wide") + one(drawing.narrow, "narrow"))


def _plotly() -> str:
    """plotly.js as it goes into a script element: nothing in it may end the element or start a comment."""
    from plotly.offline import get_plotlyjs

    source: str = get_plotlyjs()
    return source.replace("\r\n", "\n").replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _asset(name: str) -> str:
    return (files("ttscale.reporting") / name).read_text(encoding="utf-8")


def _policy(scripts: Sequence[str]) -> str:
    """No network at all, and no script but ours, by hash: markup that slipped through could not run."""
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"
    return f"default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:; script-src {allowed}"


def _json(value: Any) -> str:
    """JSON inside a script element."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
