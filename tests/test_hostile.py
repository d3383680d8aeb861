"""Whatever a provider or a caller sends: nothing is raised, and no more is held than the caps say.

Bytes go through the whole pipeline of an instrumented process, with everything on that costs memory.
"""

from __future__ import annotations

import contextlib
import gc
import gzip
import io
import itertools
import json
import re
import tracemalloc

import brotli
import pytest
import zstandard
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry, generate_latest

from otel_stream import wire
from otel_stream.attribution import identify
from otel_stream.call import CallContext
from otel_stream.config import Settings
from otel_stream.events import Completed, Error, Started
from otel_stream.meaning import CallFacts, Request, Usage
from otel_stream.metrics.labels import MAX_VALUES
from otel_stream.pricing import table
from otel_stream.runtime import Runtime

URLS = {
    "openai_chat": "https://api.openai.com/v1/chat/completions",
    "openai_responses": "https://api.openai.com/v1/responses",
    "anthropic_messages": "https://api.anthropic.com/v1/messages",
    "gemini_generate": "https://host/v1beta/models/gemini-2:streamGenerateContent",
    "bedrock_converse": "https://bedrock-runtime.us-east-1.amazonaws.com/model/m/converse-stream",
    "cohere_chat": "https://api.cohere.com/v2/chat",
    "ollama": "http://localhost:11434/api/chat",
}
EVENT_STREAM = {"content-type": "text/event-stream"}
KIND = {
    "sse": EVENT_STREAM,
    "ndjson": {"content-type": "application/x-ndjson"},
    "json": {"content-type": "application/json"},
    "aws": {"content-type": "application/vnd.amazon.eventstream"},
}
MAX_FRAME = 256 << 10  # a small cap, so that going beyond it is quick
READ = 64 << 10
STATE = 128 << 10  # a stream's own state, its span and what of it stays in metrics
HELD = 4 * MAX_FRAME + STATE  # a frame, its pieces, and its parse; never a multiple of what was sent

REQUEST = b'{"model": "gpt-4o", "stream": true, "messages": []}'


class Process:
    """An instrumented process whose events are kept, but no delta: those would be what is measured."""

    def __init__(self):
        self.registry, self.reader = CollectorRegistry(), InMemoryMetricReader()
        self._meters = MeterProvider([self.reader])
        settings = Settings(prometheus_port=0, metric_labels=("agent", "tenant"), max_frame_bytes=MAX_FRAME)
        table.library.load()  # its megabytes are no stream's
        self.runtime = Runtime(
            settings, tracer_provider=TracerProvider(), meter_provider=self._meters, registry=self.registry
        )
        self.events = []
        self.runtime.broadcaster.add_listener(self.events.append)

    @property
    def started(self):
        return [event for event in self.events if isinstance(event, Started)]

    @property
    def ended(self):
        return [event for event in self.events if isinstance(event, Completed | Error)]

    @property
    def outcomes(self):
        return [event.outcome for event in self.ended]

    def close(self):
        self.runtime.shutdown()
        self._meters.shutdown()


@pytest.fixture
def process():
    process = Process()
    yield process
    process.close()


def exchange(process, chunks, *, url=URLS["openai_chat"], headers=EVENT_STREAM, body=REQUEST, status=200):
    """Send the chunks through a tap as a client would; returns the most that was held beside one chunk."""
    tap = process.runtime.tap(Request("POST", url, {}, body))
    gc.collect()
    tracemalloc.start()
    try:
        tap.responded(status, headers)
        before = tracemalloc.get_traced_memory()[0]
        largest = 0
        for chunk in chunks:
            largest = max(largest, len(chunk))
            tap.feed(chunk)
        tap.end("eof")
        return tracemalloc.get_traced_memory()[1] - before - largest
    finally:
        tracemalloc.stop()


def event(payload):
    return b"data: " + json.dumps(payload).encode() + b"\n\n"


def delta(text="x", **more):
    return event({"id": "1", "model": "m", "choices": [{"index": 0, "delta": {"content": text}, **more}]})


