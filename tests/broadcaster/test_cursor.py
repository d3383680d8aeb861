"""Falling behind: who lost how many, the filter, and the model of it all."""

from __future__ import annotations

import logging
import random

import pytest
from receiving import send_all, told

from otel_stream import _guard
from otel_stream.broadcaster import Lagged, StreamEventBroadcaster


def test_within_the_capacity_nothing_is_lost():
    broadcaster = StreamEventBroadcaster(capacity=3)
    receiver = broadcaster.subscribe()

    send_all(broadcaster, ["one", "two", "three"])

    assert told(receiver) == ["one", "two", "three", "empty"]
    assert receiver.lagged == 0


def test_an_overflow_is_told_once_and_then_comes_the_oldest_kept():
    broadcaster = StreamEventBroadcaster(capacity=2)
    receiver = broadcaster.subscribe()

    send_all(broadcaster, ["one", "two", "three"])

    assert told(receiver) == ["lagged 1", "two", "three", "empty"]


def test_the_count_is_of_all_overwritten_events():
    broadcaster = StreamEventBroadcaster(capacity=2)
    receiver = broadcaster.subscribe()

    send_all(broadcaster, range(500))

    assert told(receiver) == ["lagged 498", 498, 499, "empty"]
    assert (receiver.received, receiver.lagged) == (2, 498)


def test_waiting_lags_as_polling_does(run):
    broadcaster = StreamEventBroadcaster(capacity=2)
    receiver = broadcaster.subscribe()
    send_all(broadcaster, range(5))

    async def main():
        with pytest.raises(Lagged) as gap:
            await receiver.recv()
        return gap.value.missed, await receiver.recv(), await receiver.recv()

    assert run(main()) == (3, 3, 4)


def test_blocking_lags_as_polling_does():
    broadcaster = StreamEventBroadcaster(capacity=2)
    receiver = broadcaster.subscribe()
    send_all(broadcaster, range(5))

    with pytest.raises(Lagged, match="3 events were overwritten before they were read") as gap:
        receiver.get()

    assert (gap.value.missed, receiver.get(), receiver.get()) == (3, 3, 4)


def test_lagging_again_after_catching_up_counts_only_the_new_gap():
    broadcaster = StreamEventBroadcaster(capacity=2)
    receiver = broadcaster.subscribe()

    send_all(broadcaster, range(5))
    first = told(receiver)
    send_all(broadcaster, range(5, 9))
    second = told(receiver)

    assert first == ["lagged 3", 3, 4, "empty"]
    assert second == ["lagged 2", 7, 8, "empty"]
    assert receiver.lagged == 5


def test_lag_is_per_receiver():
    broadcaster = StreamEventBroadcaster(capacity=2)
    slow, fast = broadcaster.subscribe(), broadcaster.subscribe()

    send_all(broadcaster, ["one", "two"])
    caught_up = told(fast)
    send_all(broadcaster, ["three"])

    assert caught_up == ["one", "two", "empty"]
    assert told(fast) == ["three", "empty"]
    assert told(slow) == ["lagged 1", "two", "three", "empty"]


def test_lagging_before_the_kept_are_read_counts_from_the_advanced_cursor():
    broadcaster = StreamEventBroadcaster(capacity=2)
    receiver = broadcaster.subscribe()
    send_all(broadcaster, range(4))

    with pytest.raises(Lagged) as first:
        receiver.try_recv()
    broadcaster.send(4)
    with pytest.raises(Lagged) as second:
        receiver.try_recv()

    assert (first.value.missed, second.value.missed) == (2, 1)
    assert told(receiver) == [3, 4, "empty"]


@pytest.mark.parametrize("count", [1, 2, 10, 1000])
def test_with_capacity_one_all_but_the_last_are_lost(count):
    broadcaster = StreamEventBroadcaster(capacity=1)
    receiver = broadcaster.subscribe()

    send_all(broadcaster, range(count))

    gap = [f"lagged {count - 1}"] if count > 1 else []
    assert told(receiver) == [*gap, count - 1, "empty"]


def test_a_fast_and_a_slow_reader_interleaved_lag_apart():
    broadcaster = StreamEventBroadcaster(capacity=2)
    fast, slow = broadcaster.subscribe(), broadcaster.subscribe()
    send_all(broadcaster, [1, 2])
    quick = [fast.try_recv(), fast.try_recv()]
    gaps = []

    for number in (3, 4, 5):
        broadcaster.send(number)
        quick.append(fast.try_recv())
        with pytest.raises(Lagged) as gap:
            slow.try_recv()
        gaps.append(gap.value.missed)

    assert quick == [1, 2, 3, 4, 5]
    assert gaps == [1, 1, 1]
    assert told(slow) == [4, 5, "empty"]


