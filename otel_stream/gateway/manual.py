"""`trace_stream`: record a stream that no tap sees, by passing it through a proxy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar, cast

from otel_stream import runtime, wire
from otel_stream._guard import guarded
from otel_stream.gateway.meter import Extract, Meter, Reading, Texts, Wire
from otel_stream.gateway.proxy import proxy_for
from otel_stream.meaning import CallFacts
from otel_stream.reaper import REAPER
from otel_stream.runtime import Runtime

T = TypeVar("T")


def trace_stream(
    stream: T,
    *,
    model: str,
    provider: str,
    operation: str = "chat",
    format: str | None = None,
    extract: Extract | None = None,
    request_id: str | None = None,
    server_address: str | None = None,
    attributes: Mapping[str, object] | None = None,
) -> T:
    """Return a proxy for an iterator, sync or async, that records what passes and changes nothing.

    Call it when the request goes out: the stream starts now, and belongs to the call around. With a
    `format` (`openai_chat`, `anthropic_messages`, …) the items are the API's bytes, its text, or its frames
    as objects, and parsed content tells how the stream ended. Otherwise each item is text, or `extract`
    tells its meaning, and the end of the iterator completes the stream. `request_id` must be unique per
    stream; None makes one. `attributes` go onto the span. A stream that an installed tap sees counts twice.

    Raises: ValueError for a format that does not exist, TypeError for what cannot be iterated.
    """
    chosen = None if format is None else _format(format)
    if chosen is not None and extract is not None:
        raise ValueError("a stream has a format or an extract function, not both")
    facts = CallFacts(
        provider,
        operation,
        model,
        format or "manual",
        server_address=server_address,
        attributes=dict(attributes or {}),
    )
    make_proxy = proxy_for(stream)
    ours = runtime.current()
    meter = None if ours is None else _metered(ours, facts, chosen, extract, request_id)
    return stream if meter is None else cast("T", make_proxy(stream, meter))


def _format(name: str) -> type[wire.Format]:
    by_name = {format.name: format for format in wire.FORMATS}
    try:
        return by_name[name]
    except KeyError:
        raise ValueError(f"format must be one of {', '.join(map(repr, by_name))}; got {name!r}") from None


@guarded("gateway.trace_stream")
def _metered(
    ours: Runtime,
    facts: CallFacts,
    format: type[wire.Format] | None,
    extract: Extract | None,
    request_id: str | None,
) -> Meter:
    REAPER.ready()
    recorder = ours.open_stream(facts, source="manual", request_id=request_id)
    reading: Reading
    if format is None:
        reading = Texts(recorder, extract)
    else:
        reading = Wire(recorder, format, ours.settings.max_frame_bytes)
    return Meter(recorder, reading)
