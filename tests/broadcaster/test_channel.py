"""Ends: closing, leaving, handles, and the wait for the last receiver."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest
from receiving import parked, send_all, told

from otel_stream.broadcaster import Closed, StreamEventBroadcaster
from otel_stream.events import Started


def test_capacity_one_value_then_empty():
    broadcaster = StreamEventBroadcaster(capacity=1)
    receiver = broadcaster.subscribe()

    broadcaster.send("one")

    assert told(receiver) == ["one", "empty"]


def test_capacity_one_value_close_value_then_closed():
    broadcaster = StreamEventBroadcaster(capacity=1)
    receiver = broadcaster.subscribe()

    broadcaster.send("one")
    broadcaster.close()

    assert told(receiver) == ["one", "closed"]


def test_capacity_one_two_values_close_lag_value_then_closed():
    broadcaster = StreamEventBroadcaster(capacity=1)
    receiver = broadcaster.subscribe()

    send_all(broadcaster, ["one", "two"])
    broadcaster.close()

    assert told(receiver) == ["lagged 1", "two", "closed"]


def test_closing_overwrites_nothing():
    broadcaster = StreamEventBroadcaster(capacity=2)
    receiver = broadcaster.subscribe()

    send_all(broadcaster, ["one", "two"])
    broadcaster.close()

    assert told(receiver) == ["one", "two", "closed"]


@pytest.mark.parametrize("missing", [1, 2])
def test_a_gap_across_the_wrap_is_told_after_closing(missing):
    broadcaster = StreamEventBroadcaster(capacity=2)
    receiver = broadcaster.subscribe()

    send_all(broadcaster, range(2 + missing))
    broadcaster.close()

    assert told(receiver) == [f"lagged {missing}", missing, missing + 1, "closed"]


def test_a_gap_across_the_wrap_is_told_while_open():
    broadcaster = StreamEventBroadcaster(capacity=2)
    receiver = broadcaster.subscribe()

    send_all(broadcaster, range(3))

    assert told(receiver) == ["lagged 1", 1, 2, "empty"]


def test_after_closing_nothing_is_sent():
    broadcaster = StreamEventBroadcaster()
    receiver = broadcaster.subscribe()
    heard = []
    broadcaster.add_listener(heard.append)

    broadcaster.close()
    broadcaster.close()
    count = broadcaster.send(Started("r1", "gpt"))
    broadcaster.add_listener(heard.append)
    broadcaster.send(Started("r2", "gpt"))

    assert (count, broadcaster.active, heard) == (0, False, [])
    assert told(receiver) == ["closed"]


def test_subscribing_to_a_closed_broadcaster_gives_the_end():
    broadcaster = StreamEventBroadcaster()
    receiver = broadcaster.subscribe()
    broadcaster.close()

    assert told(broadcaster.subscribe()) == ["closed"]
    assert told(receiver.resubscribe()) == ["closed"]
    assert not broadcaster.active


def test_every_way_of_reading_ends(run):
    broadcaster = StreamEventBroadcaster()
    broadcaster.close()
    receiver = broadcaster.subscribe()

    async def main():
        with pytest.raises(Closed):
            await receiver.recv()
        with pytest.raises(Closed):
            await receiver.recv_many()
        waited = [event async for event in receiver]
        marked = [event async for event in receiver.with_gaps()]
        sampled = [batch async for batch in receiver.batches(0.001)]
        return waited + marked + sampled

    assert run(main()) == []
    assert list(receiver) == []
    for read in (receiver.try_recv, receiver.try_recv_many, receiver.get, receiver.get_many):
        with pytest.raises(Closed):
            read()


def test_closing_wakes_all_who_wait(run):
    broadcaster = StreamEventBroadcaster()
    receivers = [broadcaster.subscribe() for _ in range(3)]

    async def main():
        tasks = [asyncio.ensure_future(receiver.recv()) for receiver in receivers]
        await parked(broadcaster, 3)
        broadcaster.close()
        return await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(result) for result in run(main())] == [Closed] * 3


def test_the_last_handle_that_goes_closes_and_wakes_all(run):
    """A handle is a reference: the processor's own, and those it has given away."""
    broadcaster = StreamEventBroadcaster()
    receivers = [broadcaster.subscribe() for _ in range(2)]
    handles = [broadcaster, broadcaster]

    async def main():
        nonlocal broadcaster
        tasks = [asyncio.ensure_future(receiver.recv()) for receiver in receivers]
        await parked(broadcaster, 2)
        del broadcaster
        handles.pop()
        await asyncio.sleep(0)
        after_first = [task.done() for task in tasks]
        handles.pop()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        return after_first, [type(result) for result in results]

    assert run(main()) == ([False, False], [Closed, Closed])


def test_a_weak_handle_does_not_keep_the_broadcaster():
    broadcaster = StreamEventBroadcaster()
    weak = weakref.ref(broadcaster)
    receiver = broadcaster.subscribe()
    broadcaster.send("one")

    assert weak() is broadcaster
    del broadcaster
    assert weak() is None
    assert told(receiver) == ["one", "closed"]


def test_a_listener_does_not_keep_the_broadcaster():
    broadcaster = StreamEventBroadcaster()
    weak = weakref.ref(broadcaster)
    broadcaster.add_listener(print)

    del broadcaster

    assert weak() is None


