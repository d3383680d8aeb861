"""The meter: one recorder, fed while the stream is open, ended once."""

from __future__ import annotations

from provider import CHAT

from otel_stream.gateway.meter import Meter, Texts, Wire
from otel_stream.meaning import CallFacts
from otel_stream.reaper import REAPER
from otel_stream.wire.openai_chat import OpenAIChat

FACTS = CallFacts("openai", "chat", "gpt-5", "manual")


def test_only_the_first_end_counts(watched):
    recorder = watched.runtime.open_stream(FACTS, source="manual")
    meter = Meter(recorder, Texts(recorder, None))
    meter.failed(OSError("gone"))
    meter.closed()
    meter.finished()
    meter.feed("too late")

    assert (watched.outcomes, watched.text) == (["error"], "")


def test_an_open_meter_that_is_collected_abandons_its_stream(watched):
    recorder = watched.runtime.open_stream(FACTS, source="manual")
    meter = Meter(recorder, Texts(recorder, None))
    del meter
    REAPER.flush()

    assert watched.outcomes == ["abandoned"]


def test_the_last_event_of_a_format_counts_without_its_blank_line(watched):
    recorder = watched.runtime.open_stream(FACTS, source="manual")
    meter = Meter(recorder, Wire(recorder, OpenAIChat, 1 << 20))
    meter.feed(b"".join(CHAT).rstrip())
    meter.finished()

    assert watched.outcomes == ["completed"]
