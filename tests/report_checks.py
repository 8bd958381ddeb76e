"""What every figure and page must keep to, and what is read of them."""

from __future__ import annotations

import itertools
from html.parser import HTMLParser
from typing import Any

from matplotlib.figure import Figure
from matplotlib.text import Text

from ttscale.reporting import canvas

VOID = {"meta", "input", "br", "img", "link", "path"}


class Reader(HTMLParser):
    """Elements, text outside scripts and styles, and whether what opens also closes."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID and tag != "!doctype":
            self.open.append(tag)
            if tag == "script":
                self.scripts.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open and self.open[-1] == tag, f"</{tag}> inside {self.open[-3:]}"
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data
        elif not (self.open and self.open[-1] == "style"):
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.elements if name == tag]


def boxes(figure: Figure) -> list[tuple[str, Any]]:
    """Every text that is drawn; ticks beyond the limits of an axis exist but are not."""
    hidden = set()
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            hidden |= {tick.label1 for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high}
    shown = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    return [(text.get_text(), text.get_window_extent()) for text in shown if text not in hidden]


def check_labels(figure: Figure) -> None:
    with canvas.style():
        figure.canvas.draw()
        placed = boxes(figure)
    frame = figure.bbox
    for text, box in placed:
        assert box.x0 >= frame.x0 - 1 and box.x1 <= frame.x1 + 1 and box.y0 >= -1 and box.y1 <= frame.y1 + 1, text
    for (text, box), (other, second) in itertools.combinations(placed, 2):
        overlap = min(box.x1, second.x1) - max(box.x0, second.x0), min(box.y1, second.y1) - max(box.y0, second.y0)
        assert min(overlap) <= 1.0, (text, other)
