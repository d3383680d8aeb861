"""The ways of reading: one by one, many, sampled and blocking; and gaps on the way."""

from __future__ import annotations

import asyncio

import pytest
from receiving import parked, send_all

from otel_stream.broadcaster import Lagged, Receiver, StreamEventBroadcaster


def filled(count, capacity=1000):
    broadcaster = StreamEventBroadcaster(capacity)
    receiver = broadcaster.subscribe()
    send_all(broadcaster, range(count))
    return broadcaster, receiver


def test_iterating_survives_a_gap(run):
    """The best-known trap of the original: its loop ends for good at the first lag."""
    broadcaster, receiver = filled(10, capacity=3)
    broadcaster.close()

    async def main():
        return [event async for event in receiver]

    assert run(main()) == [7, 8, 9]
    assert (receiver.received, receiver.lagged) == (3, 7)


def test_iterating_with_gaps_marks_the_place(run):
    broadcaster, receiver = filled(10, capacity=3)

    async def main():
        heard = []
        async for event in receiver.with_gaps():
            heard.append(event.missed if isinstance(event, Lagged) else event)
            if event == 8:
                send_all(broadcaster, range(10, 13))
                broadcaster.close()
        return heard

    assert run(main()) == [7, 7, 8, 1, 10, 11, 12]


def test_iterating_in_a_thread_survives_a_gap():
    broadcaster, receiver = filled(10, capacity=3)
    broadcaster.close()

    assert list(receiver) == [7, 8, 9]
    assert receiver.lagged == 7


def test_iterating_waits_for_more(run):
    broadcaster, receiver = filled(0)
    heard = []

    async def main():
        async def read():
            async for event in receiver:
                heard.append(event)  # noqa: PERF401 - as users write it

        task = asyncio.ensure_future(read())
        for number in range(3):
            await parked(broadcaster)
            broadcaster.send(number)
            await asyncio.sleep(0)
        broadcaster.close()
        await task

    run(main())

    assert heard == [0, 1, 2]


def test_receiving_many_waits_for_the_first_and_takes_what_is_there(run):
    broadcaster, receiver = filled(0)

    async def main():
        task = asyncio.ensure_future(receiver.recv_many())
        await parked(broadcaster)
        send_all(broadcaster, range(5))
        first = await task
        send_all(broadcaster, range(5, 8))
        return first, await receiver.recv_many(2), await receiver.recv_many(2)

    assert run(main()) == ([0, 1, 2, 3, 4], [5, 6], [7])


def test_sampling_hands_over_what_came_and_never_waits_to_be_woken(run):
    broadcaster, receiver = filled(3)
    batches, armed = [], []

    async def main():
        async for batch in receiver.batches(0.001):
            batches.append(batch)
            armed.append(len(broadcaster._armed))
            if len(batches) == 2:
                broadcaster.close()
            send_all(broadcaster, range(3, 6))

    run(main())

    assert batches == [[0, 1, 2], [3, 4, 5]]
    assert armed == [0, 0]


def test_sampling_counts_gaps(run):
    broadcaster, receiver = filled(10, capacity=3)
    broadcaster.close()

    async def main():
        return [batch async for batch in receiver.batches(0.001)]

    assert run(main()) == [[7, 8, 9]]
    assert receiver.lagged == 7


def test_sampling_skips_intervals_without_events(run):
    broadcaster, receiver = filled(0)

    async def main():
        loop = asyncio.get_running_loop()
        loop.call_later(0.01, send_all, broadcaster, ["late"])
        return await anext(receiver.batches(0.001))

    assert run(main()) == ["late"]


@pytest.mark.parametrize("interval", [0, -1, float("nan")])
async def test_an_interval_that_is_not_positive_is_refused(interval):
    receiver = StreamEventBroadcaster().subscribe()

    with pytest.raises(ValueError, match="interval must be a positive number of seconds"):
        await anext(receiver.batches(interval))


def test_blocking_takes_what_is_there():
    _, receiver = filled(5)

    assert receiver.get() == 0
    assert receiver.get_many(limit=2) == [1, 2]
    assert receiver.get_many(timeout=0) == [3, 4]
    assert receiver.get_many(timeout=0) == []


def test_a_receiver_that_could_not_be_made_is_no_error_later():
    broadcaster = StreamEventBroadcaster()

    with pytest.raises(AttributeError):
        Receiver("no channel", None, "name")

    assert broadcaster.receiver_count() == 0
