"""The top of the page: what was measured, the headline, and three numbers to start from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ttscale.reporting import words
from ttscale.reporting.markup import Markup, bullets, deeper, joined, paragraph
from ttscale.reporting.parts import heading
from ttscale.reporting.sections.cells import at_cost, plan_target
from ttscale.reporting.series import Series
from ttscale.reporting.words import is_number


def title(series: Series) -> str:
    return f"What test-time compute bought on {dataset(series)}"


def title_of_parts(names: Sequence[str]) -> str:
    """The title of a page of several parts."""
    shown = [heading(name).lower() for name in names]
    return f"What test-time compute bought: {', '.join(shown[:-1])} and {shown[-1]}" if shown[1:] else shown[0]


def dataset(series: Series) -> str:
    return words.clean((series.summary.get("run") or {}).get("dataset") or "this data", 80)


def header(series: Series) -> Markup:
    """The top of a page that has one part."""
    heads = [Markup("<header>\n<h1>"), title(series), Markup("</h1>\n")]
    return joined([*heads, _lead(series), findings(series), Markup("</header>\n")])


def card(name: str, series: Series) -> Markup:
    """What a part found, to stand beside the other parts."""
    begin = Markup(f'<section class=card aria-label="{words.escape(heading(name))}">\n<h2>')
    heads = [begin, heading(name), Markup("</h2>\n")]
    return joined([*heads, _lead(series), deeper(tiles(series)), Markup("</section>\n")])


def findings(series: Series) -> Markup:
    """The headline after its first sentence."""
    return bullets((words.clean(line) for line in (series.summary.get("headline") or [])[1:]), "headline")


def _lead(series: Series) -> Markup:
    run = series.summary.get("run") or {}
    n = len(run.get("variants") or [])
    facts = (
        words.clean(run.get("dataset") or "unnamed data", 120),
        words.plural(run.get("n_items"), "item"),
        words.plural(len(run.get("members") or []), "member"),
        words.plural(n, "prompt variant" if series.text else "view"),
    )
    skipped = run.get("skipped_items")
    warning = f"{words.plural(skipped, 'unreadable item was', 'unreadable items were')} left out." if skipped else ""
    notices = [*([warning] if warning else []), *sample_notices(run)]
    lead = next((words.clean(line) for line in series.summary.get("headline") or []), "")
    return joined(
        [
            paragraph(" · ".join(facts), "facts-line"),
            *(paragraph(notice, "notice") for notice in notices),
            paragraph(lead, "lead") if lead else "",
        ]
    )


def sample_notices(run: Mapping[str, Any]) -> list[str]:
    """What a reader must know of the samples of text: answers that are not known, and unequal numbers."""
    said = []
    if run.get("answers_known") is False:
        said.append(
            "Only right and wrong are known of these draws, not their answers: accuracy at k is that of a perfect "
            "checker among k draws (pass@k), and no vote over answers can be told."
        )
    pools = run.get("unequal") or []
    if pools:
        fewest, most = min(pool["fewest"] for pool in pools), max(pool["most"] for pool in pools)
        middle = words.significant(pools[0]["median"])
        median = f", the median {middle}" if len(pools) == 1 else ""
        said.append(
            f"Items have unequal numbers of samples, {words.count(fewest)} to {words.count(most)}{median}: curves "
            "end where the first item runs out, and use all samples of every item."
        )
    return said


def tiles(series: Series) -> Markup:
    """The largest size at one plain decision, the most accurate point of the front, and the plan, if there are such."""
    boxes = []
    rungs = [rung for rung in series.ladder if is_number(rung.get("accuracy"))]
    if rungs:
        note = f"{words.clean(rungs[-1]['size'], 40)}{at_cost(rungs[-1])}"
        heading_of_it = f"{words.capital(series.plain)} of {_largest(series, rungs)}"
        boxes.append(_tile(heading_of_it, words.percent_interval(rungs[-1]), note))
    front = [point for point in series.summary.get("pareto") or [] if is_number(point.get("accuracy"))]
    if front:
        best = max(front, key=lambda point: point["accuracy"])
        curve = series.curves.get(best["curve"])
        what = series.title(curve) if curve else words.clean(best["curve"], 40)
        note = f"{what}, k = {best['k']}{at_cost(best)}; chosen and scored on the same items"
        boxes.append(_tile("Most accurate point measured", words.percent_interval(best), note))
    plan = series.summary.get("plan")
    if plan:
        note = f"{words.clean(plan.get('strategy'), 60)}, k = {plan.get('k')}{at_cost(plan)}"
        scored = words.percent_interval(plan.get("scored_on") or {})
        boxes.append(_tile(f"Plan for {plan_target(plan)}", scored, note))
    return joined([Markup("<div class=tiles>\n"), *boxes, Markup("</div>\n")]) if boxes else Markup("")


def _largest(series: Series, rungs: Sequence[Mapping[str, Any]]) -> str:
    """What to call the last rung: the largest only where it is larger than the one before."""
    model = "model" if series.text else "size"
    if len(rungs) == 1:
        return "the model"
    last, before = (rung.get("n_params") or rung.get("flops") for rung in (rungs[-1], rungs[-2]))
    larger = is_number(last) and is_number(before) and last > before
    return f"the largest {model}" if larger else f"one {model} of {len(rungs)}"


def _tile(name: str, value: str, note: str) -> Markup:
    number, _, interval = value.partition(" ")
    small = [Markup(" <small>"), interval, Markup("</small>")] if interval else []
    return joined(
        [
            *(Markup("<div class=tile><h2>"), name, Markup("</h2><p class=big>"), number),
            *small,
            *(Markup("</p><p>"), note, Markup("</p></div>\n")),
        ]
    )
