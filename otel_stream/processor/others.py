"""One stream that is not ours: another instrumentation's span, or a span with our events on it."""

from __future__ import annotations

import time
from typing import Any

import msgspec
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan

from otel_stream import semconv
from otel_stream.events import Started, TextDelta
from otel_stream.processor import attributes as read
from otel_stream.processor.state import StreamState


class OtherStream:
    """What is known of a stream whose span alone we see. Lives from the span's start to its end."""

    __slots__ = (
        "announced", "by_hand", "characters", "chunks", "ended", "first_ns", "last_ns", "span_id",
        "started", "taken",
    )  # fmt: skip

    def __init__(self, span: ReadableSpan) -> None:
        context = span.get_span_context() or trace.INVALID_SPAN_CONTEXT
        span_id = trace.format_span_id(context.span_id)
        found = read.of(span)
        self.span_id = context.span_id
        self.started = Started(
            read.first(found, (semconv.REQUEST_ID,), str) or f"req_{span_id}",
            read.model(found) or semconv.UNKNOWN_MODEL,
            agent_type=read.first(found, (semconv.AGENT_TYPE, "gen_ai.agent.name"), str),
            provider=read.provider(found),
            operation=read.operation(found),
            server_address=read.first(found, (semconv.SERVER_ADDRESS,), str),
            call_id=read.first(found, (semconv.CALL_ID,), str),
            tenant=read.first(found, (semconv.TENANT,), str),
            session_id=read.session(found),
            source="foreign",
            time_unix_nano=span.start_time,
            sequence=0,
            trace_id=trace.format_trace_id(context.trace_id),
            span_id=span_id,
        )
        self.announced = False
        """`Started` went out."""
        self.ended = False
        """`Completed` or `Error` went out."""
        self.taken = False
        """A stream of ours tells this call; nothing more is said here."""
        self.by_hand = False
        """Somebody adds our events to the span, so they say how it ends."""
        self.chunks = 0
        self.characters = 0
        self.first_ns: int | None = None
        self.last_ns = span.start_time or time.time_ns()

    @property
    def request_id(self) -> str:
        return self.started.request_id

    def begin(self, fields: dict[str, Any], at: int) -> None:
        """Note what somebody says in `otel_stream.started`, before `Started` goes out."""
        self.by_hand = True
        told = {"source": "manual", "time_unix_nano": at, **fields}
        self.started = msgspec.structs.replace(self.started, **told)

    def delta(self, fields: dict[str, Any], at: int, *, with_text: bool) -> TextDelta:
        """Count a piece of the answer and return its event."""
        self.by_hand = True
        text = fields.get("text", "")
        length = fields.get("length", len(text))
        self.chunks += 1
        self.characters += length
        self.first_ns = self.first_ns or at
        self.last_ns = at
        return TextDelta(
            self.request_id,
            text if with_text else "",
            fields.get("channel", "output"),
            fields.get("index", 0),
            length,
            at,
            self.chunks,
            self.started.trace_id,
            self.started.span_id,
        )

    def state(self) -> StreamState:
        """Return how far it came, for a late joiner."""
        now = time.time_ns()
        began = self.started.time_unix_nano or now
        known = {
            name: value
            for name, value in msgspec.structs.asdict(self.started).items()
            if name in StreamState.__struct_fields__
        }
        known |= {
            "sequence": self.chunks,
            "phase": "streaming" if self.chunks else "waiting",
            "chunks": self.chunks,
            "characters": self.characters,
            "time_to_first_token_s": None if self.first_ns is None else max(0, self.first_ns - began) / 1e9,
            "duration_s": max(0, now - began) / 1e9,
            "idle_s": max(0, now - self.last_ns) / 1e9,
        }
        return StreamState(**known)
