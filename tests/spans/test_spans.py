"""One span a stream: its name, parent, attributes, status, events and times."""

from __future__ import annotations

from decimal import Decimal

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import SpanLimits, SpanProcessor, TracerProvider, sampling
from opentelemetry.trace import SpanKind, StatusCode
from recording import EPOCH_NS, FACTS, Recording

from otel_stream.config import Settings
from otel_stream.identity import Trace, Who
from otel_stream.meaning import CallFacts, Failure, Usage
from otel_stream.pricing import Price
from otel_stream.spans import SpanWriter

DELTA = "otel_stream.text_delta"


def a_whole_answer(recording):
    recording.stream.head("chatcmpl-1", "gpt-4o-2024-08-06")
    recording.read("Hel", after=0.5)
    recording.read("lo", after=0.1)
    recording.stream.finish("stop")
    recording.stream.usage(Usage(100, 20, 40, 10, 5))
    recording.stream.done()
    recording.clock.pass_(0.4)
    recording.end()


def test_a_completed_stream_is_a_client_span_with_everything_that_is_known(written):
    facts = CallFacts(
        "openai", "chat", "gpt-4o", "openai_chat", True, "api.openai.com", 443,
        {"gen_ai.request.temperature": 0.2, "gen_ai.request.max_tokens": 300,
         "gen_ai.request.stop_sequences": ["END"]},
    )  # fmt: skip
    out = written(semconv="latest")
    recording = out.open(
        facts,
        request_id="req_abc123",
        who=Who("claude-code", "acme", "sess-1", "call_1"),
        policy={"price": lambda **_: Price(Decimal("0.25"), "price_table")},
    )

    a_whole_answer(recording)

    assert (out.span.name, out.span.kind) == ("chat gpt-4o", SpanKind.CLIENT)
    assert (out.span.start_time, out.span.end_time) == (EPOCH_NS, EPOCH_NS + 1_000_000_000)
    assert out.span.status.status_code is StatusCode.UNSET
    assert out.span.instrumentation_scope.name == "otel_stream"
    attributes = dict(out.span.attributes)
    assert attributes.pop("gen_ai.response.time_to_first_chunk") == pytest.approx(0.5)
    assert attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.request.stream": True,
        "gen_ai.request.temperature": 0.2,
        "gen_ai.request.max_tokens": 300,
        "gen_ai.request.stop_sequences": ("END",),
        "gen_ai.conversation.id": "sess-1",
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.response.model": "gpt-4o-2024-08-06",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 20,
        "gen_ai.usage.cache_read.input_tokens": 40,
        "gen_ai.usage.cache_write.input_tokens": 10,
        "gen_ai.usage.reasoning.output_tokens": 5,
        "server.address": "api.openai.com",
        "server.port": 443,
        "otel_stream.request_id": "req_abc123",
        "otel_stream.call_id": "call_1",
        "otel_stream.agent_type": "claude-code",
        "otel_stream.tenant": "acme",
        "otel_stream.session_id": "sess-1",
        "otel_stream.source": "upstream",
        "otel_stream.outcome": "completed",
        "otel_stream.usage_source": "provider",
        "otel_stream.cost_usd": 0.25,
        "otel_stream.cost_source": "price_table",
        "otel_stream.chunks": 2,
        "otel_stream.output_characters": 5,
    }


def test_values_have_the_types_of_the_conventions(written):
    out = written(semconv="latest")

    a_whole_answer(out.open())

    kinds = {
        "gen_ai.request.stream": bool,
        "gen_ai.response.time_to_first_chunk": float,
        "gen_ai.response.finish_reasons": tuple,
        "gen_ai.usage.input_tokens": int,
        "gen_ai.usage.output_tokens": int,
        "gen_ai.usage.cache_write.input_tokens": int,
        "gen_ai.response.model": str,
    }
    assert {name: type(out.span.attributes[name]) for name in kinds} == kinds


def test_the_events_are_started_deltas_and_completed_at_their_times(written):
    out = written()

    a_whole_answer(out.open(request_id="req_abc123", who=Who("claude-code", call_id="call_1")))

    assert out.events == [
        (
            "otel_stream.started",
            {
                "request_id": "req_abc123",
                "model": "gpt-4o",
                "agent_type": "claude-code",
                "provider": "openai",
                "operation": "chat",
                "call_id": "call_1",
            },
        ),
        (DELTA, {"chunks": 1, "length": 3}),
        (DELTA, {"chunks": 1, "length": 2}),
        (
            "otel_stream.completed",
            {
                "request_id": "req_abc123",
                "outcome": "completed",
                "input_tokens": 100,
                "output_tokens": 20,
                "cost_source": "none",
                "usage_source": "provider",
                "finish_reasons": ("stop",),
                "chunks": 2,
                "output_characters": 5,
                "duration_s": pytest.approx(1.0),
                "time_to_first_token_s": pytest.approx(0.5),
            },
        ),
    ]
    assert [event.timestamp - EPOCH_NS for event in out.span.events] == pytest.approx(
        [0, 500_000_000, 600_000_000, 1_000_000_000], abs=10
    )


