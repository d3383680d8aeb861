from __future__ import annotations

import json
import sys
import time

import httpx2
import pytest

from otel_stream.demo import plan as plans
from otel_stream.demo import provider as providers
from otel_stream.demo.plan import plan, request_of
from otel_stream.demo.provider import Provider

FAST = 1000.0


def call_with(conduct, api):
    """The first call of seed 1 that the provider treats so."""
    calls = (plan(1, number) for number in range(1, 10_000))
    return next(call for call in calls if call.conduct == conduct and call.recording.api == api)


@pytest.fixture
def provider(serve):
    provider = Provider(seed=1, speed=FAST)
    with httpx2.Client(base_url=serve(provider.app), timeout=30) as client:
        provider.client = client
        yield provider


def ask(provider, call):
    path = {api: path for path, api in providers.APIS.items()}[call.recording.api]
    return provider.client.post(path, json=request_of(call))


APIS = pytest.mark.parametrize("api", ["openai.chat", "anthropic.messages"])


@APIS
@pytest.mark.parametrize("conduct", ["clean", "slow"])
def test_an_answer_is_the_recorded_one_byte_for_byte(provider, api, conduct):
    call = call_with(conduct, api)

    answer = ask(provider, call)

    assert answer.content == call.recording.body.encode()
    assert answer.headers["content-type"] == call.recording.headers["content-type"]
    assert provider.ledger.outcomes == {"completed": 1}


@APIS
def test_a_refused_call_goes_well_at_the_second_try(provider, api):
    call = call_with("rate_limited", api)

    first, second = ask(provider, call), ask(provider, call)

    assert (first.status_code, first.json()["error"].keys() >= {"type", "message"}) == (429, True)
    assert second.content == call.recording.body.encode()
    assert provider.ledger.outcomes == {"429": 1, "completed": 1}


@pytest.mark.parametrize(("api", "status"), [("openai.chat", 503), ("anthropic.messages", 529)])
def test_an_overloaded_provider_says_so_as_its_api_does(provider, api, status):
    assert ask(provider, call_with("overloaded", api)).status_code == status


@APIS
def test_an_answer_may_be_cut_off(provider, api):
    with pytest.raises(httpx2.RemoteProtocolError):
        ask(provider, call_with("cut", api))
    assert provider.ledger.outcomes == {"cut": 1}


@APIS
def test_an_answer_may_end_in_an_error(provider, api):
    call = call_with("error", api)

    content = ask(provider, call).content

    assert content.endswith(providers.ERROR_FRAMES[api])
    assert call.recording.body.encode().startswith(content.removesuffix(providers.ERROR_FRAMES[api]))
    assert provider.ledger.outcomes == {"error": 1}


def test_the_ledger_has_the_tokens_of_whole_answers_by_model(provider):
    call = call_with("clean", "anthropic.messages")

    for _ in range(2):
        ask(provider, call)

    usage = call.recording.usage
    assert provider.client.get("/ledger").json() == {
        "requests": 2,
        "outcomes": {"completed": 2},
        "tokens": {
            call.recording.model: {"input": 2 * usage.input_tokens, "output": 2 * usage.output_tokens}
        },
    }


def test_answers_without_usage_add_no_tokens():
    ledger = providers.Ledger()
    silent = next(r for r in plans.recordings.load().values() if r.usage is None)

    ledger.sent_whole(silent)

    assert (ledger.outcomes, ledger.tokens) == ({"completed": 1}, {})


@pytest.mark.parametrize("body", [b'{"model":"gpt-4o","messages":[]}', b"", b"[]", b"{"])
def test_a_stranger_is_answered_well(provider, body):
    answer = provider.client.post("/v1/chat/completions", content=body)

    assert answer.is_success
    assert answer.content.endswith(b"data: [DONE]\n\n")


def test_who_hangs_up_is_noted(serve):
    provider = Provider(seed=1, speed=1)
    call = call_with("slow", "openai.chat")
    with httpx2.Client(base_url=serve(provider.app), timeout=30) as client:
        with client.stream("POST", "/v1/chat/completions", json=request_of(call)) as answer:
            next(answer.iter_raw())
        deadline = time.monotonic() + 30
        while not provider.ledger.outcomes and time.monotonic() < deadline:
            client.get("/healthz")

    assert provider.ledger.outcomes == {"hung_up": 1}


def test_the_process_serves_what_it_was_told(monkeypatch):
    served = {}
    monkeypatch.setattr("uvicorn.run", lambda app, **options: served.update(options, app=app))
    monkeypatch.setattr(sys, "argv", ["provider", "--port", "7", "--seed", "3", "--speed", "2"])

    providers.main()

    assert (served["port"], served["host"]) == (7, "127.0.0.1")
    assert json.dumps([str(route.path) for route in served["app"].routes]).count("/") >= 4
