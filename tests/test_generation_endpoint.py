"""The endpoint client against a scripted server, clause by clause, and against a real `transformers serve`."""

from __future__ import annotations

import importlib.util
import itertools
import json
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path

import pytest
from language_example import tiny_language_model
from scripted_server import ScriptedServer, body, cut, hang, status

from ttscale.draws.prompts import Prompt
from ttscale.draws.sampling import Decoding
from ttscale.errors import TtscaleError
from ttscale.generation import endpoint as endpoint_module
from ttscale.generation import endpoint_client
from ttscale.generation.endpoint import EndpointGenerator
from ttscale.generation.endpoint_client import retry_after
from ttscale.generation.endpoint_costs import prompts_paid
from ttscale.generation.endpoint_features import Features, trials
from ttscale.generation.endpoint_reply import (
    Choice,
    Malformed,
    Reply,
    apportion,
    read_reply,
    split_tokens,
    words_of_error,
)
from ttscale.generation.journal import Journal
from ttscale.generation.request import Request
from ttscale.models.language import Endpoint

DECODING = Decoding(0.8, max_tokens=20, stop=())
GREEDY = Decoding(0.0, max_tokens=20, stop=())
NAN = pytest.approx(math.nan, nan_ok=True)
KEY = "sk-scripted-7f3a"

pytest.importorskip("openai", reason="the package openai is not installed")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(endpoint_client, "FIRST_WAIT", 0.02)
    monkeypatch.setenv("TOY_KEY", KEY)


def endpoint(server: ScriptedServer, **fields) -> Endpoint:
    settings = {"concurrency": 1, "timeout": 10.0, "n_params": 1000.0, "key_variable": "TOY_KEY", **fields}
    return Endpoint("toy", "endpoint:test", server.url, "toy", **settings)


def request(item: str, n: int = 4, *, decoding: Decoding = DECODING, chat: bool = False) -> Request:
    return Request(item, "plain", Prompt("", f"{item}?", chat), decoding, tuple(range(n)))


def slow(exchange) -> None:
    """Answered well, after 0.4 s."""
    time.sleep(0.4)
    exchange.send_json(200, exchange.server.answer(exchange.seen))


def answer_now(exchange) -> None:
    exchange.send_json(200, exchange.server.answer(exchange.seen))


def texts(answered) -> list[list[str]]:
    return [[completion.text for completion in one.completions] for one in answered]


def ask(server: ScriptedServer, requests: list[Request], *, journal: Path | None = None, **fields):
    done: list[int] = []
    generator = EndpointGenerator(endpoint(server, **fields), seed=3, journal=journal)
    generator.prepare(requests)
    answered = generator.generate(requests, done.append)
    assert sum(done) == sum(len(request.samples) for request in requests)
    return answered


# --- samples, tokens, log-probs, FLOPs ---


@pytest.mark.parametrize("chat", [False, True])
def test_n_samples_come_in_one_request_with_tokens_log_probs_and_flops(chat: bool):
    with ScriptedServer() as server:
        (one,) = ask(server, [request("ab", 3, chat=chat)])
    assert texts([one]) == [["ab?0", "ab?1", "ab?2"]]
    assert [seen.n for seen in server.seen] == [3]
    assert server.seen[0].path == ("/v1/chat/completions" if chat else "/v1/completions")
    first = one.completions[0]
    assert (first.sample, first.n_tokens, first.finish_reason) == (0, 4, "stop")
    assert first.sum_logprob == pytest.approx(-0.5 - 3 * 0.25)
    assert first.mean_logprob == pytest.approx(-1.25 / 4)
    assert first.self_certainty == NAN
    assert first.flops == 2 * 1000 * 4
    assert (one.prompt_tokens, one.prompt_flops) == (3, 2 * 1000 * 3)
    assert (one.prefix_tokens, one.prefix_flops, one.prefix) == (0, 0.0, "")


def test_unknown_parameters_leave_flops_unknown():
    with ScriptedServer() as server:
        (one,) = ask(server, [request("a", 2)], n_params=None)
    assert one.prompt_flops == NAN and one.completions[0].flops == NAN and one.completions[0].n_tokens == 3


def test_a_server_that_ignores_n_is_asked_for_single_samples_with_a_seed_each():
    with ScriptedServer(most_choices=1) as server:
        answered = ask(server, [request("a", 4), request("b", 3)])
    assert [len(one.completions) for one in answered] == [4, 3]
    assert [seen.n for seen in server.seen] == [4, 1, 1, 1, 1, 1, 1]  # what the first request brought is kept
    assert server.paid == 7
    seeds = [seen.body.get("seed") for seen in server.seen]
    assert seeds[0] is None and len(set(seeds[1:])) == 6 and all(0 <= seed < 2**31 for seed in seeds[1:])


