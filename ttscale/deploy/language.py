"""A plan for language models at work: questions in, answers out, by the planned samples and vote."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ttscale.collecting.language import Asked, problems_of, requests_of
from ttscale.collecting.members import generator_for
from ttscale.collecting.verify import Scorer
from ttscale.data.problems import Problems
from ttscale.draws import keyed
from ttscale.draws.phrasing import variant_named
from ttscale.draws.sampling import Decoding
from ttscale.errors import TtscaleError, unknown_name
from ttscale.generation.request import Answered, Completion, Request
from ttscale.models.language import Endpoint, LanguageModel
from ttscale.records.graded import TextDraw
from ttscale.records.grader import Grader
from ttscale.records.text_folder import LOG_PROB_SCORES
from ttscale.scaling.planning.planned import Plan
from ttscale.voting.answers import decide
from ttscale.voting.votes import AnswerVote, get_vote


@dataclass(frozen=True)
class Answer:
    """The decision on one question.

    Attributes:
        answer: as a model first wrote it; None where no draw gave one.
        share: of the draws, those that gave it; 0 where none did.
        texts: what was generated, in the order of the plan's draws.
        n_tokens: generated. flops: of samples, prompts and verifier (1 multiply-add = 2 FLOPs); NaN where unknown. A
            beginning that prompts share is computed once and kept: the questions of the first call that needs it are
            charged equal parts of it, later ones none. Over the items of the Records that is what the plan charges;
            over a longer life it is less. A plan whose Records charge a prompt ``per_sample`` does so here.
    """

    answer: str | None
    share: float
    texts: tuple[str, ...]
    n_tokens: int
    flops: float


class WrappedLanguage:
    """A planned strategy: ``better(questions)`` gives an :class:`Answer` each.

    Attributes:
        plan: what is run.
    """

    def __init__(
        self, models: Sequence[LanguageModel | Endpoint], plan: Plan, *, device: torch.device,
        scorers: Mapping[str, Scorer],
    ) -> None:  # fmt: skip
        self.plan, self._scorers = plan, scorers
        if plan.prompting is None:
            raise TtscaleError(
                "plan", expected="a plan that says how to ask", got="one made from Records without prompts",
                fix="Plan from Records that `collect` wrote.",
            )  # fmt: skip
        asked = self._prompting = plan.prompting
        self._grader = Grader(asked["extract"], None, asked["equality"])
        self._draws = tuple(TextDraw(*draw) for draw in plan.draws)
        decodings = {one["id"]: Decoding.of(one) for one in plan.decodings}
        self._asks = {model.name: _asked_of(model.name, self._draws, decodings) for model in models}
        vote = get_vote(plan.vote, "text")
        assert isinstance(vote, AnswerVote)
        self._vote = vote
        if vote.score and vote.score not in (*LOG_PROB_SCORES, *scorers):
            raise unknown_name("verifiers", vote.score, scorers, fix=f"The plan's vote {plan.vote!r} needs it.")
        self._begun: set[tuple[str, str]] = set()  # (member, beginning) of earlier calls
        self._generators = {
            model.name: generator_for(model, seed=plan.seed, device=device, batch_size=None, dtype="auto")
            for model in models
        }

    def __call__(
        self, questions: Sequence[str], item_ids: Sequence[str] | None = None, *, families: Sequence[str] | None = None
    ) -> list[Answer]:
        """Answer the questions.

        Args:
            item_ids: key the noise of sampling, and of broken ties, as in the Records of these items; without them it
                is keyed by the question.
            families: of each question, where the plan's examples belong to families.

        Raises:
            TtscaleError: lists of different lengths, a question whose prompt does not fit, or a server that fails.
        """
        problems = problems_of(self._prompting, questions, item_ids, families)
        n = len(problems)
        drawn: dict[tuple[int, TextDraw], Completion] = {}
        flops = np.zeros(n)
        for member, generator in self._generators.items():
            requests = requests_of(problems, self._asks[member])
            flat = [request for row in requests for request in row]
            generator.prepare(flat)
            answers = generator.generate(flat, lambda done: None)
            width = len(requests[0])
            for at, (request, answered) in enumerate(zip(flat, answers, strict=True)):
                for completion in answered.completions:
                    draw = TextDraw(member, request.variant, request.decoding.id, completion.sample)
                    drawn[at // width, draw] = completion
            flops += self._prompt_flops(member, flat, answers, width)
        rows = [[drawn[item, draw] for draw in self._draws] for item in range(n)]
        return self._decide(problems, rows, flops)

    def _prompt_flops(
        self, member: str, flat: Sequence[Request], answers: Sequence[Answered], width: int
    ) -> np.ndarray:  # fmt: skip
        """What the prompts of each question cost, ``[item]``: each once, and an equal part of a beginning that no
        earlier call had; or all of it with every sample, where the plan charges so."""
        if self.plan.prefill == "per_sample":
            whole = [len(got.completions) * (got.prompt_flops + got.prefix_flops) for got in answers]
            return np.array(whole).reshape(-1, width).sum(axis=1)
        pairs = enumerate(zip(flat, answers, strict=True))
        prompts = {(at // width, request.variant): got for at, (request, got) in pairs}
        begun = {prefix for name, prefix in self._begun if name == member}
        users = Counter(got.prefix for got in prompts.values() if got.prefix and got.prefix not in begun)
        self._begun |= {(member, prefix) for prefix in users}
        out = np.zeros(len(flat) // width)
        for (item, _), got in prompts.items():
            out[item] += got.prompt_flops + (got.prefix_flops / users[got.prefix] if got.prefix in users else 0.0)
        return out

    def _decide(
        self, problems: Problems, rows: Sequence[Sequence[Completion]], prompt_flops: np.ndarray
    ) -> list[Answer]:
        texts = [tuple(one.text for one in row) for row in rows]
        scores, score_flops = self._scores(problems, rows)
        numbered = [self._grader.same_answers([self._grader.answer(text) for text in row]) for row in texts]
        numbers = np.stack([row for row, _ in numbered]).T  # [draw, item], as votes take them
        noise = keyed.uniforms(self.plan.seed, keyed.item_keys(problems.item_ids), stream=keyed.TIES)
        weights = self._vote.log_weights(numbers, scores)
        chosen = decide(numbers, weights, noise, best=self._vote.best)
        return [
            Answer(
                answer=numbered[i][1][number] if number >= 0 else None,
                share=float((numbers[:, i] == number).mean()) if number >= 0 else 0.0,
                texts=texts[i],
                n_tokens=sum(one.n_tokens for one in row),
                flops=float(prompt_flops[i] + sum(one.flops for one in row) + score_flops[i]),
            )
            for i, (number, row) in enumerate(zip(chosen.tolist(), rows, strict=True))
        ]

    def _scores(
        self, problems: Problems, rows: Sequence[Sequence[Completion]]
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """The score that the vote uses, ``[draw, item]``, and what it cost, ``[item]``."""
        name, nothing = self._vote.score, np.zeros(len(rows))
        if name is None:
            return {}, nothing
        if name in LOG_PROB_SCORES:
            return {name: np.array([[getattr(one, name) for one in row] for row in rows]).T}, nothing
        pairs = [(question, one.text) for question, row in zip(problems.questions, rows, strict=True) for one in row]
        owners = [item_id for item_id, row in zip(problems.item_ids, rows, strict=True) for _ in row]
        values, flops = (column.reshape(len(rows), -1) for column in self._scorers[name].score(pairs, owners))
        return {name: values.T}, flops.sum(axis=1)


def _asked_of(member: str, draws: Sequence[TextDraw], decodings: Mapping[str, Decoding]) -> list[Asked]:
    """What a member is asked on every question: variants and decodings in the order of their first draw."""
    samples: dict[tuple[str, str], list[int]] = {}
    for draw in draws:
        if draw.member == member:
            samples.setdefault((draw.variant, draw.decoding), []).append(draw.sample)
    return [
        (variant_named(variant), decodings[decoding], sorted(numbers))
        for (variant, decoding), numbers in samples.items()
    ]
