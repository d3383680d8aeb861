"""Spans that are not ours: other instrumentations' calls, and gateways that use the API alone."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.trace import Status, StatusCode

from otel_stream import _guard
from otel_stream.events import Completed, Error, Started, TextDelta
from otel_stream.processor import follow

CHAT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "server.address": "api.openai.com",
    "gen_ai.conversation.id": "sess-1",
}


def whole(event):
    """Return the event without what differs from run to run."""
    left_out = ("time_unix_nano", "trace_id", "span_id", "duration_s", "time_to_first_token_s")
    return {
        name: value
        for name in event.__struct_fields__
        if name not in left_out and (value := getattr(event, name)) is not None
    }


# -- other instrumentations --------------------------------------------------------------------------


def test_a_call_of_another_instrumentation_is_told_at_its_start_and_at_its_end(watch):
    watched = watch()

    span = watched.tracer.start_span("chat gpt-4o", attributes=CHAT)
    started = list(watched.told)
    span.set_attributes(
        {
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 20,
            "gen_ai.response.id": "chatcmpl-1",
            "gen_ai.response.model": "gpt-4o-2024",
            "gen_ai.response.finish_reasons": ["stop"],
        }
    )
    span.end()

    own = span.get_span_context()
    request_id = f"req_{own.span_id:016x}"
    assert [whole(event) for event in started] == [
        {
            "request_id": request_id,
            "model": "gpt-4o",
            "provider": "openai",
            "operation": "chat",
            "server_address": "api.openai.com",
            "session_id": "sess-1",
            "source": "foreign",
            "sequence": 0,
        }
    ]
    assert whole(watched.told[1]) == {
        "request_id": request_id,
        "input_tokens": 100,
        "output_tokens": 20,
        "outcome": "completed",
        "response_id": "chatcmpl-1",
        "response_model": "gpt-4o-2024",
        "finish_reasons": ("stop",),
        "usage_source": "provider",
        "cost_source": "none",
        "sequence": 1,
    }
    assert {(event.trace_id, event.span_id) for event in watched.told} == {
        (f"{own.trace_id:032x}", f"{own.span_id:016x}")
    }
    assert [event.time_unix_nano for event in watched.told] == [span.start_time, span.end_time]


@pytest.mark.parametrize(
    "attributes",
    [
        {"openinference.span.kind": "LLM", "llm.model_name": "claude"},
        {"llm.request.type": "chat"},
        {"gen_ai.operation.name": "generate_content"},
    ],
)
def test_every_dialect_is_followed(watch, attributes):
    watched = watch()

    watched.tracer.start_span("x", attributes=attributes).end()

    assert watched.kinds == ["Started", "Completed"]


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"http.request.method": "POST"},
        {"gen_ai.operation.name": "invoke_agent"},
        {"gen_ai.operation.name": "execute_tool"},
        {"openinference.span.kind": "CHAIN"},
    ],
)
def test_spans_around_a_call_are_not_streams(watch, attributes):
    watched = watch()

    watched.tracer.start_span("x", attributes=attributes).end()

    assert watched.told == []


def test_a_span_marked_after_its_start_is_told_at_its_end(watch):
    watched = watch()
    span = watched.tracer.start_span("x")
    span.set_attributes(CHAT)

    span.end()

    assert watched.kinds == ["Started", "Completed"]
    assert watched.told[0].time_unix_nano == span.start_time


def test_one_call_told_by_two_instrumentations_is_one_stream(watch):
    """A framework's span with the client library's inside."""
    watched = watch()

    with watched.tracer.start_as_current_span("ChatOpenAI", attributes={"openinference.span.kind": "LLM"}):
        inner = watched.tracer.start_span("chat gpt-4o", attributes=CHAT)
        inner.end()

    assert watched.kinds == ["Started", "Completed"]
    assert watched.processor.snapshot() == []


def test_calls_under_an_agents_span_are_streams_of_their_own(watch):
    watched = watch()

    with watched.tracer.start_as_current_span("a", attributes={"gen_ai.operation.name": "invoke_agent"}):
        watched.tracer.start_span("chat", attributes=CHAT).end()
        watched.tracer.start_span("chat", attributes=CHAT).end()

    assert watched.kinds == ["Started", "Completed"] * 2


def test_an_error_of_another_instrumentation_is_an_error(watch):
    watched = watch()
    span = watched.tracer.start_span("chat", attributes=CHAT)
    span.set_attribute("error.type", "openai.RateLimitError")
    span.set_status(Status(StatusCode.ERROR, "slow down"))

    span.end()

    event = watched.told[-1]
    assert (type(event), event.message, event.error_type, event.outcome) == (
        Error,
        "slow down",
        "openai.RateLimitError",
        "error",
    )


def test_what_never_ends_is_given_up_when_there_are_too_many(watch, monkeypatch):
    monkeypatch.setattr(follow, "MAX_FOLLOWED", 2)
    watched = watch()

    spans = [watched.tracer.start_span("chat", attributes=CHAT) for _ in range(3)]

    assert watched.kinds == ["Started", "Started", "Error", "Started"]
    lost = watched.told[2]
    assert (lost.outcome, lost.request_id) == ("abandoned", watched.told[0].request_id)
    assert len(watched.processor.snapshot()) == 2
    for span in spans:
        span.end()


def test_a_call_given_up_before_it_was_told_is_not_told(watch, monkeypatch):
    monkeypatch.setattr(follow, "MAX_FOLLOWED", 1)
    watched = watch(hold=True)

    spans = [watched.tracer.start_span("chat", attributes=CHAT) for _ in range(2)]

    assert watched.told == []
    for span in spans:
        span.end()


def test_ordinary_spans_leave_nothing_behind(watch):
    """The hook refers to its span weakly: a cycle would leave every span to the garbage collector."""
    watched = watch()
    span = watched.tracer.start_span("GET /")
    watched.exporter.shutdown()
    reference = weakref.ref(span)
    gc.disable()
    try:
        span.end()
        del span
        gone = reference() is None
    finally:
        gc.enable()

    assert gone
    assert watched.processor._follower._followed == {}


# -- a hand-written gateway with the API alone -------------------------------------------------------


def test_our_events_on_anybodys_span_are_fanned_out_as_they_happen(watch):
    watched = watch()
    span = watched.tracer.start_span("POST /v1/chat/completions")

    seen = []
    for name, attributes in (
        ("otel_stream.started", {"request_id": "req_abc123", "model": "gpt-4o", "agent_type": "coder"}),
        ("otel_stream.text_delta", {"request_id": "req_abc123", "text": "Hello"}),
        ("otel_stream.text_delta", {"text": "hm", "channel": "reasoning", "index": 1}),
        ("otel_stream.text_delta", {"length": 7}),
        ("otel_stream.completed", {"input_tokens": 12, "output_tokens": 3, "cost_usd": 0.25}),
    ):
        span.add_event(name, attributes)
        seen.append(len(watched.told))
    span.end()

    assert seen == [1, 2, 3, 4, 5]
    assert [whole(event) for event in watched.told] == [
        {
            "request_id": "req_abc123",
            "model": "gpt-4o",
            "agent_type": "coder",
            "source": "manual",
            "sequence": 0,
        },
        {
            "request_id": "req_abc123",
            "text": "Hello",
            "channel": "output",
            "index": 0,
            "length": 5,
            "sequence": 1,
        },
        {
            "request_id": "req_abc123",
            "text": "hm",
            "channel": "reasoning",
            "index": 1,
            "length": 2,
            "sequence": 2,
        },
        {
            "request_id": "req_abc123",
            "text": "",
            "channel": "output",
            "index": 0,
            "length": 7,
            "sequence": 3,
        },
        {
            "request_id": "req_abc123",
            "input_tokens": 12,
            "output_tokens": 3,
            "cost_usd": 0.25,
            "outcome": "completed",
            "usage_source": "provider",
            "chunks": 3,
            "output_characters": 14,
            "sequence": 4,
        },
    ]


def test_the_span_gets_its_events_as_always(watch):
    watched = watch()
    with watched.tracer.start_as_current_span("x") as span:
        span.add_event("otel_stream.started", {"request_id": "r"}, timestamp=7)
        span.add_event("something else", attributes={"k": 1})
        span.add_event(name="bare")
        span.record_exception(ValueError("no"))

    (exported,) = watched.exporter.get_finished_spans()
    assert [event.name for event in exported.events] == [
        "otel_stream.started",
        "something else",
        "bare",
        "exception",
    ]
    assert watched.told[0].time_unix_nano == 7


def test_what_add_event_raises_is_the_callers(watch):
    watched = watch()
    span = watched.tracer.start_span("x")

    with pytest.raises(TypeError):
        span.add_event()
    span.end()


def test_an_error_ends_the_stream_once(watch):
    watched = watch()
    span = watched.tracer.start_span("x")

    span.add_event("otel_stream.started", {"request_id": "r", "model": "m"})
    span.add_event("otel_stream.error", {"message": "boom", "error_type": "overloaded", "output_tokens": 4})
    span.add_event("otel_stream.completed", {})
    span.add_event("otel_stream.text_delta", {"text": "late"})
    span.end()

    assert watched.kinds == ["Started", "Error"]
    event = watched.told[-1]
    assert (event.message, event.error_type, event.outcome, event.output_tokens) == (
        "boom",
        "overloaded",
        "error",
        4,
    )


def test_a_retry_on_the_same_span_is_the_next_stream(watch):
    watched = watch()
    span = watched.tracer.start_span("x")

    for request_id, last in (("r1", "otel_stream.error"), ("r1", None), ("r2", "otel_stream.completed")):
        span.add_event("otel_stream.started", {"request_id": request_id, "model": "m"})
        if last:
            span.add_event(last)
    span.end()

    assert [(kind, event.request_id) for kind, event in zip(watched.kinds, watched.told, strict=True)] == [
        ("Started", "r1"),
        ("Error", "r1"),
        ("Started", "r2"),
        ("Completed", "r2"),
    ]


def test_a_stream_without_its_first_event_gets_one(watch):
    watched = watch()
    span = watched.tracer.start_span("x", attributes={"gen_ai.request.model": "gpt-4o"})

    span.add_event("otel_stream.text_delta", {"request_id": "r", "text": "Hello"})
    span.end()

    assert watched.kinds == ["Started", "TextDelta", "Error"]
    assert (watched.told[0].request_id, watched.told[0].model) == ("r", "gpt-4o")
    assert watched.told[0].source == "manual"


def test_a_second_started_says_nothing(watch):
    watched = watch()
    span = watched.tracer.start_span("x")

    span.add_event("otel_stream.started", {"request_id": "r1", "model": "m"})
    span.add_event("otel_stream.started", {"request_id": "r2", "model": "m"})
    span.end()

    assert watched.kinds == ["Started", "Error"]
    assert {event.request_id for event in watched.told} == {"r1"}


def test_a_span_that_ends_without_our_last_event_is_incomplete(watch):
    watched = watch()
    with watched.tracer.start_as_current_span("x") as span:
        span.add_event("otel_stream.started", {"request_id": "r", "model": "m"})

    event = watched.told[-1]
    assert (type(event), event.outcome, event.error_type) == (Error, "incomplete", "_OTHER")


def test_an_exception_through_the_span_is_the_streams_error(watch):
    watched = watch()
    with pytest.raises(ValueError, match="no"), watched.tracer.start_as_current_span("x") as span:
        span.add_event("otel_stream.started", {"request_id": "r", "model": "m"})
        raise ValueError("no")

    event = watched.told[-1]
    assert (type(event), event.outcome, event.message) == (Error, "error", "ValueError: no")


def test_events_after_the_spans_end_say_nothing(watch, caplog):
    watched = watch()
    span = watched.tracer.start_span("x")
    span.end()

    span.add_event("otel_stream.started", {"request_id": "r", "model": "m"})

    assert watched.told == []


def test_events_on_another_instrumentations_span_are_its_deltas(watch):
    """The instrumentation tells the call, the gateway what it sees of it: one stream."""
    watched = watch()
    span = watched.tracer.start_span("chat gpt-4o", attributes=CHAT)

    span.add_event("otel_stream.text_delta", {"text": "Hello"})
    span.set_attribute("gen_ai.usage.output_tokens", 3)
    span.end()

    assert watched.kinds == ["Started", "TextDelta", "Completed"]
    assert len({event.request_id for event in watched.told}) == 1
    assert watched.told[-1].output_tokens == 3


def test_a_held_call_whose_start_is_told_by_hand_starts_as_told(watch):
    watched = watch(hold=True)
    span = watched.tracer.start_span("chat gpt-4o", attributes=CHAT)

    span.add_event("otel_stream.started", {"request_id": "req_abc123", "agent_type": "coder"})
    watched.processor.force_flush()
    span.end()

    assert watched.kinds == ["Started", "Error"]
    started = watched.told[0]
    assert (started.request_id, started.agent_type, started.model) == ("req_abc123", "coder", "gpt-4o")


def test_a_call_taken_over_is_not_told_by_hand_any_more(watch):
    watched = watch(hold=True)
    with watched.tracer.start_as_current_span("chat gpt-4o", attributes=CHAT) as span:
        watched.processor.take_over()
        span.add_event("otel_stream.text_delta", {"text": "Hello"})

    assert watched.told == []


def test_deltas_cost_nothing_while_nobody_wants_them(watch):
    watched = watch(deltas=False)
    span = watched.tracer.start_span("x")

    span.add_event("otel_stream.started", {"request_id": "r", "model": "m"})
    span.add_event("otel_stream.text_delta", {"text": "Hello"})
    span.add_event("otel_stream.completed")
    span.end()

    assert watched.kinds == ["Started", "Completed"]
    assert (watched.told[-1].chunks, watched.told[-1].output_characters) == (1, 5)


def test_text_can_be_kept_from_subscribers(watch):
    watched = watch(text=False)
    span = watched.tracer.start_span("x")

    span.add_event("otel_stream.text_delta", {"text": "secret"})
    span.end()

    assert watched.told[1] == TextDelta(
        watched.told[1].request_id,
        "",
        length=6,
        time_unix_nano=watched.told[1].time_unix_nano,
        sequence=1,
        trace_id=watched.told[1].trace_id,
        span_id=watched.told[1].span_id,
    )


def test_values_of_wrong_types_are_left_out_and_counted(watch):
    watched = watch()
    before = _guard.counts().get("processor.attribute", 0)
    span = watched.tracer.start_span("x")

    span.add_event("otel_stream.started", {"request_id": "r", "model": ["m"]})
    span.add_event("otel_stream.completed", {"input_tokens": "many", "output_tokens": "3"})
    span.end()

    assert watched.told[0].model == "unknown"
    assert (watched.told[1].input_tokens, watched.told[1].output_tokens) == (None, 3)
    assert _guard.counts()["processor.attribute"] == before + 2


def test_an_error_of_ours_does_not_reach_the_caller_of_add_event(watch, swallow, monkeypatch):
    watched = watch()

    def broken(*_):
        raise RuntimeError("ours")

    monkeypatch.setattr(follow.read, "event_fields", broken)
    span = watched.tracer.start_span("x")
    span.add_event("otel_stream.started", {"request_id": "r"})
    span.end()

    assert [event.name for event in watched.exporter.get_finished_spans()[0].events] == [
        "otel_stream.started"
    ]


# -- beside others on the same spans -----------------------------------------------------------------


def test_two_processors_both_tell(watch):
    first, second = watch(), watch()
    first.provider.add_span_processor(second.processor)
    span = first.tracer.start_span("x")

    span.add_event("otel_stream.started", {"request_id": "r", "model": "m"})
    span.add_event("otel_stream.completed")
    span.end()

    assert first.kinds == second.kinds == ["Started", "Completed"]
    assert len(first.exporter.get_finished_spans()[0].events) == 2


def test_somebody_elses_hook_on_add_event_stays_in_use(watch):
    seen = []

    class Hooks(SpanProcessor):
        def on_start(self, span, parent_context=None):
            original = type(span).add_event

            def add_event(name, attributes=None, timestamp=None):
                seen.append(name)
                original(span, name, attributes, timestamp)

            span.add_event = add_event

    provider = TracerProvider()
    provider.add_span_processor(Hooks())
    watched = watch()
    provider.add_span_processor(watched.processor)
    span = provider.get_tracer("x").start_span("x")

    span.add_event("otel_stream.started", {"request_id": "r", "model": "m"})
    span.end()

    assert seen == ["otel_stream.started"]
    assert watched.kinds == ["Started", "Error"]


def test_a_hook_kept_longer_than_its_span_does_nothing(watch):
    watched = watch()
    span = watched.tracer.start_span("x")
    add_event = span.add_event
    span.end()
    watched.exporter.clear()
    del span

    add_event("otel_stream.started", {"request_id": "r"})

    assert watched.told == []


def test_streams_of_many_threads_are_each_told_once(watch):
    watched = watch()

    def call():
        for _ in range(50):
            with watched.tracer.start_as_current_span("x") as span:
                span.add_event("otel_stream.started", {"request_id": f"{id(span)}", "model": "m"})
                span.add_event("otel_stream.completed")

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    kinds = watched.kinds
    assert (kinds.count("Started"), kinds.count("Completed"), len(kinds)) == (200, 200, 400)
    assert isinstance(watched.told[0], Started)
    assert isinstance(watched.told[-1], Completed)
