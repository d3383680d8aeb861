"""Spans: one GenAI client span a stream, with the stream's events on it or beside it.

The runtime opens the span before the stream starts; as a sink the writer gets the first and last event.
https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/client-inference.md
"""

from __future__ import annotations

from typing import Any

from opentelemetry import trace
from opentelemetry._logs import LoggerProvider, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, StatusCode

from otel_stream import _guard, semconv
from otel_stream.config import Settings
from otel_stream.events import Ended, Started
from otel_stream.identity import Trace
from otel_stream.spans import attributes, messages, milestones
from otel_stream.spans.logs import EventLog
from otel_stream.spans.milestones import SpanEvents
from otel_stream.stream import Stream


class SpanWriter:
    """Opens and ends the span of each stream. One per process; streams may come from any thread.

    Spans are never made current. Without a tracer provider streams have no trace, and nothing is an error.
    """

    def __init__(
        self,
        tracer_provider: trace.TracerProvider | None = None,
        settings: Settings | None = None,
        *,
        logger_provider: LoggerProvider | None = None,
    ) -> None:
        """A provider that is None is the global one, also when it is set later."""
        settings = settings or Settings()
        self._tracer = trace.get_tracer(semconv.SCOPE_NAME, semconv.scope_version(), tracer_provider)
        self._log = EventLog(logger_provider, semconv.scope_version())
        self._mode = settings.semconv
        self._cancel_is_error = settings.cancel_is_error
        self._span_events = settings.events in ("span", "both")
        self._log_events = settings.events in ("log", "both")
        self._span_content = settings.capture_content in ("SPAN_ONLY", "SPAN_AND_EVENT")
        self._log_content = settings.capture_content in ("EVENT_ONLY", "SPAN_AND_EVENT")
        signal = {name.lower() for name in settings.exception_signal}
        logged = bool({"logs", "logs/dup"} & signal)
        self._span_exceptions = self._span_events and (not logged or "logs/dup" in signal)
        self._log_exceptions = logged or settings.events == "log"
        self._logs = self._log_events or self._log_content or self._log_exceptions
        self._open: dict[Stream, trace.Span] = {}
        self._lent: set[Stream] = set()

    @_guard.guarded("spans.open")
    def open(self, stream: Stream, parent: Context | None = None) -> None:
        """Start the span and set `stream.trace`; call it before `stream.start()`.

        `parent` is the context whose span is the parent, None the current one.
        """
        facts = stream.facts
        span = self._tracer.start_span(
            semconv.span_name(facts.operation, facts.model),
            context=parent,
            kind=SpanKind.CLIENT,
            attributes=attributes.at_start(stream),
            start_time=stream.unix_nano(stream.started_at),
        )
        own = span.get_span_context()
        outer = trace.get_current_span(parent).get_span_context()
        handed_back = own.span_id == outer.span_id  # without an SDK: the parent's own context
        if own.is_valid and not handed_back:
            trace_id, span_id = trace.format_trace_id(own.trace_id), trace.format_span_id(own.span_id)
            stream.trace = Trace(trace_id, span_id, own.trace_flags.sampled)
        if span.is_recording() or self._logs:
            self._open[stream] = span

    @_guard.guarded("spans.adopt")
    def adopt(self, stream: Stream, span: trace.Span) -> None:
        """Let another instrumentation's span of the same call be the stream's: enriched, never ended."""
        own = span.get_span_context()
        trace_id, span_id = trace.format_trace_id(own.trace_id), trace.format_span_id(own.span_id)
        stream.trace = Trace(trace_id, span_id, own.trace_flags.sampled)
        self._open[stream] = span
        self._lent.add(stream)

    def started(self, event: Started, stream: Stream) -> None:
        """Write the event `otel_stream.started`."""
        span = self._open.get(stream)
        if span is None:
            return
        found = milestones.started(event, stream)
        if self._span_events:
            events = SpanEvents(span)
            events.add(semconv.EVENT_STARTED, found, event.time_unix_nano)
            events.write()
        if self._log_events:
            self._log.write(semconv.EVENT_STARTED, found, span, event.time_unix_nano)

    def ended(self, event: Ended, stream: Stream) -> None:
        """Write what the stream came to, and end the span at the event's time."""
        span = self._open.pop(stream, None)
        if span is None:
            return
        error_type = semconv.error_type(
            event.outcome, _reported(event), cancel_is_error=self._cancel_is_error
        )
        if stream in self._lent:
            self._lent.discard(stream)
            self._enrich(span, event, stream, error_type)
            return
        try:
            if self._logs:
                self._write_logs(span, event, stream, error_type)
            if span.is_recording():
                self._write_span(span, event, stream, error_type)
        finally:
            span.end(event.time_unix_nano)

    # -- onto the span -----------------------------------------------------------------------------

    def _write_span(self, span: trace.Span, event: Ended, stream: Stream, error_type: str | None) -> None:
        found = attributes.at_end(event, stream, self._mode, error_type)
        if self._span_content and not stream.who.private:
            found.update(messages.as_text(self._content(event, stream)))
        attributes.put(span, found)
        if error_type is not None:
            span.set_status(StatusCode.ERROR, _message(event))
        if self._span_events:
            self._write_events(span, event, stream, _exception(event) if self._span_exceptions else None)

    def _enrich(self, span: trace.Span, event: Ended, stream: Stream, error_type: str | None) -> None:
        """Add what the other instrumentation's span lacks; its name, status and end are its own affair."""
        if self._logs:
            self._write_logs(span, event, stream, error_type)
        if not span.is_recording():
            return
        there = getattr(span, "attributes", None) or {}
        found = attributes.at_start(stream) | attributes.at_end(event, stream, self._mode, None)
        span.set_attributes({name: value for name, value in found.items() if name not in there})
        if self._span_events:
            self._write_events(span, event, stream, None)

    def _write_events(
        self, span: trace.Span, event: Ended, stream: Stream, exception: dict[str, Any] | None
    ) -> None:
        with_text = self._span_content and not stream.who.private
        events = SpanEvents(span)
        room = None if events.most is None else events.most - 2 - (exception is not None)
        for window in milestones.fitted(stream.windows, room):
            found = milestones.delta(window, window.text if with_text else None)
            events.add(semconv.EVENT_TEXT_DELTA, found, window.end_unix_nano)
        if exception is not None:
            events.add(semconv.SPAN_EVENT_EXCEPTION, exception, event.time_unix_nano)
        events.add(_name(event), milestones.ended(event, stream), event.time_unix_nano)
        events.write()

    # -- into the logs -----------------------------------------------------------------------------

    def _write_logs(self, span: trace.Span, event: Ended, stream: Stream, error_type: str | None) -> None:
        at = event.time_unix_nano
        severity = SeverityNumber.INFO if error_type is None else SeverityNumber.WARN
        if self._log_events:
            with_text = self._log_content and not stream.who.private
            for window in stream.windows:
                found = milestones.delta(window, window.text if with_text else None)
                self._log.write(semconv.EVENT_TEXT_DELTA, found, span, window.end_unix_nano)
            self._log.write(_name(event), milestones.ended(event, stream), span, at, severity)
        exception = _exception(event)
        if self._log_exceptions and exception is not None:
            self._log.write(semconv.EVENT_EXCEPTION, exception, span, at, SeverityNumber.WARN)
        if self._log_content and not stream.who.private:
            found = attributes.at_start(stream) | attributes.at_end(event, stream, self._mode, error_type)
            found |= self._content(event, stream)
            self._log.write(semconv.EVENT_DETAILS, found, span, at)

    def _content(self, event: Ended, stream: Stream) -> dict[str, Any]:
        reasons = attributes.finish_reasons(event, stream)
        return messages.content(stream.facts.attributes, stream.transcript, reasons)


def _name(event: Ended) -> str:
    return semconv.EVENT_COMPLETED if event.outcome == "completed" else semconv.EVENT_ERROR


def _message(event: Ended) -> str | None:
    return getattr(event, "message", None)


def _reported(event: Ended) -> str | None:
    return getattr(event, "error_type", None)


def _exception(event: Ended) -> dict[str, Any] | None:
    """Return the attributes of an `exception` event; None for an end without one."""
    if event.outcome not in ("error", "timeout"):
        return None
    kind = _reported(event) or semconv.ERROR_OTHER
    return {semconv.EXCEPTION_TYPE: kind, semconv.EXCEPTION_MESSAGE: _message(event) or ""}
