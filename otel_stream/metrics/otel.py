"""The official `gen_ai.client.*` metrics, through the OpenTelemetry Meter, for those who export by OTLP.

A sink: everything is recorded once, at the end of a stream, in the thread that ends it. The API has no
cheap instruments: one record costs 13 us. So sums are kept here and handed over when the SDK collects,
and histograms are bound to their series.
https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/gen-ai-token-metrics.md
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.metrics import Histogram, Meter, MeterProvider, NoOpMeter

from otel_stream import semconv
from otel_stream.config import Settings
from otel_stream.events import Ended, Started
from otel_stream.identity import Trace
from otel_stream.meaning import Usage
from otel_stream.metrics.bound import NOWHERE, BoundHistogram, is_read
from otel_stream.metrics.gaps import GapSample
from otel_stream.metrics.sums import Row, Sums
from otel_stream.stream import Stream

MAX_SERIES = 2000  # kept with what they are bound to; the SDK's own cardinality limit

_COUNTED = (
    (semconv.COUNTED_INPUT_TOKENS, "Tokens the model was given, cached ones included"),
    (semconv.COUNTED_OUTPUT_TOKENS, "Tokens the model wrote, reasoning included"),
    (semconv.COUNTED_CACHE_READ, "Input tokens read from the provider's cache"),
    (semconv.COUNTED_CACHE_WRITE, "Input tokens written to the provider's cache"),
    (semconv.COUNTED_REASONING, "Output tokens that were reasoning"),
)

Attributes: TypeAlias = dict[str, Any]
Histograms: TypeAlias = tuple[Histogram, ...]
"""The instruments of one quantity: one, none, or with both generations of names two."""
Bound: TypeAlias = tuple[BoundHistogram, ...]


class _Instruments:
    """The instruments of one meter, by what they measure."""

    def __init__(self, meter: Meter, *, latest: bool, v1_41: bool) -> None:
        def histograms(
            name: str | None, name_v1_41: str | None, unit: str, about: str, bounds: tuple[float, ...]
        ) -> Histograms:
            names = (name if latest else None, name_v1_41 if v1_41 else None)
            return tuple(
                meter.create_histogram(n, unit, about, explicit_bucket_boundaries_advisory=bounds)
                for n in names
                if n is not None
            )

        def seconds(name: str, name_v1_41: str, about: str) -> Histograms:
            return histograms(name, name_v1_41, "s", about, semconv.DURATION_BUCKETS)

        def tokens(name: str | None, name_v1_41: str | None, about: str) -> Histograms:
            return histograms(name, name_v1_41, "{token}", about, semconv.TOKEN_BUCKETS)

        self.duration = seconds(
            semconv.DURATION, semconv.DURATION_V1_41, "From the request to the end of the stream"
        )
        self.first = seconds(
            semconv.TIME_TO_FIRST_CHUNK,
            semconv.TIME_TO_FIRST_CHUNK_V1_41,
            "From the request to the first chunk with content",
        )
        self.gap = seconds(
            semconv.TIME_PER_OUTPUT_CHUNK,
            semconv.TIME_PER_OUTPUT_CHUNK_V1_41,
            "Between chunks with content; a sample where streams are many or long",
        )
        self.input = tokens(semconv.OPERATION_INPUT_TOKENS, None, "Input tokens of one operation")
        self.output = tokens(semconv.OPERATION_OUTPUT_TOKENS, None, "Output tokens of one operation")
        self.usage = tokens(None, semconv.TOKEN_USAGE_V1_41, "Tokens of one operation, by type")
        self.tokens = Sums(meter, "{token}", _COUNTED if latest else ())
        self.cost = Sums(meter, "USD", ((semconv.COST, "What the streams cost, as far as it is known"),))


class _Series:
    """Where the streams of one set of attributes are recorded."""

    def __init__(
        self, to: _Instruments, common: Attributes, error_type: str | None, *, estimated: bool
    ) -> None:
        erring = common if error_type is None else {**common, semconv.ERROR_TYPE: error_type}
        self.duration = _bound(to.duration, erring)
        self.first = _bound(to.first, common)
        self.gap = _bound(to.gap, common)
        self._to_cost, self._cost, self._common = to.cost, dict[Any, Row](), common
        mark = {semconv.USAGE_SOURCE: "estimated"} if estimated else {}
        counted, erring = {**common, **mark}, {**erring, **mark}
        kind = semconv.TOKEN_TYPE_V1_41
        self.input = _bound(to.input, erring) + _bound(to.usage, {**counted, kind: "input"})
        self.output = _bound(to.output, erring) + _bound(to.usage, {**counted, kind: "output"})
        self._to_tokens, self._counted = to.tokens, counted
        self.tokens = self._row(semconv.MODALITY_UNKNOWN)

    def audio(self) -> Row:
        return self._row(semconv.MODALITY_AUDIO)

    def cost(self, source: str | None) -> Row:
        row = self._cost.get(source)
        if row is None:
            row = self._cost[source] = self._to_cost.of({**self._common, semconv.COST_SOURCE: source})
        return row

    def _row(self, modality: str) -> Row:
        return self._to_tokens.of({**self._counted, semconv.TOKEN_MODALITY: modality})


def _bound(histograms: Histograms, attributes: Attributes) -> Bound:
    return tuple(BoundHistogram(histogram, attributes) for histogram in histograms)


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
        self._to = _Instruments(meter, latest=settings.semconv != "v1.41", v1_41=settings.semconv != "latest")
        self._any = self._to.duration[0]
        self._known: dict[tuple[object, ...], _Series] = {}
        self._sample = GapSample(clock)

    def started(self, event: Started, stream: Stream) -> None:
        """Do nothing: the conventions count ends."""

    def ended(self, event: Ended, stream: Stream) -> None:
        """Record the stream if anybody reads: to an SDK without a reader a record costs as much."""
        if self._off or not is_read(self._any):
            return
        series = self._series(event, stream)
        here = _context(stream.trace)
        _record(series.duration, stream.duration_s, here)
        if stream.facts.streaming:
            self._record_pace(stream, series, here)
        if stream.billed:
            _count(event, stream.reported or Usage(), series)

    def shutdown(self) -> None:
        """Nothing to do: the SDK reads the sums once more when the meter provider shuts down."""

    def _series(self, event: Ended, stream: Stream) -> _Series:
        """Return where the stream is recorded: found by its values, made for the first stream with them."""
        facts = stream.facts
        error_type = semconv.error_type(
            event.outcome, getattr(event, "error_type", None), cancel_is_error=self._cancel_is_error
        )
        estimated = event.usage_source == "estimated"
        key = (
            facts.operation,
            facts.provider,
            facts.model,
            event.response_model,
            facts.server_address,
            facts.server_port,
            error_type,
            estimated,
        )
        series = self._known.get(key)
        if series is None:
            series = _Series(self._to, _common(event, stream), error_type, estimated=estimated)
            if len(self._known) < MAX_SERIES:
                self._known[key] = series
        return series

    def _record_pace(self, stream: Stream, series: _Series, here: Context) -> None:
        if stream.time_to_first_token_s is not None:
            _record(series.first, stream.time_to_first_token_s, here)
        counts, _ = stream.gaps
        for gap in self._sample.take(counts, records_each=len(series.gap)):
            _record(series.gap, gap)


def _count(event: Ended, usage: Usage, series: _Series) -> None:
    """Count tokens and cost; a stream without usage adds 0 to the sums, so that its series is there."""
    if event.cost_usd is not None:
        series.cost(event.cost_source).add((event.cost_usd,))
    given, made = usage.input_audio_tokens or 0, usage.output_audio_tokens or 0
    series.tokens.add(
        (
            max(0, (usage.input_tokens or 0) - given),
            max(0, (usage.output_tokens or 0) - made),
            usage.cache_read_tokens,
            usage.cache_write_tokens,
            usage.reasoning_tokens,
        )
    )
    if given or made:
        series.audio().add((given, made, None, None, None))
    if usage.input_tokens is not None:
        _record(series.input, usage.input_tokens)
    if usage.output_tokens is not None:
        _record(series.output, usage.output_tokens)


def _record(histograms: Iterable[BoundHistogram], value: float, context: Context = NOWHERE) -> None:
    for histogram in histograms:
        histogram.record(value, context)


def _common(event: Ended, stream: Stream) -> Attributes:
    facts = stream.facts
    found: Attributes = {
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
        return NOWHERE
    own = trace.SpanContext(
        int(stream_trace.trace_id, 16),
        int(stream_trace.span_id, 16),
        is_remote=False,
        trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED),
    )
    return trace.set_span_in_context(trace.NonRecordingSpan(own), Context())