def test_reading_many_survives_a_gap_and_counts_it():
    broadcaster = StreamEventBroadcaster(capacity=3)
    receiver = broadcaster.subscribe()
    send_all(broadcaster, range(10))

    assert receiver.try_recv_many() == [7, 8, 9]
    assert receiver.try_recv_many() == []
    assert (receiver.received, receiver.lagged) == (3, 7)


def test_the_length_counts_the_overwritten_until_the_gap_was_told():
    broadcaster = StreamEventBroadcaster(capacity=2)
    receiver = broadcaster.subscribe()
    send_all(broadcaster, range(5))

    before = len(receiver)
    with pytest.raises(Lagged):
        receiver.try_recv()

    assert (before, len(receiver)) == (5, 2)


def test_what_is_lost_is_known_before_it_is_noticed():
    broadcaster = StreamEventBroadcaster(capacity=2)
    receiver = broadcaster.subscribe()
    send_all(broadcaster, range(5))

    assert (receiver.lagged, receiver.lost()) == (0, 3)
    told(receiver)
    assert (receiver.lagged, receiver.lost()) == (3, 3)


def test_an_empty_receiver_is_still_true():
    assert StreamEventBroadcaster().subscribe()


def test_a_filter_picks_and_keeps_the_order():
    broadcaster = StreamEventBroadcaster()
    odd = broadcaster.subscribe(lambda number: number % 2)

    send_all(broadcaster, range(10))

    assert odd.try_recv() == 1
    assert odd.try_recv_many(2) == [3, 5]
    assert told(odd) == [7, 9, "empty"]
    assert odd.received == 5


def test_a_filter_that_wants_little_is_looked_through_to_the_end():
    broadcaster = StreamEventBroadcaster(capacity=2000)
    last = broadcaster.subscribe(lambda number: number in {700, 1999})
    none = broadcaster.subscribe(lambda _: False)

    send_all(broadcaster, range(2000))

    assert told(last) == [700, 1999, "empty"]
    assert told(none) == ["empty"]


def test_a_filter_does_not_hide_a_gap():
    broadcaster = StreamEventBroadcaster(capacity=4)
    odd = broadcaster.subscribe(lambda number: number % 2)

    send_all(broadcaster, range(10))

    assert told(odd) == ["lagged 6", 7, 9, "empty"]


def test_a_filter_that_raises_leaves_the_event_out_and_poisons_nothing(swallow, caplog):
    broadcaster = StreamEventBroadcaster()
    receiver = broadcaster.subscribe(lambda number: 1 / number)
    other = broadcaster.subscribe()
    before = _guard.counts().get("subscriber's filter", 0)

    with caplog.at_level(logging.CRITICAL, "otel_stream"):
        send_all(broadcaster, [1, 0, 2])

        assert told(receiver) == [1, 2, "empty"]
    assert told(other) == [1, 0, 2, "empty"]
    assert _guard.counts()["subscriber's filter"] == before + 1


@pytest.mark.parametrize("seed", range(5))
def test_lengths_and_lag_follow_the_model(seed):
    """1000 random steps against lists: what each is owed, capped by what the ring would keep."""
    chance = random.Random(seed)
    capacity = chance.choice([1, 2, 7, 64])
    broadcaster = StreamEventBroadcaster(capacity)
    receivers, owed = [broadcaster.subscribe()], [[]]

    for step in range(1000):
        which = chance.randrange(len(receivers))
        match chance.choice(["send", "send", "send", "read", "read many", "join", "leave"]):
            case "send":
                assert broadcaster.send(step) == len(receivers)
                for backlog in owed:
                    backlog.append(step)
            case "read" if owed[which]:
                missed = len(owed[which]) - capacity
                if missed > 0:
                    del owed[which][:missed]
                    with pytest.raises(Lagged, match=f"^{missed} "):
                        receivers[which].try_recv()
                else:
                    assert receivers[which].try_recv() == owed[which].pop(0)
            case "read many":
                assert receivers[which].try_recv_many() == owed[which][-capacity:]
                owed[which].clear()
            case "join" if len(receivers) < 5:
                receivers.append(receivers[which].resubscribe())
                owed.append([])
            case "leave" if len(receivers) > 1:
                receivers.pop(which).close()
                owed.pop(which)
        assert [len(receiver) for receiver in receivers] == [len(backlog) for backlog in owed]
        assert broadcaster.backlog() == min(capacity, max(map(len, owed)))
