"""Attributes of a stream's span, at its start (samplers read them) and at its end.

https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/client-inference.md
"""

from __future__ import annotations

from typing import Any, TypeAlias

from opentelemetry import trace

from otel_stream import semconv
from otel_stream.events import Ended
from otel_stream.recorder import MAX_CHOICES
from otel_stream.stream import Stream

Attributes: TypeAlias = dict[str, Any]

_END = (
    ("response_id", semconv.RESPONSE_ID),
    ("response_model", semconv.RESPONSE_MODEL),
    ("input_tokens", semconv.USAGE_INPUT_TOKENS),
    ("output_tokens", semconv.USAGE_OUTPUT_TOKENS),
    ("cache_read_tokens", semconv.USAGE_CACHE_READ),
    ("reasoning_tokens", semconv.USAGE_REASONING),
    ("usage_source", semconv.USAGE_SOURCE),
    ("cost_usd", semconv.COST_USD),
    ("cost_source", semconv.COST_SOURCE),
    ("outcome", semconv.OUTCOME),
    ("provider_request_id", semconv.PROVIDER_REQUEST_ID),
    ("chunks", semconv.CHUNKS),
    ("output_characters", semconv.OUTPUT_CHARACTERS),
)
"""Field of the last event and the attribute that says the same."""

_PLAIN = frozenset((str, bool, int, float))


def at_start(stream: Stream) -> Attributes:
    """Return what the request tells, without its content."""
    facts, who = stream.facts, stream.who
    found: Attributes = {
        semconv.OPERATION_NAME: facts.operation,
        semconv.PROVIDER_NAME: facts.provider,
        semconv.SOURCE: stream.source,
    }
    if facts.model and facts.model != semconv.UNKNOWN_MODEL:
        found[semconv.REQUEST_MODEL] = facts.model
    if facts.streaming:  # unset means non-streaming; False is never written
        found[semconv.REQUEST_STREAM] = True
    if facts.server_address:
        found[semconv.SERVER_ADDRESS] = facts.server_address
        _put(found, semconv.SERVER_PORT, facts.server_port)
    _put(found, semconv.AGENT_TYPE, who.agent_type)
    _put(found, semconv.TENANT, who.tenant)
    _put(found, semconv.SESSION_ID, who.session_id)
    _put(found, semconv.CALL_ID, who.call_id)
    _put(
        found,
        semconv.CONVERSATION_ID,
        semconv.conversation_id(who.session_id, facts.attributes, stream.request_id, who.call_id),
    )
    for name, value in facts.attributes.items():
        if name not in semconv.CONTENT:
            _put(found, name, value)
    return found


def at_end(event: Ended, stream: Stream, mode: str, error_type: str | None) -> Attributes:
    """Return what the answer told; `mode` is the setting `semconv`, `error_type` None for a good end."""
    found: Attributes = {semconv.REQUEST_ID: stream.request_id}
    for field, name in _END:
        value = getattr(event, field)
        if value is not None:
            found[name] = value
    if event.cache_write_tokens is not None:
        if mode != "v1.41":
            found[semconv.USAGE_CACHE_WRITE] = event.cache_write_tokens
        if mode != "latest":
            found[semconv.USAGE_CACHE_WRITE_V1_41] = event.cache_write_tokens
    if stream.reported is not None:
        _put(found, semconv.USAGE_AUDIO_INPUT, stream.reported.input_audio_tokens)
        _put(found, semconv.USAGE_AUDIO_OUTPUT, stream.reported.output_audio_tokens)
    if stream.facts.streaming:
        _put(found, semconv.RESPONSE_TIME_TO_FIRST_CHUNK, event.time_to_first_token_s)
    reasons = finish_reasons(event, stream)
    if reasons:
        found[semconv.RESPONSE_FINISH_REASONS] = reasons
    _put(found, semconv.ERROR_TYPE, error_type)
    for name, value in stream.attributes.items():
        _put(found, name if "." in name else f"{semconv.SCOPE_NAME}.{name}", value)
    return found


def put(span: trace.Span, found: Attributes) -> None:
    """Set attributes of a span that is not shared yet.

    `set_attributes` looks into each value and copies it, 10 us for ours. They are of plain types already, so
    they go onto the SDK's span as they are, unless its limits are below what we write.
    """
    there: Any = getattr(span, "_attributes", None)
    known = getattr(there, "_dict", None)
    most = getattr(there, "maxlen", 0)
    roomy = most is None or (isinstance(known, dict) and most >= len(known) + len(found))
    if known is None or not roomy or there.max_value_len is not None or not _are_plain(found):
        span.set_attributes(found)
    else:
        with there._lock:  # noqa: SLF001 - as the SDK does
            known.update(found)


def _are_plain(found: Attributes) -> bool:
    return all(type(value) in _PLAIN or _are_words(value) for value in found.values())


def _are_words(value: object) -> bool:
    return type(value) is tuple and all(type(word) is str for word in value)


def finish_reasons(event: Ended, stream: Stream) -> tuple[str, ...]:
    """Return one reason a choice, in choice order; "error" where a bad end left one out."""
    if event.outcome == "completed":
        return event.finish_reasons or ()
    received = dict(stream._finish_reasons)  # noqa: SLF001 - the positions are told nowhere else
    wanted = choice_count(stream)
    reasons = [received.pop(index, semconv.FINISH_MISSING) for index in range(wanted)]
    return (*reasons, *(received[index] for index in sorted(received)))


def choice_count(stream: Stream) -> int:
    """Return how many choices were asked for."""
    asked = stream.facts.attributes.get(semconv.REQUEST_CHOICE_COUNT, 1)
    return max(1, min(asked, MAX_CHOICES)) if isinstance(asked, int) else 1


def _put(found: Attributes, name: str, value: object) -> None:
    if value is not None:
        found[name] = value
