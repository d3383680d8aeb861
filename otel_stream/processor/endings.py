"""How a stream ended that is not ours: its last event, told by hand or read from its span.

Of a span that ended without one of our events: status ERROR is an `Error`; a finish reason "error" without
it is a caller who left; where somebody added our events but no last one, and the span knows nothing of an
end either, the stream is incomplete; the rest is `Completed`.
"""

from __future__ import annotations

import time
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from otel_stream import semconv
from otel_stream.events import Completed, Ended, Error, Outcome
from otel_stream.meaning import Usage
from otel_stream.pricing import PriceFunction
from otel_stream.processor import attributes as read
from otel_stream.processor.others import OtherStream
from otel_stream.processor.state import ask

_TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
_CANCELLED = frozenset(("CancelledError", "Cancelled", "GeneratorExit", "cancelled"))
_TIMED_OUT = frozenset(("TimeoutError", "TimeoutException", "ReadTimeout", "APITimeoutError", "timeout"))
_LEFT = "closed by the caller before the answer was complete"
_UNTOLD = "the span ended without otel_stream.completed or otel_stream.error"
_LOST = "its span is not followed any longer"


def told(
    stream: OtherStream,
    span: ReadableSpan,
    name: str,
    fields: dict[str, Any],
    price: PriceFunction | None,
) -> Ended:
    """Return the last event as somebody tells it by hand, completed from the span and what we counted."""
    known = _known(stream, span, fields["time_unix_nano"]) | fields | {"request_id": stream.request_id}
    return _event(stream, known, price, error=name == semconv.EVENT_ERROR)


def closed(stream: OtherStream, span: ReadableSpan, price: PriceFunction | None) -> Ended:
    """Return the last event of a span that ended."""
    known = _known(stream, span, span.end_time or time.time_ns())
    error = _failure(stream, span, known)
    return _event(stream, known | (error or {}), price, error=error is not None)


def abandoned(stream: OtherStream) -> Ended:
    """Return the last event of a span that is not followed any longer."""
    error = {"message": _LOST, "error_type": semconv.ERROR_OTHER, "outcome": "abandoned"}
    return _event(stream, _counted(stream, time.time_ns()) | error, None, error=True)


def _event(stream: OtherStream, known: dict[str, Any], price: PriceFunction | None, *, error: bool) -> Ended:
    known = _priced(stream, known, price)
    if error:
        return Error(**{"message": "failed", **known})
    known.pop("message", None)
    known.pop("error_type", None)
    required = dict.fromkeys(("input_tokens", "output_tokens", "cost_usd"))
    return Completed(**{**required, **known, "outcome": "completed"})


def _known(stream: OtherStream, span: ReadableSpan, at: int) -> dict[str, Any]:
    """Return what the span says of the answer, and what we counted."""
    found = read.of(span)
    usage = read.usage(found) or Usage()
    known = _counted(stream, at) | {name: getattr(usage, name) for name in _TOKENS}
    known["response_id"] = read.first(found, (semconv.RESPONSE_ID,), str)
    known["response_model"] = read.response_model(found)
    known["finish_reasons"] = read.finish_reasons(found)
    first = read.first(found, (semconv.RESPONSE_TIME_TO_FIRST_CHUNK,), float)
    if first is not None:
        known["time_to_first_token_s"] = first
    return {name: value for name, value in known.items() if value is not None}


def _counted(stream: OtherStream, at: int) -> dict[str, Any]:
    began = stream.started.time_unix_nano or at
    known: dict[str, Any] = {
        "request_id": stream.request_id,
        "duration_s": max(0, at - began) / 1e9,
        "time_unix_nano": at,
        "sequence": stream.chunks + 1,
        "trace_id": stream.started.trace_id,
        "span_id": stream.started.span_id,
    }
    if stream.by_hand:
        known["chunks"], known["output_characters"] = stream.chunks, stream.characters
    if stream.first_ns is not None:
        known["time_to_first_token_s"] = max(0, stream.first_ns - began) / 1e9
    return known


def _failure(stream: OtherStream, span: ReadableSpan, known: dict[str, Any]) -> dict[str, Any] | None:
    """Return message, type and outcome of a bad end; None for a good one."""
    if span.status.status_code is StatusCode.ERROR:
        kind = read.first(read.of(span), (semconv.ERROR_TYPE,), str) or semconv.ERROR_OTHER
        message = span.status.description or kind
        return {"message": message, "error_type": kind, "outcome": _outcome(kind, message)}
    reasons = known.get("finish_reasons", ())
    if semconv.FINISH_MISSING in reasons:
        return {"message": _LEFT, "outcome": "cancelled"}
    good = reasons or "output_tokens" in known or span.status.status_code is StatusCode.OK
    if stream.by_hand and not good:
        return {"message": _UNTOLD, "error_type": semconv.ERROR_OTHER, "outcome": "incomplete"}
    return None


def _outcome(error_type: str, message: str) -> Outcome:
    """Return the outcome other instrumentations tell only by a class's name."""
    name = error_type.rpartition(".")[2]
    if name in _CANCELLED:
        return "cancelled"
    if name in _TIMED_OUT:
        return "timeout"
    # opentelemetry-util-genai: a stream that was collected half-read
    return "abandoned" if name == semconv.ERROR_OTHER and "abandoned" in message.lower() else "error"


def _priced(stream: OtherStream, known: dict[str, Any], price: PriceFunction | None) -> dict[str, Any]:
    """Say who told the tokens, and what they cost unless that was told."""
    usage = Usage(*(known.get(name) for name in _TOKENS))
    if usage == Usage():
        return {"usage_source": "none", **known}
    known = {"usage_source": "provider", **known}
    if "cost_usd" not in known:
        model = stream.started.model
        found = ask(price, stream.started.provider or "", known.get("response_model") or model, model, usage)
        known["cost_source"] = found.source
        if found.usd is not None:
            known["cost_usd"] = float(found.usd)
    return known
