from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from otel_stream.demo.tally import Tally, Totals, differences, totals_of
from otel_stream.events import Completed, Error, Started, TextDelta
from otel_stream.metrics.prometheus import StreamMetrics

STORY = [
    Started("a", "gpt-4o", provider="openai", operation="chat"),
    Started("b", "claude", provider="anthropic", operation="chat"),
    TextDelta("a", "Hello"),
    Completed("a", 10, 5, 0.25, usage_source="provider", cost_source="price_table"),
    Started("c", "gpt-4o", provider="openai", operation="chat"),
    Error("b", "left", outcome="cancelled", input_tokens=7, output_tokens=1, usage_source="estimated"),
    Error("c", "HTTP 429", outcome="error", error_type="429"),
    Started("d", "gpt-4o", provider="openai", operation="chat"),
    Started("e", "gpt-4o", provider="openai", operation="chat"),
    Error("e", "cut", outcome="incomplete"),
]


def tally_of(events):
    tally = Tally()
    for event in events:
        tally.add(event)
    return tally


def test_events_are_summed_up_as_a_whole_and_by_model():
    tally = tally_of(STORY)

    assert tally.totals == Totals(4, 1, 2, 1, 17, 6, 0.25)
    assert tally.by_model == {
        "gpt-4o": Totals(3, 1, 2, 0, 10, 5, 0.25),
        "claude": Totals(1, 0, 0, 1, 7, 1, 0),
    }
    assert list(tally.open) == ["d"]


def test_an_end_without_a_beginning_counts_as_well():
    """The gateway may have begun the stream before the demo listened."""
    assert tally_of([Completed("x", 1, 2, None)]).by_model == {"unknown": Totals(1, 1, 0, 0, 1, 2, 0)}


def test_the_counters_of_the_same_events_come_to_the_same_sums():
    registry = CollectorRegistry()
    metrics = StreamMetrics(registry)
    for event in STORY:
        metrics.on_event(event)

    counted = totals_of(generate_latest(registry).decode())

    assert counted == tally_of(STORY).totals
    assert differences(tally_of(STORY).totals, counted) == {}


def test_an_empty_page_is_all_zero():
    assert totals_of("") == Totals()


def test_a_difference_says_by_how_much_metrics_has_more():
    assert differences(Totals(requests=3, dollars=1.0), Totals(requests=2, dollars=1.5)) == {
        "requests": -1,
        "dollars": 0.5,
    }


def test_the_last_digits_of_dollars_may_differ():
    assert differences(Totals(dollars=0.1 + 0.2), Totals(dollars=0.3)) == {}
