"""One stream from request to outcome: order, times, counts, exactly one end."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading

import pytest
from recording import EPOCH_NS, FACTS, Recording

from otel_stream import _guard
from otel_stream.events import Completed, Error, Started, TextDelta
from otel_stream.identity import Trace, Who
from otel_stream.meaning import Failure, Usage
from otel_stream.pricing import Price
from otel_stream.recorder import GAP_BOUNDS_SECONDS, ending_of
from otel_stream.transcript import Transcript


def test_a_stream_is_started_then_deltas_then_one_end():
    recording = Recording()
    recording.read("Hel")
    recording.read("lo")
    recording.stream.finish("stop")

    recording.end()

    assert [type(event) for event in recording.events] == [Started, TextDelta, TextDelta, Completed]
    assert [event.sequence for event in recording.events] == [0, 1, 2, 3]


def test_started_says_who_asks_and_for_what():
    who = Who("claude-code", "acme", "s1", "call_1")

    recording = Recording(who=who, request_id="req_1")

    assert recording.events == [
        Started(
            "req_1", "gpt-4o", "claude-code", "openai", "chat", None, "call_1", "acme", "s1", "upstream",
            EPOCH_NS, 0,
        )
    ]  # fmt: skip


def test_events_carry_the_identity_of_the_span():
    recording = Recording(start=False)
    recording.stream.trace = Trace("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", True)
    recording.stream.start()
    recording.read("a")

    recording.end()

    assert {(e.trace_id, e.span_id) for e in recording.events} == {
        ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
    }


@pytest.mark.parametrize("ending", ["eof", "closed", "cancelled", "failed", "timeout", "abandoned"])
@pytest.mark.parametrize("terminal", ["soft", "hard"])
def test_a_terminal_makes_any_ending_a_completion(ending, terminal):
    recording = Recording()
    recording.read("a")
    recording.stream.finish("stop") if terminal == "soft" else recording.stream.done()

    event = recording.end(ending)

    assert isinstance(event, Completed)


@pytest.mark.parametrize(
    ("ending", "outcome", "error_type"),
    [
        ("eof", "incomplete", "_OTHER"),
        ("closed", "cancelled", None),
        ("cancelled", "cancelled", None),
        ("failed", "error", "ValueError"),
        ("timeout", "timeout", "ValueError"),
        ("abandoned", "abandoned", "_OTHER"),
    ],
)
def test_without_a_terminal_the_ending_tells_the_outcome(ending, outcome, error_type):
    recording = Recording()
    recording.read("a")

    event = recording.end(ending, ValueError("boom"))

    assert (type(event), event.outcome, event.error_type) == (Error, outcome, error_type)


def test_an_abandoned_stream_whose_caller_hung_up_was_cancelled():
    recording = Recording()
    recording.stream.hung_up = True

    event = recording.end("abandoned")

    assert event.outcome == "cancelled"


def test_an_error_in_the_stream_wins_over_a_later_terminal():
    recording = Recording()
    recording.stream.error(Failure("overloaded_error", None, "Overloaded"))
    recording.stream.finish("stop")
    recording.stream.done()

    event = recording.end()

    assert (event.outcome, event.error_type, event.message) == ("error", "overloaded_error", "Overloaded")


def test_only_the_first_error_counts():
    recording = Recording()
    recording.stream.error(Failure("first", None, None))
    recording.stream.error(Failure("second", None, None))

    event = recording.end()

    assert event.error_type == "first"


def test_an_http_error_is_an_error_whatever_its_body_says():
    recording = Recording()
    recording.stream.status = 429

    event = recording.end()

    assert (event.outcome, event.error_type, event.message) == ("error", "429", "HTTP 429")


def test_only_the_first_end_counts_from_any_thread():
    recording = Recording()
    barrier = threading.Barrier(8)

    def end() -> None:
        barrier.wait()
        recording.stream.end("eof")

    threads = [threading.Thread(target=end) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [type(event) for event in recording.events] == [Started, Error]


def test_nothing_follows_the_end():
    recording = Recording()
    recording.end()

    recording.read("late")
    recording.stream.tool_call(0, name="f", arguments="{}")

    assert [type(event) for event in recording.events] == [Started, Error]


def test_a_sink_that_fails_leaves_the_others_their_events(swallow):
    class Broken:
        def started(self, event, stream):
            raise RuntimeError("broken sink")

        ended = started

    recording = Recording(sinks=(Broken(),))

    recording.end()

    assert [type(event) for event in recording.events] == [Started, Error]


def test_pricing_that_fails_does_not_lose_the_end(swallow):
    def price(**_):
        raise RuntimeError("no price today")

    recording = Recording(policy={"price": price})
    recording.stream.usage(Usage(1, 2))
    recording.stream.done()

    event = recording.end()

    assert (event.input_tokens, event.output_tokens, event.cost_usd) == (1, 2, None)


def test_time_to_first_token_is_that_of_the_first_content_of_any_kind():
    recording = Recording()
    recording.clock.pass_(1.0)
    recording.stream.tick()
    recording.stream.head("id", "model")
    recording.read("thinking", after=0.5, channel="reasoning")
    recording.read("answer", after=2.0)

    event = recording.end()

    assert event.time_to_first_token_s == pytest.approx(1.5)


def test_a_tool_call_counts_as_content_once_it_has_a_name():
    recording = Recording()
    recording.stream.tool_call(0, id="call_1", name="get_weather")
    recording.stream.tool_call(0, arguments='{"city":')
    recording.stream.tool_call(0, arguments="")

    deltas = recording.events[1:]

    assert [(e.channel, e.text) for e in deltas] == [("tool_call", ""), ("tool_call", '{"city":')]


def test_tool_arguments_that_are_json_on_the_wire_become_text():
    recording = Recording()

    recording.stream.tool_call("a", name="f", arguments={"city": "Paris"})

    assert recording.events[-1].text == '{"city":"Paris"}'


def test_gaps_are_counted_in_buckets_and_stalls_apart():
    recording = Recording(policy={"stall_seconds": 2.0})
    for gap in (0.0, 0.004, 0.02, 3.0):
        recording.read("a", after=gap)

    counts, total = recording.stream.gaps

    assert dict(zip((*GAP_BOUNDS_SECONDS, "inf"), counts, strict=True)) == {
        **dict.fromkeys((*GAP_BOUNDS_SECONDS, "inf"), 0), 0.005: 1, 0.02: 1, 5: 1,
    }  # fmt: skip
    assert total == pytest.approx(3.024)
    assert recording.stream.stalls == 1


def test_a_finished_stream_collected_late_ended_with_its_last_read():
    recording = Recording()
    recording.read("a", after=1.0)
    recording.stream.done()
    recording.clock.pass_(60.0)

    event = recording.end("abandoned")

    assert event.duration_s == pytest.approx(1.0)
    assert event.time_unix_nano == EPOCH_NS + 1_000_000_000


def test_a_cancelled_stream_ended_when_it_was_cancelled():
    recording = Recording()
    recording.read("a", after=1.0)
    recording.clock.pass_(1.0)

    event = recording.end("cancelled")

    assert event.duration_s == pytest.approx(2.0)


def test_the_first_id_and_model_stay_and_are_cut_to_length():
    recording = Recording()
    recording.stream.head("a" * 1000, None)
    recording.stream.head("b", "m")

    event = recording.end()

    assert (event.response_id, event.response_model) == ("a" * 256, "m")


def test_finish_reasons_stand_in_choice_order():
    recording = Recording()
    recording.stream.finish("length", 1)
    recording.stream.finish("stop", 0)
    recording.stream.finish(None, 2)

    event = recording.end()

    assert event.finish_reasons == ("stop", "length")


def test_a_million_choices_cost_no_memory():
    recording = Recording()
    for index in range(1000):
        recording.stream.finish("stop", index * 1_000_000)

    event = recording.end()

    assert len(event.finish_reasons) == 128


def test_private_streams_tell_lengths_only():
    recording = Recording(who=Who(private=True))

    recording.read("secret")

    assert (recording.events[-1].text, recording.events[-1].length) == ("", 6)


def test_text_can_be_turned_off_for_all():
    recording = Recording(policy={"text": False})

    recording.read("secret")

    assert recording.events[-1].text == ""


def test_half_an_emoji_becomes_a_character_every_encoder_takes():
    recording = Recording()

    recording.read("\ud83d")

    assert recording.events[-1].text == "\ufffd"


def test_no_delta_is_made_while_nobody_listens(monkeypatch):
    recording = Recording(deltas=False)
    monkeypatch.setattr(recording.stream, "_sinks", ())
    sent = []
    monkeypatch.setattr(type(recording.broadcaster), "send", lambda _, event: sent.append(event))

    recording.read("a", "b")

    assert (sent, recording.stream.chunks) == ([], 2)


def test_windows_cover_every_delta_and_stay_few():
    recording = Recording(deltas=False)
    for _ in range(100_000):
        recording.read("ab", after=0.001)
    recording.end()

    windows = recording.stream.windows

    assert (windows[0].chunks, len(windows) <= 64) == (1, True)
    assert (sum(w.chunks for w in windows), sum(w.characters for w in windows)) == (100_000, 200_000)
    assert [w.start_unix_nano for w in windows[1:]] == [w.end_unix_nano for w in windows[:-1]]


def test_windows_carry_text_where_a_transcript_is_kept():
    recording = Recording(transcript=Transcript())
    recording.read("a")
    recording.read("b", "c", "d")
    recording.end()

    assert "".join(window.text for window in recording.stream.windows) == "abcd"


def test_an_open_stream_is_as_large_after_100_000_chunks_as_after_ten():
    def size(stream) -> int:
        gc.collect()
        return sum(
            sys.getsizeof(getattr(stream, name, None))
            for kind in type(stream).__mro__
            for name in getattr(kind, "__slots__", ())
            if name != "__weakref__"
        )

    recording = Recording(deltas=False)
    recording.read(*["x"] * 10)
    small = size(recording.stream)

    recording.read(*["x"] * 100_000)

    assert size(recording.stream) - small < 256


def test_the_price_is_asked_for_the_answering_model():
    asked = []

    def price(**call):
        asked.append(call)
        return Price(None, "none", "unknown_model")

    recording = Recording(policy={"price": price})
    recording.stream.head("id", "gpt-4o-2024-08-06")
    recording.stream.usage(Usage(10, 5))
    recording.stream.done()

    recording.end()

    assert asked == [
        {"provider": "openai", "model": "gpt-4o-2024-08-06", "request_model": "gpt-4o", "usage": Usage(10, 5)}
    ]


def test_a_cache_hit_costs_nothing_and_says_why():
    recording = Recording()
    recording.stream.cache_hit = True
    recording.stream.usage(Usage(10, 5))
    recording.stream.done()

    event = recording.end()

    assert (event.cost_usd, event.cost_source) == (None, "cache")


def test_what_is_not_understood_is_counted_by_format():
    before = _guard.counts().get("wire.openai_chat", 0)
    recording = Recording()

    recording.stream.skip("frame")

    assert _guard.counts()["wire.openai_chat"] == before + 1


@pytest.mark.parametrize(
    ("error", "ending"),
    [
        (asyncio.CancelledError(), "cancelled"),
        (KeyboardInterrupt(), "cancelled"),
        (GeneratorExit(), "closed"),
        (TimeoutError(), "timeout"),
        (type("ReadTimeout", (type("TimeoutException", (Exception,), {}),), {})(), "timeout"),
        (ConnectionResetError(), "failed"),
    ],
)
def test_an_exception_tells_how_the_stream_ended(error, ending):
    assert ending_of(error) == ending


def test_facts_of_a_stream_recognised_late_begin_when_it_began():
    recording = Recording(FACTS, started_at=98.0)

    assert recording.events[0].time_unix_nano == EPOCH_NS - 2_000_000_000
