"""Names of telemetry: the GenAI semantic conventions' and our own, in one place.

The conventions' Python package deprecates every GenAI name and lacks the new ones, so they are written out.
Where v1.41 says it differently, the constant ends in `_V1_41`.
https://github.com/open-telemetry/semantic-conventions-genai/tree/main/docs/gen-ai
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Final, Literal, TypeAlias

SCOPE_NAME: Final = "otel_stream"
"""Instrumentation scope of everything we emit; by it the processor knows our own spans."""

SemconvMode: TypeAlias = Literal["latest", "v1.41", "dup"]
"""Which generation of names is written where two exist: the newest, v1.41's, or both."""

# -- attributes of the conventions ---------------------------------------------------------------------

OPERATION_NAME: Final = "gen_ai.operation.name"
PROVIDER_NAME: Final = "gen_ai.provider.name"
CONVERSATION_ID: Final = "gen_ai.conversation.id"
REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_STREAM: Final = "gen_ai.request.stream"
REQUEST_CHOICE_COUNT: Final = "gen_ai.request.choice.count"
RESPONSE_ID: Final = "gen_ai.response.id"
RESPONSE_MODEL: Final = "gen_ai.response.model"
RESPONSE_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
RESPONSE_TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
USAGE_INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
USAGE_OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
USAGE_CACHE_READ: Final = "gen_ai.usage.cache_read.input_tokens"
USAGE_CACHE_WRITE: Final = "gen_ai.usage.cache_write.input_tokens"
USAGE_CACHE_WRITE_V1_41: Final = "gen_ai.usage.cache_creation.input_tokens"
USAGE_REASONING: Final = "gen_ai.usage.reasoning.output_tokens"
USAGE_AUDIO_INPUT: Final = "gen_ai.usage.audio.input_tokens"
USAGE_AUDIO_OUTPUT: Final = "gen_ai.usage.audio.output_tokens"
TOKEN_MODALITY: Final = "gen_ai.token.modality"  # noqa: S105 - an attribute
TOKEN_TYPE_V1_41: Final = "gen_ai.token.type"  # noqa: S105 - an attribute
INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
SYSTEM_INSTRUCTIONS: Final = "gen_ai.system_instructions"
TOOL_DEFINITIONS: Final = "gen_ai.tool.definitions"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
ERROR_TYPE: Final = "error.type"
EXCEPTION_TYPE: Final = "exception.type"
EXCEPTION_MESSAGE: Final = "exception.message"

CONTENT: Final = frozenset((INPUT_MESSAGES, OUTPUT_MESSAGES, SYSTEM_INSTRUCTIONS, TOOL_DEFINITIONS))
"""Opt-in attributes that hold what people and models wrote; structured on logs, JSON text on spans."""

# -- events of the conventions -------------------------------------------------------------------------

EVENT_DETAILS: Final = "gen_ai.client.inference.operation.details"
EVENT_EXCEPTION: Final = "gen_ai.client.operation.exception"
SPAN_EVENT_EXCEPTION: Final = "exception"

# -- metrics of the conventions ------------------------------------------------------------------------

DURATION: Final = "gen_ai.client.inference.duration"
TIME_TO_FIRST_CHUNK: Final = "gen_ai.client.inference.time_to_first_chunk"
TIME_PER_OUTPUT_CHUNK: Final = "gen_ai.client.inference.time_per_output_chunk"
COUNTED_INPUT_TOKENS: Final = "gen_ai.client.inference.usage.input_tokens"
COUNTED_OUTPUT_TOKENS: Final = "gen_ai.client.inference.usage.output_tokens"
COUNTED_CACHE_READ: Final = "gen_ai.client.inference.usage.cache_read.input_tokens"
COUNTED_CACHE_WRITE: Final = "gen_ai.client.inference.usage.cache_write.input_tokens"
COUNTED_REASONING: Final = "gen_ai.client.inference.usage.reasoning.output_tokens"
OPERATION_INPUT_TOKENS: Final = "gen_ai.client.inference.operation.input_tokens"
OPERATION_OUTPUT_TOKENS: Final = "gen_ai.client.inference.operation.output_tokens"
DURATION_V1_41: Final = "gen_ai.client.operation.duration"
TIME_TO_FIRST_CHUNK_V1_41: Final = "gen_ai.client.operation.time_to_first_chunk"
TIME_PER_OUTPUT_CHUNK_V1_41: Final = "gen_ai.client.operation.time_per_output_chunk"
TOKEN_USAGE_V1_41: Final = "gen_ai.client.token.usage"  # noqa: S105 - a metric's name

