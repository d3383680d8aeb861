"""The official `gen_ai.client.*` metrics, through the OpenTelemetry Meter, for those who export by OTLP.

A sink: everything is recorded once, at the end of a stream, in the thread that ends it. The API has no
cheap instruments: one record costs 13 us. So sums are kept here and handed over when the SDK collects,
and histograms are bound to their series.
https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/gen-ai-token-metrics.md
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.metrics import Meter, MeterProvider, NoOpMeter

from otel_stream import semconv
from otel_stream.config import Settings
from otel_stream.events import Ended, Started
from otel_stream.identity import Trace
from otel_stream.meaning import Usage
from otel_stream.metrics.bound import BoundHistogram
from otel_stream.metrics.gaps import GapSample
from otel_stream.metrics.sums import Sums
from otel_stream.stream import Stream

_COUNTED = (
    (semconv.COUNTED_INPUT_TOKENS, "Tokens the model was given, cached ones included"),
    (semconv.COUNTED_OUTPUT_TOKENS, "Tokens the model wrote, reasoning included"),
    (semconv.COUNTED_CACHE_READ, "Input tokens read from the provider's cache"),
    (semconv.COUNTED_CACHE_WRITE, "Input tokens written to the provider's cache"),
    (semconv.COUNTED_REASONING, "Output tokens that were reasoning"),
)
_NOWHERE = trace.set_span_in_context(trace.INVALID_SPAN, Context())
"""A context that is not empty and has no span: no exemplar, least of all one of whoever's span is current."""


