"""The top of the page: what was measured, the headline, and three numbers to start from."""

from __future__ import annotations

from ttscale.reporting import words
from ttscale.reporting.markup import Markup, bullets, joined, paragraph
from ttscale.reporting.sections.cells import at_cost, plan_target
from ttscale.reporting.series import Series
from ttscale.reporting.words import is_number


def title(series: Series) -> str:
    dataset = (series.summary.get("run") or {}).get("dataset")
    return f"What test-time compute bought on {words.clean(dataset or 'this data', 80)}"


def header(series: Series) -> Markup:
    run = series.summary.get("run") or {}
    facts = (
        words.clean(run.get("dataset") or "unnamed data", 120),
        words.plural(run.get("n_items"), "item"),
        words.plural(len(run.get("members") or []), "member"),
        words.plural(len(run.get("variants") or []), "view"),
    )
    skipped = run.get("skipped_items")
    warning = f"{words.plural(skipped, 'unreadable item was', 'unreadable items were')} left out." if skipped else ""
    lead, *rest = [words.clean(line) for line in series.summary.get("headline") or []] or [""]
    return joined(
        [
            *(Markup("<header>\n<h1>"), title(series), Markup("</h1>\n")),
            paragraph(" · ".join(facts), "facts-line"),
            paragraph(warning, "notice") if warning else "",
            paragraph(lead, "lead") if lead else "",
            bullets(rest, "headline"),
            Markup("</header>\n"),
        ]
    )


def tiles(series: Series) -> Markup:
    """The largest size at one view, the most accurate point of the front, and the plan, as far as there are such."""
    boxes = []
    rungs = [rung for rung in series.ladder if is_number(rung.get("accuracy"))]
    if rungs:
        name = "the largest size" if len(rungs) > 1 else "the model"
        note = f"{words.clean(rungs[-1]['size'], 40)}{at_cost(rungs[-1])}"
        boxes.append(_tile(f"One view of {name}", words.percent_interval(rungs[-1]), note))
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
