"""The metrics themselves: names, labels, buckets and help, registered once per registry.

One line a metric; docs, dashboards and their tests read the same lines. All of it works in
prometheus_client's multi-process mode: no Info, no custom collectors, gauges that add up over live workers.
https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import Metric as Family

from otel_stream.metrics import multiprocess
from otel_stream.metrics.labels import LABEL_SETS, MAX_VALUES, Children, LabelValues, Metric
from otel_stream.recorder import GAP_BOUNDS_SECONDS

NAMESPACE = "llm_stream"

CORE = ("provider", "model", "operation")
PAIR = ("provider", "model")
WHO = ("provider", "model", "agent", "tenant")

TTFT_BOUNDS_SECONDS = (0.05, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 7.5, 10, 15, 20, 30, 60)
TOKEN_BOUNDS_SECONDS = (
    0.002, 0.004, 0.006, 0.008, 0.01, 0.015, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.4, 1,
)  # fmt: skip
DURATION_BOUNDS_SECONDS = (0.25, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600)


class Row(NamedTuple):
    """One metric as it is exported; `name` is the full name, with `_total` for counters."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...]


class Instruments:
    """All metrics of one registry, as tables of children: `requests[values].inc()`."""

    def __init__(self, registry: CollectorRegistry, namespace: str = NAMESPACE) -> None:
        """Raises: ValueError when the registry already has a metric of one of these names."""
        self.rows: list[Row] = []
        self.before_scrape: list[Callable[[], object]] = []
        self.carried: dict[tuple[str, ...], int] = {}
        self._registry = registry
        self._namespace = namespace
        if multiprocess.folder() is None:
            registry.register(_BeforeScrape(self.before_scrape))
        self.label_overflow = self._counter(
            "label_overflow", "Label values that found no room and went to _other.", ("label",)
        )
        self.values = LabelValues(self.overflowed)
        self.requests = self._counter(
            "requests", "LLM calls that ended, by outcome.", (*CORE, "outcome", "source")
        )
        self.calls = self._counter(
            "calls",
            "Requests to the gateway that called an LLM, by how their callers saw them end.",
            ("agent", "tenant", "outcome"),
        )
        self.errors = self._counter(
            "errors",
            "LLM calls that ended badly for a reason other than the caller's.",
            (*CORE, "error_type"),
        )
        self.tokens = self._counter(
            "tokens",
            "Tokens billed: input includes cached, output includes reasoning tokens.",
            (*WHO, "token_type", "usage_source", "source"),
        )
        self.token_details = self._counter(
            "token_details",
            "Parts of the tokens in llm_stream_tokens_total; do not add them to it.",
            (*WHO, "detail", "usage_source", "source"),
        )
        self.cost = self._counter("cost_usd", "Cost in US dollars.", (*WHO, "cost_source", "source"))
        self.unpriced = self._counter(
            "unpriced", "LLM calls with tokens but without a known price.", (*PAIR, "reason")
        )
        self.usage_missing = self._counter(
            "usage_missing", "LLM calls that produced output without reported usage.", (*PAIR, "outcome")
        )
        self.stalls = self._counter("stalls", "Gaps between output chunks beyond the stall threshold.", PAIR)
        self.in_flight = self._gauge("in_flight", "LLM calls in flight.", CORE)
        self.stalled = self._gauge("stalled", "Open streams whose last output chunk is too old.", PAIR)
        self.time_to_first_token = self._histogram(
            "time_to_first_token_seconds",
            "From the request to the first chunk with content, reasoning and tool calls included.",
            CORE,
            TTFT_BOUNDS_SECONDS,
        )
        self.time_per_output_chunk = self._histogram(
            "time_per_output_chunk_seconds", "Gaps between output chunks.", CORE, GAP_BOUNDS_SECONDS
        )
        self.time_per_output_token = self._histogram(
            "time_per_output_token_seconds",
            "Per stream: from first to last output chunk, by output tokens after the first.",
            CORE,
            TOKEN_BOUNDS_SECONDS,
        )
        self.duration = self._histogram(
            "duration_seconds",
            "From the request to the end of the stream.",
            (*CORE, "outcome"),
            DURATION_BOUNDS_SECONDS,
        )
        self.events_published = self._counter("events_published", "Live events sent to subscribers.")
        self.events_dropped = self._counter(
            "events_dropped", "Live events a slow subscriber never saw.", ("subscriber", "reason")
        )
        self.subscribers = self._gauge("subscribers", "Subscribers of the live events.")
        self.subscriber_queue = self._gauge(
            "subscriber_queue_events", "Live events waiting for a subscriber.", ("subscriber",)
        )
        self.instrumentation_errors = self._counter(
            "instrumentation_errors", "Errors of otel_stream's own and input it passed over.", ("stage",)
        )
        self.build_info = self._gauge("build_info", "Version of otel_stream.", ("version",), "livemax")
        self.price_table_info = self._gauge(
            "price_table_info", "Price table in use.", ("version", "updated"), "livemax"
        )
        self._describe()
        del self._registry  # the table by registry below must not keep its keys alive

    def overflowed(self, label: str) -> None:
        self.label_overflow[(label,)].inc()

    def _describe(self) -> None:
        self.build_info[(_version("otel-stream"),)].set(1)
        self.price_table_info[(_version("genai-prices"), "bundled")].set(1)
        for label in (*MAX_VALUES, LABEL_SETS):
            self.label_overflow[(label,)]
        self.events_published[()]
        self.subscribers[()]

    def _counter(self, name: str, text: str, labels: tuple[str, ...] = ()) -> Children[Counter]:
        return self._children(Counter, name, "_total", text, labels)

    def _gauge(
        self, name: str, text: str, labels: tuple[str, ...] = (), multiprocess_mode: str = "livesum"
    ) -> Children[Gauge]:
        return self._children(Gauge, name, "", text, labels, multiprocess_mode=multiprocess_mode)

    def _histogram(
        self, name: str, text: str, labels: tuple[str, ...], bounds: Sequence[float]
    ) -> Children[Histogram]:
        return self._children(Histogram, name, "", text, labels, buckets=bounds)

    def _children(
        self, kind: Any, name: str, suffix: str, text: str, labels: tuple[str, ...], **options: Any
    ) -> Children[Any]:
        full = f"{self._namespace}_{name}"
        metric = kind(full, text, labels, registry=self._registry, **options)
        self.rows.append(Row(full + suffix, kind.__name__.lower(), text, labels))
        parent: Metric[Any] = metric if labels else _Single(metric)
        return Children(parent, labels, self.overflowed)


