"""Waiting: fair to the event loop, in threads only, and one reader at a time."""

from __future__ import annotations

import asyncio
import threading

import pytest
from receiving import blocked, parked, send_all

from otel_stream.broadcaster import Receiver, StreamEventBroadcaster


def filled(count, capacity=1000):
    broadcaster = StreamEventBroadcaster(capacity)
    receiver = broadcaster.subscribe()
    send_all(broadcaster, range(count))
    return broadcaster, receiver


def test_receiving_many_goes_on_waiting_when_the_filter_wants_nothing_of_it(run):
    broadcaster = StreamEventBroadcaster()
    receiver = broadcaster.subscribe(lambda event: event == "wanted")

    async def main():
        task = asyncio.ensure_future(receiver.recv_many())
        await parked(broadcaster)
        broadcaster.send("unwanted")
        await asyncio.sleep(0)
        await parked(broadcaster)
        broadcaster.send("wanted")
        return await task

    assert run(main()) == ["wanted"]


def test_waiting_one_by_one_passes_over_what_the_filter_does_not_want(run):
    broadcaster = StreamEventBroadcaster()
    odd = broadcaster.subscribe(lambda number: number % 2)
    send_all(broadcaster, range(5))

    async def main():
        heard = [await odd.recv(), await odd.recv()]
        task = asyncio.ensure_future(odd.recv())
        await parked(broadcaster)
        broadcaster.send(5)
        return [*heard, await task]

    assert run(main()) == [1, 3, 5]


@pytest.mark.parametrize("way", ["recv", "recv_many", "async for"])
def test_a_reader_that_always_finds_something_lets_other_tasks_run(run, way):
    broadcaster, receiver = filled(1000)
    broadcaster.close()
    turns = 0

    async def read():
        if way == "async for":
            async for _ in receiver:
                pass
            return
        for _ in range(1000 if way == "recv" else 100):
            await (receiver.recv() if way == "recv" else receiver.recv_many(10))

    async def main():
        nonlocal turns
        task = asyncio.ensure_future(read())
        await asyncio.sleep(0)
        while not task.done():
            turns += 1
            await asyncio.sleep(0)

    run(main())

    assert turns >= 5


def test_a_reader_cancelled_while_it_lets_others_run_loses_nothing(run):
    broadcaster, receiver = filled(20)

    async def main():
        await receiver.recv_many(10)
        task = asyncio.ensure_future(receiver.recv_many(10))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert run(main())
    assert receiver.try_recv_many() == list(range(10, 20))
    assert broadcaster.receiver_count() == 1


def test_blocking_goes_on_when_woken_for_nothing_it_wants():
    broadcaster = StreamEventBroadcaster()
    receiver = broadcaster.subscribe(lambda event: event == "wanted")
    heard = []
    thread = threading.Thread(target=lambda: heard.extend(receiver.get_many(10)))
    thread.start()

    blocked(broadcaster)
    broadcaster.send("unwanted")
    blocked(broadcaster)
    broadcaster.send("wanted")
    thread.join()

    assert heard == ["wanted"]


@pytest.mark.parametrize("way", [Receiver.get, Receiver.get_many, next])
async def test_blocking_in_an_event_loop_is_refused(way):
    _, receiver = filled(1)

    with pytest.raises(RuntimeError, match=r"would block the event loop; use recv\(\)"):
        way(receiver)

    assert await receiver.recv() == 0


def test_a_second_reader_that_waits_on_the_same_receiver_is_refused(run):
    broadcaster, receiver = filled(0)

    async def main():
        task = asyncio.ensure_future(receiver.recv())
        await parked(broadcaster)
        with pytest.raises(RuntimeError, match="each reader needs its own"):
            await receiver.recv()
        broadcaster.send("one")
        return await task

    assert run(main()) == "one"


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused(limit):
    receiver = StreamEventBroadcaster().subscribe()

    with pytest.raises(ValueError, match=f"limit must be at least 1; got {limit}"):
        receiver.try_recv_many(limit)
