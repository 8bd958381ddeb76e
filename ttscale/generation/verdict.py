"""A language model's yes or no: which tokens say it, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ttscale.errors import TtscaleError
from ttscale.models.language import LanguageModel


def answer_tokens(model: LanguageModel, yes: Sequence[str], no: Sequence[str]) -> tuple[list[int], list[int]]:
    """First tokens of the words for yes and for no; tokens that begin words of both kinds are left out.

    Raises:
        TtscaleError: nothing is left on one side.
    """
    first = [
        {ids[0] for word in words if (ids := model.tokenizer(word, add_special_tokens=False)["input_ids"])}
        for words in (yes, no)
    ]
    positive, negative = sorted(first[0] - first[1]), sorted(first[1] - first[0])
    if not positive or not negative:
        raise TtscaleError(
            "yes, no", expected=f"words whose first tokens differ ({model.name})", got=f"{yes!r} and {no!r}",
            fix="Give other words for yes and no.",
        )  # fmt: skip
    return positive, negative


def yes_shares(logits: Tensor, yes: Sequence[int], no: Sequence[int]) -> list[float]:
    """P(yes) / (P(yes) + P(no)) of each prompt under the softmax of ``logits [prompt, vocabulary]``; the other tokens
    do not matter. NaN where their logits are no numbers."""
    for_yes, for_no = (torch.logsumexp(logits[:, list(tokens)].double(), -1) for tokens in (yes, no))
    return torch.sigmoid(for_yes - for_no).tolist()
