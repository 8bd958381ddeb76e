"""One part of the page: the sections of one summary, in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ttscale.reporting.document import section
from ttscale.reporting.embed import figure, main_figure
from ttscale.reporting.figures import Drawing
from ttscale.reporting.interactive import plot
from ttscale.reporting.markup import Markup, joined, paragraph
from ttscale.reporting.parts import full_name
from ttscale.reporting.sections.answers import answers
from ttscale.reporting.sections.comparisons import comparisons, equivalents
from ttscale.reporting.sections.curves import reached
from ttscale.reporting.sections.ensembles import ensembles
from ttscale.reporting.sections.estimates import costs, estimated, sampled_anew
from ttscale.reporting.sections.examples import examples
from ttscale.reporting.sections.groups import breakdown, shifts
from ttscale.reporting.sections.laws import laws
from ttscale.reporting.sections.limits import limits
from ttscale.reporting.sections.plan import plan
from ttscale.reporting.sections.policies import policies
from ttscale.reporting.sections.prompts import prompts
from ttscale.reporting.sections.quality import quality
from ttscale.reporting.sections.rivals import rivals
from ttscale.reporting.sections.run import members, method
from ttscale.reporting.sections.teams import teams
from ttscale.reporting.sections.training import training
from ttscale.reporting.sections.votes import votes
from ttscale.reporting.series import Series

_ONE_BUDGET = "Every curve has one budget only, so there is no more compute to compare."
Section = tuple[str, str, Markup]  # id, heading, body


@dataclass(frozen=True)
class Part:
    """One summary with its figures.

    Attributes:
        name: of the part; ``parts.ALONE`` where it has the page to itself.
        series: what is shown of it.
        drawings: the figures of all parts, by full name.
    """

    name: str
    series: Series
    drawings: Mapping[str, Drawing]

    @cached_property
    def interactive(self) -> dict[str, Any] | None:
        """The main figure's data for the page's script."""
        return plot(self.series.summary) if self._drawing("accuracy_vs_flops") else None

    def sections(self) -> Markup:
        """Every section that there is something to say in."""
        return joined(section(full_name(self.name, name), heading, body) for name, heading, body in self._sections())

    def _sections(self) -> Iterator[Section]:
        series = self.series
        main = main_figure(series, self._drawing("accuracy_vs_flops"), self.interactive)
        yield "cost", "Accuracy against compute", main
        yield "bought", "What more compute bought", self._bought()
        if series.text:
            yield "votes", "Votes", joined([self._figure("votes"), votes(series)])
            yield "limits", "Where votes end", limits(series)
            yield "prompts", "Prompt variants", prompts(series)
            yield "ensembles", "Ensembles of models", ensembles(series)
            yield "answers", "Families and abstentions", answers(series)
            yield "examples", "Some problems and what was answered", examples(series)
        else:
            yield "teams", "Every ensemble", teams(series)
            yield "rivals", "Number formats and weight soups", rivals(series)
            yield "policies", "Learned orders and weights", joined([self._figure("policies"), policies(series)])
            yield "comparisons", "Decisions fixed and broken", comparisons(series)
            yield "worth", "Worth how many ensemble members", equivalents(series)
            yield "quality", "How good the probabilities are", quality(series)
            yield "groups", "Where it helps", joined([self._figure("breakdown"), breakdown(series)])
            yield "shifts", "Clean and shifted data", joined([self._figure("shifts"), shifts(series)])
        yield "laws", "Scaling laws", joined([self._figure("laws"), laws(series)])
        yield "training", "Training compute against test-time compute", training(series)
        yield "plan", "Plan", plan(series)
        yield "members", "Members", members(series)
        yield "method", "How it was measured", joined([method(series), estimated(series)])

    def _bought(self) -> Markup:
        names = (
            "accuracy_vs_multiplier", "accuracy_vs_draws", "accuracy_vs_tokens", "accuracy_vs_seconds",
            "accuracy_vs_bytes", "gain_per_flop",
        )  # fmt: skip
        figures = [self._figure(name) for name in names]
        return joined([
            *figures, "" if any(figures) else paragraph(_ONE_BUDGET, "why"), reached(self.series),
            sampled_anew(self.series), costs(self.series),
        ])  # fmt: skip

    def _figure(self, name: str) -> Markup:
        return figure(self._drawing(name), len(self.series.keys))

    def _drawing(self, name: str) -> Drawing | None:
        return self.drawings.get(full_name(self.name, name))