def test_a_hundred_thousand_deltas_keep_started_the_first_delta_and_the_end(written):
    out = written()
    recording = out.open(deltas=False)
    recording.read("first", after=0.5)
    for _ in range(99_999):
        recording.stream.delta("x")

    recording.stream.done()
    recording.end()

    deltas = [attributes for name, attributes in out.events if name == DELTA]
    assert (out.names[0], out.names[-1]) == ("otel_stream.started", "otel_stream.completed")
    assert deltas[0] == {"chunks": 1, "length": 5}
    assert len(deltas) < 64
    assert sum(delta["chunks"] for delta in deltas) == 100_000
    assert out.events[-1][1]["chunks"] == 100_000
    assert out.span.dropped_events == 0


@pytest.mark.parametrize(
    ("limit", "chunks"),
    [(3, [1]), (4, [1, 99]), (5, [1, 1, 98]), (SpanLimits.UNSET, [1, 1, 2, 4, 8, 16, 32, 36])],
)
def test_a_smaller_event_limit_costs_middle_windows_only(written, limit, chunks):
    out = written(tracing={"span_limits": SpanLimits(max_events=limit)})
    recording = out.open(deltas=False)
    for _ in range(100):
        recording.read("x")

    recording.stream.done()
    recording.end()

    assert (out.names[0], out.names[-1]) == ("otel_stream.started", "otel_stream.completed")
    assert [attributes["chunks"] for name, attributes in out.events if name == DELTA] == chunks


def test_limits_on_values_are_respected(written):
    out = written(tracing={"span_limits": SpanLimits(max_attribute_length=4)})

    a_whole_answer(out.open(request_id="req_abc123"))

    assert out.events[0][1]["request_id"] == "req_"


# -- how it ends -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ending", "error", "outcome", "error_type"),
    [
        ("closed", None, "cancelled", None),
        ("failed", ConnectionResetError("reset by peer"), "error", "ConnectionResetError"),
        ("timeout", None, "timeout", "timeout"),
        ("abandoned", None, "abandoned", "_OTHER"),
        ("eof", None, "incomplete", "_OTHER"),
    ],
)
def test_the_status_follows_the_outcome(written, ending, error, outcome, error_type):
    out = written()
    recording = out.open()
    recording.read("Hel", after=0.5)

    event = recording.end(ending, error)

    assert out.span.status.status_code is (StatusCode.UNSET if error_type is None else StatusCode.ERROR)
    assert out.span.status.description == (None if error_type is None else event.message)
    assert out.span.attributes.get("error.type") == error_type
    assert out.span.attributes["otel_stream.outcome"] == outcome
    assert out.span.attributes["gen_ai.response.finish_reasons"] == ("error",)
    name, attributes = out.events[-1]
    assert (name, attributes["outcome"]) == ("otel_stream.error", outcome)
    assert attributes["message"] == event.message


def test_a_setting_makes_cancelled_streams_errors(written):
    out = written(cancel_is_error=True)

    out.open().end("cancelled")

    assert out.span.status.status_code is StatusCode.ERROR
    assert out.span.attributes["error.type"] == "cancelled"


def test_a_bad_end_carries_the_estimate_and_says_so(written):
    out = written()
    recording = out.open()
    recording.read("12345678")

    recording.end("closed")

    assert out.span.attributes["gen_ai.usage.output_tokens"] == 2
    assert out.span.attributes["gen_ai.usage.input_tokens"] == 100
    assert out.span.attributes["otel_stream.usage_source"] == "estimated"


def test_an_unpriced_stream_has_no_cost_rather_than_none_of_it(written):
    out = written()

    a_whole_answer(out.open())

    assert "otel_stream.cost_usd" not in out.span.attributes
    assert "cost_usd" not in out.events[-1][1]


def test_a_stream_that_yielded_nothing_has_no_delta(written):
    out = written()
    recording = out.open()
    recording.stream.error(Failure("rate_limit_error", None, "slow down"))

    recording.end()

    assert out.names == ["otel_stream.started", "exception", "otel_stream.error"]
    assert out.span.attributes["error.type"] == "rate_limit_error"


