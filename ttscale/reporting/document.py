"""A page of its own: one HTML file that needs no network and runs no script but those given."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files

from ttscale.reporting import words
from ttscale.reporting.markup import Markup, joined

MADE_BY = "Made by ttscale. Every number here is in summary.json"


def document(title: str, body: Markup, *, colours: str, footer: str, scripts: Sequence[str] = ()) -> str:
    """The whole page.

    Args:
        title: plain text, of the window. body: what stands in ``main``. footer: its last line, plain text.
        colours: CSS custom properties, of :func:`ttscale.reporting.palette.stylesheet`.
        scripts: JavaScript to run, and all that may run.
    """
    return "".join(
        [
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n',
            f'<meta http-equiv="Content-Security-Policy" content="{_policy(scripts)}">\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            '<meta name="color-scheme" content="light dark">\n',
            f"<title>{words.escape(title)}</title>\n",
            f"<style>\n{colours}{asset('page.css')}</style></head>\n",
            "<body>\n<main>\n",
            joined([body, Markup("<footer>"), footer, Markup("</footer>\n")]),
            "</main>\n",
            *(f"<script>{script}</script>\n" for script in scripts),
            "</body></html>\n",
        ]
    )


def section(name: str, heading: str, body: str) -> Markup:
    """A part of the page under a heading; nothing where there is nothing in it. ``body`` is HTML."""
    if not body:
        return Markup("")
    begin = Markup(f'<section id="{name}">\n<h2>')
    return joined([begin, heading, Markup("</h2>\n"), body, Markup("</section>\n")])


def asset(name: str) -> str:
    """A file that lies beside this module."""
    return (files("ttscale.reporting") / name).read_text(encoding="utf-8")


def _policy(scripts: Sequence[str]) -> str:
    """No network at all, and no script but ours, by hash: markup that slipped through could not run."""
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"
    return f"default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:; script-src {allowed}"
