"""report.html: one file that needs no network, reads in light and dark, on a phone and on paper."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from ttscale.reporting import words
from ttscale.reporting.embed import figure
from ttscale.reporting.figures import BESIDE, Drawing
from ttscale.reporting.markup import Markup, deeper, joined
from ttscale.reporting.palette import sizes_stylesheet, stylesheet
from ttscale.reporting.part import Part
from ttscale.reporting.parts import ALONE, heading, parts_of
from ttscale.reporting.sections.overview import card, dataset, findings, header, tiles, title, title_of_parts
from ttscale.reporting.series import Series

_FOOTER = "Made by ttscale. Every number here is in summary.json; the figures are in figures/ as PNG and SVG."


def page(summary: Mapping[str, Any], drawings: Mapping[str, Drawing]) -> str:
    """The whole page.

    Args:
        summary: as ``scaling.summary.summarize`` gives it, JSON-ready, or several of them as parts.
        drawings: the figures of ``reporting.figures.draw``, by name.
    """
    parts = [Part(name, Series(one), drawings) for name, one in parts_of(summary).items()]
    scripts = [_plotly(), _asset("page.js")] if any(part.interactive for part in parts) else []
    alone = parts[0].name == ALONE
    return "".join(
        [
            _head(title(parts[0].series) if alone else title_of_parts([part.name for part in parts]), parts, scripts),
            "<body>\n<main>\n",
            _alone(parts[0]) if alone else _beside(parts, drawings.get(BESIDE)),
            f"<footer>{_FOOTER}</footer>\n</main>\n",
            *(f"<script>{script}</script>\n" for script in scripts),
            "</body></html>\n",
        ]
    )


def _alone(part: Part) -> Markup:
    return joined([header(part.series), tiles(part.series), part.sections()])


def _beside(parts: Sequence[Part], drawing: Drawing | None) -> Markup:
    """The findings of all parts beside each other, then each part with its sections one level down."""
    cards = [card(part.name, part.series) for part in parts]
    wholes = [
        joined([
            Markup(f'<section class=part id="{part.name}">\n<h2>'), f"{heading(part.name)}: {dataset(part.series)}",
            Markup("</h2>\n"), findings(part.series), deeper(part.sections()), Markup("</section>\n"),
        ])
        for part in parts
    ]  # fmt: skip
    return joined(
        [
            Markup("<header>\n<h1>"),
            title_of_parts([part.name for part in parts]),
            Markup("</h1>\n</header>\n"),
            *(Markup("<div class=beside>\n"), *cards, Markup("</div>\n")),
            figure(drawing, len(parts)),
            *wholes,
        ]
    )


def _head(title: str, parts: Sequence[Part], scripts: Sequence[str]) -> str:
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(scripts)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{words.escape(title)}</title>\n"
        f"<style>\n{_colours(parts)}{_asset('page.css')}</style></head>\n"
    )


def _colours(parts: Sequence[Part]) -> str:
    """The colours of the page, and below each part's element those of its sizes."""
    if parts[0].name == ALONE:
        return stylesheet(len(parts[0].series.keys))
    return stylesheet(len(parts)) + "".join(sizes_stylesheet(f"#{part.name}", len(part.series.keys)) for part in parts)


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