def test_seeds_are_a_function_of_what_they_are_for():
    asked = [request("a", 3), request("b", 3), replace(request("a", 3), variant="order1")]
    found = []
    for concurrency in (1, 3):
        with ScriptedServer(most_choices=1) as server:
            ask(server, [replace(one, samples=(0,)) for one in asked], concurrency=concurrency)
        found.append({(seen.prompt, seen.body["seed"]) for seen in server.seen})
    assert found[0] == found[1] and len(found[0]) == 3


def test_a_server_that_gives_a_few_at_a_time_is_asked_for_so_many():
    with ScriptedServer(most_choices=3) as server:
        answered = ask(server, [request("a", 8), request("b", 4)])
    assert [seen.n for seen in server.seen] == [8, 3, 2, 3, 1]
    assert [len(set(one)) for one in texts(answered)] == [8, 4] and server.paid == 12


def test_one_answer_with_fewer_choices_is_topped_up():
    def two_less(exchange):
        exchange.seen.body["n"] -= 2
        exchange.send_json(200, exchange.server.answer(exchange.seen))
        exchange.seen.body["n"] += 2

    with ScriptedServer(faults=deque([two_less])) as server:
        answered = ask(server, [request("a", 5)])
    assert texts(answered) == [[f"a?{i}" for i in range(5)]]
    assert [seen.n for seen in server.seen] == [5, 2] and server.paid == 5


def test_more_choices_than_asked_for_are_left_out():
    def one_more(exchange):
        exchange.seen.body["n"] += 1
        exchange.send_json(200, exchange.server.answer(exchange.seen))

    with ScriptedServer(faults=deque([one_more])) as server:
        (one,) = ask(server, [request("a", 2)])
    assert texts([one]) == [["a?0", "a?1"]] and [c.n_tokens for c in one.completions] == [3, 3]


def test_without_log_probs_tokens_of_several_samples_add_up_to_usage():
    with ScriptedServer(logprobs=False, text=lambda prompt, i: "x" * (3 * i)) as server:
        (one,) = ask(server, [request("a", 3)])
    assert [c.sum_logprob for c in one.completions] == [NAN] * 3
    # 9 tokens over 1, 4 and 7 bytes (an end each): 0.75, 3, 5.25
    assert [c.n_tokens for c in one.completions] == [1, 3, 5]


@pytest.mark.parametrize("silent", [{"usage": False, "logprobs": False}, {"usage": False}])
def test_a_server_without_usage_is_refused(silent: dict):
    with ScriptedServer(**silent) as server, pytest.raises(TtscaleError, match=r"usage.*never guessed"):
        ask(server, [request("a", 2)])


# --- what a prompt costs ---


def spent(answered) -> float:
    """FLOPs of all samples of a request and of its prompt."""
    return answered.prompt_flops + sum(completion.flops for completion in answered.completions)


@pytest.mark.parametrize(("most", "requests"), [(1000, 1), (4, 4), (3, 6), (1, 16)])
def test_a_prompt_is_charged_for_every_request_that_brought_samples(most: int, requests: int):
    with ScriptedServer(most_choices=most) as server:
        greedy, sampled = ask(server, [request("ab", 1, decoding=GREEDY), request("ab", 16)])
    assert len(server.seen) == 1 + requests
    prompt, tokens = 2000.0 * 3, 2000.0 * sum(c.n_tokens for c in sampled.completions)
    assert spent(sampled) == pytest.approx(requests * prompt + tokens)
    assert spent(greedy) == pytest.approx(prompt + 2000.0 * greedy.completions[0].n_tokens)
    assert greedy.prompt_flops == sampled.prompt_flops  # one group of costs in the Records
    first = sampled.completions[0]
    assert sampled.prompt_flops + first.flops == pytest.approx(prompt + 2000.0 * first.n_tokens)


def test_what_a_prompt_costs_is_the_same_after_a_break(tmp_path):
    asked = [request("a", 6), request("b", 6)]
    with ScriptedServer(most_choices=2) as server:
        whole = ask(server, asked)
        server.rules = [lambda seen: (400, "no b") if seen.prompt == "b?" else None]
        with pytest.raises(TtscaleError, match="'b'"):
            ask(server, asked, journal=tmp_path / "journal")
        server.rules = []
        broken = ask(server, asked, journal=tmp_path / "journal")
    assert [one.prompt_flops for one in broken] == [one.prompt_flops for one in whole]
    assert broken[0].prompt_flops == pytest.approx(6000.0 * (1 - 2 / 5) * 2 / 3)  # 3 requests, 2 tokens a prompt