def reads(total, piece):
    """`total` bytes in reads of 64 KiB."""
    return itertools.repeat(piece * (READ // len(piece)), total // READ)


def after_a_delta(*parts):
    return itertools.chain([delta()], *parts)


ENDLESS = 2 << 20
FLOODS = {
    "a line that never ends": lambda: after_a_delta([b"data: "], reads(ENDLESS, b"x")),
    "an event whose data never ends": lambda: after_a_delta(reads(ENDLESS, b"data: x\n")),
    "a JSON string that never ends": lambda: after_a_delta([b'data: {"a": "'], reads(ENDLESS, b"y")),
    "comments without end": lambda: after_a_delta(reads(ENDLESS, b": ping\n\n")),
    "line ends without end": lambda: after_a_delta(reads(ENDLESS, b"\r\n")),
    "carriage returns without end": lambda: after_a_delta(reads(ENDLESS, b"\r")),
    "event names without end": lambda: (
        b"event: %d%s\ndata: {}\n\n" % (number, b"n" * 1000) for number in range(5_000)
    ),
    "ids without end": lambda: (b"id: %d\ndata: {}\n\n" % number for number in range(20_000)),
    "a huge id": lambda: after_a_delta([b"id: "], reads(ENDLESS, b"i")),
    "nothing but zeros": lambda: reads(ENDLESS, b"\0"),
}


@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_is_dropped_not_held(process, flood):
    assert exchange(process, FLOODS[flood]()) < HELD
    assert len(process.ended) == 1


@pytest.mark.parametrize("framing", ["ndjson", "json", "aws"])
@pytest.mark.parametrize("piece", [b"x", b"{", b"[", b'"', b"\xff", b"\0\0\1\0"])
def test_no_framing_holds_what_never_ends(process, framing, piece):
    url = URLS["bedrock_converse"] if framing == "aws" else URLS["ollama"]

    assert exchange(process, reads(2 * MAX_FRAME, piece), url=url, headers=KIND[framing]) < HELD
    assert len(process.ended) == 1


def test_a_frame_above_the_cap_costs_that_frame_alone(process):
    texts = []
    process.runtime.broadcaster.add_listener(
        lambda event: texts.append(getattr(event, "text", "")), deltas=True
    )

    exchange(process, [delta("before"), delta("x" * (2 * MAX_FRAME)), delta("after", finish_reason="stop")])

    assert "".join(texts) == "beforeafter"
    assert process.outcomes == ["completed"]


DEEP = 100_000
DEEP_JSON = {
    "arrays": b"[" * DEEP,
    "closed arrays": b"[" * DEEP + b"]" * DEEP,
    "objects": b'{"a":' * DEEP,
    "below a known member": b'{"choices": ' + b"[" * DEEP + b"]" * DEEP + b"}",
    "below an unknown member": b'{"choices": [], "other": ' + b"[" * DEEP + b"]" * DEEP + b"}",
    "where an error stands": b'{"error": ' + b'{"error":' * DEEP + b"1" + b"}" * (DEEP + 1),
}


@pytest.mark.parametrize("shape", DEEP_JSON)
@pytest.mark.parametrize("format", URLS)
def test_deep_json_is_skipped(process, format, shape):
    frame = b"data: " + DEEP_JSON[shape] + b"\n\n"

    held = exchange(process, [frame, frame], url=URLS[format])

    assert held < HELD + 64 * DEEP
    assert len(process.ended) == 1


@pytest.mark.parametrize("shape", DEEP_JSON)
def test_deep_json_in_a_request_or_a_document_is_skipped(process, shape):
    exchange(process, [DEEP_JSON[shape]], headers=KIND["json"], body=DEEP_JSON[shape])
    exchange(process, [DEEP_JSON[shape]], headers=KIND["json"], status=400)

    assert len(process.ended) == 2


def test_an_index_in_the_millions_costs_nothing(process):
    def huge(index):
        call = {"index": index, "id": f"call_{index}", "function": {"name": "f", "arguments": "{}"}}
        choice = {"index": index, "delta": {"content": "x", "tool_calls": [call]}, "finish_reason": "stop"}
        return event({"choices": [choice]})

    held = exchange(process, (huge(10**9 + number) for number in range(20_000)))

    assert held < HELD
    assert process.outcomes == ["completed"]


@pytest.mark.parametrize(
    "number", [-1, 2**63, 2**64, 10**400, 1e308, float("nan"), float("inf"), "7", None, [], {}, True]
)
def test_nonsense_for_a_count_is_no_count(process, number):
    usage = {"prompt_tokens": number, "completion_tokens": number, "cost": number}

    exchange(
        process, [delta(finish_reason="stop"), event({"choices": [], "usage": usage}), b"data: [DONE]\n\n"]
    )

    (ended,) = process.ended
    assert ended.outcome == "completed"
    assert generate_latest(process.registry)
    assert process.reader.get_metrics_data() is not None


BOMB = 128 << 20


def gzip_bomb():
    made = io.BytesIO()
    with gzip.GzipFile(fileobj=made, mode="wb") as file:
        for _ in range(BOMB >> 20):
            file.write(bytes(1 << 20))
    return made.getvalue()


BOMBS = {
    "gzip": gzip_bomb,
    "br": lambda: brotli.compress(bytes(BOMB), quality=1),
    "zstd": lambda: zstandard.compress(bytes(BOMB)),
    "gzip, gzip": lambda: gzip.compress(gzip_bomb()),
}


@pytest.mark.parametrize("coding", BOMBS)
def test_a_compression_bomb_is_not_blown_up(process, coding):
    """Of the 128 MiB it says it is, no more than the decoder's caps allow at a time."""
    bomb = BOMBS[coding]()
    chunks = [bomb[at : at + READ // 4] for at in range(0, len(bomb), READ // 4)]

    held = exchange(process, chunks, headers={**EVENT_STREAM, "content-encoding": coding})

    assert held < BOMB * 0.75
    assert len(process.ended) == 1


def test_a_flood_of_headers_is_read_past():
    headers = {f"x-{number}-session-id": "s" * 10_000 for number in range(10_000)}
    headers |= {f"x-junk-{number}": "j" * 1000 for number in range(10_000)}
    headers |= {
        "x-agent-type": "a" * 1_000_000,
        "x-tenant-id": "\x1b[2J" * 100_000,
        "user-agent": "u/" * 500_000,
    }

    who = identify(headers, {}, {})

    assert all(len(value) <= 128 for value in (who.agent_type, who.tenant, who.session_id))
    assert "\x1b" not in who.tenant


def test_a_request_with_huge_names_keeps_short_ones(process):
    body = json.dumps({"model": "m" * 5_000_000, "stream": True, "stop": ["s"], "messages": []}).encode()

    exchange(process, [delta(finish_reason="stop")], body=body)

    assert len(process.started[0].model) <= 256


@pytest.mark.parametrize(
    "url", ["http://[", "http://h:99999/v1/chat/completions", "", "x" * 100_000, "http://\0/"]
)
def test_no_url_is_too_strange(process, url):
    with contextlib.suppress(AttributeError):
        exchange(process, [delta()], url=url)

    wire.recognise(Request("POST", url, {}, REQUEST))


def test_thousands_of_models_and_tenants_do_not_grow_the_metrics_without_end(process):
    """Every stream has names of its own: what is exported stays bounded, the totals exact."""
    streams = 3_000

    for number in range(streams):
        facts = CallFacts(f"provider-{number}", "chat", f"model-{number}-{'x' * 100}", "openai_chat")
        call = CallContext({"x-agent-type": f"agent-{number}", "x-tenant-id": f"tenant-{number}"})
        stream = process.runtime.open_stream(facts, call=call)
        stream.usage(Usage(1, 1))
        stream.done()
        stream.end("eof")

    text = generate_latest(process.registry).decode()
    assert len(values_of("model", text)) <= MAX_VALUES["model"] + 1
    assert len(values_of("tenant", text)) <= MAX_VALUES["tenant"] + 2
    assert total("llm_stream_requests_total", text) == streams
    assert total("llm_stream_tokens_total", text) == 2 * streams
    assert len(text) < 32 << 20


def values_of(label, text):
    return set(re.findall(rf'\b{label}="([^"]*)"', text))


def total(name, text):
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(f"{name}{{"))