class ClientMetrics:
    """Records each stream's duration, first-chunk time, gaps and tokens, and its cost. One per process.

    The setting `semconv` picks the names: `latest` (the conventions' newest), `v1.41`, or both.
    Tokens that we estimated carry `otel_stream.usage_source="estimated"`. Our one name of our own is the
    counter `otel_stream.cost`, since the conventions have no cost.
    """

    def __init__(
        self,
        meter_provider: MeterProvider | None = None,
        settings: Settings | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """A provider that is None is the global one, also when it is set later. `clock` is in seconds."""
        settings = settings or Settings()
        meter = metrics.get_meter(semconv.SCOPE_NAME, semconv.scope_version(), meter_provider)
        self._off = isinstance(meter, NoOpMeter)
        self._cancel_is_error = settings.cancel_is_error
        self._make(meter, latest=settings.semconv != "v1.41", v1_41=settings.semconv != "latest")
        self._sample = GapSample(clock)

    def _make(self, meter: Meter, *, latest: bool, v1_41: bool) -> None:
        def pick(name: str | None, name_v1_41: str | None) -> tuple[str, ...]:
            return tuple(
                found for found, on in ((name, latest), (name_v1_41, v1_41)) if on and found is not None
            )

        def seconds(names: tuple[str, ...], about: str) -> tuple[BoundHistogram, ...]:
            return tuple(_histogram(meter, name, "s", about, semconv.DURATION_BUCKETS) for name in names)

        def tokens(names: tuple[str, ...], about: str) -> tuple[BoundHistogram, ...]:
            return tuple(_histogram(meter, name, "{token}", about, semconv.TOKEN_BUCKETS) for name in names)

        self._duration = seconds(
            pick(semconv.DURATION, semconv.DURATION_V1_41), "From the request to the end of the stream"
        )
        self._first = seconds(
            pick(semconv.TIME_TO_FIRST_CHUNK, semconv.TIME_TO_FIRST_CHUNK_V1_41),
            "From the request to the first chunk with content",
        )
        self._gap = seconds(
            pick(semconv.TIME_PER_OUTPUT_CHUNK, semconv.TIME_PER_OUTPUT_CHUNK_V1_41),
            "Between chunks with content; a sample where streams are many or long",
        )
        self._input = tokens(pick(semconv.OPERATION_INPUT_TOKENS, None), "Input tokens of one operation")
        self._output = tokens(pick(semconv.OPERATION_OUTPUT_TOKENS, None), "Output tokens of one operation")
        self._usage = tokens(pick(None, semconv.TOKEN_USAGE_V1_41), "Tokens of one operation, by type")
        self._tokens = Sums(meter, "{token}", _COUNTED if latest else ())
        self._cost = Sums(meter, "USD", ((semconv.COST, "What the streams cost, as far as it is known"),))

    def started(self, event: Started, stream: Stream) -> None:
        """Do nothing: the conventions count ends."""

    def ended(self, event: Ended, stream: Stream) -> None:
        """Record the stream."""
        if self._off:
            return
        common = _common(event, stream)
        error_type = semconv.error_type(
            event.outcome, getattr(event, "error_type", None), cancel_is_error=self._cancel_is_error
        )
        erring = common if error_type is None else {**common, semconv.ERROR_TYPE: error_type}
        here = _context(stream.trace)
        _record(self._duration, stream.duration_s, erring, here)
        if stream.facts.streaming:
            self._record_pace(stream, common, here)
        if stream.billed:
            self._count(event, stream.reported or Usage(), common, erring)

    def shutdown(self) -> None:
        """Nothing to do: the SDK reads the sums once more when the meter provider shuts down."""

    def _record_pace(self, stream: Stream, common: dict[str, Any], here: Context) -> None:
        if stream.time_to_first_token_s is not None:
            _record(self._first, stream.time_to_first_token_s, common, here)
        counts, _ = stream.gaps
        gaps = self._sample.take(counts, records_each=len(self._gap))
        for histogram in self._gap if gaps else ():
            record = histogram.of(common)
            for gap in gaps:
                record(gap, _NOWHERE)

    def _count(self, event: Ended, usage: Usage, common: dict[str, Any], erring: dict[str, Any]) -> None:
        if event.cost_usd is not None:
            self._cost.add({**common, semconv.COST_SOURCE: event.cost_source}, (event.cost_usd,))
        if event.usage_source == "estimated":
            mark = {semconv.USAGE_SOURCE: "estimated"}
            common, erring = {**common, **mark}, {**erring, **mark}
        self._sum(usage, common)
        if usage.input_tokens is not None:
            _record(self._input, usage.input_tokens, erring, _NOWHERE)
            kind = {semconv.TOKEN_TYPE_V1_41: "input"}
            _record(self._usage, usage.input_tokens, common, _NOWHERE, kind)
        if usage.output_tokens is not None:
            _record(self._output, usage.output_tokens, erring, _NOWHERE)
            kind = {semconv.TOKEN_TYPE_V1_41: "output"}
            _record(self._usage, usage.output_tokens, common, _NOWHERE, kind)

    def _sum(self, usage: Usage, common: dict[str, Any]) -> None:
        """Add to the totals; a stream without usage adds 0, so that its series is there."""
        given, made = usage.input_audio_tokens or 0, usage.output_audio_tokens or 0
        amounts = (
            max(0, (usage.input_tokens or 0) - given),
            max(0, (usage.output_tokens or 0) - made),
            usage.cache_read_tokens,
            usage.cache_write_tokens,
            usage.reasoning_tokens,
        )
        self._tokens.add({**common, semconv.TOKEN_MODALITY: semconv.MODALITY_UNKNOWN}, amounts)
        if given or made:
            audio = {**common, semconv.TOKEN_MODALITY: semconv.MODALITY_AUDIO}
            self._tokens.add(audio, (given, made, None, None, None))


def _histogram(meter: Meter, name: str, unit: str, about: str, bounds: tuple[float, ...]) -> BoundHistogram:
    return BoundHistogram(
        meter.create_histogram(name, unit, about, explicit_bucket_boundaries_advisory=bounds)
    )


def _record(
    histograms: tuple[BoundHistogram, ...],
    value: float,
    attributes: dict[str, Any],
    context: Context,
    more: dict[str, Any] | None = None,
) -> None:
    for histogram in histograms:
        histogram.of(attributes if more is None else {**attributes, **more})(value, context)


def _common(event: Ended, stream: Stream) -> dict[str, Any]:
    facts = stream.facts
    found: dict[str, Any] = {
        semconv.OPERATION_NAME: facts.operation,
        semconv.PROVIDER_NAME: facts.provider,
    }
    if facts.model and facts.model != semconv.UNKNOWN_MODEL:
        found[semconv.REQUEST_MODEL] = facts.model
    if event.response_model is not None:
        found[semconv.RESPONSE_MODEL] = event.response_model
    if facts.server_address:
        found[semconv.SERVER_ADDRESS] = facts.server_address
        if facts.server_port is not None:
            found[semconv.SERVER_PORT] = facts.server_port
    return found


def _context(stream_trace: Trace) -> Context:
    """Return a context in which an exemplar points to the stream's span, when that is exported."""
    if not stream_trace.sampled or stream_trace.trace_id is None or stream_trace.span_id is None:
        return _NOWHERE
    own = trace.SpanContext(
        int(stream_trace.trace_id, 16),
        int(stream_trace.span_id, 16),
        is_remote=False,
        trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED),
    )
    return trace.set_span_in_context(trace.NonRecordingSpan(own), Context())
