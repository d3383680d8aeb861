"""Reads what other GenAI instrumentations write on their spans, and what gateways write in our events.

Three dialects: the semantic conventions (their older names too), OpenInference and Traceloop.
https://github.com/Arize-ai/openinference/blob/main/spec/semantic_conventions.md
https://github.com/traceloop/openllmetry/tree/main/packages/opentelemetry-semantic-conventions-ai
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeAlias, TypeVar

import msgspec
from opentelemetry.sdk.trace import ReadableSpan

from otel_stream import _guard, semconv
from otel_stream.events import Completed, Error, Started, TextDelta
from otel_stream.meaning import Usage

T = TypeVar("T")
Attributes: TypeAlias = Mapping[str, Any]

_OPENINFERENCE_KIND = "openinference.span.kind"
_TRACELOOP_TYPE = "llm.request.type"
MARKS = frozenset((semconv.OPERATION_NAME, _OPENINFERENCE_KIND, _TRACELOOP_TYPE))
"""A span without any of these is nobody's LLM call."""

_OTHER_OPERATIONS = frozenset((
    "create_agent", "embeddings", "execute_tool", "fetch_response", "invoke_agent", "invoke_workflow", "plan",
    "rerank", "retrieval",
))  # fmt: skip
"""Operations around an LLM call. They repeat its tokens, so counting them would count twice."""

_PROVIDER = (semconv.PROVIDER_NAME, "gen_ai.system", "llm.provider", "llm.system")
_MODEL = (semconv.REQUEST_MODEL, "llm.model_name", "llm.request.model")
_RESPONSE_MODEL = (semconv.RESPONSE_MODEL, "llm.response.model")
_SESSION = (semconv.CONVERSATION_ID, "session.id")
_INPUT = (semconv.USAGE_INPUT_TOKENS, "gen_ai.usage.prompt_tokens", "llm.token_count.prompt", "llm.usage.prompt_tokens")  # fmt: skip  # noqa: E501
_OUTPUT = (semconv.USAGE_OUTPUT_TOKENS, "gen_ai.usage.completion_tokens", "llm.token_count.completion", "llm.usage.completion_tokens")  # fmt: skip  # noqa: E501
_CACHE_READ = (semconv.USAGE_CACHE_READ, "gen_ai.usage.cache_read_input_tokens", "llm.token_count.prompt_details.cache_read")  # fmt: skip  # noqa: E501
_CACHE_WRITE = (semconv.USAGE_CACHE_WRITE, semconv.USAGE_CACHE_WRITE_V1_41, "gen_ai.usage.cache_creation_input_tokens", "llm.token_count.prompt_details.cache_write")  # fmt: skip  # noqa: E501
_REASONING = (semconv.USAGE_REASONING, "gen_ai.usage.reasoning_tokens", "llm.token_count.completion_details.reasoning", "llm.usage.reasoning_tokens")  # fmt: skip  # noqa: E501


def of(span: ReadableSpan) -> Attributes:
    """Return the attributes as they are now, in a plain dict: the SDK's own mapping is ten times slower."""
    found = span.attributes
    return found.copy() if isinstance(found, MappingProxyType) else dict(found or {})


def is_llm_call(attributes: Attributes) -> bool:
    """Whether a span says it is a call of a model that writes an answer."""
    if MARKS.isdisjoint(attributes):
        return False
    operation = attributes.get(semconv.OPERATION_NAME)
    if operation is not None:
        return operation not in _OTHER_OPERATIONS and not str(operation).endswith("memory")
    if attributes.get(_OPENINFERENCE_KIND) == "LLM":
        return True
    return attributes.get(_TRACELOOP_TYPE) in ("chat", "completion")


def operation(attributes: Attributes) -> str | None:
    """Return the operation in the conventions' words; None where the span tells none."""
    told = first(attributes, (semconv.OPERATION_NAME,), str)
    if told is None and not MARKS.isdisjoint(attributes):
        return "text_completion" if attributes.get(_TRACELOOP_TYPE) == "completion" else "chat"
    return told


def model(attributes: Attributes) -> str | None:
    return first(attributes, _MODEL, str)


def response_model(attributes: Attributes) -> str | None:
    return first(attributes, _RESPONSE_MODEL, str)


def provider(attributes: Attributes) -> str | None:
    found = first(attributes, _PROVIDER, str)
    return None if found is None else found.lower()


def session(attributes: Attributes) -> str | None:
    return first(attributes, _SESSION, str)


def usage(attributes: Attributes) -> Usage | None:
    """Return the tokens a span tells; None when it tells none."""
    found = Usage(
        first(attributes, _INPUT, int),
        first(attributes, _OUTPUT, int),
        first(attributes, _CACHE_READ, int),
        first(attributes, _CACHE_WRITE, int),
        first(attributes, _REASONING, int),
    )
    return None if found == Usage() else found


def finish_reasons(attributes: Attributes) -> tuple[str, ...] | None:
    """Return the finish reasons; None where the span has none."""
    return first(attributes, (semconv.RESPONSE_FINISH_REASONS,), tuple[str, ...]) or None


def first(attributes: Attributes, names: tuple[str, ...], kind: type[T]) -> T | None:
    """Return the first of these attributes that is there and of the right type; whole floats are numbers."""
    for name in names:
        value = attributes.get(name)
        if value is not None:
            try:
                return msgspec.convert(value, kind, strict=False)
            except msgspec.ValidationError:
                _guard.skipped("processor.attribute")
    return None


_FIELDS: dict[str, dict[str, Any]] = {
    name: {field.name: field.type for field in msgspec.structs.fields(kind)}
    for name, kind in (
        (semconv.EVENT_STARTED, Started),
        (semconv.EVENT_TEXT_DELTA, TextDelta),
        (semconv.EVENT_COMPLETED, Completed),
        (semconv.EVENT_ERROR, Error),
    )
}
_PREFIX = f"{semconv.SCOPE_NAME}."
_OURS_TO_SAY = frozenset(("sequence", "time_unix_nano", "trace_id", "span_id"))


def event_fields(name: str, attributes: Attributes | None) -> dict[str, Any]:
    """Return the fields an event of ours carries as attributes, with or without the prefix `otel_stream.`.

    A value of a wrong type is left out and counted.
    """
    known = _FIELDS[name]
    found: dict[str, Any] = {}
    for key, value in (attributes or {}).items():
        field = key.removeprefix(_PREFIX)
        if field in known and field not in _OURS_TO_SAY and value is not None:
            try:
                found[field] = msgspec.convert(value, known[field], strict=False)
            except msgspec.ValidationError:
                _guard.skipped("processor.attribute")
    return found
