"""What a server takes of what it could be asked: found out by asking, never assumed."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

MOST_CHOICES = 128  # of one request, by OpenAI's own limit
OTHER_LIMIT = "max_completion_tokens"
NAMED: Mapping[str, str] = {"logprobs": "logprob", "n": r"\bn\b", "seed": "seed", OTHER_LIMIT: OTHER_LIMIT}


@dataclass(frozen=True)
class Features:
    """How to ask.

    Attributes:
        logprobs: ask for log-probs.
        seed: send a seed with a single random sample.
        limit: the field that holds the most tokens: OpenAI's newer models take ``max_completion_tokens`` alone.
        choices: most samples of one request.
    """

    logprobs: bool = True
    seed: bool = True
    limit: str = "max_tokens"
    choices: int = MOST_CHOICES

    def used(self, n: int, greedy: bool) -> set[str]:
        """The optional fields in a request for ``n`` samples."""
        several, single = n > 1, n == 1 and not greedy
        return {
            name for name, on in (("logprobs", self.logprobs), ("n", several), ("seed", self.seed and single)) if on
        }  # fmt: skip

    def without(self, names: Iterable[str]) -> Features:
        names = set(names)
        return Features(
            logprobs=self.logprobs and "logprobs" not in names, seed=self.seed and "seed" not in names,
            limit=OTHER_LIMIT if OTHER_LIMIT in names else self.limit, choices=1 if "n" in names else self.choices,
        )  # fmt: skip

    def both(self, other: Features) -> Features:
        """What is taken by two findings together."""
        return Features(
            self.logprobs and other.logprobs, self.seed and other.seed,
            self.limit if self.limit == other.limit else OTHER_LIMIT, min(self.choices, other.choices),
        )  # fmt: skip


def trials(features: Features, n: int, greedy: bool, proved: set[str], said: str) -> tuple[Features, ...]:
    """Ways to ask again after a refusal, which may be about a field that need not be sent; the likeliest first.

    Those without a field that the refusal names come first, then those without few fields. A field that was once
    answered is not in doubt. Without ``n``, samples are single, and have seeds.
    """
    said = said.lower()
    named: set[str] = {name for name, pattern in NAMED.items() if re.search(pattern, said)}
    used = features.used(n, greedy) | (features.used(1, greedy) if n > 1 else set())
    doubted: list[str] = [name for name in ("logprobs", "n", "seed") if name in used - proved]
    doubted += [OTHER_LIMIT] if OTHER_LIMIT in named and features.limit != OTHER_LIMIT else []
    ways = [set(way) for size in range(1, len(doubted) + 1) for way in itertools.combinations(doubted, size)]
    ways = [way for way in ways if n == 1 or "seed" not in way or "n" in way]
    return tuple(features.without(way) for way in sorted(ways, key=lambda way: (len(named - way), len(way))))
