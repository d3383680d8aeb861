"""Which series a stream counts on."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from otel_stream.events import Started
from otel_stream.metrics.instruments import Instruments
from otel_stream.metrics.series import Series, SeriesTable

EVENT = Started("r", "gpt-4o", provider="openai", operation="chat", agent_type="planner", tenant="acme")


def table(*attribution: str) -> SeriesTable:
    return SeriesTable(Instruments(CollectorRegistry()), frozenset(attribution))


def test_who_is_asking_is_unknown_unless_the_labels_are_on():
    assert table().of(EVENT) == Series(
        ("openai", "gpt-4o", "chat"),
        ("openai", "gpt-4o"),
        ("openai", "gpt-4o", "unknown", "unknown"),
        "upstream",
    )


def test_labels_that_are_on_have_values():
    assert table("agent", "tenant").of(EVENT).who == ("openai", "gpt-4o", "planner", "acme")


def test_the_same_names_are_looked_up_once():
    series = table()

    assert series.of(EVENT) is series.of(Started("s", "gpt-4o", provider="openai", operation="chat"))


def test_where_it_was_seen_makes_another_series():
    series = table()

    assert series.of(EVENT) != series.of(
        Started("s", "gpt-4o", provider="openai", operation="chat", source="manual")
    )
