"""Verifiers that cannot score a draw: the item is named."""

import language_run as fake
import pytest
from language_example import tiny_language_model

from ttscale.collecting.collect import collect
from ttscale.collecting.verify import verify
from ttscale.draws.sampling import sampling
from ttscale.errors import TtscaleError


@pytest.fixture
def records(tmp_path, monkeypatch):
    fake.install(monkeypatch)
    return collect([fake.member("a")], fake.sums(12), draws=sampling(2, 0.8), out=tmp_path, progress=False)


def test_a_draw_that_does_not_fit_in_the_verifiers_context_names_its_item(records):
    """One token a byte, and room for the longest of the first ten: the next that is longer is named."""
    longest = [
        max(len(f"{question}? {text}") for text in row)
        for question, row in zip(records.questions, records.texts(), strict=True)
    ]
    limit = max(longest[:10])
    longer = next(item for item, length in zip(records.item_ids, longest, strict=True) if length > limit)
    model = tiny_language_model(context=limit + 1, chat=False)
    with pytest.raises(TtscaleError, match=rf"item '{longer}' \(yes or no\): expected at most {limit + 1} tokens"):
        verify(records, model, "judge", prompt="{question}? {text}", device="cpu", progress=False)


def test_a_function_that_gives_no_number_names_its_item(records):
    def judge(question: str, text: str) -> float:
        return float("nan") if question == "7 + 3" else 1.0

    with pytest.raises(TtscaleError, match=r"to '7 \+ 3' of item 'sums/07', got nan"):
        verify(records, judge, "judge", progress=False)


def test_a_verifier_that_fails_at_once_does_not_claim_the_name(records):
    with pytest.raises(TtscaleError, match="ZeroDivisionError"):
        verify(records, lambda question, text: 1 / 0, "judge", progress=False)
    scored = verify(records, lambda question, text: 1.0, "judge", progress=False)
    assert (scored.graded().scores["judge"] == 1).all()
    with pytest.raises(TtscaleError, match=r"begun with, got another one.*or delete .*judge\.parquet"):
        verify(records, lambda question, text: 2.0, "judge", progress=False)


def test_two_runs_of_one_verifier_do_not_work_in_one_folder(records, tmp_path):
    def judge(question: str, text: str) -> float:
        with pytest.raises(TtscaleError, match="no other run is writing to"):
            verify(tmp_path, lambda question, text: 1.0, "other", progress=False)
        return 1.0

    assert set(verify(records, judge, "judge", progress=False).graded().score_flops) == {"judge"}


def test_costs_below_nothing_and_prompts_that_are_no_text_are_refused(records):
    with pytest.raises(TtscaleError, match=r"FLOPs of at least 0, got -5 of item 'sums/00'"):
        verify(records, lambda question, text: (1.0, -5), "judge", progress=False)
    with pytest.raises(TtscaleError, match="prompt: expected text"):
        verify(records, tiny_language_model(), "judge", prompt=5, progress=False)
    with pytest.raises(TtscaleError, match="threads: expected a whole number of at least 1, got -1"):
        verify(records, lambda question, text: 1.0, "judge", threads=-1, progress=False)
