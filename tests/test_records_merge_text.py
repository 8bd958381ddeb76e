"""Runs of language models over the same items as one folder."""

from dataclasses import replace

import numpy as np
import pytest
from text_example import graded_of

from ttscale.errors import TtscaleError
from ttscale.records.graded import TextDraw
from ttscale.records.merge import merge_records
from ttscale.records.read import read_records
from ttscale.records.records import Records
from ttscale.records.save import save_records
from ttscale.scaling import sampled
from ttscale.scaling.curves.curve import accuracy_curve

GOLDS = ("a0", "a1", "a0")


def run(member: str, words: list[list[str | None]], *, ids=("x", "y", "z"), golds=GOLDS, decoding="T0.8") -> Records:
    """A run of one member from the answers as text, numbered in the order of their appearance."""
    texts = [tuple(dict.fromkeys(word for word in row if word is not None)) for row in words]
    answers = [[-1 if word is None else texts[i].index(word) for word in row] for i, row in enumerate(words)]
    width = max(map(len, texts))
    correct = [[j < len(of) and of[j] == gold for j in range(width)] for of, gold in zip(texts, golds, strict=True)]
    draws = [TextDraw(member, "plain", decoding, s) for s in range(len(words[0]))]
    graded = graded_of(answers, correct, draws, prompt=len(member), tokens=np.full((3, len(draws)), len(member)))
    return Records.from_graded(
        replace(graded, texts=tuple(texts)), item_ids=list(ids), golds=list(golds), questions=["q"] * 3,
        texts=[[f"it is {word}" for word in row] for row in words],
    )  # fmt: skip


SMALL = [["a0", "a1", "a1"], ["a1", None, "a2"], ["a2", "a2", "a0"]]
BIG = [["a1", "a0", "a0"], ["a2", "a1", "a1"], ["a0", "a3", None]]


def in_words(records: Records) -> list[list[str | None]]:
    graded = records.graded()
    return [[None if a < 0 else graded.texts[item][a] for a in graded.answers[item]] for item in range(records.n_items)]


def test_answers_keep_their_words_and_verdicts(tmp_path):
    merged = merge_records([run("s", SMALL), run("big", BIG)], tmp_path / "all", command="made so")
    again = read_records(tmp_path / "all")
    for records in (merged, again):
        assert [member.name for member in records.members] == ["s", "big"]
        assert in_words(records) == [small + big for small, big in zip(SMALL, BIG, strict=True)]
        graded = records.graded()
        right = [[graded.correct[i, a] if a >= 0 else None for a in graded.answers[i]] for i in range(3)]
        assert right == [
            [w == gold if w else None for w in row] for row, gold in zip(in_words(records), GOLDS, strict=True)
        ]
        assert graded.n_tokens.tolist() == [[1] * 3 + [3] * 3] * 3
        for name, one in (("s", run("s", SMALL)), ("big", run("big", BIG))):
            alone = save_records(one, tmp_path / name).graded()
            np.testing.assert_array_equal(graded.prompt_flops[name, "plain"], alone.prompt_flops[name, "plain"])
        assert records.texts([0]) == (tuple(f"it is {word}" for word in SMALL[0] + BIG[0]),)
    assert again.manifest.command == "made so"


def test_curves_of_a_member_are_those_of_its_run(tmp_path):
    runs = [run("s", SMALL), run("big", BIG)]
    merged = merge_records([save_records(one, tmp_path / str(i)).path for i, one in enumerate(runs)], tmp_path / "all")
    for one in runs:
        name = one.members[0].name
        alone, together = (accuracy_curve(r, sampled.samples(r, name), n_boot=50) for r in (one, merged))
        np.testing.assert_array_equal(alone.accuracy, together.accuracy)
        np.testing.assert_array_equal(alone.flops, together.flops)


def test_items_may_come_in_any_order_and_texts_can_stay_behind(tmp_path):
    backwards = run("big", BIG[::-1], ids=("z", "y", "x"), golds=GOLDS[::-1])
    merged = merge_records([run("s", SMALL), backwards], tmp_path / "all", texts=False)
    assert in_words(merged) == [small + big for small, big in zip(SMALL, BIG, strict=True)]
    assert merged.texts([0]) is None and {"mean_logprob"} <= set(merged.graded().scores)
    assert "self_certainty" not in merged.graded().scores or np.isnan(merged.graded().scores["self_certainty"]).all()


@pytest.mark.parametrize(
    ("other", "arguments", "message"),
    [
        (run("s", BIG), {}, "expected different members"),
        (run("big", BIG, ids=("x", "y", "w")), {}, "expected Records of the same items"),
        (run("big", BIG, golds=("a0", "a1", "a2")), {}, "golds|labels"),
        (run("big", BIG, decoding="T1.0"), {}, "expected the same decodings"),
        (run("big", [row[:2] for row in BIG]), {}, "expected the same decodings"),
        (run("big", BIG), {"log_probs_dtype": "uint8"}, "text has no log-probabilities"),
    ],
)  # fmt: skip
def test_unlike_runs_are_refused(tmp_path, other, arguments, message):
    with pytest.raises(TtscaleError, match=message):
        merge_records([run("s", SMALL), other], tmp_path / "all", **arguments)
    assert not (tmp_path / "all").exists()
