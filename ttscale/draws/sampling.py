"""Repeated sampling: decodings of a language model, and how many samples of each."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from numbers import Integral, Real
from typing import Any

from ttscale.draws.phrasing import prompt_variants
from ttscale.draws.prompts import PromptVariant
from ttscale.draws.stops import stops
from ttscale.errors import TtscaleError

LOWEST = 1e-3  # temperature of sampling: logits divided by less leave the range of float32


@dataclass(frozen=True)
class Decoding:
    """How tokens are picked.

    Attributes:
        temperature: 0 is greedy decoding.
        top_k: keep the k most likely tokens; None keeps all.
        top_p: keep the smallest set of tokens that holds this much probability (Holtzman et al. 2020).
        min_p: keep tokens at least this share as likely as the most likely one (Nguyen et al. 2024).
        max_tokens: most tokens of a completion; None is what the data suggest.
        stop: strings that end a completion; None is what the data suggest.
    """

    temperature: float = 0.8
    top_k: int | None = None
    top_p: float = 1.0
    min_p: float = 0.0
    max_tokens: int | None = None
    stop: tuple[str, ...] | None = None

    @property
    def greedy(self) -> bool:
        return self.temperature == 0

    @property
    def id(self) -> str:
        """Unique within a run, with every digit: ``greedy``, ``T0.8``, ``T1-k50-p0.9-m0.05``."""
        if self.greedy:
            return "greedy"
        parts = [f"T{_exact(self.temperature)}"]
        parts += [f"k{self.top_k}"] if self.top_k is not None else []
        parts += [f"p{_exact(self.top_p)}"] if self.top_p < 1 else []
        parts += [f"m{_exact(self.min_p)}"] if self.min_p > 0 else []
        return "-".join(parts)

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Decoding:
        """The decoding whose settings stand in a manifest or a plan, beside its id and its number of samples."""
        values = {field.name: settings[field.name] for field in fields(cls)}
        return cls(**{**values, "stop": None if settings["stop"] is None else tuple(settings["stop"])})


@dataclass(frozen=True)
class Sampling:
    """What a language model is asked on every item: each variant × each decoding × its number of samples.

    Attributes:
        decodings: with the number of samples of each; greedy decoding has one.
        variants: of the prompt; the first is the plain one.

    Raises:
        TtscaleError: two decodings of one id, so that their samples could not be told apart.
    """

    decodings: tuple[tuple[Decoding, int], ...]
    variants: tuple[PromptVariant, ...]

    def __post_init__(self) -> None:
        for decoding_id, times in Counter(decoding.id for decoding, _ in self.decodings).items():
            if times > 1:
                raise TtscaleError(
                    "temperature", expected="decodings that differ in temperature, top_k, top_p or min_p",
                    got=f"{decoding_id} {times} times", fix="Name each once, with as many samples as you want.",
                )  # fmt: skip

    def __len__(self) -> int:
        return len(self.variants) * sum(n for _, n in self.decodings)


def sampling(
    n: int | Sequence[int] = 16,
    temperature: float | Sequence[float] = 0.8,
    *,
    greedy: bool = True,
    variants: str = "plain",
    top_k: int | None = None,
    top_p: float = 1.0,
    min_p: float = 0.0,
    max_tokens: int | None = None,
    stop: Sequence[str] | None = None,
) -> Sampling:
    """Repeated sampling of a language model.

    Args:
        n: samples a prompt; a list goes with a list of temperatures.
        temperature: at least 0.001 (below it, sampling is greedy decoding in all but name); one, or several different
            ones.
        greedy: also decode greedily, once: it is the plain decision that multiplier 1 stands for.
        variants: of the prompt, as :func:`ttscale.draws.phrasing.prompt_variants` takes them; every variant is sampled
            ``n`` times.
        top_k, top_p, min_p: truncations, see :class:`Decoding`; they act together, on the model's distribution at the
            temperature.
        max_tokens, stop: of a completion; None is what the data suggest.

    Raises:
        TtscaleError: a value out of range, lists of different lengths, or a variant spec that cannot be read.
    """
    temperatures = _numbers("temperature", temperature)
    counts = _numbers("n", n)
    if len(counts) == 1:
        counts = counts * len(temperatures)
    if len(counts) != len(temperatures):
        raise TtscaleError(
            "n", expected=f"one number, or one for each of {len(temperatures)} temperatures", got=repr(n),
            fix="Give for example n=[64, 16] with temperature=[0.8, 1.2].",
        )  # fmt: skip
    for count in counts:
        if count < 1 or count != int(count):
            raise TtscaleError("n", expected="whole numbers of at least 1", got=repr(n), fix="Give for example 16.")
    if len(set(temperatures)) < len(temperatures) or not all(LOWEST <= t < math.inf for t in temperatures):
        raise TtscaleError(
            "temperature", expected=f"different numbers of at least {LOWEST}", got=repr(temperature),
            fix="Greedy decoding is `greedy=True`; give for example 0.8.",
        )  # fmt: skip
    _check_truncation(top_k, top_p, min_p, max_tokens)
    top_k, max_tokens = (None if whole is None else int(whole) for whole in (top_k, max_tokens))  # numpy's too
    top_p, min_p = float(top_p), float(min_p)
    ends = None if stop is None else stops(stop)
    made = [
        (Decoding(float(t), top_k, top_p, min_p, max_tokens, ends), int(c))
        for t, c in zip(temperatures, counts, strict=True)
    ]
    if not isinstance(greedy, bool):
        raise TtscaleError("greedy", expected="True or False", got=repr(greedy), fix="Give one of them.")
    if greedy:
        made.insert(0, (Decoding(0.0, None, 1.0, 0.0, max_tokens, ends), 1))
    return Sampling(tuple(made), prompt_variants(variants))


def _exact(number: float) -> str:
    """With as many digits as tell it from every other number."""
    return repr(float(number)).removesuffix(".0")


def _numbers(argument: str, value: float | Sequence[float]) -> list[float]:
    listed = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    if not listed or not all(isinstance(one, Real) and not isinstance(one, bool) for one in listed):
        raise TtscaleError(argument, expected="a number, or a list of numbers", got=repr(value), fix="Give numbers.")
    return [float(one) for one in listed]


def _check_truncation(top_k: int | None, top_p: float, min_p: float, max_tokens: int | None) -> None:
    for name, whole in (("top_k", top_k), ("max_tokens", max_tokens)):
        if whole is not None and (isinstance(whole, bool) or not isinstance(whole, Integral) or whole < 1):
            raise TtscaleError(name, expected="a whole number of at least 1, or none", got=repr(whole), fix="Give one.")
    for name, share, low_ok in (("top_p", top_p, False), ("min_p", min_p, True)):
        fits = isinstance(share, Real) and not isinstance(share, bool) and share <= 1
        if not fits or not (share >= 0 if low_ok else share > 0):
            wanted = "a share in [0, 1]" if low_ok else "a share in (0, 1]"
            raise TtscaleError(name, expected=wanted, got=repr(share), fix="Give for example 0.9.")
