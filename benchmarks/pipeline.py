"""A stream through the httpx tap: what a chunk costs, what a stream costs, what an open stream holds.

Each case has processes of its own, which take turns: in one process they would spoil each other's numbers,
since the interpreter adapts the client's code to the types it sees (PEP 659). A machine shared with others
runs at half its speed for seconds at a time, and CPU time counts that. So readings are short and many, and
what counts is the fastest tenth: the machine left alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import httpx
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from benchmarks._harness import Row, rounds, shown
from otel_stream import runtime
from otel_stream.instrumentation import StreamInstrumentor
from otel_stream.meaning import CallFacts, Usage
from otel_stream.recorder import Recorder

ROOT = Path(__file__).parents[1]
CHUNKS = 2_000
STREAMS = 200
PROCESSES = 9  # of each case
READINGS = 20  # in each of them
URL = "https://api.openai.com/v1/chat/completions"
REQUEST = {
    "model": "gpt-4o-mini",
    "stream": True,
    "messages": [{"role": "user", "content": "Write a story."}],
}
HEADERS = {"content-type": "text/event-stream; charset=utf-8"}


def _chunk(**members: object) -> bytes:
    chunk = {
        "id": "chatcmpl-9rD4cbxcufhWUCMSJ0LP0ZNuora53",
        "object": "chat.completion.chunk",
        "created": 1722468666,
        "model": "gpt-4o-mini-2024-07-18",
        "system_fingerprint": "fp_0705bf87c0",
        "choices": [],
        "usage": None,
        **members,
    }
    return b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"


TOKEN = _chunk(
    choices=[{"index": 0, "delta": {"content": " token"}, "logprobs": None, "finish_reason": None}]
)
END = [
    _chunk(choices=[{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}]),
    _chunk(usage={"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}),
    b"data: [DONE]\n\n",
]
LONG = [TOKEN] * CHUNKS + END
SHORT = [TOKEN, *END]


class _Answer(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that really streams: one read per chunk."""

    def __init__(self, chunks: list[bytes]) -> None:
        self.chunks = chunks

    def __iter__(self):
        yield from self.chunks

    async def __aiter__(self):
        for chunk in self.chunks:
            yield chunk


def rows() -> list[Row]:
    return [*_per_chunk(), *_per_stream(), *_memory()]


class _Instrumented:
    """The whole plugin switched on, with everything that a stream feeds."""

    def __init__(self, subscribed: bool = False) -> None:
        self.subscribed = subscribed

    def __enter__(self) -> None:
        self.tracer_provider = TracerProvider()
        self.tracer_provider.add_span_processor(BatchSpanProcessor(_Nowhere()))
        self.meter_provider = MeterProvider([InMemoryMetricReader()])
        StreamInstrumentor().instrument(
            tracer_provider=self.tracer_provider,
            meter_provider=self.meter_provider,
            registry=CollectorRegistry(),
            prometheus_port=0,
        )
        if self.subscribed:
            self.receiver = runtime.current().broadcaster.subscribe()

    def __exit__(self, *_: object) -> None:
        StreamInstrumentor().uninstrument()
        self.tracer_provider.shutdown()
        self.meter_provider.shutdown()


class _Nowhere(SpanExporter):
    def export(self, spans):
        return SpanExportResult.SUCCESS


def _sync_ns() -> float:
    """CPU of this thread for one read of a chunk, in ns."""
    client = httpx.Client(transport=httpx.MockTransport(lambda _: _respond(LONG)))
    with client, client.stream("POST", URL, json=REQUEST) as response:
        before = time.thread_time_ns()
        for _ in response.iter_raw():
            pass
        return (time.thread_time_ns() - before) / len(LONG)


def _async_ns() -> float:
    async def read() -> float:
        client = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: _respond(LONG)))
        async with client, client.stream("POST", URL, json=REQUEST) as response:
            before = time.thread_time_ns()
            async for _ in response.aiter_raw():
                pass
            return (time.thread_time_ns() - before) / len(LONG)

    return asyncio.run(read())


def _respond(chunks: list[bytes]) -> httpx.Response:
    return httpx.Response(200, headers=HEADERS, stream=_Answer(chunks))


def _per_chunk() -> list[Row]:
    took = _in_turns("sync", "async", "sync tapped", "async tapped", "sync subscribed")
    took = {name: ns / 1000 for name, ns in took.items()}
    bare, bare_async = (f"bare httpx: {shown(took[name], 'µs')}" for name in ("sync", "async"))
    chunk = "OpenAI chat chunk through the httpx tap, added"
    return [
        Row.at_most(f"{chunk}, sync", 2, took["sync tapped"] - took["sync"], "µs", bare),
        Row.at_most(f"{chunk}, async", 2, took["async tapped"] - took["async"], "µs", bare_async),
        Row.at_most(f"{chunk}, one subscriber", 3, took["sync subscribed"] - took["sync"], "µs", bare),
    ]


def _streams_us() -> float:
    """CPU of the whole process for one stream of a single token, all threads, in µs."""
    with httpx.Client(transport=httpx.MockTransport(lambda _: _respond(SHORT))) as client:
        before = time.process_time_ns()
        for _ in range(STREAMS):
            with client.stream("POST", URL, json=REQUEST) as response:
                for _ in response.iter_raw():
                    pass
        return (time.process_time_ns() - before) / STREAMS / 1000