def test_prompts_paid_by_hand():
    assert prompts_paid([(1, 1)]) == (1, [0])
    assert prompts_paid([(1, 1), (16, 1)]) == (1, [0, 0])
    assert prompts_paid([(1, 1), (16, 16)]) == (0, [1, 1])
    once, (four, nine) = prompts_paid([(4, 2), (9, 9)])
    assert (once, once + 4 * four, once + 9 * nine) == (pytest.approx(2 / 3), pytest.approx(2), pytest.approx(9))


def test_the_number_of_parameters_is_part_of_the_plan():
    with ScriptedServer() as server:
        assert EndpointGenerator(endpoint(server), seed=3).plan()["n_params"] == 1000.0


# --- what is sent ---


def test_only_what_is_set_is_sent():
    wide = Decoding(1.2, top_k=40, top_p=0.9, min_p=0.05, max_tokens=7, stop=("\n", "Q:"))
    with ScriptedServer() as server:
        ask(server, [request("a", 1, decoding=GREEDY), request("b", 1, decoding=wide)])
    plain, full = (seen.body for seen in server.seen)
    assert plain == {"model": "toy", "prompt": "a?", "max_tokens": 20, "temperature": 0, "logprobs": 0}
    assert full.pop("seed") >= 0
    assert full == {
        "model": "toy", "prompt": "b?", "max_tokens": 7, "temperature": 1.2, "logprobs": 0, "top_k": 40, "top_p": 0.9,
        "min_p": 0.05, "stop": ["\n", "Q:"],
    }  # fmt: skip


@pytest.mark.parametrize(("api", "path"), [("chat", "/v1/chat/completions"), ("completions", "/v1/completions")])
def test_the_api_can_be_set(api: str, path: str):
    with ScriptedServer() as server:
        ask(server, [request("a", 1, chat=api == "completions")], api=api)
    assert server.seen[0].path == path and server.seen[0].prompt == "a?"


# --- what a server refuses ---


def refuse(name: str, code: int, said: str):
    return lambda seen: (code, said) if name in seen.body else None


@pytest.mark.parametrize("said", ["n must be 1", "extra inputs are not permitted"])
def test_a_server_that_refuses_n_is_asked_for_single_samples_and_keeps_its_log_probs(said: str):
    with ScriptedServer(rules=[refuse("n", 400, said)]) as server:
        (one, two) = ask(server, [request("a", 3), request("b", 2)])
    assert len(set(texts([one])[0])) == 3 and one.completions[2].sum_logprob == pytest.approx(-1.0)
    assert [seen.n for seen in server.seen][-2:] == [1, 1] and two.completions[0].sum_logprob == pytest.approx(-1.0)


@pytest.mark.parametrize(("code", "said"), [(400, "logprobs are not supported"), (422, "bad"), (500, "logits_all")])
def test_a_server_that_refuses_log_probs_is_asked_without_and_keeps_n(code: int, said: str):
    with ScriptedServer(rules=[refuse("logprobs", code, said)]) as server:
        (one, two) = ask(server, [request("a", 3), request("b", 2)], retries=1)
    assert [c.sum_logprob for c in (*one.completions, *two.completions)] == [NAN] * 5
    assert server.seen[-1].n == 2 and "logprobs" not in server.seen[-1].body


def test_a_server_that_refuses_seeds_and_max_tokens():
    rules = [
        refuse("max_tokens", 400, "Unsupported parameter: use 'max_completion_tokens' instead."),
        refuse("seed", 400, "unknown field"),
    ]
    for chat in (False, True):
        with ScriptedServer(rules=list(rules), most_choices=1) as server:
            answered = ask(server, [request("a", 3, chat=chat)])
        assert len(set(texts(answered)[0])) == 3
        assert server.seen[-1].body["max_completion_tokens"] == 20


def test_a_prompt_that_is_refused_is_named_and_nothing_is_learnt_from_it():
    with ScriptedServer() as server:
        server.rules.append(lambda seen: (400, "maximum context length is 8") if "long" in seen.prompt else None)
        generator = EndpointGenerator(endpoint(server), seed=3)
        for _ in range(2):
            with pytest.raises(TtscaleError, match=r"item 'long'.*status 400: .*maximum context length is 8"):
                generator.generate([request("long", 2)], lambda n: None)
        (one,) = generator.generate([request("a", 2)], lambda n: None)
        assert server.seen[-1].n == 2 and not math.isnan(one.completions[0].sum_logprob)
        before = len(server.seen)
        with pytest.raises(TtscaleError, match="'long'"):
            generator.generate([request("long", 2)], lambda n: None)
        assert len(server.seen) == before + 1  # a server that has answered such a request before means the prompt


@pytest.mark.parametrize(("code", "said"), [(401, "TOY_KEY"), (403, "TOY_KEY"), (404, "/v1")])
def test_refusals_say_what_to_do_and_are_not_repeated(code: int, said: str):
    with (
        ScriptedServer(rules=[lambda seen: (code, f"no: {seen.authorization}")]) as server,
        pytest.raises(TtscaleError, match=said) as caught,
    ):
        ask(server, [request("a", 2)])
    assert len(server.seen) == 1
    assert (
        server.seen[0].authorization == f"Bearer {KEY}" and KEY not in str(caught.value) and "***" in str(caught.value)
    )


