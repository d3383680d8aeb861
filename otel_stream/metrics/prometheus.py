"""The counters: stream events in, prometheus_client out. Nothing here runs per chunk.

`StreamMetrics.on_event` is a lossless listener of the broadcaster. A stream of ours is looked up for what
its last event does not say (gaps, stalls, audio tokens); another library's span is counted from its events.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry

from otel_stream import _guard
from otel_stream.call import CallContext
from otel_stream.config import Settings
from otel_stream.events import Completed, Ended, Started, StreamEvent, TextDelta
from otel_stream.metrics import multiprocess
from otel_stream.metrics.errors import classify
from otel_stream.metrics.instruments import instruments, observe_gaps
from otel_stream.metrics.labels import OTHER
from otel_stream.metrics.own import Broadcaster, OwnMetrics
from otel_stream.metrics.series import Series, SeriesTable
from otel_stream.pricing import REASONS, UNKNOWN_MODEL
from otel_stream.recorder import Recorder

MAX_OPEN = 65_536  # streams in flight kept track of; foreign spans that never end must not pile up

Find = Callable[[str], "Recorder | None"]
Exemplar = dict[str, str]


class StreamMetrics:
    """Counts streams on a registry. Two on different registries are independent; any thread may call."""

    def __init__(
        self,
        registry: CollectorRegistry = REGISTRY,
        *,
        settings: Settings | None = None,
        find: Find | None = None,
        broadcaster: Broadcaster | None = None,
    ) -> None:
        """`find(request_id)` reaches a stream in flight; `broadcaster` is asked about its subscribers.

        On a registry that was used before, the counters go on where they were.

        Raises: ValueError when somebody else registered a metric of one of our names.
        """
        settings = settings or Settings()
        self._to = instruments(registry)
        self._own = OwnMetrics(self._to, broadcaster)
        self._series = SeriesTable(self._to, frozenset(settings.metric_labels))
        self._find = find or (lambda _: None)
        self._stall_seconds = settings.stall_seconds
        self._exemplars = multiprocess.folder() is None
        self._open: dict[str, Series] = {}
        self._stalled: set[tuple[str, str]] = set()

    @_guard.guarded("metrics")
    def on_event(self, event: StreamEvent) -> None:
        """Count an event. Never raises."""
        if isinstance(event, Started):
            self._started(event)
        elif not isinstance(event, TextDelta):
            self._ended(event)

    @_guard.guarded("metrics")
    def call_ended(self, call: CallContext, status: int = 0, error: BaseException | None = None) -> None:
        """Count a request to the gateway, once, by how its caller saw it end. Never raises."""
        outcome = call.outcome(status, error)
        if outcome is not None:
            values = (*self._series.asker(call.who), outcome)
            self._to.calls[values].inc()

    @_guard.guarded("metrics")
    def watch(self, streams: Iterable[Recorder]) -> None:
        """Look over the streams in flight for stalled ones; called about once a second. Never raises."""
        admit = self._to.values.admit
        self._show_stalled(
            Counter(
                (admit("provider", stream.facts.provider), admit("model", stream.facts.model))
                for stream in streams
                if self._is_stalled(stream)
            )
        )
        self._own.refresh()

    def forked(self) -> None:
        """In a forked child: the streams in flight are its parent's."""
        self._open.clear()
        self._stalled.clear()

    def close(self) -> None:
        """Take what is still counted as in flight off the gauges and let go of the broadcaster."""
        for request_id in tuple(self._open):
            self._leave(request_id)
        self._show_stalled(Counter())
        self._own.close()

    # -- in flight -----------------------------------------------------------------------------------

    def _started(self, event: Started) -> None:
        series = self._series.of(event)
        if len(self._open) >= MAX_OPEN:
            self._leave(next(iter(self._open)))
        self._open[event.request_id] = series
        self._to.in_flight[series.core].inc()

    def _leave(self, request_id: str) -> Series | None:
        """Take a stream off the gauge, once however often it is asked for."""
        series = self._open.pop(request_id, None)
        if series is not None:
            self._to.in_flight[series.core].dec()
        return series

    def _unannounced(self, event: Ended, stream: Recorder | None) -> Series:
        """Return the series of a stream that started before we listened."""
        if stream is None:
            return self._series.of(Started(event.request_id, event.response_model or ""))
        facts, who = stream.facts, stream.who
        return self._series.of(
            Started(
                event.request_id,
                facts.model,
                agent_type=who.agent_type,
                provider=facts.provider,
                operation=facts.operation,
                tenant=who.tenant,
                source=stream.source,
            )
        )

    def _is_stalled(self, stream: Recorder) -> bool:
        """Silent for too long between output chunks; waiting for the first one is not a stall."""
        if stream.first_at is None or not stream.facts.streaming:
            return False
        return stream.clock() - stream.last_chunk_at > self._stall_seconds

    def _show_stalled(self, found: Counter[tuple[str, str]]) -> None:
        for pair in self._stalled - found.keys():
            self._to.stalled[pair].set(0)
        for pair, count in found.items():
            self._to.stalled[pair].set(count)
        self._stalled = set(found)

    # -- the end -------------------------------------------------------------------------------------

    def _ended(self, event: Ended) -> None:
        stream = self._find(event.request_id)
        series = self._leave(event.request_id) or self._unannounced(event, stream)
        exemplar = self._exemplar(event, stream)
        self._count_outcome(event, stream, series, exemplar)
        # First token, gaps and speed are of streaming calls only, as the conventions have it.
        if stream is None or stream.facts.streaming:
            self._observe_output(event, stream, series, exemplar)
        if stream is None or (stream.billed and not stream.cache_hit):
            self._count_tokens(event, stream, series)
            self._count_cost(event, stream, series, exemplar)

    def _exemplar(self, event: Ended, stream: Recorder | None) -> Exemplar | None:
        """Return the trace to link to; only a sampled one can be looked at."""
        sampled = stream is None or stream.trace.sampled
        if not (self._exemplars and sampled and event.trace_id and event.span_id):
            return None
        return {"trace_id": event.trace_id, "span_id": event.span_id}

    def _count_outcome(
        self, event: Ended, stream: Recorder | None, series: Series, exemplar: Exemplar | None
    ) -> None:
        outcome = event.outcome
        _inc(self._to.requests, (*series.core, outcome, series.source))
        if event.duration_s is not None:
            values = (*series.core, outcome)
            self._to.duration[values].observe(event.duration_s)
        if isinstance(event, Completed) or outcome == "cancelled":
            return
        status = None if stream is None else stream.status
        _inc(self._to.errors, (*series.core, classify(event.error_type, status, outcome)), 1, exemplar)

    def _observe_output(
        self, event: Ended, stream: Recorder | None, series: Series, exemplar: Exemplar | None
    ) -> None:
        to, core = self._to, series.core
        if event.time_to_first_token_s is not None:
            to.time_to_first_token[core].observe(event.time_to_first_token_s, exemplar)
        if stream is None:
            return
        _inc(to.stalls, series.pair, stream.stalls)
        counts, seconds = stream.gaps
        observe_gaps(to.time_per_output_chunk[core], counts, seconds)
        tokens = event.output_tokens or 0
        if tokens > 1 and stream.chunks > 1 and stream.usage_source == "provider":
            to.time_per_output_token[core].observe(seconds / (tokens - 1))

    def _count_tokens(self, event: Ended, stream: Recorder | None, series: Series) -> None:
        to, who = self._to, series.who
        usage_source = event.usage_source or ("none" if event.output_tokens is None else "provider")
        if usage_source != "provider" and (event.outcome == "completed" or event.chunks):
            _inc(to.usage_missing, (*series.pair, event.outcome))
        source = (usage_source, series.source)
        _inc(to.tokens, (*who, "input", *source), event.input_tokens)
        _inc(to.tokens, (*who, "output", *source), event.output_tokens)
        if event.cache_read_tokens or event.cache_write_tokens or event.reasoning_tokens:
            _inc(to.token_details, (*who, "cache_read", *source), event.cache_read_tokens)
            _inc(to.token_details, (*who, "cache_write", *source), event.cache_write_tokens)
            _inc(to.token_details, (*who, "reasoning", *source), event.reasoning_tokens)
        usage = None if stream is None else stream.reported
        if usage is not None and (usage.input_audio_tokens or usage.output_audio_tokens):
            _inc(to.token_details, (*who, "audio_input", *source), usage.input_audio_tokens)
            _inc(to.token_details, (*who, "audio_output", *source), usage.output_audio_tokens)

    def _count_cost(
        self, event: Ended, stream: Recorder | None, series: Series, exemplar: Exemplar | None
    ) -> None:
        if event.cost_usd is not None:
            values = (*series.who, event.cost_source or "provider", series.source)
            _inc(self._to.cost, values, event.cost_usd, exemplar)
        elif reason := _why_unpriced(event, stream):
            _inc(self._to.unpriced, (*series.pair, reason))


def _inc(
    counters: Any, values: tuple[str, ...], amount: float | None = 1, exemplar: Exemplar | None = None
) -> None:
    """Count what is more than nothing; the wire may say nonsense, and counters refuse to go down."""
    if amount is not None and amount > 0:
        counters[values].inc(amount, exemplar)


def _why_unpriced(event: Ended, stream: Recorder | None) -> str | None:
    if stream is None:
        return UNKNOWN_MODEL if event.input_tokens or event.output_tokens else None
    reason = stream.price.reason
    return reason if reason is None or reason in REASONS else OTHER
