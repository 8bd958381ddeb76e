"""How every curve was estimated, how far new samples of the same items would move it, and what a budget costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ttscale.reporting import words
from ttscale.reporting.markup import Cell, Markup, fold, joined, known, paragraph, table
from ttscale.reporting.series import Series
from ttscale.reporting.words import is_number

_ESTIMATED = ("Curves", "Averaged over", "Tied answers", "Intervals", "Monte Carlo error, points at most")
_ANEW = ("Strategy", "Draws k", "Accuracy, other items", "Accuracy, same items and new samples")
_ANEW_NOTE = (
    "The usual interval says how far accuracy would be off on other items, whose samples are new too. The other one "
    "says how far it would be off if the same items were sampled again: the part that more samples can take away."
)
_COST = ("Strategy", "Draws k")
_TIMED_NOTE = (
    "Seconds are those of the {items} that a profile timed, each alone on the device with its first samples; nothing "
    "is guessed about other items.{few}"
)
_FEW = " What 99% of fewer than 100 items stay within is the slowest of them: to know more, profile more items."
_MEAN_NOTE = (
    "The profile is of an older version and keeps only the mean of the items that it timed: profile again for "
    "quantiles and the slowest of them."
)
_NAMED = 3  # curves of a kind that are named
_TIES = {"shared": "share the credit", "first_seen": "go to the one seen first", "strict": "earn nothing"}


def _seconds(value: Any) -> str:
    if not is_number(value):
        return words.DASH
    return f"{words.significant(value)} s" if value >= 1 else f"{words.significant(1000 * value)} ms"


_UNIT: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "flops": ("FLOPs", words.flops),
    "tokens": ("Generated tokens", words.significant),
    "bytes": ("Bytes moved", lambda value: words.scaled(value, "B")),
    "seconds": ("Seconds", _seconds),
}


def estimated(series: Series) -> Markup:
    """One row for all curves that were estimated alike."""
    alike: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for curve in series.curves.values():
        if curve.get("estimator"):
            how = tuple(str(curve.get(key) or words.DASH) for key in ("estimator", "ties", "interval"))
            alike.setdefault((how[0], how[1], how[2]), []).append(curve)
    if not alike:
        return Markup("")
    rows: list[list[Cell]] = [
        [
            _names([words.clean(curve["label"], 60) for curve in curves], len(series.curves)),
            words.clean(estimator, 120),
            _TIES.get(ties, words.clean(ties, 40)),
            words.clean(interval, 120),
            known(_error(curves), "none is known"),
        ]
        for (estimator, ties, interval), curves in alike.items()
    ]
    return table("How the curves were estimated", _ESTIMATED, rows, text_columns=4)


def sampled_anew(series: Series) -> Markup:
    """The interval over new samples of the same items beside the usual one, in a fold."""
    rows: list[list[Cell]] = []
    for curve in series.drawn:
        noise = curve.get("same_items") or {}
        for i, k in enumerate(noise.get("budgets") or []):
            at = curve["budgets"].index(k) if k in curve["budgets"] else None
            usual = {} if at is None else {key: curve[key][at] for key in ("accuracy", "low", "high") if curve.get(key)}
            anew = {"accuracy": noise["accuracy"][i], "low": noise["low"][i], "high": noise["high"][i]}
            known_one = is_number(anew["low"]) and is_number(anew["high"])
            shown = words.percent_interval(anew) if known_one else words.DASH
            reason = words.clean(noise["notes"][i] or "not known", 160)
            rows.append([
                series.title(curve), words.count(k), known(words.percent_interval(usual), "not measured"),
                known(shown, reason),
            ])  # fmt: skip
    if not rows:
        return Markup("")
    body = joined([paragraph(_ANEW_NOTE), table("The same items, sampled again", _ANEW, rows)])
    return fold("The same items, sampled again", body)


def costs(series: Series) -> Markup:
    """Mean, quantiles and worst cost of every budget, one table a measure, in a fold; where every item costs the same,
    one table of all measures."""
    spent = [(series.title(curve), curve["spending"]) for curve in series.drawn if curve.get("spending")]
    measures = [name for name in _UNIT if any(_is_known(one.get(name) or {}) for _, one in spent)]
    if not measures:
        return Markup("")
    if all(_every_item_alike(one[name]) for _, one in spent for name in measures if one.get(name)):
        return fold("What a budget costs, every item alike", _one_table(spent, measures))
    tables = [_cost_table(spent, name) for name in measures]
    note = [paragraph(_timed_note(spent))] if "seconds" in measures else []
    return fold("What a budget costs: mean, quantiles and worst item", joined([*tables, *note]))


def _timed_note(spent: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """Which items the seconds are of."""
    timed = max(one.get("timed_items") or 0 for _, one in spent)
    if not timed:
        return _MEAN_NOTE
    return _TIMED_NOTE.format(items=words.plural(timed, "item"), few=_FEW if timed < 100 else "")


def _is_known(cost: Mapping[str, Any]) -> bool:
    return any(is_number(value) for value in cost.get("mean") or [])


def _every_item_alike(cost: Mapping[str, Any]) -> bool:
    return all(line == cost["mean"] for line in (*cost["quantiles"], cost["worst"]))


def _one_table(spent: Sequence[tuple[str, Mapping[str, Any]]], measures: Sequence[str]) -> Markup:
    """All measures side by side."""
    body: list[list[Cell]] = [
        [title, words.count(k), *(known(_UNIT[name][1](one[name]["mean"][i]), "not known") for name in measures)]
        for title, one in spent
        for i, k in enumerate(one["budgets"])
    ]
    return table("Cost per item", [*_COST, *(_UNIT[name][0] for name in measures)], body)


def _cost_table(spent: Sequence[tuple[str, Mapping[str, Any]]], measure: str) -> Markup:
    """Mean, quantiles and worst of one measure, as far as they are known."""
    name, shown = _UNIT[measure]
    of, worst = ("timed items", "Slowest timed item") if measure == "seconds" else ("items", "Worst item")
    heads = ["Mean", *(_quantile(q, of) for q in spent[0][1]["quantiles"]), worst]
    rows = [
        (title, k, [cost["mean"][i], *(line[i] for line in cost["quantiles"]), cost["worst"][i]])
        for title, one in spent
        if _is_known(cost := one.get(measure) or {})
        for i, k in enumerate(one["budgets"])
    ]
    told = [i for i in range(len(heads)) if any(is_number(values[i]) for _, _, values in rows)]
    body: list[list[Cell]] = [
        [title, words.count(k), *(known(shown(values[i]), "not known") for i in told)] for title, k, values in rows
    ]
    return table(f"{name} per item", [*_COST, *(heads[i] for i in told)], body)


def _quantile(q: float, of: str) -> str:
    return "Median" if q == 0.5 else f"{100 * q:g}% of {of} within"


def _names(labels: list[str], n_curves: int) -> str:
    if len(labels) == n_curves > 1:
        return "all curves"
    more = len(labels) - _NAMED
    return ", ".join(labels[:_NAMED]) + (f" and {words.plural(more, 'other')}" if more > 0 else "")


def _error(curves: list[Mapping[str, Any]]) -> str:
    errors = [error for curve in curves for error in curve.get("sampling_error") or [] if is_number(error)]
    if not errors:
        return words.DASH
    return "none, exact" if max(errors) == 0 else words.significant(100 * max(errors), 2)
