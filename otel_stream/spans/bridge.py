"""The bridge from log-based events to span events, for backends that read only those.

The SDKs for other languages have one; Python's has not yet.
https://github.com/open-telemetry/opentelemetry-specification/blob/main/specification/logs/sdk.md
"""

from __future__ import annotations

from opentelemetry import trace
from opentelemetry.sdk._logs import LogRecordProcessor, ReadWriteLogRecord

from otel_stream import _guard


class EventToSpanEventProcessor(LogRecordProcessor):
    """Puts log-based events on the span they belong to, while it is recording.

    The record itself goes on down the pipeline. Add it to a LoggerProvider, before the exporter's.
    """

    @_guard.guarded("spans.bridge")
    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Add one span event to the recording span of the record's own context."""
        record = log_record.log_record
        if not record.event_name:
            return
        span = trace.get_current_span(record.context)
        own = span.get_span_context()
        if span.is_recording() and (own.trace_id, own.span_id) == (record.trace_id, record.span_id):
            span.add_event(
                record.event_name, record.attributes, record.timestamp or record.observed_timestamp
            )

    def shutdown(self) -> None:
        """Nothing to do: nothing is kept."""

    def force_flush(self, timeout_millis: int = 30000) -> bool:  # noqa: ARG002 - nothing is kept
        """Return True: nothing is kept."""
        return True
