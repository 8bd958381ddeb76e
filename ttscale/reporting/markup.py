"""HTML from foreign strings: everything is escaped unless it is `Markup`, and what is missing says why."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ttscale.reporting.words import DASH, escape, escape_lines


class Markup(str):
    """A string that is HTML already."""

    def join(self, parts: Iterable[str]) -> Markup:
        """The parts, escaped where they are not `Markup`, with this between them."""
        return Markup(super().join(html(part) for part in parts))


@dataclass(frozen=True)
class Missing:
    """A value that there is not, and the reason, which stands below the table."""

    reason: str


Cell = str | Missing


def html(value: object) -> Markup:
    """A value as HTML; `Markup` as it is."""
    return value if isinstance(value, Markup) else Markup(escape(value))


def known(text: str, reason: str) -> Cell:
    """A formatted value, or what is missing when it came out as a dash."""
    return Missing(reason) if text == DASH else text


def table(
    caption: str,
    heads: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    *,
    text_columns: int = 1,
    tight: bool = False,
) -> Markup:
    """A captioned table that scrolls sideways where it must; the first column holds row headers.

    A column in which every value is missing is left out, and a note says so with the reason.

    Args:
        text_columns: so many columns from the left hold words; the others hold numbers and are set flush right.
        tight: the row headers are short, so that their column may be narrow.
    """
    reasons: list[str] = []
    rows = list(rows)
    empty = [i for i in range(len(heads)) if rows and all(isinstance(row[i], Missing) for row in rows)]
    left_out = _left_out([(heads[i], row[i]) for row in rows[:1] for i in empty])
    heads = [name for i, name in enumerate(heads) if i not in empty]
    rows = [[cell for i, cell in enumerate(row) if i not in empty] for row in rows]
    text_columns -= sum(i < text_columns for i in empty)
    body = "".join(
        "<tr>" + "".join(_cell(cell, i, text_columns, reasons) for i, cell in enumerate(row)) + "</tr>\n"
        for row in rows
    )
    head = "".join(f'<th scope="col"{_align(i, text_columns)}>{html(name)}</th>' for i, name in enumerate(heads))
    classes = f"scroll{' short' if len(rows) <= 8 else ''}{' tight' if tight else ''}"
    notes = "".join(f"<p class=why><sup>{i}</sup> {html(reason)}</p>" for i, reason in enumerate(reasons, start=1))
    notes += f"<p class=why>{html(left_out)}</p>" if left_out else ""
    return Markup(
        f'<div class="{classes}" tabindex=0 role=region aria-label="{escape(caption)}">\n<table>'
        f"<caption><span>{html(caption)}</span></caption>\n"
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>{notes}\n"
    )


def verbatim(text: object, limit: int) -> Markup:
    """A foreign text with its lines as they came, cut to ``limit`` characters; a surrounding space can be seen."""
    return Markup(f"<pre class=said>{escape_lines(text, limit)}</pre>")


def facts(pairs: Iterable[tuple[str, Cell]]) -> Markup:
    """Names with their values."""
    values = ((name, _dash(value.reason) if isinstance(value, Missing) else html(value)) for name, value in pairs)
    rows = (f"<div><dt>{html(name)}</dt><dd>{value}</dd></div>\n" for name, value in values)
    return Markup(f"<dl class=facts>\n{''.join(rows)}</dl>\n")


def fold(summary: str, body: str) -> Markup:
    """Something that opens on demand; ``body`` is HTML."""
    return Markup(f"<details><summary>{html(summary)}</summary>\n{body}</details>\n")


def paragraph(text: str, css_class: str = "") -> Markup:
    return Markup(f'<p class="{css_class}">{html(text)}</p>\n' if css_class else f"<p>{html(text)}</p>\n")


def bullets(texts: Iterable[str], css_class: str = "") -> Markup:
    items = "".join(f"<li>{html(text)}</li>\n" for text in texts)
    return Markup(f'<ul class="{css_class}">\n{items}</ul>\n') if items else Markup("")


def joined(parts: Iterable[str]) -> Markup:
    """HTML parts in a row; plain strings among them are escaped."""
    return Markup("").join(parts)


def deeper(markup: Markup) -> Markup:
    """The same HTML with every heading one level down; text cannot be meant, since ``<`` is escaped in it."""
    return Markup(re.sub(r"(</?h)([2-5])>", lambda tag: f"{tag[1]}{int(tag[2]) + 1}>", markup))


def _cell(cell: Cell, column: int, text_columns: int, reasons: list[str]) -> str:
    if isinstance(cell, Missing):
        if cell.reason not in reasons:
            reasons.append(cell.reason)
        content = f'<span title="{escape(cell.reason)}">{DASH}<sup>{reasons.index(cell.reason) + 1}</sup></span>'
    else:
        content = html(cell)
    return f"<th scope=row>{content}</th>" if column == 0 else f"<td{_align(column, text_columns)}>{content}</td>"


def _left_out(columns: Iterable[tuple[str, Cell]]) -> str:
    """The names of columns that are not shown, those of one reason together."""
    names: dict[str, list[str]] = {}
    for name, cell in columns:
        if isinstance(cell, Missing):
            names.setdefault(cell.reason, []).append(name)
    listed = "; ".join(f"{', '.join(those)} ({reason})" for reason, those in names.items())
    return f"Not shown: {listed}." if listed else ""


def _align(column: int, text_columns: int) -> str:
    return "" if column < text_columns else " class=n"


def _dash(reason: str) -> str:
    return f"{DASH} <small>({html(reason)})</small>"
