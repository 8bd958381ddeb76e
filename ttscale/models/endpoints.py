"""``endpoint:URL?model=NAME``: a language model behind an OpenAI-compatible server, as a member."""

from __future__ import annotations

import math
import re
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ttscale.errors import TtscaleError, unknown_name
from ttscale.models.language import Endpoint
from ttscale.models.module import VISION_OPTIONS, Options

APIS = ("auto", "chat", "completions")
EXAMPLE = "endpoint:http://127.0.0.1:8000/v1?model=NAME&n_params=135e6"


def load_endpoint(rest: str, options: Options) -> Endpoint:
    """``URL?model=NAME``, further fields of :class:`Endpoint` behind ``&``; see :func:`ttscale.models.load.load_model`.

    Nothing is sent: whether the server answers, and as which model, is seen by the first request.

    Raises:
        TtscaleError: no model's name, a key in the address, a field that is unknown or has no such value.
    """
    address, _, query = rest.partition("?")
    options.refuse(f"endpoint:{address}", *VISION_OPTIONS)
    fields = _fields(query)
    model = fields.pop("model", "")
    if not model:
        raise TtscaleError("models", expected="?model=NAME behind the address", got=repr(address), fix=_fix())
    endpoint = Endpoint(
        name=options.name or model.rstrip("/").rpartition("/")[2], spec=f"endpoint:{rest}", url=_url(address),
        model=model, **fields,
    )  # fmt: skip
    return replace(endpoint, card=_card(endpoint))


def _card(endpoint: Endpoint) -> dict[str, Any]:
    known = {} if endpoint.n_params is None else {"n_params": endpoint.n_params}
    return {"source": f"{endpoint.model} at {endpoint.url}", **known}


def _url(address: str) -> str:
    parts = urllib.parse.urlsplit(address)
    try:
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # a port that is no number
        fits = False
    if parts.username is not None or parts.password is not None:
        raise TtscaleError(
            "models", expected="an address without user and password, which would be stored with the run",
            got=f"one for {parts.hostname} with them",
            fix="Put the key into an environment variable, and name that: key_variable=NAME.",
        )  # fmt: skip
    if not fits or parts.fragment:
        raise TtscaleError(
            "models", expected="http:// or https://, a host and a path", got=repr(address), fix=_fix()
        )  # fmt: skip
    return address.rstrip("/")


def _fields(query: str) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for part in query.split("&") if query else []:
        key, _, value = part.partition("=")
        if key not in FIELDS:  # its value is not repeated: it may be a key put into the wrong place
            raise unknown_name("models", f"{key}=", (f"{known}=" for known in FIELDS), fix=_fix())
        if key in fields:
            raise TtscaleError("models", expected=f"{key}= once", got="it twice", fix="Leave one out.")
        read, expected = FIELDS[key]
        value = urllib.parse.unquote(value)
        try:
            fields[key] = read(value)
        except ValueError:
            raise TtscaleError(
                "models", expected=f"{key}= with {expected}", got=repr(value), fix=_fix()
            ) from None  # fmt: skip
    return fields


def _text(value: str) -> str:
    if not value:
        raise ValueError
    return value


def _positive(value: str) -> float:
    number = float(value)
    if not 0 < number < math.inf:
        raise ValueError
    return number


def _count(lowest: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        number = int(value)
        if number < lowest:
            raise ValueError
        return number

    return read


def _api(value: str) -> str:
    if value not in APIS:
        raise ValueError
    return value


def _variable(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
        raise ValueError
    return value


FIELDS: Mapping[str, tuple[Callable[[str], Any], str]] = {
    "model": (_text, "the name that the server knows the model by"),
    "n_params": (_positive, "a number of parameters above 0, such as 135e6"),
    "key_variable": (_variable, "the name of an environment variable"),
    "concurrency": (_count(1), "a whole number of at least 1"),
    "timeout": (_positive, "seconds above 0"),
    "retries": (_count(0), "a whole number of at least 0"),
    "api": (_api, f"one of {', '.join(APIS)}"),
    "context": (_count(1), "a whole number of at least 1"),
}


def _fix() -> str:
    return f"Write for example {EXAMPLE}; fields: {', '.join(FIELDS)}."