def test_an_account_without_credit_ends_the_run_at_once():
    def spent(exchange):
        exchange.send_json(429, {"error": {"message": "You exceeded", "code": "insufficient_quota"}})

    with ScriptedServer(faults=deque([spent])) as server, pytest.raises(TtscaleError, match="credit"):
        ask(server, [request("a", 2)])
    assert len(server.seen) == 1


# --- what goes wrong on the way ---


@pytest.mark.parametrize(
    "fault",
    [
        status(500), status(503), status(429), status(408), cut, body(b"not json"), body(b""), body(b"[1]"),
        body(b'{"choices": []}'), body(b'{"choices": [{}]}'), body(b'{"error": {"message": "overloaded"}}'),
        body(b"\xff\xfe{"), hang,
    ],
)  # fmt: skip
def test_a_fault_is_tried_again_and_leaves_no_trace(fault):
    with ScriptedServer(faults=deque([fault, fault])) as server:
        answered = ask(server, [request("a", 3)], timeout=0.3 if fault is hang else 10.0, retries=2)
        if fault is hang:  # twice too slow for 3 samples: fewer at a time
            assert [seen.n for seen in server.seen] == [3, 3, 1, 1, 1]
        else:
            assert [seen.n for seen in server.seen] == [3, 3, 3]
    assert sorted(texts(answered)[0])[-3:] == texts(answered)[0] and len(set(texts(answered)[0])) == 3
    assert not math.isnan(answered[0].completions[0].sum_logprob)


def test_pauses_double(monkeypatch):
    monkeypatch.setattr(endpoint_client, "FIRST_WAIT", 0.08)
    with ScriptedServer(faults=deque([status(500)] * 3)) as server:
        ask(server, [request("a", 1)], retries=3)
    at = [seen.at for seen in server.seen]
    for gap, expected in zip([b - a for a, b in itertools.pairwise(at)], [0.08, 0.16, 0.32], strict=True):
        assert 0.75 * expected - 0.01 <= gap <= 1.25 * expected + 0.3


def test_a_hung_server_ends_in_an_error_that_names_the_item():
    with ScriptedServer(faults=deque([hang] * 2)) as server, pytest.raises(TtscaleError, match=r"'a'.*within 0\.2 s"):
        ask(server, [request("a", 1)], timeout=0.2, retries=1)


def test_a_server_that_only_fails_is_given_up_soon():
    with (
        ScriptedServer(rules=[lambda seen: (500, "broken")]) as server,
        pytest.raises(TtscaleError, match=r"item 'a', got status 500: broken\. See that the server runs"),
    ):
        ask(server, [request("a", 2)], retries=2)
    # three tries, then one of each way: without log-probs, without n, without both, without seeds too
    assert [seen.n for seen in server.seen] == [2, 2, 2, 2, 1, 1, 1, 1]


def test_nobody_at_the_address():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    nobody = Endpoint("toy", "endpoint:test", url, "toy", retries=1)
    with pytest.raises(TtscaleError, match=r"no connection.*server runs"):
        EndpointGenerator(nobody, seed=0).generate([request("a", 2)], lambda n: None)


def test_a_rate_limit_is_waited_for_by_everyone_and_costs_no_tries():
    limit = status(429, Retry_After="0.6")
    with ScriptedServer(faults=deque([limit, slow, limit])) as server:
        answered = ask(server, [request(item, 1) for item in "abcdef"], concurrency=2, retries=0)
    assert texts(answered) == [[f"{item}?0"] for item in "abcdef"]
    start = server.seen[0].at
    early = [seen for seen in server.seen if seen.at - start < 0.58]
    assert len(early) <= 2  # those under way when the limit was met; when one is answered, no other is sent


def test_a_server_that_wants_to_be_left_alone_for_long_ends_the_run():
    with (
        ScriptedServer(faults=deque([status(429, Retry_After="7200")])) as server,
        pytest.raises(TtscaleError, match="left alone for 7200 s"),
    ):
        ask(server, [request("a", 1)])
    assert len(server.seen) == 1


def test_retry_after_gives_seconds_or_a_date():
    assert [retry_after(h) for h in (None, "", "2.5", "soon", "-3", "nan")] == [0, 0, 2.5, 0, 0, 0]
    assert retry_after(formatdate(time.time() + 100, usegmt=True)) == pytest.approx(100, abs=2)
    assert retry_after(formatdate(time.time() - 100, usegmt=True)) == 0


