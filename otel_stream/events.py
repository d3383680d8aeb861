"""The events of a stream: the public contract every other module speaks.

Everything imports this module; it imports nothing of ours.
As JSON, one object a line, the events are a public format (docs/events.md): fields are only ever added.
"""

from __future__ import annotations

import inspect
from typing import Any, Literal, TypeAlias

import msgspec

Channel: TypeAlias = Literal["output", "reasoning", "tool_call", "refusal"]
"""What a delta is part of: the visible answer, its reasoning, a tool call's arguments or a refusal."""

Outcome: TypeAlias = Literal["completed", "error", "timeout", "cancelled", "abandoned", "incomplete"]
"""How a stream ended; only `completed` is told by `Completed`, the others by `Error`."""

UsageSource: TypeAlias = Literal["provider", "estimated", "none"]
CostSource: TypeAlias = Literal["provider", "price_table", "override", "cache", "none"]
Source: TypeAlias = Literal["upstream", "downstream", "foreign", "manual"]
"""Where the stream was seen: at the client tap, at the server tap, in another library's span, by hand."""

OUTCOMES: tuple[Outcome, ...] = ("completed", "error", "timeout", "cancelled", "abandoned", "incomplete")


class Started(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="started", omit_defaults=True):
    """The request went out. `None` means not reported; `model` is `"unknown"` when the request names none."""

    request_id: str
    model: str
    agent_type: str | None = None
    provider: str | None = None
    operation: str | None = None
    server_address: str | None = None
    call_id: str | None = None
    tenant: str | None = None
    session_id: str | None = None
    source: Source | None = None
    time_unix_nano: int | None = None
    sequence: int | None = None
    trace_id: str | None = None
    span_id: str | None = None


class TextDelta(
    msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="text_delta", omit_defaults=True
):
    """A piece of the answer. `text` is empty where text is withheld; `length` (characters) never is."""

    request_id: str
    text: str
    channel: Channel = "output"
    index: int = 0
    length: int | None = None
    time_unix_nano: int | None = None
    sequence: int | None = None
    trace_id: str | None = None
    span_id: str | None = None


class Completed(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="completed", omit_defaults=True):
    """The answer was finished. Input tokens include cached, output tokens include reasoning tokens.

    `cost_usd` is None, never 0, when no price is known.
    """

    request_id: str
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    outcome: Outcome = "completed"
    response_id: str | None = None
    provider_request_id: str | None = None
    response_model: str | None = None
    finish_reasons: tuple[str, ...] | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    usage_source: UsageSource | None = None
    cost_source: CostSource | None = None
    duration_s: float | None = None
    time_to_first_token_s: float | None = None
    chunks: int | None = None
    output_characters: int | None = None
    time_unix_nano: int | None = None
    sequence: int | None = None
    trace_id: str | None = None
    span_id: str | None = None


class Error(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="error", omit_defaults=True):
    """The stream ended badly; what was produced before the end was billed and is told as far as known."""

    request_id: str
    message: str
    error_type: str | None = None
    outcome: Outcome = "error"
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    response_id: str | None = None
    provider_request_id: str | None = None
    response_model: str | None = None
    finish_reasons: tuple[str, ...] | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    usage_source: UsageSource | None = None
    cost_source: CostSource | None = None
    duration_s: float | None = None
    time_to_first_token_s: float | None = None
    chunks: int | None = None
    output_characters: int | None = None
    time_unix_nano: int | None = None
    sequence: int | None = None
    trace_id: str | None = None
    span_id: str | None = None


StreamEvent: TypeAlias = Started | TextDelta | Completed | Error
"""The closed set of events: exactly one `Started`, deltas, then one `Completed` or `Error`."""

Ended: TypeAlias = Completed | Error

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[StreamEvent] = msgspec.json.Decoder(StreamEvent)


def encode(event: StreamEvent) -> bytes:
    """Return the event as a line of JSON without its end; fields at their default are omitted.

    Half of a surrogate pair (an emoji cut in two by the provider) is no UTF-8; it is told as U+FFFD.
    """
    try:
        return _encoder.encode(event)
    except UnicodeEncodeError:
        return _encoder.encode(msgspec.structs.replace(event, **_without_surrogates(event)))


def _without_surrogates(event: StreamEvent) -> dict[str, str]:
    values = msgspec.structs.asdict(event).items()
    return {name: _printable(value) for name, value in values if isinstance(value, str)}


def _printable(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def decode(line: bytes | str) -> StreamEvent:
    """Return the event a line of JSON tells; unknown further fields are ignored.

    Raises: msgspec.DecodeError (a ValueError) when the line is no event, with the path of what is wrong.
    """
    return _decoder.decode(line)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of one line of the public format."""
    (schema,), components = msgspec.json.schema_components([StreamEvent], ref_template="#/$defs/{name}")
    for component in components.values():  # docstrings come indented or not, by the version of msgspec
        component["description"] = inspect.cleandoc(component["description"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "otel_stream event",
        **schema,
        "$defs": components,
    }