class _ByHand:
    """What is recorded of such a stream, written down with the plain APIs by somebody who knows it all.

    The floor: nobody is asked for a request, no answer is read, nothing is priced or broadcast.
    """

    WHO: ClassVar = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "server.address": "api.openai.com",
        "server.port": 443,
    }
    LABELS = ("openai", "gpt-4o-mini", "unknown", "none")

    def __init__(self) -> None:
        self.tracer_provider = TracerProvider()
        self.tracer_provider.add_span_processor(BatchSpanProcessor(_Nowhere()))
        self.tracer = self.tracer_provider.get_tracer("by hand")
        meter = MeterProvider([InMemoryMetricReader()]).get_meter("by hand")
        self.official = [meter.create_histogram(name) for name in ("duration", "first", "input", "output")]
        self.tokens = [meter.create_counter(name) for name in ("input", "output", "cost")]
        registry, names = CollectorRegistry(), ("provider", "model", "agent", "tenant")
        self.open = Gauge("open", "Streams in flight", names, registry=registry)
        kinds = ("requests", "input", "output", "cost")
        self.counters = [Counter(kind, "Counted at the end", names, registry=registry) for kind in kinds]
        kinds = ("duration", "first")
        self.seconds = [Histogram(kind, "Seconds", names, registry=registry) for kind in kinds]

    def stream(self) -> None:
        start = {**self.WHO, "gen_ai.request.stream": True, "source": "upstream", "conversation": "c"}
        span = self.tracer.start_span("chat gpt-4o-mini", kind=SpanKind.CLIENT, attributes=start)
        self.open.labels(*self.LABELS).inc()
        span.add_event("started", {"request_id": "r", "model": "gpt-4o-mini", "provider": "openai"})
        span.add_event("text_delta", {"chunks": 1, "length": 6})
        span.add_event("completed", {"input_tokens": 11, "output_tokens": 7, "cost_usd": 0.1, "chunks": 1})
        span.set_attributes(
            {
                "gen_ai.response.id": "chatcmpl-1",
                "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
                "gen_ai.usage.input_tokens": 11,
                "gen_ai.usage.output_tokens": 7,
                "gen_ai.response.finish_reasons": ("stop",),
                "outcome": "completed",
                "cost_usd": 0.1,
            }
        )
        for histogram in self.official:
            histogram.record(0.1, self.WHO)
        for counter in self.tokens:
            counter.add(7, self.WHO)
        for counter in self.counters:
            counter.labels(*self.LABELS).inc()
        for histogram in self.seconds:
            histogram.labels(*self.LABELS).observe(0.1)
        self.open.labels(*self.LABELS).dec()
        span.end()


def _by_hand_us() -> float:
    by_hand = _ByHand()
    by_hand.stream()
    before = time.process_time_ns()
    for _ in range(STREAMS):
        by_hand.stream()
    spent = time.process_time_ns() - before
    by_hand.tracer_provider.shutdown()
    return spent / STREAMS / 1000


def _per_stream() -> list[Row]:
    took = _in_turns("stream", "stream tapped", "stream by hand")
    added, by_hand, bare = took["stream tapped"] - took["stream"], took["stream by hand"], took["stream"]
    baseline = f"bare httpx request: {shown(bare, 'µs')}; its records by hand: {shown(by_hand, 'µs')}"
    what = "fixed cost of a stream of one token (span, metrics, pricing, batch processor)"
    return [Row.at_most(what, 150, added, "µs", baseline)]


CASES: dict[str, tuple[Callable[[], float], Callable[[], Any]]] = {
    "sync": (_sync_ns, contextlib.nullcontext),
    "async": (_async_ns, contextlib.nullcontext),
    "sync tapped": (_sync_ns, _Instrumented),
    "async tapped": (_async_ns, _Instrumented),
    "sync subscribed": (_sync_ns, lambda: _Instrumented(subscribed=True)),
    "stream": (_streams_us, contextlib.nullcontext),
    "stream tapped": (_streams_us, _Instrumented),
    "stream by hand": (_by_hand_us, contextlib.nullcontext),
}


def _in_turns(*names: str) -> dict[str, float]:
    """Return the fastest tenth of each case's readings."""
    found: dict[str, list[float]] = {name: [] for name in names}
    for name in names * rounds(PROCESSES):
        found[name] += _alone(name)
    return {name: statistics.quantiles(readings, n=10)[0] for name, readings in found.items()}


def _alone(name: str) -> list[float]:
    command = [sys.executable, "-m", "benchmarks.pipeline", name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def _readings(name: str) -> list[float]:
    read, around = CASES[name]
    with around():
        read()  # the price table, the caches
        return [read() for _ in range(READINGS)]


def _memory() -> list[Row]:
    after_ten, after_many = _held_bytes(10), _held_bytes(100_000)
    return [
        Row.at_most("held by an open stream after 10 chunks", 8, after_ten / 1024, "KiB"),
        Row.at_most(
            "held by an open stream after 100,000 chunks",
            8,
            after_many / 1024,
            "KiB",
            f"after 10: {shown(after_ten / 1024, 'KiB')}",
        ),
    ]


def _held_bytes(chunks: int) -> float:
    """What each of ten open streams holds: recorder, span, registry entry."""
    facts = CallFacts("openai", "chat", "gpt-4o-mini", "openai_chat")
    with _Instrumented():
        live = runtime.current()
        for stream in [_told(live.open_stream(facts), 10) for _ in range(100)]:
            stream.end("eof")  # what is made once is no stream's
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        streams = [_told(live.open_stream(facts), chunks) for _ in range(10)]
        held = (tracemalloc.get_traced_memory()[0] - before) / len(streams)
        tracemalloc.stop()
        for stream in streams:
            stream.usage(Usage(1, 1))
            stream.end("closed")
    return held


def _told(stream: Recorder, chunks: int) -> Recorder:
    for _ in range(chunks):
        stream.delta(" token")
    return stream


if __name__ == "__main__":
    print(json.dumps(_readings(sys.argv[1])))
