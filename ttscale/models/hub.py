"""The Hugging Face hub, where it cannot be reached."""

from __future__ import annotations

import contextlib
import socket
import urllib.parse
import urllib.request
from collections.abc import Iterator


@contextlib.contextmanager
def offline_when_unreachable() -> Iterator[None]:
    """Where the hub's address does not resolve, use the local cache at once; its client would retry for a minute."""
    from huggingface_hub import constants

    host = urllib.parse.urlsplit(constants.ENDPOINT).hostname
    before = constants.HF_HUB_OFFLINE
    if not urllib.request.getproxies().keys() & {"http", "https", "all"} and not _resolves(host):
        constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _resolves(host: str | None) -> bool:
    try:
        socket.getaddrinfo(host, None)
    except OSError:
        return False
    return True
