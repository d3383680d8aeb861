"""The append log: positions, capacity, and what becomes of values."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest
from receiving import send_all, told

from otel_stream.broadcaster import StreamEventBroadcaster
from otel_stream.broadcaster._log import EventLog


class Value:
    """An event that can be watched dying."""


def test_a_stalled_reader_keeps_the_log_below_twice_the_capacity():
    broadcaster = StreamEventBroadcaster(capacity=1000)
    receiver = broadcaster.subscribe()
    longest = 0

    for number in range(100_000):
        broadcaster.send(number)
        longest = max(longest, len(broadcaster._log.events))

    assert longest <= 2 * 1000 + 1
    assert len(receiver) == 100_000


def test_the_capacity_is_exact():
    """Tokio rounds up to a power of two; 1000 means 1000 here."""
    broadcaster = StreamEventBroadcaster(capacity=1000)
    fits, overflows = broadcaster.subscribe(), broadcaster.subscribe()

    send_all(broadcaster, range(1000))
    heard = told(fits)
    broadcaster.send(1000)

    assert heard == [*range(1000), "empty"]
    assert told(overflows) == ["lagged 1", *range(1, 1001), "empty"]


def test_the_capacity_is_a_thousand_unless_said_otherwise():
    assert StreamEventBroadcaster().capacity == 1000


@pytest.mark.parametrize("capacity", [0, -1, 1 << 40])
def test_an_absurd_capacity_is_refused(capacity):
    with pytest.raises(ValueError, match=f"capacity must be from 1 to 16777216 events; got {capacity}"):
        StreamEventBroadcaster(capacity)


@pytest.mark.parametrize("capacity", [10.5, "10", None])
def test_a_capacity_that_is_no_whole_number_is_refused(capacity):
    with pytest.raises(TypeError):
        StreamEventBroadcaster(capacity)


def test_unread_values_are_freed_when_the_receiver_goes():
    broadcaster = StreamEventBroadcaster()
    receiver = broadcaster.subscribe()
    value = Value()
    seen = weakref.ref(value)
    broadcaster.send(value)
    del value

    assert seen() is not None
    del receiver
    assert seen() is None


def test_overwritten_values_are_freed():
    broadcaster = StreamEventBroadcaster(capacity=1)
    receiver = broadcaster.subscribe()
    value = Value()
    seen = weakref.ref(value)
    broadcaster.send(value)
    del value

    send_all(broadcaster, range(100))

    assert seen() is None
    assert told(receiver) == ["lagged 100", 99, "empty"]


def test_nothing_is_kept_without_receivers():
    broadcaster = StreamEventBroadcaster()

    send_all(broadcaster, range(10))

    assert broadcaster._log.events == []


def test_a_straggler_sent_while_the_last_receiver_left_is_not_owed_to_the_next():
    broadcaster = StreamEventBroadcaster()
    broadcaster._events.append("straggler")

    receiver = broadcaster.subscribe()

    assert told(receiver) == ["empty"]
    assert broadcaster._log.events == []


def test_trimming_is_left_to_the_next_send_while_somebody_reads():
    log = EventLog(1)
    log.events.extend(range(200))
    held, done = threading.Event(), threading.Event()

    def reader():
        with log.lock:
            held.set()
            done.wait(10)

    thread = threading.Thread(target=reader)
    thread.start()
    held.wait(10)
    log.trim()
    untouched = len(log.events)
    done.set()
    thread.join()
    log.trim()

    assert untouched == 200
    assert log.events == [199]
    assert log.end() == 200


def test_a_log_is_not_cut_while_a_slice_is_taken_further_up_the_stack():
    """A finalizer may run within the slice's allocation, and send."""
    log = EventLog(1)
    log.events.extend(range(200))
    log._pinned = True

    log.trim()

    assert len(log.events) == 200


def test_values_whose_finalizer_sends_do_not_deadlock_the_log():
    """With a lock around a ring this is where it hangs."""
    broadcaster = StreamEventBroadcaster(capacity=2)
    receiver = broadcaster.subscribe()
    died = []

    class Sends:
        def __del__(self):
            died.append(broadcaster.send("last words"))

    for _ in range(200):
        broadcaster.send(Sends())
    receiver.close()
    gc.collect()

    assert len(died) == 200


def test_a_cycle_whose_finalizer_sends_may_be_collected_anywhere():
    broadcaster = StreamEventBroadcaster(capacity=4)
    receiver = broadcaster.subscribe()
    died = []

    class Cycle:
        def __init__(self):
            self.me = self

        def __del__(self):
            broadcaster.send("last words")
            if not receiver.closed:
                died.append(len(receiver.try_recv_many()))

    before = gc.get_threshold()
    gc.freeze()  # nothing old to look at, so that
    gc.collect()
    gc.set_threshold(1, 1, 1)  # all is collected as often as it goes
    try:
        for _ in range(300):
            broadcaster.send(Cycle())
            receiver.try_recv_many()
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
    send_all(broadcaster, range(100))
    gc.collect()
    receiver.close()

    assert died
