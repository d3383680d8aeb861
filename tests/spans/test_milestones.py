"""Events on a span: as few as fit, as cheap as the SDK allows."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import SpanLimits, TracerProvider

from otel_stream.identity import Window
from otel_stream.spans import milestones


def windows(*chunks):
    return [Window(at, at + 1, count, 3 * count, None) for at, count in enumerate(chunks)]


@pytest.mark.parametrize(
    ("room", "chunks"),
    [
        (None, [1, 1, 2, 4]),
        (4, [1, 1, 2, 4]),
        (3, [1, 1, 6]),
        (2, [1, 7]),
        (1, [1]),
        (0, []),
        (-1, []),
    ],
)
def test_windows_are_merged_from_the_end_into_the_room_there_is(room, chunks):
    found = milestones.fitted(windows(1, 1, 2, 4), room)

    assert [window.chunks for window in found] == chunks


def test_a_merged_window_spans_its_parts():
    found = milestones.fitted(windows(1, 1, 2, 4), 2)

    assert found[1] == Window(1, 4, 7, 21, None)


class Foreign:
    """A span that is not the SDK's."""

    def __init__(self):
        self.added = []

    def add_event(self, name, attributes, timestamp):
        self.added.append((name, attributes, timestamp))


def test_spans_of_other_makes_get_their_events_by_the_api():
    span = Foreign()

    events = milestones.SpanEvents(span)
    events.add("otel_stream.started", {"request_id": "r"}, 7)

    assert events.most is None
    assert span.added == [("otel_stream.started", {"request_id": "r"}, 7)]


@pytest.mark.parametrize(
    ("limits", "kept"),
    [
        ({}, 20),
        ({"max_event_attributes": 5}, 5),
        ({"max_attributes": 5}, 5),
        ({"max_attributes": SpanLimits.UNSET}, 20),
    ],
)
def test_events_on_the_sdks_spans_keep_its_limits(limits, kept, caplog):
    span = TracerProvider(span_limits=SpanLimits(**limits)).get_tracer("t").start_span("s")

    events = milestones.SpanEvents(span)
    events.add("e", {f"k{number}": number for number in range(20)}, 7)
    events.write()

    (event,) = span.events
    assert (event.name, event.timestamp, len(event.attributes)) == ("e", 7, kept)
