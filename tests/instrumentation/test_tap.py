"""What the client taps share: when an exchange is looked at, and the trace context that is sent along."""

from __future__ import annotations

import pytest
from watching import watching

from otel_stream.identity import Trace
from otel_stream.instrumentation._tap import begin, inject, is_listed
from otel_stream.riding import Riding

URL = "https://api.openai.com/v1/chat/completions"
BODY = b'{"model": "gpt-5", "stream": true}'


def test_no_tap_without_a_runtime():
    assert begin("POST", URL, {}, BODY, {}) is None


def test_no_tap_for_what_rides_on_a_watched_exchange(watched):
    with Riding():
        inner = begin("POST", URL, {}, BODY, {})
    outer = begin("POST", URL, {}, BODY, {})

    assert (inner, outer.recorder.is_open) == (None, True)


def test_no_tap_for_methods_that_ask_for_no_answer(watched):
    assert begin("DELETE", URL, {}, None, {}) is None


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
    tap, outgoing = begin("POST", URL, {}, BODY, {}), {}
    tap.recorder.trace = Trace()
    inject(tap, outgoing)

    assert outgoing == {}


@pytest.mark.parametrize(("sampled", "flags"), [(True, "01"), (False, "00")])
def test_the_sampling_decision_is_sent_along(watched, sampled, flags):
    tap, outgoing = begin("POST", URL, {}, BODY, {}), {}
    tap.recorder.trace = Trace("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", sampled)
    inject(tap, outgoing)

    assert outgoing["traceparent"] == f"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}"


def test_what_is_no_llm_call_sends_no_context():
    with watching(propagate_hosts=("*",)):
        outgoing = {}
        begin("POST", "https://api.example.com/things", {}, b"{}", outgoing)

    assert outgoing == {}
