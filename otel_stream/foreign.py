"""Other people's instrumentation around a call: suppression keys, and GenAI spans that are current."""

from __future__ import annotations

from opentelemetry import context, trace

from otel_stream.processor.attributes import is_llm_call

_SUPPRESSION_KEYS = (
    "suppress_instrumentation",
    "suppress_http_instrumentation",
    "suppress_language_model_instrumentation",
)


def suppressed() -> bool:
    """Return whether somebody asked that calls from here be left alone."""
    here = context.get_current()
    return any(here.get(key) for key in _SUPPRESSION_KEYS)


def covered(mode: str) -> bool:
    """Return whether the current span already tells this call and `foreign_spans` leaves it at that."""
    return mode == "skip" and is_genai(trace.get_current_span())


def is_genai(span: trace.Span) -> bool:
    """Return whether a recording span is another instrumentation's LLM call."""
    if not span.is_recording():
        return False
    attributes = getattr(span, "attributes", None) or {}
    return is_llm_call(attributes)