DURATION_BUCKETS: Final = (
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
)  # fmt: skip
"""Seconds; advisory, a View replaces them (streams do run longer)."""

TOKEN_BUCKETS: Final = (
    1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864,
)  # fmt: skip
"""Tokens per operation."""

# -- values of the conventions -------------------------------------------------------------------------

PROVIDERS: Final = frozenset((
    "anthropic", "aws.bedrock", "azure.ai.inference", "azure.ai.openai", "cohere", "deepseek", "gcp.gemini",
    "gcp.gen_ai", "gcp.vertex_ai", "groq", "ibm.watsonx.ai", "mistral_ai", "moonshot_ai", "openai",
    "perplexity", "x_ai",
))  # fmt: skip
"""Well-known `gen_ai.provider.name`; one of these must be used when it applies."""

MODALITY_UNKNOWN: Final = "unknown"  # where the provider gives no split; "text" would be a guess
MODALITY_AUDIO: Final = "audio"
ERROR_OTHER: Final = "_OTHER"
FINISH_MISSING: Final = "error"  # stands where a finish reason was expected and never came

# -- our own -------------------------------------------------------------------------------------------

EVENT_STARTED: Final = "otel_stream.started"
EVENT_TEXT_DELTA: Final = "otel_stream.text_delta"
EVENT_COMPLETED: Final = "otel_stream.completed"
EVENT_ERROR: Final = "otel_stream.error"
EVENTS: Final = frozenset((EVENT_STARTED, EVENT_TEXT_DELTA, EVENT_COMPLETED, EVENT_ERROR))
"""Span and log events. Their attributes are the fields of `events.py` under their own names."""

REQUEST_ID: Final = "otel_stream.request_id"
CALL_ID: Final = "otel_stream.call_id"
PROVIDER_REQUEST_ID: Final = "otel_stream.provider_request_id"
AGENT_TYPE: Final = "otel_stream.agent_type"
TENANT: Final = "otel_stream.tenant"
SESSION_ID: Final = "otel_stream.session_id"
SOURCE: Final = "otel_stream.source"
OUTCOME: Final = "otel_stream.outcome"
USAGE_SOURCE: Final = "otel_stream.usage_source"
COST_USD: Final = "otel_stream.cost_usd"
COST_SOURCE: Final = "otel_stream.cost_source"
CHUNKS: Final = "otel_stream.chunks"
OUTPUT_CHARACTERS: Final = "otel_stream.output_characters"
COST: Final = "otel_stream.cost"
"""Counter, USD. The conventions have no cost yet; theirs is the namespace `gen_ai`, ours this one."""

UNKNOWN_MODEL: Final = "unknown"
"""What `Started.model` says when the request names none; never written as `gen_ai.request.model`."""


@cache
def scope_version() -> str:
    """Return our version for the instrumentation scope; empty in a tree that was never installed."""
    try:
        return version("otel-stream")
    except PackageNotFoundError:
        return ""


def span_name(operation: str, model: str) -> str:
    """Return `chat gpt-4o`, or the operation alone where the model is not known."""
    return f"{operation} {model}" if model and model != UNKNOWN_MODEL else operation


def error_type(outcome: str, reported: str | None, *, cancel_is_error: bool = False) -> str | None:
    """Return `error.type` of an end, the same for spans and metrics; None where it is no error.

    A caller who hangs up means to: no error unless the setting says so.
    https://opentelemetry.io/docs/specs/semconv/general/recording-errors/
    """
    if outcome == "completed":
        return None
    if outcome == "cancelled":
        return (reported or outcome) if cancel_is_error else None
    return reported or ERROR_OTHER


def conversation_id(session_id: str | None, attributes: Mapping[str, object], *ids: str | None) -> str | None:
    """Return what may stand as `gen_ai.conversation.id`: the session the caller named.

    An id that is only the request's, the call's or the trace's own (`ids`) is none.
    """
    if session_id is None or CONVERSATION_ID in attributes or session_id in ids:
        return None
    return session_id