class _BeforeScrape:
    """Runs before the metrics are read, being registered first; has none of its own."""

    def __init__(self, functions: list[Callable[[], object]]) -> None:
        self._functions = functions

    def describe(self) -> Iterable[Family]:
        return ()

    def collect(self) -> Iterable[Family]:
        for function in tuple(self._functions):
            function()
        return ()


class _Single:
    """A metric without labels is its own only child."""

    def __init__(self, metric: Any) -> None:
        self._metric = metric

    def labels(self, *_: str) -> Any:
        return self._metric


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:  # run from a source tree
        return "unknown"


def observe_gaps(histogram: Histogram, counts: Sequence[int], seconds: float) -> None:
    """Add gaps that were counted per bucket of GAP_BOUNDS_SECONDS; `seconds` is their sum.

    Through the histogram's own cells, five times cheaper than to observe each gap. Where a newer
    prometheus_client has no such cells by observing, and then the sum is only about right.
    """
    cells, total = getattr(histogram, "_buckets", None), getattr(histogram, "_sum", None)
    if total is None or cells is None or len(cells) != len(counts):
        for bound, count in zip((*GAP_BOUNDS_SECONDS, seconds), counts, strict=True):
            for _ in range(count):
                histogram.observe(bound)
        return
    for at, count in enumerate(counts):
        if count:
            cells[at].inc(count)
    if seconds > 0:
        total.inc(seconds)


_lock = threading.Lock()
_by_registry: WeakKeyDictionary[CollectorRegistry, dict[str, Instruments]] = WeakKeyDictionary()


def instruments(registry: CollectorRegistry, namespace: str = NAMESPACE) -> Instruments:
    """Return the registry's instruments, registered the first time; counters outlive whoever feeds them.

    Raises: ValueError when somebody else registered a metric of one of these names.
    """
    with _lock:
        known = _by_registry.setdefault(registry, {})
        if namespace not in known:
            known[namespace] = Instruments(registry, namespace)
        return known[namespace]
