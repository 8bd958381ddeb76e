"""Strategies of language models: greedy decoding, repeated sampling, prompt variants, and ensembles of several models.

The samples of one member, prompt variant and decoding are exchangeable: a strategy says how many of them each budget
takes, and the analysis averages over which ones (see :mod:`ttscale.scaling.curves.sampled_credits`). A deployed budget
takes the first k draws as they stand here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ttscale.errors import TtscaleError, unknown_name
from ttscale.records.graded import Graded, TextDraw
from ttscale.records.graded import Pool as Pool
from ttscale.records.graded import pool_of as pool_of
from ttscale.records.records import Records
from ttscale.scaling.strategy import Strategy, check_members
from ttscale.voting.votes import AUTO, DEFAULT, get_vote

GREEDY = "greedy"
KINDS = ("greedy", "samples", "variants", "mixture", "ensemble", "quotas", "learned")


def greedy(records: Records, member: str, *, variant: str | None = None) -> Strategy:
    """One greedy answer of a member: the plain decision that multiplier 1 stands for, where it was collected."""
    draws = _draws(records, member, variant or records.variants[0], GREEDY)
    return _strategy(records, "greedy", member, "", draws, AUTO)


def samples(
    records: Records, member: str, *, decoding: str | None = None, variant: str | None = None, vote: str = "auto"
) -> Strategy:
    """Repeated sampling: all samples of one member under one decoding and one variant of the prompt.

    Args:
        decoding: by default the one with most samples. variant: by default the plain one.
    """
    chosen = decoding or main_decoding(records)
    where = f"{variant}/{chosen}" if variant not in (None, records.variants[0]) else chosen
    draws = _draws(records, member, variant or records.variants[0], chosen)
    return _strategy(records, "samples", member, where, draws, vote)


def variants(records: Records, member: str, *, decoding: str | None = None, vote: str = "auto") -> Strategy:
    """One sample of each prompt variant, in the order collected: test-time augmentation alone."""
    chosen = decoding or main_decoding(records)
    draws = [_draws(records, member, variant, chosen)[0] for variant in records.variants]
    return _strategy(records, "variants", member, chosen, draws, vote)


def mixture(records: Records, member: str, *, decoding: str | None = None, vote: str = "auto") -> Strategy:
    """Prompt variants × samples: a sample of every variant, then another of each, and so on."""
    chosen = decoding or main_decoding(records)
    parts = [_draws(records, member, variant, chosen) for variant in records.variants]
    return _strategy(records, "mixture", member, chosen, interleaved(parts, [1.0] * len(parts)), vote)


def ensemble(
    records: Records, members: Sequence[str], *, decoding: str | None = None, vote: str = "auto",
    shares: Mapping[str, float] | None = None, subject: str | None = None, kind: str = "ensemble",
) -> Strategy:  # fmt: skip
    """Samples of several members under the plain prompt, interleaved.

    Args:
        members: different ones, in the order in which they take turns.
        shares: of the draws, per member, not negative; by default all alike. Quotas (3 to 1) and learned weights (see
            :mod:`ttscale.scaling.learning.weights`) are shares: at every budget each member has its share of the draws,
            to within one draw.
        subject: names the group in the strategy's name; by default the members and their shares.
        kind: ``ensemble``; ``quotas`` where the shares follow from costs, ``learned`` where they were learned.

    Raises:
        TtscaleError: unknown members or decoding, or shares that are not those of the members.
    """
    names = check_members(records, members)
    chosen = decoding or main_decoding(records)
    given = dict(shares or dict.fromkeys(names, 1.0))
    if (
        set(given) != set(names)
        or not all(np.isfinite(s) and s >= 0 for s in given.values())
        or not any(given.values())
    ):
        raise TtscaleError(
            "shares", expected=f"a share of at least 0 for each of {', '.join(names)}, not all 0", got=repr(shares),
            fix=f"Give for example {dict.fromkeys(names, 1)}.",
        )  # fmt: skip
    parts = [_draws(records, name, records.variants[0], chosen) for name in names]
    draws = interleaved(parts, [given[name] for name in names])
    label = "+".join(name if shares is None else f"{name}:{given[name]:.3g}" for name in names)
    return _strategy(records, kind, subject or label, chosen, draws, vote)


def plain(records: Records, member: str) -> Strategy:
    """One greedy answer where greedy decoding was collected, else the samples (whose first budget is one sample)."""
    return greedy(records, member) if has_greedy(records, member) else samples(records, member)


def has_greedy(records: Records, member: str) -> bool:
    return (member, records.variants[0], GREEDY) in records.graded().pools


def main_decoding(records: Records) -> str:
    """The sampled decoding with most samples, the first of equals; greedy decoding when nothing was sampled."""
    decodings = sampled_decodings(records)
    return max(decodings, key=decodings.__getitem__) if decodings else GREEDY


def sampled_decodings(records: Records) -> dict[str, int]:
    """The decodings other than greedy, with the number of samples of the plain prompt."""
    out: dict[str, int] = {}
    graded = records.graded()
    for (_, variant, decoding), columns in graded.pools.items():
        if decoding != GREEDY and variant == records.variants[0]:
            out[decoding] = max(out.get(decoding, 0), len(_of_every_item(graded, columns)))
    return out


def interleaved(parts: Sequence[Sequence[TextDraw]], shares: Sequence[float]) -> list[TextDraw]:
    """Draws of several parts by turns, until the next in turn is used up.

    The next draw is of the part that lags its share most (the first of equals): Webster's apportionment, Sainte-Laguë
    1910, under which every prefix is divided in proportion.
    """
    taken = [0] * len(parts)
    out: list[TextDraw] = []
    while True:
        wanted = [share / (2 * n + 1) for share, n in zip(shares, taken, strict=True)]
        turn = int(np.argmax(wanted))
        if taken[turn] == len(parts[turn]):
            return out
        out.append(parts[turn][taken[turn]])
        taken[turn] += 1


def _of_every_item(graded: Graded, columns: Sequence[int]) -> list[int]:
    """The samples of a pool that every item has: as many as the item with fewest."""
    return [column for column in columns if graded.drawn is None or graded.drawn[:, column].all()]


def _draws(records: Records, member: str, variant: str, decoding: str) -> list[TextDraw]:
    name = records.member(member).name
    graded = records.graded()
    held = graded.pools
    if (name, variant, decoding) not in held:
        if variant not in records.variants:
            raise unknown_name("variant", variant, records.variants)
        raise unknown_name("decoding", decoding, (one for who, of, one in held if (who, of) == (name, variant)))
    return [graded.draws[column] for column in _of_every_item(graded, held[name, variant, decoding])]


def _strategy(records: Records, kind: str, subject: str, detail: str, draws: Sequence[TextDraw], vote: str) -> Strategy:
    chosen = get_vote(vote, records.vote_kind, records.graded().scores).name
    parts = [kind, subject, *([detail] if detail else []), *([chosen] if chosen != DEFAULT[records.vote_kind] else [])]
    return Strategy("/".join(parts), kind, tuple(draws), chosen, subject)
