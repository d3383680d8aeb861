"""What the client taps share: when an exchange is looked at, and the trace context that is sent along."""

from __future__ import annotations

import pytest
from watching import watching

from otel_stream.identity import Trace
from otel_stream.instrumentation._tap import LateRequest, begin, inject, is_listed
from otel_stream.meaning import Request
from otel_stream.riding import Riding

URL = "https://api.openai.com/v1/chat/completions"
BODY = b'{"model": "gpt-5", "stream": true}'


def request(method="POST", url=URL):
    return Request(method, url, {}, BODY)


def test_no_tap_without_a_runtime():
    assert begin(request(), {}) is None


def test_no_tap_for_what_rides_on_a_watched_exchange(watched):
    with Riding():
        inner = begin(request(), {})
    outer = begin(request(), {})

    assert (inner, outer.recorder.is_open) == (None, True)


def test_no_tap_for_methods_that_ask_for_no_answer(watched):
    assert begin(request("DELETE"), {}) is None


@pytest.mark.parametrize(
    ("host", "patterns", "listed"),
    [
        ("vllm.internal", ["*.internal"], True),
        ("vllm.internal", ["VLLM.internal"], True),
        ("10.1.2.3", ["127.*", "10.*"], True),
        ("api.openai.com", ["*.internal"], False),
        ("internal", ["*.internal"], False),
        ("anything", [], False),
    ],
)
def test_hosts_are_listed_by_name_or_pattern(host, patterns, listed):
    assert is_listed(host, patterns) is listed


def test_a_stream_without_a_span_sends_no_context(watched):
    tap, outgoing = begin(request(), {}), {}
    tap.recorder.trace = Trace()
    inject(tap, request(), outgoing)

    assert outgoing == {}


@pytest.mark.parametrize(("sampled", "flags"), [(True, "01"), (False, "00")])
def test_the_sampling_decision_is_sent_along(watched, sampled, flags):
    tap, outgoing = begin(request(), {}), {}
    tap.recorder.trace = Trace("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", sampled)
    inject(tap, request(), outgoing)

    assert outgoing["traceparent"] == f"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}"


def test_what_is_no_llm_call_sends_no_context():
    with watching(propagate_hosts=("*",)):
        outgoing = {}
        begin(request(url="https://api.example.com/things"), outgoing)

    assert outgoing == {}


def test_a_late_body_is_made_for_llm_calls_only_and_once(watched):
    made = []

    def make():
        made.append(True)
        return BODY

    begin(LateRequest("POST", "https://api.example.com/things", {}, make), {})
    for_others = list(made)
    tap = begin(LateRequest("POST", URL, {}, make), {})

    assert (for_others, made, tap.recorder.facts.model) == ([], [True], "gpt-5")
