"""Records of text made by formula, for the tests of votes over answers and of their scaling."""

from __future__ import annotations

import numpy as np

from ttscale.records.graded import Graded, TextDraw
from ttscale.records.records import Records


def graded_of(
    answers, correct, draws, *, flops=None, scores=None, score_flops=None, prompt=10.0, prefix=1.0, tokens=None
):
    """Graded draws from answers ``[item, draw]`` and ``correct [item, answer]``; a draw costs 1 FLOP by default."""
    answers = np.asarray(answers, dtype=np.int32)
    shape = answers.shape
    known = answers.max(axis=1, initial=-1) + 1
    prompts = list(dict.fromkeys((draw.member, draw.variant) for draw in draws))
    own = {name: np.full(shape, 0.0) for name in ("sum_logprob", "mean_logprob", "self_certainty")}
    return Graded(
        grader="test", draws=tuple(draws), answers=answers, correct=np.asarray(correct, dtype=bool)[:, : known.max()],
        texts=tuple(tuple(f"a{number}" for number in range(n)) for n in known),
        n_tokens=np.full(shape, 5, np.int32) if tokens is None else np.asarray(tokens, np.int32),
        flops=np.ones(shape) if flops is None else np.asarray(flops, dtype=float),
        scores={**own, **{name: np.asarray(values, dtype=float) for name, values in (scores or {}).items()}},
        score_flops={name: np.asarray(values, dtype=float) for name, values in (score_flops or {}).items()},
        prompt_flops={p: np.full(shape[0], float(prompt)) for p in prompts},
        prompt_tokens={p: np.full(shape[0], 20) for p in prompts},
        prefix_flops={p: np.full(shape[0], float(prefix)) for p in prompts},
        beginning_flops={p: np.full(shape[0], float(prefix) * shape[0]) for p in prompts},
    )  # fmt: skip


def samples_of(answers, correct, *, member="m", decoding="T0.8", variant="plain", **more) -> Records:
    """Records of one pool of samples."""
    draws = [TextDraw(member, variant, decoding, s) for s in range(np.shape(answers)[1])]
    kept = {name: more.pop(name) for name in ("prefill", "families", "clusters", "item_ids", "golds") if name in more}
    return Records.from_graded(graded_of(answers, correct, draws, **more), **kept)


def make_text_records(
    n: int = 120, *, members=("small", "big"), variants=("plain", "order1"), samples: int = 12, other: int = 4,
    answers: int = 6, greedy: bool = True, seed: int = 0, flops=True, **more,
) -> Records:  # fmt: skip
    """Members that err in different ways: answer 0 is right, and a bigger member is right more often.

    Every draw has a temperature-0.8 pool of ``samples``, a 1.2 pool of ``other`` and a greedy answer, in each variant;
    one in twenty abstains. Self-certainty and mean log-probability are higher for right answers.
    """
    rng = np.random.default_rng(seed)
    ease = rng.normal(0.0, 1.2, n)
    draws, columns = [], []
    for m, member in enumerate(members):
        lure = rng.integers(1, answers, n)
        base = np.zeros((n, answers))
        base[:, 0] += ease + 0.6 + 0.7 * m
        base[np.arange(n), lure] += 1.0
        for v, variant in enumerate(variants):
            logits = base + 0.5 * rng.normal(size=base.shape) * (v > 0)
            for decoding, count, heat in (("greedy", int(greedy), 0.0), ("T0.8", samples, 0.8), ("T1.2", other, 1.2)):
                for sample in range(count):
                    noise = rng.gumbel(size=base.shape) * heat
                    draws.append(TextDraw(member, variant, decoding, sample))
                    columns.append((logits + noise).argmax(1))
    given = np.stack(columns, 1)
    given = np.where(rng.random(given.shape) < 0.05, -1, given)
    correct = np.zeros((n, answers), bool)
    correct[:, 0] = True
    right = given == 0
    scores = {
        "mean_logprob": -rng.random(given.shape) - 0.3 * ~right,
        "sum_logprob": -5 * rng.random(given.shape) - 1.5 * ~right,
        "self_certainty": 5 + rng.random(given.shape) + right,
        "judge": np.clip(0.3 * rng.random(given.shape) + 0.6 * right, 0, 1),
    }  # fmt: skip
    size = np.array([1.0 + 3.0 * members.index(draw.member) for draw in draws])
    tokens = rng.integers(3, 9, given.shape)
    known = given.max() + 1
    graded = graded_of(
        given, np.pad(correct, ((0, 0), (0, max(0, known - answers)))), draws, scores=scores, tokens=tokens,
        score_flops={"judge": np.full(given.shape, 2e6)},
        flops=1e6 * tokens * size if flops else np.full(given.shape, np.nan), prompt=20e6, prefix=1e6,
    )  # fmt: skip
    families = [("easy", "hard")[i % 2] for i in range(n)]
    return Records.from_graded(
        graded, families=families, golds=["a0"] * n, questions=[f"question {i}" for i in range(n)], **more
    )