def test_receivers_do_not_keep_each_other_or_the_channel():
    broadcaster = StreamEventBroadcaster()
    channel = weakref.ref(broadcaster._channel)
    receiver = broadcaster.subscribe()

    del broadcaster
    receiver.close()
    del receiver

    assert channel() is None


def test_resubscribing_after_the_broadcaster_has_gone_gives_the_end():
    broadcaster = StreamEventBroadcaster()
    receiver = broadcaster.subscribe()
    del broadcaster

    assert told(receiver.resubscribe()) == ["closed"]


def test_a_closed_receiver_gives_up_what_it_has_not_read():
    broadcaster = StreamEventBroadcaster()
    receiver = broadcaster.subscribe()
    broadcaster.send("one")

    with receiver as same:
        assert same is receiver
    receiver.close()

    assert receiver.closed
    assert told(receiver) == ["closed"]
    assert not broadcaster.active


def test_a_closed_receiver_does_not_hear_what_is_sent_later():
    broadcaster = StreamEventBroadcaster()
    receiver, other = broadcaster.subscribe(), broadcaster.subscribe()
    broadcaster.send("one")
    receiver.try_recv()

    receiver.close()
    broadcaster.send("two")

    assert told(receiver) == ["closed"]
    assert (len(receiver), receiver.position, receiver.lost()) == (0, 1, 0)
    assert told(other) == ["one", "two", "empty"]


def test_closing_a_receiver_wakes_whoever_waits_on_it(run):
    broadcaster = StreamEventBroadcaster()
    receiver, other = broadcaster.subscribe(), broadcaster.subscribe()

    async def main():
        task = asyncio.ensure_future(receiver.recv())
        stays = asyncio.ensure_future(other.recv())
        await parked(broadcaster, 2)
        receiver.close()
        with pytest.raises(Closed):
            await task
        broadcaster.send("one")
        return await stays

    assert run(main()) == "one"


def test_a_receiver_that_is_collected_with_a_cycle_is_counted_out():
    broadcaster = StreamEventBroadcaster()
    cycle = [broadcaster.subscribe()]
    cycle.append(cycle)

    del cycle
    gc.collect()

    assert broadcaster.receiver_count() == 0
    assert not broadcaster.active


def test_a_receiver_dropped_by_a_finalizer_while_another_joins_is_counted_right():
    broadcaster = StreamEventBroadcaster()
    before = gc.get_threshold()
    gc.set_threshold(1)
    try:
        for _ in range(200):
            cycle = [broadcaster.subscribe()]
            cycle.append(cycle)
            broadcaster.receivers()
    finally:
        gc.set_threshold(*before)
    del cycle
    gc.collect()

    assert (broadcaster.receiver_count(), broadcaster._subscribed, broadcaster.active) == (0, 0, False)


def test_a_finalizer_that_drops_a_receiver_while_it_is_counted_is_seen():
    broadcaster = StreamEventBroadcaster()
    receiver = broadcaster.subscribe()
    channel = broadcaster._channel

    class Racing:
        closed = False
        counts = iter([1, 0, 0, 0])

        def count(self):
            return next(self.counts)

    broadcaster._channel = Racing()
    broadcaster._changed()
    broadcaster._channel = channel

    assert (broadcaster._subscribed, broadcaster.active) == (0, False)
    receiver.close()


def test_leaving_twice_at_once_counts_once():
    broadcaster = StreamEventBroadcaster(capacity=1)
    receiver = broadcaster.subscribe(name="screen")
    send_all(broadcaster, range(5))

    receiver.close()
    broadcaster._channel.leave(receiver)

    assert broadcaster.lost() == {"screen": 4}


async def test_without_receivers_it_is_vacant_from_the_start():
    await StreamEventBroadcaster().closed()


async def test_it_is_vacant_when_the_last_receiver_goes_not_the_first():
    broadcaster = StreamEventBroadcaster()
    first, second = broadcaster.subscribe(), broadcaster.subscribe()
    vacant = asyncio.ensure_future(broadcaster.closed())
    await asyncio.sleep(0)

    first.close()
    await asyncio.sleep(0)
    after_first = vacant.done()
    del second

    await vacant
    assert not after_first


async def test_subscribing_again_makes_it_occupied_again():
    broadcaster = StreamEventBroadcaster()
    for _ in range(3):
        receiver = broadcaster.subscribe()
        vacant = asyncio.ensure_future(broadcaster.closed())
        await asyncio.sleep(0)
        assert not vacant.done()
        receiver.close()
        await vacant


async def test_a_receiver_that_comes_before_the_waiter_is_woken_keeps_it_waiting():
    broadcaster = StreamEventBroadcaster()
    receiver = broadcaster.subscribe()
    vacant = asyncio.ensure_future(broadcaster.closed())
    await asyncio.sleep(0)

    receiver.close()
    again = broadcaster.subscribe()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting = not vacant.done()
    again.close()

    await vacant
    assert waiting


async def test_waiting_for_vacancy_costs_senders_nothing():
    broadcaster = StreamEventBroadcaster()
    receiver = broadcaster.subscribe()
    vacant = asyncio.ensure_future(broadcaster.closed())
    await asyncio.sleep(0)

    assert len(broadcaster._armed) == 0
    receiver.close()
    await vacant
