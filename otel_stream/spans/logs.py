"""Stream events as log-based events, the successor of span events.

https://github.com/open-telemetry/opentelemetry-specification/blob/main/oteps/4430-span-event-api-deprecation-plan.md
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry import trace
from opentelemetry._logs import LoggerProvider, SeverityNumber, get_logger
from opentelemetry.context import Context

from otel_stream import semconv


class EventLog:
    """Writes events through the Logs API. Without a logger provider it costs next to nothing."""

    def __init__(self, logger_provider: LoggerProvider | None = None, version: str = "") -> None:
        self._logger = get_logger(semconv.SCOPE_NAME, version, logger_provider)

    def write(
        self,
        name: str,
        attributes: Mapping[str, Any],
        span: trace.Span,
        time_unix_nano: int | None,
        severity: SeverityNumber = SeverityNumber.INFO,
    ) -> None:
        """Emit one event in the context of the span, whoever's context is current."""
        self._logger.emit(
            timestamp=time_unix_nano,
            context=trace.set_span_in_context(span, Context()),
            severity_number=severity,
            attributes=attributes,
            event_name=name,
        )
