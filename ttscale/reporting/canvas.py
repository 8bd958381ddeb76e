"""matplotlib without pyplot: one style whatever the user's matplotlibrc says, the same bytes for the same figure."""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, Formatter, FuncFormatter, Locator, MaxNLocator, NullLocator

from ttscale.reporting.palette import LIGHT, themed
from ttscale.reporting.words import scaled

NARROW = 30.0  # a log axis that spans less has ticks between its powers of ten
_STYLE: dict[str, Any] = {
    "font.family": ["DejaVu Sans"], "font.size": 9.0, "text.parse_math": False, "text.usetex": False,
    "text.color": LIGHT["ink"], "axes.labelcolor": LIGHT["muted"], "axes.edgecolor": LIGHT["muted"],
    "axes.facecolor": "none", "figure.facecolor": LIGHT["surface"], "savefig.facecolor": LIGHT["surface"],
    "axes.spines.top": False, "axes.spines.right": False, "axes.spines.left": False, "axes.grid": True,
    "axes.grid.which": "major", "grid.color": LIGHT["grid"], "grid.linewidth": 0.8, "axes.axisbelow": True,
    "axes.linewidth": 0.8, "axes.labelsize": 8.5, "axes.titlesize": 9.5, "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "xtick.color": LIGHT["muted"], "ytick.color": LIGHT["muted"], "xtick.labelsize": 8.5, "ytick.labelsize": 8.5,
    "ytick.major.size": 0.0, "ytick.minor.size": 0.0, "xtick.major.size": 3.0, "lines.solid_capstyle": "round",
    "lines.dash_capstyle": "round", "svg.hashsalt": "ttscale", "svg.fonttype": "path", "path.simplify": True,
    "figure.dpi": 100.0, "lines.scale_dashes": True,
}  # fmt: skip
_PLAIN: dict[str, Any] = {
    name: value
    for name, value in mpl.rcParamsDefault.items()
    if name not in ("backend", "backend_fallback", "interactive")
}


@contextmanager
def style(**changes: Any) -> Iterator[None]:
    """matplotlib's own defaults plus the house style, for the length of a ``with`` block."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # names in scripts that DejaVu lacks
        settings: Any = {**_PLAIN, **_STYLE, **changes}
        with mpl.rc_context(settings):
            yield


def panel_grid(
    n: int, columns: int, *, width: float, height: float, top: float, bottom: float, left: float, right: float,
    gap_x: float, gap_y: float,
) -> tuple[Figure, list[Axes]]:  # fmt: skip
    """A figure of ``n`` panels of so much height, line by line; all lengths in inches."""
    lines = -(-n // columns)
    full = top + bottom + lines * height + (lines - 1) * gap_y
    figure = new_figure(width, full)
    wide = (width - left - right - (columns - 1) * gap_x) / columns
    axes = []
    for i in range(n):
        line, column = divmod(i, columns)
        x, y = left + column * (wide + gap_x), full - top - line * (height + gap_y) - height
        axes.append(figure.add_axes((x / width, y / full, wide / width, height / full)))
    return figure, axes


def new_figure(width: float, height: float) -> Figure:
    """A figure of inches with a canvas of its own, known to no pyplot."""
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def png(figure: Figure) -> bytes:
    """The figure at 200 dots an inch."""
    with style():
        return _bytes(figure, lambda file: figure.savefig(file, format="png", dpi=200, metadata={"Software": None}))


def svg(figure: Figure) -> bytes:
    """A file that looks the same everywhere: letters are outlines."""
    with style():
        return _bytes(figure, lambda file: figure.savefig(file, format="svg", metadata=_NO_METADATA))


def inline_svg(figure: Figure, *, name: str, alt: str, n_sizes: int, css_class: str) -> str:
    """The figure as an element of the page: text stays text, colours follow the page's theme.

    Args:
        name: prefix of all ids in it, unique in the page.
        alt: what a reader who does not see it should know; escaped HTML.
        n_sizes: number of ordered colours in use.
    """
    effects = [(text, text.get_path_effects()) for text in figure.findobj(Text)]
    for text, _ in effects:
        text.set_path_effects([])  # they would turn text into outlines; the page's stylesheet draws the halo
    with style(**{"svg.fonttype": "none", "svg.hashsalt": name}):
        raw = _bytes(
            figure, lambda file: figure.savefig(file, format="svg", metadata=_NO_METADATA, transparent=True)
        ).decode()
    for text, effect in effects:
        text.set_path_effects(effect)
    body = raw[raw.index("<svg") :]
    body = re.sub(r'(\bid=")', rf"\1{name}-", body)
    body = re.sub(r"(url\(#|href=\"#)", rf"\1{name}-", body)
    body = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r"(font: [^;\"]*?px) [^;\"]*", r"\1 var(--font)", body)
    body = re.sub(r' width="[\d.]+pt" height="[\d.]+pt"', "", body, count=1)
    body = body.replace("<svg ", f'<svg class="{css_class}" role="img" aria-label="{alt}" ', 1)
    return themed(re.sub(r"\s*\n\s*", "\n", body), n_sizes)


def halo(text: Text) -> None:
    """Keep a label readable where lines pass behind it."""
    text.set_path_effects([withStroke(linewidth=2.4, foreground=LIGHT["surface"])])


class LogTicks(Locator):
    """Powers of ten; with 2 and 5 of each where the axis spans less than a decade and a half."""

    def __call__(self) -> list[float]:
        assert self.axis is not None  # matplotlib sets it before it asks for ticks
        low, high = sorted(self.axis.get_view_interval())
        return self.tick_values(low, high)

    def tick_values(self, vmin: float, vmax: float) -> list[float]:
        steps = (1, 2, 5) if vmax < NARROW * vmin else (1,)
        decades = range(math.floor(math.log10(vmin)), math.ceil(math.log10(vmax)) + 1)
        return [step * 10.0**decade for decade in decades for step in steps if vmin <= step * 10.0**decade <= vmax]


def flops_axis(ax: Axes, unit: str = "") -> None:
    """Log x with ticks in FLOPs per item, or in another quantity with SI prefixes."""
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogTicks())
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: scaled(value, unit, 1).rstrip()))
    ax.grid(visible=False, axis="x")


def multiplier_axis(ax: Axes, top: float) -> None:
    """Log x from 1 with ticks at powers of two (of four or sixteen when there would be many)."""
    ax.set_xscale("log")
    step = 2 if top <= 64 else 4 if top <= 1024 else 16
    ticks = [float(step**i) for i in range(20) if step**i <= top * 1.02]
    ax.xaxis.set_major_locator(FixedLocator(ticks))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.set_xlim(0.92, max(top, 1.5) * 1.12)
    ax.grid(visible=False, axis="x")


class _Percent(Formatter):
    """Fractions as percentages, with as many decimals as any of the ticks needs."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return self.format_ticks([x])[0]

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        ticks = [100 * value for value in values]
        decimals = next((n for n in range(4) if all(abs(round(tick, n) - tick) < 1e-6 for tick in ticks)), 4)
        return [f"{tick:.{decimals}f}%" for tick in ticks]


def percent_axis(ax: Axes, ticks: int = 8) -> None:
    """At most about so many ticks, as percentages, at round distances."""
    ax.yaxis.set_major_locator(MaxNLocator(ticks, steps=[1, 2, 5, 10]))
    ax.yaxis.set_major_formatter(_Percent())


_NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}


def _bytes(figure: Figure, write: Callable[[io.BytesIO], object]) -> bytes:
    buffer = io.BytesIO()
    canvas = figure.canvas
    write(buffer)
    figure.set_canvas(canvas)
    return buffer.getvalue()
