"""One request to an OpenAI-compatible server: sent, waited for, and sent again where that may help."""

from __future__ import annotations

import email.utils
import os
import random
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from ttscale.draws.prompts import Prompt
from ttscale.draws.sampling import Decoding
from ttscale.errors import require
from ttscale.generation.endpoint_features import Features
from ttscale.generation.endpoint_reply import Malformed, Reply, read_reply, words_of_error
from ttscale.models.language import Endpoint

FIRST_WAIT = 0.5  # seconds before a second try, doubled for each further one
LONGEST_BACK_OFF = 30.0
LONGEST_WAIT = 600.0  # that a server may ask for; a longer one ends the run
AGAIN = (408, 409, 425, 429)  # and 500 and up: statuses that may be another one next time


class Refused(Exception):
    """The server will not do it, now or later."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"status {status}: {said}")
        self.status, self.said = status, said


class Unanswered(Exception):
    """No answer after every try. ``slow``: the last one ran out of time. ``broken``: the server said that it failed."""

    def __init__(self, said: str, *, slow: bool = False, broken: bool = False) -> None:
        super().__init__(said)
        self.said, self.slow, self.broken = said, slow, broken


class Stopped(Exception):
    """The run is over; this request was not sent (again)."""


@dataclass(frozen=True)
class Ask:
    """One request: ``n`` samples of a prompt; ``seed`` None sends none; ``once`` does not try again."""

    prompt: Prompt
    decoding: Decoding
    n: int
    seed: int | None
    features: Features
    once: bool = False


class Client:
    """The ``openai`` client of an endpoint, for several threads at a time; a context manager.

    The key is read from the environment here, held by the client alone, and cut out of whatever the server says.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        openai = require("openai", install="ttscale[endpoint]", needed_for="endpoint: models")
        self._openai, self._endpoint = openai, endpoint
        self._key = os.environ.get(endpoint.key_variable) or None
        self._client = openai.OpenAI(
            base_url=endpoint.url, api_key=self._key or "none", timeout=endpoint.timeout, max_retries=0
        )
        self._stop = threading.Event()
        self._not_before = 0.0  # a rate limit holds for all threads

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def stop(self) -> None:
        """Send nothing from now on; what is under way may still be answered."""
        self._stop.set()

    def send(self, ask: Ask) -> Reply:
        """The answer.

        Tried again, after a pause that doubles, for connections that fail, timeouts, statuses 408, 409, 425, 429 and
        500 and up, and bodies that are no answer. What the server asks for in ``Retry-After`` is waited for at least,
        by every thread; after a 429 with it, the next try does not count (until ``LONGEST_WAIT`` in all). A request for
        several samples that ran out of time twice is given up: fewer may fit.

        Raises:
            Refused, Unanswered, Stopped: see there.
        """
        tries, limited = 0, 0.0
        while True:
            self._pause()
            wait, rate_limit = 0.0, False
            try:
                return read_reply(self._post(ask))
            except Malformed as error:
                failed = Unanswered(self._clean(str(error)), broken=True)
            except self._openai.APITimeoutError:
                failed = Unanswered(f"no answer within {self._endpoint.timeout:g} s", slow=True)
            except self._openai.APIConnectionError as error:
                failed = Unanswered(self._clean(f"no connection: {error.__cause__ or error}"))
            except self._openai.APIStatusError as error:
                failed, wait = self._status(error)
                rate_limit = error.status_code == 429 and wait > 0
            if rate_limit and limited + wait <= LONGEST_WAIT:
                limited += wait
            else:
                tries += 1
                if ask.once or tries > self._endpoint.retries or (failed.slow and ask.n > 1 and tries > 1):
                    raise failed
            self._hold(max(wait * random.uniform(1, 1.25), 0 if rate_limit else _back_off(tries)), everyone=wait > 0)

    def _post(self, ask: Ask) -> bytes:
        """The body of the server's answer to one request."""
        decoding, features = ask.decoding, ask.features
        chat = self._endpoint.api == "chat" or (self._endpoint.api == "auto" and ask.prompt.chat)
        fields: dict[str, Any] = {
            "model": self._endpoint.model, "temperature": decoding.temperature, features.limit: decoding.max_tokens,
        }  # fmt: skip
        fields |= {"n": ask.n} if ask.n > 1 else {}
        fields |= {"seed": ask.seed} if ask.seed is not None else {}
        fields |= {"stop": list(decoding.stop)} if decoding.stop else {}
        fields |= {"top_p": decoding.top_p} if decoding.top_p < 1 else {}
        extra: dict[str, Any] = {"top_k": decoding.top_k} if decoding.top_k is not None else {}
        extra |= {"min_p": decoding.min_p} if decoding.min_p > 0 else {}
        if chat:
            fields |= {"messages": [{"role": "user", "content": ask.prompt.text}]}
            fields |= {"logprobs": True} if features.logprobs else {}
            return self._client.chat.completions.with_raw_response.create(**fields, extra_body=extra or None).content
        fields |= {"logprobs": 0} if features.logprobs else {}  # of the tokens chosen, and of no others
        if features.limit != "max_tokens":
            extra[features.limit] = fields.pop(features.limit)
        fields |= {"prompt": ask.prompt.text}
        return self._client.completions.with_raw_response.create(**fields, extra_body=extra or None).content

    def _status(self, error: Any) -> tuple[Unanswered, float]:
        """What a status means, and the seconds that the server asks for; raises where another try cannot help."""
        status, said = error.status_code, self._clean(words_of_error(error.response.content))
        spent = isinstance(error.body, dict) and error.body.get("code") == "insufficient_quota"
        if spent or not (status in AGAIN or status >= 500):
            raise Refused(status, said) from None
        wait = retry_after(error.response.headers.get("retry-after"))
        if wait > LONGEST_WAIT:
            raise Unanswered(f"status {status} with the wish to be left alone for {wait:.0f} s: {said}") from None
        return Unanswered(f"status {status}: {said}", broken=status >= 500), wait

    def _clean(self, said: str) -> str:
        """One line of at most 300 characters, without the key."""
        if self._key:
            said = said.replace(self._key, "***")
        said = " ".join(said.split())
        return said if len(said) <= 300 else said[:300] + "…"

    def _hold(self, seconds: float, *, everyone: bool) -> None:
        until = time.monotonic() + seconds
        if everyone:
            self._not_before = max(self._not_before, until)
        if self._stop.wait(seconds):
            raise Stopped

    def _pause(self) -> None:
        """Wait while a rate limit holds."""
        while (left := self._not_before - time.monotonic()) > 0:
            if self._stop.wait(left):
                break
        if self._stop.is_set():
            raise Stopped


def retry_after(header: str | None) -> float:
    """Seconds of a ``Retry-After`` header, which gives seconds or a date; 0 without one."""
    if not header:
        return 0.0
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(header).timestamp() - time.time()
        except ValueError:
            return 0.0
    return seconds if seconds > 0 else 0.0  # NaN too


def _back_off(tries: int) -> float:
    """Seconds after so many tries: doubling, with a random part so that threads do not come back together."""
    return min(LONGEST_BACK_OFF, FIRST_WAIT * 2 ** (tries - 1)) * random.uniform(0.75, 1.25)
