from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter

from otel_stream.live.scrape import metrics_of


def test_the_registry_is_told_in_the_format_asked_for():
    registry = CollectorRegistry()
    Counter("hits", "Hits.", registry=registry).inc(3)
    scrape = metrics_of(registry)

    plain, body = scrape("")
    openmetrics, other = scrape("application/openmetrics-text; version=1.0.0")

    assert (plain.partition(";")[0], openmetrics.partition(";")[0]) == (
        "text/plain",
        "application/openmetrics-text",
    )
    assert b"hits_total 3.0" in body
    assert other.endswith(b"# EOF\n")
