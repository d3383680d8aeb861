"""Listeners: lossless, inside send, told of what they asked for, and harmless to the sender."""

from __future__ import annotations

import gc
import logging
import weakref

import pytest
from receiving import send_all, told

from otel_stream import _guard
from otel_stream.broadcaster import MAX_FAILURES, StreamEventBroadcaster
from otel_stream.events import Completed, Error, Started, TextDelta

STARTED = Started("r1", "gpt")
DELTA = TextDelta("r1", "Hello")
COMPLETED = Completed("r1", 1, 2, None)
ERROR = Error("r1", "boom")
STORY = [STARTED, DELTA, COMPLETED, ERROR]


def test_a_listener_is_told_of_starts_and_ends_only():
    broadcaster = StreamEventBroadcaster()
    heard = []
    broadcaster.add_listener(heard.append)

    send_all(broadcaster, STORY)

    assert heard == [STARTED, COMPLETED, ERROR]
    assert not broadcaster.active


def test_a_listener_is_told_of_no_delta_even_while_others_want_them():
    broadcaster = StreamEventBroadcaster()
    receiver = broadcaster.subscribe()
    some, everything = [], []
    broadcaster.add_listener(some.append)
    broadcaster.add_listener(everything.append, deltas=True)

    send_all(broadcaster, STORY)

    assert some == [STARTED, COMPLETED, ERROR]
    assert everything == STORY
    assert told(receiver) == [*STORY, "empty"]


def test_a_listener_to_deltas_makes_them_wanted():
    broadcaster = StreamEventBroadcaster()
    heard = []

    remove = broadcaster.add_listener(heard.append, deltas=True)
    wanted = [broadcaster.active]
    counts = [broadcaster.send(event) for event in STORY]
    remove()
    wanted.append(broadcaster.active)
    broadcaster.send(DELTA)

    assert wanted == [True, False]
    assert counts == [0] * 4
    assert heard == STORY
    assert broadcaster._log.events == []


def test_a_listener_is_lossless_where_a_receiver_lags():
    broadcaster = StreamEventBroadcaster(capacity=1)
    receiver = broadcaster.subscribe()
    heard = []
    broadcaster.add_listener(heard.append)

    send_all(broadcaster, [STARTED] * 1000)

    assert len(heard) == 1000
    assert receiver.lost() == 999


def test_removing_stops_it_and_only_it():
    broadcaster = StreamEventBroadcaster()
    first, second = [], []
    remove = broadcaster.add_listener(first.append)
    broadcaster.add_listener(second.append)

    broadcaster.send(STARTED)
    remove()
    remove()
    broadcaster.send(ERROR)

    assert first == [STARTED]
    assert second == [STARTED, ERROR]


def test_the_same_function_twice_is_told_twice():
    broadcaster = StreamEventBroadcaster()
    heard = []
    append = heard.append
    broadcaster.add_listener(append)
    remove = broadcaster.add_listener(append)

    broadcaster.send(STARTED)
    remove()
    broadcaster.send(ERROR)

    assert heard == [STARTED, STARTED, ERROR]


def test_a_listener_may_send_subscribe_and_remove_itself():
    broadcaster = StreamEventBroadcaster()
    heard, made = [], []

    def once(event):
        remove()
        made.append(broadcaster.subscribe())
        broadcaster.send("nested")
        heard.append(event)

    remove = broadcaster.add_listener(once)

    send_all(broadcaster, [STARTED, COMPLETED])

    assert heard == [STARTED]
    assert told(made[0]) == ["nested", COMPLETED, "empty"]


def test_a_failing_listener_is_logged_once_and_hurts_nobody(swallow, caplog):
    broadcaster = StreamEventBroadcaster()
    receiver = broadcaster.subscribe()
    heard = []

    def fails(event):
        raise ValueError(f"cannot count {event.request_id}")

    broadcaster.add_listener(fails)
    broadcaster.add_listener(heard.append)
    before = _guard.counts().get("listener", 0)

    with caplog.at_level(logging.WARNING, "otel_stream"):
        counts = [broadcaster.send(event) for event in STORY]

    assert counts == [1] * 4
    assert heard == [STARTED, COMPLETED, ERROR]
    assert told(receiver) == [*STORY, "empty"]
    assert _guard.counts()["listener"] == before + 3
    assert len(caplog.records) <= 1  # none when other tests have used up the stage's log lines


def test_a_failing_listener_is_a_failing_test():
    broadcaster = StreamEventBroadcaster()
    broadcaster.add_listener(lambda _: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        broadcaster.send(STARTED)


def test_a_listener_that_keeps_failing_is_removed(swallow, caplog):
    broadcaster = StreamEventBroadcaster()
    calls = []

    def fails(_):
        calls.append(None)
        raise ValueError

    broadcaster.add_listener(fails, deltas=True)

    with caplog.at_level(logging.WARNING, "otel_stream"):
        send_all(broadcaster, [DELTA] * (MAX_FAILURES + 50))

    assert len(calls) == MAX_FAILURES
    assert not broadcaster.active
    assert "failed 100 times in a row and is told no more" in caplog.messages[-1]


def test_a_listener_that_recovers_is_kept(swallow):
    broadcaster = StreamEventBroadcaster()
    calls = []

    def fails_mostly(_):
        calls.append(None)
        if len(calls) % MAX_FAILURES:
            raise ValueError

    broadcaster.add_listener(fails_mostly)

    send_all(broadcaster, [STARTED] * (3 * MAX_FAILURES))

    assert len(calls) == 3 * MAX_FAILURES


def test_what_belongs_to_the_host_passes_a_listener(swallow):
    broadcaster = StreamEventBroadcaster()

    def stops(_):
        raise KeyboardInterrupt

    broadcaster.add_listener(stops)

    with pytest.raises(KeyboardInterrupt):
        broadcaster.send(STARTED)


def test_a_removed_listener_is_let_go_at_once():
    class Counter:
        def count(self, event):
            """Nothing to do."""

    broadcaster = StreamEventBroadcaster()
    counter = Counter()
    gone = weakref.ref(counter)
    gc.disable()
    try:
        remove = broadcaster.add_listener(counter.count)
        del counter
        kept = gone() is not None
        remove()
        del remove

        assert (kept, gone()) == (True, None)
    finally:
        gc.enable()


async def not_a_listener(event):
    """Would have to be awaited."""


@pytest.mark.parametrize("function", [not_a_listener, "print", None])
def test_what_cannot_be_told_is_refused(function):
    with pytest.raises(TypeError, match="a listener must be a plain function of one event; got"):
        StreamEventBroadcaster().add_listener(function)