# -- exceptions --------------------------------------------------------------------------------------

EXCEPTION = {"exception.type": "overloaded_error", "exception.message": "try later"}


def an_overloaded_provider(out):
    recording = out.open()
    recording.stream.error(Failure("overloaded_error", None, "try later"))
    recording.end()


@pytest.mark.parametrize(
    ("opt_in", "on_span", "in_logs"),
    [
        (None, True, False),
        ("logs", False, True),
        ("LOGS/dup", True, True),
        ("http, logs", False, True),
        ("database", True, False),
    ],
)
def test_exceptions_go_where_the_opt_in_says(written, opt_in, on_span, in_logs):
    out = written(exception_signal=() if opt_in is None else tuple(opt_in.split(", ")))

    an_overloaded_provider(out)

    assert (("exception", EXCEPTION) in out.events) is on_span
    logged = [
        (record.event_name, dict(record.attributes), record.severity_number.name) for record in out.logs
    ]
    assert logged == ([("gen_ai.client.operation.exception", EXCEPTION, "WARN")] if in_logs else [])


def test_a_caller_who_hung_up_is_no_exception(written):
    out = written(exception_signal=("logs/dup",))

    out.open().end("cancelled")

    assert out.names == ["otel_stream.started", "otel_stream.error"]
    assert out.logs == []


# -- where events go ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "on_span", "in_logs"),
    [("span", True, False), ("log", False, True), ("both", True, True), ("none", False, False)],
)
def test_the_same_events_go_onto_the_span_or_into_the_logs(written, events, on_span, in_logs):
    out = written(events=events)

    a_whole_answer(out.open())

    names = ["otel_stream.started", DELTA, DELTA, "otel_stream.completed"]
    assert out.names == (names if on_span else [])
    assert [record.event_name for record in out.logs] == (names if in_logs else [])
    own = out.span.context
    assert {(record.trace_id, record.span_id) for record in out.logs} == (
        {(own.trace_id, own.span_id)} if in_logs else set()
    )


def test_log_based_events_say_what_span_events_say_and_when(written):
    out = written(events="both")

    a_whole_answer(out.open())

    assert [(record.event_name, dict(record.attributes)) for record in out.logs] == out.events
    assert [record.timestamp for record in out.logs] == [event.timestamp for event in out.span.events]


@pytest.mark.parametrize(("ending", "severity"), [("closed", "INFO"), ("eof", "WARN")])
def test_a_bad_end_is_a_warning_in_the_logs(written, ending, severity):
    out = written(events="log")

    out.open().end(ending)

    assert out.logs[-1].severity_number.name == severity


def test_an_exception_goes_into_the_logs_where_the_events_do(written):
    out = written(events="log")

    an_overloaded_provider(out)

    assert [record.event_name for record in out.logs] == [
        "otel_stream.started",
        "otel_stream.error",
        "gen_ai.client.operation.exception",
    ]


# -- sampling, providers, parents --------------------------------------------------------------------


def test_the_stream_knows_its_span(written):
    out = written()

    recording = out.open()
    recording.end()

    own = out.span.context
    expected = Trace(trace.format_trace_id(own.trace_id), trace.format_span_id(own.span_id), True)
    assert recording.stream.trace == expected
    assert {(event.trace_id, event.span_id) for event in recording.events} == {expected[:2]}


def test_a_sampler_sees_the_attributes_it_may_decide_by(written):
    seen = []

    class Sampler(sampling.Sampler):
        def should_sample(self, *given):
            _, _, name, kind, attributes, _ = given
            seen.append((name, kind, dict(attributes)))
            return sampling.SamplingResult(sampling.Decision.DROP)

        def get_description(self):
            return "looks"

    out = written(tracing={"sampler": Sampler()})

    out.open(CallFacts("openai", "chat", "gpt-4o", "openai_chat", True, "api.openai.com", 443)).end()

    assert seen == [
        (
            "chat gpt-4o",
            SpanKind.CLIENT,
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "gpt-4o",
                "gen_ai.request.stream": True,
                "server.address": "api.openai.com",
                "server.port": 443,
                "otel_stream.source": "upstream",
            },
        )
    ]


def test_a_stream_sampled_out_has_ids_and_nothing_is_written(written):
    out = written(tracing={"sampler": sampling.ALWAYS_OFF})

    recording = out.open()
    a_whole_answer(recording)

    assert out.spans == ()
    assert recording.stream.trace.trace_id is not None
    assert recording.stream.trace.sampled is False
    assert out.writer._open == {}


