"""What a server's samples are charged for their prompt."""

from __future__ import annotations

from collections.abc import Sequence


def prompts_paid(counts: Sequence[tuple[int, int]]) -> tuple[float, list[float]]:
    """Prompts charged once for all samples of a prompt, and with every sample of each of its decodings.

    A server reads the prompt for every request. A decoding whose ``n`` samples came in ``r`` requests is charged one
    prompt for its first sample and ``r`` for all of them: exact for every number of samples where ``r`` is 1 or ``n``,
    on a line between where it is neither. Decodings are asked for apart; a strategy that mixes them is charged the part
    that is paid once only once.

    Args:
        counts: of each decoding, its number of samples and of the requests that they came in.
    """
    shares = [(requests - 1) / (samples - 1) for samples, requests in counts if samples > 1]
    least = min(shares, default=0.0)
    return 1 - least, [(requests - 1 + least) / samples for samples, requests in counts]
