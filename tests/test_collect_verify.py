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