def test_concurrency_is_bounded_and_used():
    with ScriptedServer(slowness=0.05) as server:
        answered = ask(server, [request(f"q{i}", 2) for i in range(12)], concurrency=3)
    assert server.most_at_once == 3
    assert texts(answered) == [[f"q{i}?0", f"q{i}?1"] for i in range(12)]
    with ScriptedServer(slowness=0.05, most_choices=1) as server:  # the samples of one prompt too
        ask(server, [request("a", 9)], concurrency=3)
    assert server.most_at_once == 3


# --- who answers, and with which key ---


@pytest.mark.parametrize("served", ["toy", "toy@main", None])
def test_names_that_are_the_models(served):
    with ScriptedServer(model=served) as server:
        assert len(ask(server, [request("a", 2)])[0].completions) == 2


@pytest.mark.parametrize("served", ["other", "toy-2", "@main"])
def test_another_models_answers_are_refused_and_not_kept(served: str, tmp_path):
    with (
        ScriptedServer(model=served) as server,
        pytest.raises(TtscaleError, match=f"answers of 'toy', got answers of '{served}'.*model={served}"),
    ):
        ask(server, [request("a", 2)], journal=tmp_path / "journal")
    assert not (tmp_path / "journal").exists()


def test_the_key_comes_from_the_environment_and_goes_nowhere_else(tmp_path, monkeypatch):
    with ScriptedServer() as server:
        generator = EndpointGenerator(endpoint(server), seed=3, journal=tmp_path / "journal")
        generator.generate([request("a", 1)], lambda n: None)
        assert server.seen[0].authorization == f"Bearer {KEY}"
        kept = (tmp_path / "journal").read_text() + repr(vars(generator)) + json.dumps(dict(generator.plan()))
        assert KEY not in kept + repr(generator.endpoint) + generator.endpoint.fingerprint()
        monkeypatch.delenv("TOY_KEY")
        generator.generate([request("b", 1)], lambda n: None)
        assert KEY not in server.seen[1].authorization


# --- partial results, resume ---


def test_a_failed_run_keeps_what_was_answered_and_goes_on_without_paying_twice(tmp_path):
    journal = tmp_path / "deep" / "journal.jsonl"
    journal.parent.mkdir()
    asked = [request(item, 2) for item in ("a", "b", "broken", "c")]
    with ScriptedServer() as server:
        server.rules.append(lambda seen: (400, "cannot") if "broken" in seen.prompt else None)
        with pytest.raises(TtscaleError, match=rf"'broken'.*kept in {journal}"):
            ask(server, asked, journal=journal)
        assert server.paid == 4
        server.rules.clear()
        answered = ask(server, asked, journal=journal)
        assert server.paid == 8
        assert ask(server, asked, journal=journal) == answered and server.paid == 8
    assert texts(answered) == [[f"{item}?0", f"{item}?1"] for item in ("a", "b", "broken", "c")]


def test_without_a_journal_the_same_generator_does_not_pay_twice_either():
    with ScriptedServer() as server:
        server.rules.append(lambda seen: (400, "cannot") if "broken" in seen.prompt else None)
        generator = EndpointGenerator(endpoint(server), seed=3)
        with pytest.raises(TtscaleError, match="'broken'"):
            generator.generate([request("a", 3), request("broken", 1)], lambda n: None)
        generator.generate([request("a", 3)], lambda n: None)
        assert server.paid == 3
        generator.generate([request("a", 3)], lambda n: None)  # handed over, and forgotten
        assert server.paid == 6


def test_answers_under_way_when_another_fails_are_kept(tmp_path):
    def rule(seen):
        if seen.prompt == "bad?":
            return 400, "no"
        time.sleep(0.4)

    with ScriptedServer(rules=[rule]) as server:
        with pytest.raises(TtscaleError, match="'bad'"):
            ask(server, [request("a", 2), request("bad", 1)], concurrency=2, journal=tmp_path / "journal")
        ask(server, [request("a", 2)], journal=tmp_path / "journal")
        assert server.paid == 2


def test_a_failure_ends_the_pauses_of_others(monkeypatch):
    monkeypatch.setattr(endpoint_client, "FIRST_WAIT", 20.0)

    def rule(seen):
        if seen.prompt == "bad?":
            time.sleep(0.4)
            return 400, "no"
        return 500, "busy"

    with ScriptedServer(rules=[rule]) as server:
        start = time.monotonic()
        with pytest.raises(TtscaleError, match="'bad'"):
            ask(server, [request("a", 1), request("bad", 1)], concurrency=2)
        assert time.monotonic() - start < 10


def test_an_interrupt_keeps_what_comes_and_sends_nothing_more(tmp_path):
    with ScriptedServer(slowness=0.2) as server:
        generator = EndpointGenerator(endpoint(server, concurrency=2), seed=3, journal=tmp_path / "journal")

        def interrupted(n: int) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            generator.generate([request(item, 1) for item in "abcdefgh"], interrupted)
        paid = server.paid
        assert 2 <= paid <= 4
        ask(server, [request(item, 1) for item in "abcdefgh"], journal=tmp_path / "journal")
        assert server.paid == 8


