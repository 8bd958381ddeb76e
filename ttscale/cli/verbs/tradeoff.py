"""`ttscale tradeoff`: train or buy a bigger model, or spend more at test time?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ttscale.cli.build import arguments, naming, strings
from ttscale.cli.console import bar, results, say, step, table
from ttscale.cli.job import Job
from ttscale.cli.schema import TradeoffConfig
from ttscale.errors import TtscaleError
from ttscale.records.read import read_records
from ttscale.reporting.tradeoffs.page import write_tradeoff_page
from ttscale.scaling.summaries.tradeoff_words import together
from ttscale.scaling.summaries.tradeoffs import tradeoff_summary
from ttscale.scaling.summaries.words import accuracy_words, flops_words
from ttscale.scaling.tradeoff.beside import Beside, beside
from ttscale.scaling.tradeoff.families import Reference, reference_families
from ttscale.scaling.tradeoff.ladder import Rung
from ttscale.scaling.tradeoff.matched import check_amounts
from ttscale.scaling.tradeoff.tradeoff import Tradeoff, tradeoff

_MOST = 12  # sentences of one kind on the screen; the page has all
_AMOUNTS = ("queries", "budgets", "train_flops", "errors", "total_flops")


def run(config: TradeoffConfig, job: Job) -> None:
    amounts: dict[str, Any] = {
        name: given for name in _AMOUNTS if (given := _amounts(name, getattr(config, name))) is not None
    }
    published = _published(config)
    groups = arguments(config.vote) | arguments(config.report)
    if groups.pop("ties") != "shared":
        raise TtscaleError(
            "vote.ties", expected="shared", got=repr(config.vote.ties),
            fix="A tradeoff shares the credit of tied answers; ttscale analyze has curves with other rules.",
        )  # fmt: skip
    records = [read_records(path) for path in strings("records", config.records)]
    with bar("comparing sizes") as on_progress, naming(config.vote, config.report):
        found = tradeoff(records, seed=config.seed, **amounts, **groups, on_progress=on_progress)
    laid = _laid(config, published, found)
    summary = tradeoff_summary(found, reference=laid, errors=amounts.get("errors"))
    job.write_summary(**summary)
    with step("drawing"):
        write_tradeoff_page(job.out, summary | {"command": job.command})
    _show(found, laid, summary)
    results(job.out, page="report.html", every_number="summary.json", figures="figures")


def _amounts(name: str, given: Any) -> list[float] | None:
    """A key that takes a number or a list of them; TtscaleError unless they are positive and finite, of errors below
    1."""
    if given is None:
        return None
    found = check_amounts(name, given if isinstance(given, list) else [given])
    if not found or (name == "errors" and max(found) >= 1):
        raise TtscaleError(
            name, expected="numbers in (0, 1)" if name == "errors" else "at least one number", got=repr(given),
            fix=f"Leave {name} out, or give for example {name}={'0.08' if name == 'errors' else '[1e6,1e8]'}.",
        )  # fmt: skip
    return found


def _published(config: TradeoffConfig) -> tuple[Reference, ...]:
    """The published models asked for, read before anything is computed."""
    if config.reference is None:
        for name in ("same", "comparable"):
            if getattr(config, name) is not None:
                raise TtscaleError(
                    name, expected="null without a reference", got=repr(getattr(config, name)),
                    fix="Say which published models are meant: reference=imagenet.",
                )  # fmt: skip
        return ()
    if config.same is not None and not isinstance(config.same, Mapping):
        raise TtscaleError("same", expected="{RUNG: NAME}", got=repr(config.same), fix="'same={my-r50: ResNet-50}'")
    return reference_families(config.reference)


def _laid(config: TradeoffConfig, published: Sequence[Reference], found: Tradeoff) -> Beside | None:
    if not published:
        return None
    return beside(published, found.ladder, found.options, same=config.same, comparable=config.comparable)


def _show(found: Tradeoff, laid: Beside | None, summary: Mapping[str, Any]) -> None:
    """The screen: the answer, the ladder, the verdicts, exchange rates and lifetimes in sentences."""
    say("", *(f"- {line}" for line in summary["text"]), "", *ladder_lines(found.ladder))
    _part("At the same test FLOPs", [one.text for one in found.matched])
    laws = [one for one in found.laws if one.joint.surface is not None]
    shown = [(law.joint.names, one) for law in laws for one in law.joint.exchange[:2]]
    rates = [one.text for _, one in shown if not math.isnan(one.slope.value)]
    rates += together((names, one.text.partition(": ")[2]) for names, one in shown if math.isnan(one.slope.value))
    crossing = [one.text for one in found.exchange if one.crosses]
    _part("Exchange rates", rates or (crossing or [one.text for one in found.exchange])[:_MOST])
    lifetimes = [(one.whole or one).text for law in laws[:1] for one in law.lifetimes]
    evens = [even["text"] for one in summary["lives"] for even in one["break_evens"]]
    _part("Over a model's life", lifetimes or evens[:_MOST])
    _part("Between measured rungs", [] if rates else [one.text for one in found.verdicts[:_MOST]])
    _part("Beside published models", [] if laid is None else [*laid.text[:6], *laid.notes])
    _part(
        "What could not be said",
        [*found.notes, *together((law.joint.names, one) for law in found.laws for one in law.joint.cannot)],
    )


def _part(heading: str, lines: Sequence[str]) -> None:
    if lines:
        say("", heading, *(f"- {line}" for line in dict.fromkeys(lines)))


def ladder_lines(ladder: Sequence[Rung]) -> list[str]:
    """The rungs as a table."""
    first = {rung.size: rung.flops for rung in reversed(ladder)}  # its least: the cheapest come first
    rows = [
        [
            rung.size, rung.budget or "–", _count(rung.unique), _count(rung.epochs), str(rung.n_seeds),
            flops_words(rung.flops), flops_words(rung.train_flops), accuracy_words(rung.accuracy),
            f"{100 * rung.seed_sd:.2f}" if math.isfinite(rung.seed_sd) else "–",
        ]
        for rung in sorted(ladder, key=lambda rung: (first[rung.size], rung.train_flops))
    ]  # fmt: skip
    data = "training tokens" if ladder[0].plain.tokens is not None else "different items"
    heads = [
        "size", "budget", data, "epochs", "seeds", "one decision", "training",
        f"accuracy of {ladder[0].plain.unit}", "noise of training, points",
    ]  # fmt: skip
    return table(heads, rows)


def _count(amount: float) -> str:
    return f"{amount:,.3g}" if amount < 1000 else f"{amount:,.0f}" if math.isfinite(amount) else "–"
