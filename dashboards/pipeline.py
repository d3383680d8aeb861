"""The row of the streams board about otel_stream itself: its live events, its errors, its versions."""

from __future__ import annotations

from parts import Column, lines, query, ranking
from promql import of, rate, renamed, total

BUILDS = total(of("build_info", process=True), "instance", "version")
PRICES = total(of("price_table_info", process=True), "instance", "version", "updated")
EVENTS_PER_SECOND = "count:events/s"

PIPELINE = [
    lines(
        "Live events",
        "Events a second sent to subscribers. None are sent while nobody listens, but for starts and ends.",
        EVENTS_PER_SECOND,
        query(total(rate(of("events_published_total", process=True)), "instance"), "{{instance}}"),
    ),
    lines(
        "Events waiting by subscriber",
        "At the capacity (OTEL_STREAM_CAPACITY, 1000) a subscriber begins to lose the oldest.",
        "short",
        query(total(of("subscriber_queue_events", process=True), "subscriber"), "{{subscriber}}"),
        query(total(of("subscribers", process=True)), "subscribers"),
    ),
    lines(
        "Events dropped by subscriber",
        "Events a slow reader of the live feed never saw. Spans and counters do not depend on it.",
        EVENTS_PER_SECOND,
        query(total(rate(of("events_dropped_total", process=True)), "subscriber"), "{{subscriber}}"),
    ),
    lines(
        "Errors of our own by stage",
        "Bugs of otel_stream and input it passed over. The application's streams are unaffected; the log has"
        " the tracebacks.",
        "count:errors/s",
        query(total(rate(of("instrumentation_errors_total", process=True)), "stage"), "{{stage}}"),
    ),
    lines(
        "Label values without room",
        "Names beyond the bound on models, agents, tenants … a second, which are counted under _other.",
        "count:values/s",
        query(total(rate(of("label_overflow_total", process=True)), "label"), "{{label}}"),
    ),
    ranking(
        "Versions",
        "Which otel_stream each instance runs, and the genai-prices it takes prices from.",
        ("instance", "otel_stream", "genai_prices", "updated"),
        Column("", "short", renamed(BUILDS, "version", "otel_stream")),
        Column("", "short", renamed(PRICES, "version", "genai_prices")),
        first="Instance",
    ),
]