def test_an_interrupt_waits_for_a_slow_server_only_a_while(tmp_path, monkeypatch):
    monkeypatch.setattr(endpoint_module, "PATIENCE", 0.3)

    def interrupted(n: int) -> None:
        raise KeyboardInterrupt

    with ScriptedServer(faults=deque([answer_now, hang])) as server:
        generator = EndpointGenerator(endpoint(server, concurrency=2), seed=3, journal=tmp_path / "journal")
        start = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            generator.generate([request(item, 1) for item in "ab"], interrupted)
        assert time.monotonic() - start < 5  # and not the 10 s after which a request is given up


def test_a_fault_in_keeping_answers_under_way_does_not_hide_the_first_error(monkeypatch):
    class Full(Exception):
        pass

    def full(journal, key, record) -> None:
        raise Full

    def rule(seen):
        if seen.prompt == "bad?":
            return 400, "no"
        time.sleep(0.4)
        return None

    with ScriptedServer(rules=[rule]) as server:
        monkeypatch.setattr(Journal, "add", full)
        with pytest.raises(TtscaleError, match="'bad'"):
            ask(server, [request("bad", 1), request("a", 1)], concurrency=2)


KILLED = """
import sys
from pathlib import Path
from ttscale.draws.prompts import Prompt
from ttscale.draws.sampling import Decoding
from ttscale.generation.endpoint import EndpointGenerator
from ttscale.generation.request import Request
from ttscale.models.language import Endpoint
e = Endpoint("toy", "endpoint:test", sys.argv[1], "toy", 1000.0, concurrency=1, key_variable="TOY_KEY")
decoding = Decoding(0.8, max_tokens=20, stop=())
requests = [Request(i, "plain", Prompt("", f"{i}?"), decoding, (0, 1)) for i in "abcdef"]
EndpointGenerator(e, seed=3, journal=Path(sys.argv[2])).generate(requests, lambda n: None)
"""


def test_a_killed_run_goes_on_without_paying_twice(tmp_path):
    journal = tmp_path / "journal"
    with ScriptedServer() as server:
        arrived = threading.Event()

        def stuck(exchange):
            arrived.set()
            hang(exchange)

        answer = lambda exchange: exchange.send_json(200, exchange.server.answer(exchange.seen))  # noqa: E731
        server.faults.extend([answer, answer, answer, stuck])
        process = subprocess.Popen([sys.executable, "-c", KILLED, server.url, str(journal)])
        assert arrived.wait(60)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        with journal.open("ab") as file:
            file.write(b'{"key": "half a li')
        answered = ask(server, [request(item, 2) for item in "abcdef"], journal=journal)
        assert server.paid == 12 and [seen.prompt for seen in server.seen[4:]] == ["d?", "e?", "f?"]
    assert texts(answered) == [[f"{item}?0", f"{item}?1"] for item in "abcdef"]
    assert b"half a li" not in journal.read_bytes()


def test_a_journal_belongs_to_one_server_model_and_seed(tmp_path):
    path = tmp_path / "journal"
    with ScriptedServer() as server:
        ask(server, [request("a", 1)], journal=path)
        with pytest.raises(TtscaleError, match=r"seed 4, got .*seed 3.*of its own"):
            EndpointGenerator(endpoint(server), seed=4, journal=path)
        with pytest.raises(TtscaleError, match="model 'other'"):
            EndpointGenerator(replace(endpoint(server), model="other"), seed=3, journal=path)
        EndpointGenerator(endpoint(server, concurrency=5, timeout=1.0, retries=0), seed=3, journal=path)
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(lines[0] + b"{damaged\n" + lines[1])
        with pytest.raises(TtscaleError, match="line 2 is damaged"):
            EndpointGenerator(endpoint(server), seed=3, journal=path)


@pytest.mark.parametrize(
    "changed",
    [{"prompt": Prompt("", "b?")}, {"prompt": Prompt("", "a?", True)}, {"variant": "order1"}, {"item_id": "x"},
     {"decoding": replace(DECODING, max_tokens=21)}, {"decoding": replace(DECODING, stop=("\n",))},
     {"decoding": replace(DECODING, temperature=0.9)}],
)  # fmt: skip
def test_another_question_is_asked_anew(changed: dict, tmp_path):
    with ScriptedServer() as server:
        ask(server, [request("a", 2)], journal=tmp_path / "journal")
        ask(server, [replace(request("a", 2), **changed)], journal=tmp_path / "journal")
    assert server.paid == 4


