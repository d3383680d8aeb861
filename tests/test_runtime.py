"""The runtime: taps open streams, and every part of the process hears of them."""

from __future__ import annotations

import os

import pytest
from opentelemetry import context, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from otel_stream import runtime as runtimes
from otel_stream.call import CallContext, entered
from otel_stream.config import Settings
from otel_stream.events import Completed, Error, Started
from otel_stream.identity import Who
from otel_stream.meaning import CallFacts, Failure, Request
from otel_stream.runtime import Runtime

FACTS = CallFacts("openai", "chat", "gpt-4o", "openai_chat")
CHAT = "https://api.openai.com/v1/chat/completions"
BODY = b'{"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"Hi"}]}'
ANSWER = (
    b'data: {"id":"c","model":"gpt-4o","choices":[{"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\n'
    b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2}}\n\n'
    b"data: [DONE]\n\n"
)


class Process:
    """A runtime with providers of its own, and what came out of it."""

    def __init__(self, **settings) -> None:
        self.spans = InMemorySpanExporter()
        self.tracer_provider = TracerProvider()
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self.spans))
        self.reader = InMemoryMetricReader()
        self.registry = CollectorRegistry()
        self.runtime = Runtime(
            Settings(**{"prometheus_port": 0, **settings}),
            tracer_provider=self.tracer_provider,
            meter_provider=MeterProvider([self.reader]),
            registry=self.registry,
        )
        self.events = []
        self.runtime.broadcaster.add_listener(self.events.append, deltas=True)

    def count(self, name, **labels):
        return sum(
            sample.value
            for metric in self.registry.collect()
            for sample in metric.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def exchange(self, url=CHAT, *chunks, body=BODY, kind="text/event-stream", ending="eof", **tapped):
        tap = self.runtime.tap(Request("POST", url, {}, body), **tapped)
        tap.responded(200, {"content-type": kind})
        for chunk in chunks:
            tap.feed(chunk)
        tap.end(ending)
        return tap


@pytest.fixture
def make():
    made = []

    def process(**settings) -> Process:
        made.append(Process(**settings))
        return made[-1]

    yield process
    for one in made:
        one.runtime.shutdown()
        one.tracer_provider.shutdown()


def test_one_exchange_is_events_a_span_and_counters(make):
    process = make()

    process.exchange(CHAT, ANSWER)

    started, _, completed = process.events
    (span,) = process.spans.get_finished_spans()
    assert (type(started), type(completed)) == (Started, Completed)
    assert (span.name, format(span.context.span_id, "016x")) == ("chat gpt-4o", completed.span_id)
    assert process.count("llm_stream_requests_total", outcome="completed") == 1
    assert process.count("llm_stream_tokens_total", token_type="input") == 9
    assert completed.cost_source == "price_table"
    assert process.reader.get_metrics_data() is not None


def test_what_is_no_llm_call_leaves_no_trace(make):
    process = make()

    process.exchange("https://example.com/events", b'data: {"hello":"world"}\n\n' * 10, body=b"{}")

    assert (process.events, process.spans.get_finished_spans()) == ([], ())


@pytest.mark.parametrize("method", ["HEAD", "DELETE", "OPTIONS", "PUT"])
def test_methods_no_llm_api_uses_are_not_even_looked_at(make, method):
    assert make().runtime.tap(Request(method, CHAT, {}, BODY)) is None


def test_suppressed_instrumentation_taps_nothing(make):
    process = make()
    token = context.attach(context.set_value("suppress_instrumentation", True))
    try:
        tap = process.runtime.tap(Request("POST", CHAT, {}, BODY))
    finally:
        context.detach(token)

    assert tap is None


def test_with_skip_a_foreign_genai_span_keeps_the_call_to_itself(make):
    process = make(foreign_spans="skip")
    tracer = process.tracer_provider.get_tracer("another.instrumentation")

    with tracer.start_as_current_span("chat", attributes={"gen_ai.operation.name": "chat"}):
        assert process.runtime.tap(Request("POST", CHAT, {}, BODY)) is None


def test_a_stream_belongs_to_the_live_call(make):
    process = make()
    call = CallContext({}, given=Who(agent_type="claude-code", tenant="acme", call_id="call_1"))

    with entered(call):
        process.exchange(CHAT, ANSWER)

    started = process.events[0]
    assert (started.agent_type, started.tenant, started.call_id) == ("claude-code", "acme", "call_1")
    assert (call.upstream_opened, call.upstream_succeeded, call.upstream_open) == (1, 1, 0)


def test_the_running_code_s_span_is_the_parent(make):
    process = make()

    with process.tracer_provider.get_tracer("app").start_as_current_span("server") as server:
        process.exchange(CHAT, ANSWER)

    stream = process.spans.get_finished_spans()[0]
    assert stream.parent.span_id == server.get_span_context().span_id


def test_a_call_without_a_span_continues_the_caller_s_trace(make):
    process = make()
    call = CallContext({"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})

    with entered(call):
        process.exchange(CHAT, ANSWER)

    (span,) = process.spans.get_finished_spans()
    assert trace.format_trace_id(span.context.trace_id) == "0af7651916cd43dd8448eb211c80319c"
    assert trace.format_span_id(span.parent.span_id) == "b7ad6b7169203331"


def test_a_lazy_tap_opens_its_stream_with_the_first_frame_that_means_something(make):
    process = make()
    call = CallContext({})
    tap = process.runtime.tap(Request("POST", CHAT, {}, BODY), lazy=True, call=call)
    tap.responded(200, {"content-type": "text/event-stream"})
    tap.feed(b": ping\n\n")

    before = list(process.events)
    tap.feed(ANSWER)
    tap.end("eof")

    assert before == []
    assert (process.events[0].source, process.events[-1].outcome) == ("downstream", "completed")
    assert call.upstream_opened == 0


def test_streams_left_open_are_ended_as_abandoned_at_shutdown(make):
    process = make()
    process.runtime.open_stream(FACTS)

    process.runtime.shutdown()

    assert isinstance(process.events[-1], Error)
    assert process.events[-1].outcome == "abandoned"


def test_a_stream_that_fell_silent_is_ended_as_abandoned(make):
    process = make(idle_seconds=1.0)
    stream = process.runtime.open_stream(FACTS)
    stream.now -= 2.0

    process.runtime._look_over()

    assert process.events[-1].outcome == "abandoned"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_the_tail_goes_on_in_a_forked_worker(make, tmp_path):
    """gunicorn starts with the parent and forks its workers."""
    path = tmp_path / "events.jsonl"
    process = make(tail=str(path))
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        process.runtime.restart()
        process.exchange(CHAT, ANSWER)
        process.runtime.shutdown()
        os._exit(0)
    _, status = os.waitpid(child, 0)

    assert (status, len(path.read_bytes().splitlines())) == (0, 3)


@pytest.mark.parametrize(
    ("seen", "outcomes"),
    [
        (lambda stream: stream.done(), ["completed"]),
        (lambda stream: stream.error(Failure("overloaded_error", None, "Overloaded")), ["error"]),
        (lambda stream: stream.finish("stop"), []),
        (lambda stream: None, []),
    ],
    ids=["end signal", "error", "finish reason", "nothing"],
)
def test_a_settled_stream_that_nobody_closes_ends_soon(make, seen, outcomes):
    """LiteLLM lets go of the streams of some providers without closing them."""
    process = make()
    stream = process.runtime.open_stream(FACTS)
    seen(stream)
    stream.now -= 2.0

    process.runtime._look_over()

    assert [event.outcome for event in process.events[1:]] == outcomes


def test_usage_may_come_late_but_not_after_the_call_is_over(make):
    process = make()
    call = CallContext({})
    with entered(call):
        stream = process.runtime.open_stream(FACTS)
    stream.finish("stop")
    stream.now -= 2.0

    process.runtime._look_over()
    before = len(process.events)
    call.end()
    process.runtime._look_over()

    assert (before, [event.outcome for event in process.events[1:]]) == (1, ["completed"])


@pytest.mark.parametrize(
    ("last_line", "outcomes"),
    [
        (b'data: {"error":{"message":"Overloaded"}}\n', ["error"]),
        (b"data: [DONE]\n", ["completed"]),
        (b'data: {"error":{"mess', []),
    ],
)
def test_a_gateway_that_reads_lines_need_not_read_the_blank_one_behind_the_last(make, last_line, outcomes):
    """MLflow's lets go of the provider's stream at a line it cannot use, and does not close it."""
    process = make()
    call = CallContext({})
    with entered(call):
        tap = process.runtime.tap(Request("POST", CHAT, {}, BODY))
    tap.responded(200, {"content-type": "text/event-stream"})
    tap.feed(b'data: {"choices":[{"index":0,"delta":{"content":"Hello"}}]}\n\n')
    tap.feed(last_line)
    tap.recorder.now -= 2.0

    process.runtime._look_over()
    before = len(process.events)
    call.end()
    process.runtime._look_over()

    assert (before, [event.outcome for event in process.events[2:]]) == (2, outcomes)


def test_without_prometheus_nothing_is_served_and_events_still_flow(make):
    process = make(prometheus=False)

    process.exchange(CHAT, ANSWER)

    assert process.runtime.metrics is None
    assert isinstance(process.events[-1], Completed)


def test_text_is_kept_only_where_capture_asks_for_it(make):
    plain, capturing = make(), make(capture_content="SPAN_ONLY")

    streams = [process.runtime.open_stream(FACTS) for process in (plain, capturing)]

    assert [stream.transcript is not None for stream in streams] == [False, True]


def test_private_calls_are_never_captured(make):
    process = make(capture_content="SPAN_AND_EVENT")

    with entered(CallContext({}, given=Who(private=True))):
        stream = process.runtime.open_stream(FACTS)

    assert (stream.transcript, stream.with_text) == (None, False)


def test_a_process_has_one_runtime():
    settings = Settings(prometheus=False)
    try:
        first = runtimes.start(settings)
        second = runtimes.start(settings)

        assert first is second is runtimes.current()
    finally:
        runtimes.stop()
    assert runtimes.current() is None
    runtimes.stop()


@pytest.mark.parametrize(("mode", "names"), [("enrich", ["chat"]), ("separate", ["chat gpt-4o", "chat"])])
def test_a_call_that_another_instrumentation_sees_too_is_told_and_counted_once(make, mode, names):
    process = make(foreign_spans=mode)
    tracer = process.tracer_provider.get_tracer("another.instrumentation")

    attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"}
    with tracer.start_as_current_span("chat", attributes=attributes) as span:
        process.exchange(CHAT, ANSWER)
        span.set_attribute("gen_ai.usage.input_tokens", 9)
    process.runtime.processor.force_flush()

    assert [type(event).__name__ for event in process.events] == ["Started", "TextDelta", "Completed"]
    assert [span.name for span in process.spans.get_finished_spans()] == names
    assert process.count("llm_stream_tokens_total", token_type="input") == 9


def test_enriching_adds_what_the_other_span_lacks_and_leaves_its_end_alone(make):
    process = make(foreign_spans="enrich")
    tracer = process.tracer_provider.get_tracer("another.instrumentation")

    with tracer.start_as_current_span(
        "theirs", attributes={"gen_ai.operation.name": "chat", "gen_ai.request.model": "their word"}
    ):
        process.exchange(CHAT, ANSWER)

    (span,) = process.spans.get_finished_spans()
    assert (span.name, span.attributes["gen_ai.request.model"]) == ("theirs", "their word")
    assert span.attributes["gen_ai.usage.output_tokens"] == 2
    assert [event.name for event in span.events] == [
        "otel_stream.started", "otel_stream.text_delta", "otel_stream.completed",
    ]  # fmt: skip
    assert process.events[0].span_id == trace.format_span_id(span.context.span_id)


def test_prompt_and_answer_are_on_the_span_where_capture_asks_for_them(make):
    process = make(capture_content="SPAN_ONLY")

    process.exchange(CHAT, ANSWER)

    (span,) = process.spans.get_finished_spans()
    assert span.attributes["gen_ai.input.messages"] == (
        '[{"role":"user","parts":[{"type":"text","content":"Hi"}]}]'
    )
    assert '"content":"Hi"' in span.attributes["gen_ai.output.messages"]


def test_without_capture_no_prompt_is_kept(make):
    process = make()

    process.exchange(CHAT, ANSWER)

    (span,) = process.spans.get_finished_spans()
    assert "Hi" not in str(dict(span.attributes))


def test_flushing_sends_what_a_batch_processor_holds_back(make):
    process = make()
    held_back = InMemorySpanExporter()
    process.tracer_provider.add_span_processor(BatchSpanProcessor(held_back))
    process.exchange(CHAT, ANSWER)

    process.runtime.flush()

    assert [span.name for span in held_back.get_finished_spans()] == ["chat gpt-4o"]


def test_flushing_without_an_sdk_does_nothing(make):
    process = make()
    process.runtime._providers = (object(),)

    process.runtime.flush()


def test_a_worker_s_old_span_is_nobody_s_parent(make):
    """A queue worker made during a request keeps that request's contextvars for ever."""
    process = make()
    call = CallContext({})
    span = process.tracer_provider.get_tracer("server").start_span("POST /chat")

    with trace.use_span(span), entered(call):
        call.end()
        span.end()
        process.exchange(CHAT, ANSWER)

    assert process.spans.get_finished_spans()[-1].parent is None
