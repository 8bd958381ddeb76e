"""report.html: one file that needs no network, reads in light and dark, on a phone and on paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ttscale.reporting.document import MADE_BY, asset, document
from ttscale.reporting.embed import figure
from ttscale.reporting.figures import BESIDE, Drawing
from ttscale.reporting.markup import Markup, deeper, joined
from ttscale.reporting.palette import sizes_stylesheet, stylesheet
from ttscale.reporting.part import Part
from ttscale.reporting.parts import ALONE, heading, parts_of
from ttscale.reporting.sections.overview import card, dataset, findings, header, tiles, title, title_of_parts
from ttscale.reporting.series import Series

_FOOTER = f"{MADE_BY}; the figures are in figures/ as PNG and SVG."


def page(summary: Mapping[str, Any], drawings: Mapping[str, Drawing]) -> str:
    """The whole page.

    Args:
        summary: as ``scaling.summaries.summary.summarize`` gives it, JSON-ready, or several of them as parts.
        drawings: the figures of ``reporting.figures.draw``, by name.
    """
    parts = [Part(name, Series(one), drawings) for name, one in parts_of(summary).items()]
    scripts = [_plotly(), asset("page.js")] if any(part.interactive for part in parts) else []
    if parts[0].name == ALONE:
        heading_of_it, body = title(parts[0].series), _alone(parts[0])
    else:
        heading_of_it, body = title_of_parts([part.name for part in parts]), _beside(parts, drawings.get(BESIDE))
    return document(heading_of_it, body, colours=_colours(parts), footer=_FOOTER, scripts=scripts)


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