def test_more_samples_of_a_prompt_cost_only_the_new_ones(tmp_path):
    with ScriptedServer() as server:
        before = ask(server, [request("a", 2)], journal=tmp_path / "journal")
        after = ask(server, [request("a", 6)], journal=tmp_path / "journal")
    assert server.paid == 6 and texts(after)[0][:2] == texts(before)[0]


def test_a_journal_of_half_a_first_line_starts_again(tmp_path):
    (tmp_path / "journal").write_bytes(b'{"journal"')
    journal = Journal(tmp_path / "journal", {"journal": 1})
    journal.add("k", {"text": "é\u2028\n"})
    assert Journal(tmp_path / "journal", {"journal": 1}).get("k")["text"] == "é\u2028\n"


# --- texts ---


def test_odd_texts(tmp_path):
    odd = ["", "half \ud83d pair", "5\nQ: next", "é😀"]
    with ScriptedServer(text=lambda prompt, i: odd[i], finish_reason="length") as server:
        asked = [request("a", 4, decoding=replace(DECODING, stop=("\nQ:", "\n\n")))]
        answered = ask(server, asked, journal=tmp_path / "journal")
    assert texts(answered) == [["", "half \ufffd pair", "5", "é😀"]]
    assert [c.finish_reason for c in answered[0].completions] == ["length", "length", "stop", "length"]
    empty = answered[0].completions[0]
    assert (empty.n_tokens, empty.sum_logprob) == (0, 0.0) and empty.mean_logprob == NAN
    "".join(texts(answered)[0]).encode()


def test_bytes_that_are_not_utf8_become_replacement_characters():
    raw = b'{"choices": [{"text": "a\xff b"}], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}'
    with ScriptedServer(faults=deque([body(raw)])) as server:
        (one,) = ask(server, [request("a", 1)])
    assert one.completions[0].text == "a\ufffd b" and one.completions[0].finish_reason == "unknown"


def test_an_empty_prompt_and_too_small_a_context_are_refused_before_the_run():
    with ScriptedServer() as server:
        empty = Request("x", "plain", Prompt("", ""), DECODING, (0,))
        with pytest.raises(TtscaleError, match="empty one for item 'x'"):
            ask(server, [request("a", 1), empty])
        with pytest.raises(TtscaleError, match="fewer than the 20"):
            ask(server, [request("a", 1)], context=20)
        assert server.seen == []


# --- arithmetic by hand ---


def reply(total: int | None, *choices: tuple[str, str, int | None]) -> Reply:
    made = [Choice(text, reason, None if n is None else (-1.0,) * n) for text, reason, n in choices]
    return Reply("toy", tuple(made), 1, total)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (reply(9, ("abc", "stop", None)), (9,)),
        (reply(9, ("abc", "stop", 4), ("b", "stop", 5)), (4, 5)),
        (reply(11, ("abc", "stop", 4), ("b", "stop", 5)), (5, 6)),  # 4.89 and 6.11: an end each that has no log-prob
        (reply(None, ("abc", "stop", 4), ("b", "stop", 5)), (4, 5)),
        (reply(None, ("abc", "stop", 4), ("b", "stop", None)), None),
        (reply(26, ("abc", "length", None), ("bcd", "stop", None), ("e", "stop", None)), (20, 4, 2)),
        (reply(10, ("abc", "length", None), ("bcd", "stop", None)), (5, 5)),  # cut off earlier than at 20
        (reply(40, ("abc", "length", None), ("b", "length", None)), (27, 13)),
        (reply(0, ("", "stop", 0), ("", "stop", 0)), (0, 0)),
    ],
)
def test_tokens_are_shared_out(given: Reply, expected):
    found = split_tokens(given, 20)
    assert found == expected and (found is None or given.completion_tokens in (None, sum(found)))


def test_apportion():
    assert apportion(10, [1, 1, 1]) == (4, 3, 3)
    assert apportion(0, [2, 5]) == (0, 0)
    assert apportion(7, [3, 4]) == (3, 4)


@pytest.mark.parametrize("said", [b"", b"null", b'"text"', b'{"choices": {}}', b'{"choices": ["a"]}'])
def test_bodies_that_are_no_answers(said: bytes):
    with pytest.raises(Malformed):
        read_reply(said)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b'{"error": {"message": "too long", "code": 3}}', "too long"), (b'{"error": "too long"}', "too long"),
        (b'{"detail": "too long"}', "too long"), (b'{"message": "too long"}', "too long"), (b"too long", "too long"),
        (b'{"detail": [{"msg": "too long"}]}', '[{"msg": "too long"}]'), (b"", ""), (b"\xff", "\ufffd"),
    ],
)  # fmt: skip
def test_words_of_errors(said: bytes, words: str):
    assert words_of_error(said) == words


