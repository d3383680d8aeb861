"""Other people's instrumentation around a call: suppression keys, and GenAI spans that are current."""

from __future__ import annotations

from opentelemetry import context, trace
from opentelemetry.instrumentation.utils import is_http_instrumentation_enabled

from otel_stream.processor.attributes import is_llm_call

_LANGUAGE_MODEL_KEY = "suppress_language_model_instrumentation"  # OpenLLMetry's


def suppressed() -> bool:
    """Return whether somebody asked that calls from here be left alone."""
    if not context.get_current():  # nothing is said in an empty context
        return False
    return not is_http_instrumentation_enabled() or bool(context.get_value(_LANGUAGE_MODEL_KEY))


def covered(mode: str) -> bool:
    """Return whether the current span already tells this call and `foreign_spans` leaves it at that."""
    return mode == "skip" and is_genai(trace.get_current_span())


def is_genai(span: trace.Span) -> bool:
    """Return whether a recording span is another instrumentation's LLM call."""
    if not span.is_recording():
        return False
    attributes = getattr(span, "attributes", None) or {}
    return is_llm_call(attributes)
