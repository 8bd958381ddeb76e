"""A server of the OpenAI-compatible API that behaves as it is told: well, or badly in every way that clients meet."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Respond = Callable[["Exchange"], None]


@dataclass
class Seen:
    """One request, as it came in; ``at`` in seconds of a monotonic clock."""

    path: str
    body: dict[str, Any]
    authorization: str
    at: float

    @property
    def n(self) -> int:
        return self.body.get("n", 1)

    @property
    def prompt(self) -> str:
        return self.body["prompt"] if "prompt" in self.body else self.body["messages"][0]["content"]


@dataclass
class ScriptedServer:
    """A context manager. Requests are answered with ``faults`` first, one each, then by ``rules`` and ``answer``.

    Attributes:
        model: the name that it answers by; None leaves it out. most_choices: of one request (1 ignores ``n``).
        logprobs, usage: whether it gives them. text: of sample ``i`` of a prompt, ``i`` counted over all requests.
        rules: each may refuse a request, with (status, words). slowness: seconds before every answer.
        seen: all requests. paid: number of samples sent out. most_at_once: requests that were under way together.
    """

    model: str | None = "toy"
    most_choices: int = 1000
    logprobs: bool = True
    usage: bool = True
    text: Callable[[str, int], str] = lambda prompt, i: f"{prompt}{i}"
    finish_reason: str | None = "stop"
    rules: list[Callable[[Seen], tuple[int, str] | None]] = field(default_factory=list)
    faults: deque[Respond] = field(default_factory=deque)
    slowness: float = 0.0
    seen: list[Seen] = field(default_factory=list)
    paid: int = 0
    most_at_once: int = 0

    def __enter__(self) -> ScriptedServer:
        self._lock, self.released, self._at_once = threading.Lock(), threading.Event(), 0
        self._samples: dict[str, int] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def serve(self, exchange: Exchange) -> None:
        with self._lock:
            self.seen.append(exchange.seen)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            fault = self.faults.popleft() if self.faults else None
        try:
            time.sleep(self.slowness)
            self._respond(exchange, fault)
        finally:
            with self._lock:
                self._at_once -= 1

    def _respond(self, exchange: Exchange, fault: Respond | None) -> None:
        if fault is not None:
            return fault(exchange)
        for rule in self.rules:
            if refusal := rule(exchange.seen):
                return exchange.send_error_body(*refusal)
        exchange.send_json(200, self.answer(exchange.seen))

    def answer(self, seen: Seen) -> dict[str, Any]:
        """One token a word-character of the text, the first of log-prob −0.5 and every other of −0.25."""
        chat = seen.path.endswith("/chat/completions")
        with self._lock:
            first = self._samples.get(seen.prompt, 0)
            n = min(seen.n, self.most_choices)
            self._samples[seen.prompt] = first + n
            self.paid += n
        texts = [self.text(seen.prompt, first + i) for i in range(n)]
        choices = [self._choice(chat, i, text, "logprobs" in seen.body) for i, text in enumerate(texts)]
        said: dict[str, Any] = {"choices": choices, "object": "chat.completion" if chat else "text_completion"}
        if self.model is not None:
            said["model"] = self.model
        if self.usage:
            said["usage"] = {"prompt_tokens": len(seen.prompt), "completion_tokens": sum(map(len, texts))}
        return said

    def _choice(self, chat: bool, index: int, text: str, asked: bool) -> dict[str, Any]:
        said = {"index": index, "finish_reason": self.finish_reason, "logprobs": None}
        said |= {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
        if asked and self.logprobs:
            values = [-0.5, *[-0.25] * (len(text) - 1)][: len(text)]
            tokens = [{"token": "x", "logprob": value} for value in values]
            said["logprobs"] = {"content": tokens} if chat else {"token_logprobs": values}
        return said


class Exchange:
    """A request and the connection on which it is answered."""

    def __init__(self, handler: BaseHTTPRequestHandler, seen: Seen, server: ScriptedServer) -> None:
        self.handler, self.seen, self.server = handler, seen, server

    def send_json(self, status: int, said: Any, headers: dict[str, str] | None = None) -> None:
        self.send(status, json.dumps(said).encode(), headers)

    def send_error_body(self, status: int, said: str, headers: dict[str, str] | None = None) -> None:
        self.send_json(status, {"error": {"message": said, "type": "scripted", "code": None}}, headers)

    def send(self, status: int, body: bytes, headers: dict[str, str] | None = None, length: int | None = None) -> None:
        self.handler.send_response(status)
        self.handler.send_header("Content-Type", "application/json")
        self.handler.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in (headers or {}).items():
            self.handler.send_header(name, value)
        self.handler.end_headers()
        self.handler.wfile.write(body)


def status(code: int, said: str = "scripted", **headers: str) -> Respond:
    """A fault: this status, once; headers with underscores for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda exchange: exchange.send_error_body(code, said, named)


def hang(exchange: Exchange) -> None:
    """A fault: no answer as long as the server lives."""
    exchange.server.released.wait()
    exchange.handler.close_connection = True


def cut(exchange: Exchange) -> None:
    """A fault: the connection breaks in the middle of the answer."""
    body = json.dumps(exchange.server.answer(exchange.seen)).encode()
    exchange.server.paid -= exchange.seen.n
    exchange.send(200, body[: len(body) // 2], length=len(body))
    exchange.handler.close_connection = True


def body(content: bytes) -> Respond:
    """A fault: status 200 with this body."""
    return lambda exchange: exchange.send(200, content)


def _handler(server: ScriptedServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            seen = Seen(self.path, json.loads(content), self.headers.get("Authorization", ""), time.monotonic())
            try:
                server.serve(Exchange(self, seen, server))
            except (BrokenPipeError, ConnectionResetError):  # the client gave up
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler
