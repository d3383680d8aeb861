"""What a late joiner is told of a stream in flight."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from recording import EPOCH_NS, Recording

from otel_stream import _guard
from otel_stream.identity import Trace, Who
from otel_stream.meaning import CallFacts, Usage
from otel_stream.pricing import UNPRICED, Price
from otel_stream.processor.state import StreamState, ask, state_of


def test_a_stream_that_waits_for_its_first_chunk():
    facts = CallFacts(
        "openai", "chat", "gpt-4o", "openai_chat", server_address="api.openai.com", prompt_characters=400
    )
    recording = Recording(facts, request_id="req_1", who=Who("coder", "acme", "sess", "call_1"), start=False)
    recording.stream.trace = Trace("a" * 32, "b" * 16, True)
    recording.stream.start()
    recording.clock.pass_(3)

    assert state_of(recording.stream) == StreamState(
        "req_1",
        "gpt-4o",
        agent_type="coder",
        provider="openai",
        operation="chat",
        server_address="api.openai.com",
        call_id="call_1",
        tenant="acme",
        session_id="sess",
        source="upstream",
        time_unix_nano=EPOCH_NS,
        trace_id="a" * 32,
        span_id="b" * 16,
        phase="waiting",
        duration_s=3.0,
        idle_s=3.0,
        input_tokens=100,
        output_tokens=0,
        usage_source="estimated",
    )


def test_a_stream_that_writes_its_answer():
    recording = Recording()
    recording.read("12345678", after=0.5)
    recording.read("9", after=1.5)
    recording.clock.pass_(0.25)

    state = state_of(recording.stream)

    assert (state.phase, state.sequence, state.chunks, state.characters) == ("streaming", 2, 2, 9)
    assert (state.time_to_first_token_s, state.duration_s, state.idle_s) == (0.5, 2.25, 0.25)
    assert (state.output_tokens, state.usage_source) == (3, "estimated")


@pytest.mark.parametrize(
    ("usage", "soft", "expected"),
    [
        (Usage(7, 1), False, (7, 2, "estimated")),
        (Usage(7, 50), False, (7, 50, "estimated")),
        (Usage(7, 1), True, (7, 1, "provider")),
        (Usage(7), True, (7, 2, "estimated")),
    ],
)
def test_tokens_so_far_are_the_providers_once_it_has_told_all(usage, soft, expected):
    recording = Recording()
    recording.read("12345678")
    recording.stream.usage(usage)
    if soft:
        recording.stream.finish("stop")

    state = state_of(recording.stream)

    assert (state.input_tokens, state.output_tokens, state.usage_source) == expected


def test_the_cost_so_far_is_of_those_tokens():
    asked = []

    def price(**given):
        asked.append(given)
        return Price(Decimal("0.5"), "price_table")

    recording = Recording()
    recording.stream.head(model="gpt-4o-2024")

    assert state_of(recording.stream, price).cost_usd == 0.5
    assert asked == [
        {"provider": "openai", "model": "gpt-4o-2024", "request_model": "gpt-4o", "usage": Usage(100, 0)}
    ]
    assert state_of(recording.stream, lambda **_: UNPRICED).cost_usd is None


def test_a_users_price_function_that_fails_is_no_ones_problem(swallow):
    def broken(**_):
        raise LookupError("no price")

    before = _guard.counts().get("pricing", 0)

    assert ask(broken, "openai", "gpt-4o", "gpt-4o", Usage()) is UNPRICED
    assert _guard.counts()["pricing"] == before + 1


def test_a_state_is_json():
    state = StreamState("r", "m", source="manual", chunks=2)

    assert msgspec.json.decode(msgspec.json.encode(state), type=StreamState) == state