def test_a_stream_sampled_out_still_has_its_log_based_events(written):
    out = written(tracing={"sampler": sampling.ALWAYS_OFF}, events="log")

    recording = out.open()
    recording.end("closed")

    assert [record.event_name for record in out.logs] == ["otel_stream.started", "otel_stream.error"]
    assert trace.format_span_id(out.logs[0].span_id) == recording.stream.trace.span_id


def test_a_span_recorded_but_not_sampled_is_written_for_processors(written):
    seen = []

    class Looks(SpanProcessor):
        def on_end(self, span):
            seen.append(span.attributes["otel_stream.outcome"])

    out = written(tracing={"sampler": sampling.StaticSampler(sampling.Decision.RECORD_ONLY)})
    out.tracer_provider.add_span_processor(Looks())

    recording = out.open()
    recording.end("closed")

    assert seen == ["cancelled"]
    assert recording.stream.trace.sampled is False


@pytest.mark.parametrize("provider", [None, trace.NoOpTracerProvider()])
@pytest.mark.parametrize("inside", [False, True])
def test_without_an_sdk_a_stream_has_no_trace_and_nothing_is_wrong(provider, inside):
    """The API then hands the caller's own context back; that is not the stream's."""
    context = Context()
    if inside:
        outer = trace.SpanContext(1, 2, is_remote=True, trace_flags=trace.TraceFlags(1))
        context = trace.set_span_in_context(trace.NonRecordingSpan(outer), context)
    writer = SpanWriter(provider)
    recording = Recording(sinks=[writer], start=False)

    writer.open(recording.stream, context)
    recording.stream.start()
    recording.end()

    assert recording.stream.trace == Trace()
    assert recording.events[0].span_id is None


def test_without_an_sdk_log_based_events_stand_in_the_callers_trace(written):
    outer = trace.SpanContext(1, 2, is_remote=True, trace_flags=trace.TraceFlags(1))
    context = trace.set_span_in_context(trace.NonRecordingSpan(outer), Context())
    out = written(events="log")
    writer = SpanWriter(
        trace.NoOpTracerProvider(), Settings(events="log"), logger_provider=out.logger_provider
    )
    recording = Recording(sinks=[writer], start=False)

    writer.open(recording.stream, context)
    recording.stream.start()
    recording.end()

    assert {(record.trace_id, record.span_id) for record in out.logs} == {(1, 2)}


def test_the_parent_is_the_one_given_and_the_span_is_never_current(written):
    out = written()
    outer = out.tracer_provider.get_tracer("app").start_span("POST /v1/chat/completions")

    recording = out.open(parent=trace.set_span_in_context(outer))
    during = trace.get_current_span()
    recording.end()

    assert out.span.parent.span_id == outer.get_span_context().span_id
    assert during is trace.INVALID_SPAN
    outer.end()


def test_without_a_parent_the_current_span_is_it(written):
    out = written()
    with out.tracer_provider.get_tracer("app").start_as_current_span("outer") as outer:
        out.open(parent=None).end()

    inner = out.spans[0]
    assert inner.parent.span_id == outer.get_span_context().span_id


def test_a_stream_the_writer_never_opened_is_left_alone(written):
    out = written()

    Recording(sinks=[out.writer]).end()

    assert out.spans == ()


def test_a_broken_processor_does_not_keep_the_span_open(written, swallow):
    class Broken(SpanProcessor):
        def on_start(self, span, parent_context=None):
            def broken(*_):
                raise RuntimeError("full")

            span.set_attributes = broken

    provider = TracerProvider()
    provider.add_span_processor(Broken())
    out = written(provider=provider)

    out.open().end()

    assert out.span.end_time is not None


def test_an_error_of_a_sampler_does_not_reach_the_host(written, swallow):
    class Broken(sampling.Sampler):
        def should_sample(self, *_, **__):
            raise RuntimeError("no decision")

        def get_description(self):
            return "broken"

    out = written(tracing={"sampler": Broken()})

    recording = out.open()
    recording.end()

    assert [type(event).__name__ for event in recording.events] == ["Started", "Error"]


def test_an_end_without_a_kind_of_error_is_still_an_exception(written):
    out = written()
    recording = out.open(FACTS)
    recording.stream.status = 0
    recording.stream.error(Failure(None, None, ""))

    recording.end()

    assert ("exception", {"exception.type": "_OTHER", "exception.message": "failed"}) in out.events
