"""A stream as a file for others: lines of our public events, or a span in OTLP's JSON. Pure.

https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from otel_stream import semconv
from otel_stream.events import Completed, Error, TextDelta, encode
from otel_stream.tui.row import Row

CLIENT = 3  # SPAN_KIND_CLIENT
STATUS_ERROR = 2


def as_events(rows: Iterable[Row]) -> bytes:
    """Return lines of JSON for each stream: its beginning, its text as far as it is here, its end."""
    lines = []
    for row in rows:
        lines.append(encode(row.started))
        for run in row.said.runs:
            lines.append(encode(TextDelta(row.request_id, run.text, run.channel, run.index, run.length)))  # noqa: PERF401
        if row.ended is not None:
            lines.append(encode(row.ended))
    return b"".join(line + b"\n" for line in lines)


def as_otlp(rows: Iterable[Row], services: Mapping[str, str]) -> bytes:
    """Return the streams that have a span as one OTLP/JSON request; `services` names gateways by key.

    What tracing tools import from a file: `otel-desktop-viewer`, Jaeger, a collector's file receiver.
    """
    by_service: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if row.started.trace_id and row.started.span_id:
            by_service.setdefault(services.get(row.gateway, "gateway"), []).append(_span(row))
    resources = [
        {
            "resource": {"attributes": _attributes({"service.name": service})},
            "scopeSpans": [{"scope": {"name": semconv.SCOPE_NAME}, "spans": spans}],
        }
        for service, spans in by_service.items()
    ]
    return msgspec.json.encode({"resourceSpans": resources}) + b"\n"


def _span(row: Row) -> dict[str, Any]:
    started = row.started
    span: dict[str, Any] = {
        "traceId": started.trace_id,
        "spanId": started.span_id,
        "name": semconv.span_name(started.operation or "chat", started.model),
        "kind": CLIENT,
        "startTimeUnixNano": str(row.started_ns),
        "attributes": _attributes(_facts(row)),
    }
    if row.ended_ns is not None:
        span["endTimeUnixNano"] = str(row.ended_ns)
    if isinstance(row.ended, Error) and row.ended.outcome != "cancelled":
        span["status"] = {"code": STATUS_ERROR, "message": row.ended.message}
    return span


def _facts(row: Row) -> dict[str, object]:
    started, ended = row.started, row.ended
    facts: dict[str, object] = {
        semconv.OPERATION_NAME: started.operation,
        semconv.PROVIDER_NAME: started.provider,
        semconv.REQUEST_MODEL: started.model,
        semconv.SERVER_ADDRESS: started.server_address,
        semconv.CONVERSATION_ID: started.session_id,
        semconv.REQUEST_ID: started.request_id,
        semconv.CALL_ID: started.call_id,
        semconv.AGENT_TYPE: started.agent_type,
        semconv.TENANT: started.tenant,
    }
    if isinstance(ended, Completed | Error):
        facts |= {
            semconv.RESPONSE_ID: ended.response_id,
            semconv.RESPONSE_MODEL: ended.response_model,
            semconv.USAGE_INPUT_TOKENS: ended.input_tokens,
            semconv.USAGE_OUTPUT_TOKENS: ended.output_tokens,
            semconv.OUTCOME: ended.outcome,
            semconv.COST_USD: ended.cost_usd,
        }
        if isinstance(ended, Error):
            facts[semconv.ERROR_TYPE] = ended.error_type
    return facts


def _attributes(facts: dict[str, object]) -> list[dict[str, Any]]:
    return [{"key": name, "value": _value(value)} for name, value in facts.items() if value is not None]


def _value(value: object) -> dict[str, Any]:
    match value:
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
    return {"stringValue": str(value)}