def test_log_probs_that_are_incomplete_are_unknown():
    said = {"choices": [{"text": "ab", "logprobs": {"token_logprobs": [None, -1.0]}}, {"text": "a", "logprobs": {}}]}
    assert [choice.logprobs for choice in read_reply(json.dumps(said).encode()).choices] == [None, None]


def test_ways_to_ask_again():
    base = Features()
    single = [(f.logprobs, f.seed) for f in trials(base, 1, False, set(), "bad")]
    assert single == [(False, True), (True, False), (False, False)]
    assert next((f.logprobs, f.seed) for f in trials(base, 1, False, set(), "no seed!")) == (True, False)
    several = [(f.logprobs, f.choices == 1, f.seed) for f in trials(base, 4, False, set(), "")]
    assert several == [(0, 0, 1), (1, 1, 1), (0, 1, 1), (1, 1, 0), (0, 1, 0)]
    assert trials(base, 4, False, {"logprobs", "n", "seed"}, "n is bad") == ()
    assert [f.logprobs for f in trials(base, 1, True, set(), "")] == [False]


# --- a real server ---


@pytest.fixture(scope="module")
def real_server(tmp_path_factory):
    """`transformers serve` on a converted folder, offline; its address and the folder."""
    missing = [name for name in ("transformers", "fastapi", "uvicorn") if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    folder = tmp_path_factory.mktemp("served") / "tiny"
    model = tiny_language_model()
    model.module.generation_config.do_sample = True  # else this server ignores the temperature
    model.module.save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        str(Path(sys.executable).parent / "transformers"), "serve", str(folder), "--host", "127.0.0.1", "--port",
        str(port), "--device", "cpu", "--dtype", "float32",
    ]  # fmt: skip
    log = folder.parent / "log"
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, "HF_HUB_OFFLINE": "1"})
        try:
            url = f"http://127.0.0.1:{port}/v1"
            wait_for(f"http://127.0.0.1:{port}/health", process, log)
            yield url, folder
        finally:
            process.terminate()
            process.wait()


def wait_for(url: str, process: subprocess.Popen, log: Path) -> None:
    for _ in range(300):
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            assert process.poll() is None, log.read_text()
            time.sleep(0.3)
    raise AssertionError(log.read_text())


def test_a_real_server_that_ignores_n(real_server, tmp_path):
    url, folder = real_server
    served = Endpoint("tiny", "endpoint:test", url, str(folder), n_params=50e3, concurrency=2, timeout=60)
    decoding = Decoding(1.0, max_tokens=12, stop=("zz",))
    prompts = [Prompt("12 * 7 = 84\n", "8 * 9 ="), Prompt("", "Hello", chat=True)]
    requests = [Request(f"i{i}", "plain", prompt, decoding, (0, 1, 2)) for i, prompt in enumerate(prompts)]
    requests.append(Request("i0", "plain", prompts[0], GREEDY, (0,)))
    generator = EndpointGenerator(served, seed=1, journal=tmp_path / "journal")
    generator.prepare(requests)
    plain, chat, greedy = generator.generate(requests, lambda n: None)
    assert [len(one.completions) for one in (plain, chat, greedy)] == [3, 3, 1]
    assert plain.prompt_tokens == len("12 * 7 = 84\n8 * 9 =")  # one token a byte
    assert chat.prompt_tokens > len("Hello")
    for one in (plain, chat):  # the server ignores n, so each sample came with a prompt of its own
        assert one.prompt_flops == 0 and all(c.n_tokens <= 12 for c in one.completions)
        assert all(c.flops == 2 * 50e3 * (c.n_tokens + one.prompt_tokens) for c in one.completions)
    assert len({c.text for c in plain.completions}) > 1
    assert greedy.completions[0].text == greedy_text(folder, prompts[0].text)
    assert '"served": "' + f"{folder}@main" in (tmp_path / "journal").read_text()
    again = EndpointGenerator(replace(served, url=url), seed=1, journal=tmp_path / "journal")
    assert again.generate(requests, lambda n: None)[0].completions[0].text == plain.completions[0].text


def greedy_text(folder: Path, prompt: str) -> str:
    """What the model of the folder continues greedily with, by transformers itself."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    module = AutoModelForCausalLM.from_pretrained(folder)
    ids = tokenizer(prompt, return_tensors="pt")
    out = module.generate(**ids, max_new_tokens=20, do_sample=False)
    return tokenizer.decode(out[0, ids["input_ids"].shape[1] :], skip_special_tokens=True)


def test_a_real_server_asked_for_another_model_says_so(real_server):
    url, _ = real_server
    other = Endpoint("other", "endpoint:test", url, "other", retries=0, timeout=60)
    with pytest.raises(TtscaleError, match=r"'a', got status 400: Server is pinned to .*'other'"):
        EndpointGenerator(other, seed=1).generate([request("a", 1)], lambda n: None)
