"""Threads and loops at once: nothing is lost without being counted, and nobody hangs."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict

import pytest

from otel_stream.broadcaster import Closed, Lagged, StreamEventBroadcaster

pytestmark = pytest.mark.usefixtures("switching")


def start(*targets):
    threads = [threading.Thread(target=target) for target in targets]
    for thread in threads:
        thread.start()
    return threads


def join(threads):
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


def sender(broadcaster, name, count):
    return lambda: [broadcaster.send((name, number)) for number in range(count)]


class Log:
    """What one reader got, checked for each sender's own order."""

    def __init__(self, receiver):
        self.receiver = receiver
        self.count = 0
        self._last = defaultdict(lambda: -1)

    def add(self, events):
        self.count += len(events)
        for name, number in events:
            assert number > self._last[name], "out of order"
            self._last[name] = number

    def accounts_for(self, sent):
        assert self.count == self.receiver.received
        assert self.receiver.received + self.receiver.lagged == sent
        return True


def blocking_many(log):
    def read():
        try:
            while True:
                log.add(log.receiver.get_many())
        except Closed:
            pass

    return read


def blocking_each(log):
    return lambda: [log.add([event]) for event in log.receiver]


def in_a_loop(read):
    return lambda log: lambda: asyncio.run(read(log))


@in_a_loop
async def waiting_each(log):
    async for event in log.receiver:
        log.add([event])


@in_a_loop
async def waiting_many(log):
    try:
        while True:
            log.add(await log.receiver.recv_many())
    except Closed:
        pass


@in_a_loop
async def sampling(log):
    async for batch in log.receiver.batches(0.001):
        log.add(batch)


@in_a_loop
async def told_of_gaps(log):
    missed = 0
    async for event in log.receiver.with_gaps():
        if isinstance(event, Lagged):
            missed += event.missed
        else:
            log.add([event])
    assert missed == log.receiver.lagged


@in_a_loop
async def impatient(log):
    """Cancels most of its waits."""
    while True:
        try:
            log.add([await asyncio.wait_for(log.receiver.recv(), 0.0001)])
        except (asyncio.TimeoutError, Lagged):
            pass
        except Closed:
            return


READERS = [blocking_many, blocking_each, waiting_each, waiting_many, sampling, told_of_gaps, impatient]


@pytest.mark.parametrize("capacity", [1, 50, 100_000])
def test_every_event_is_received_or_counted_as_lagged(capacity):
    senders, each = 4, 1500
    broadcaster = StreamEventBroadcaster(capacity)
    logs = [Log(broadcaster.subscribe()) for _ in READERS]

    reading = start(*[reader(log) for reader, log in zip(READERS, logs, strict=True)])
    join(start(*[sender(broadcaster, name, each) for name in range(senders)]))
    broadcaster.close()
    join(reading)

    assert all(log.accounts_for(senders * each) for log in logs)
    assert broadcaster.published == senders * each
    if capacity >= senders * each:
        assert [log.receiver.lagged for log in logs] == [0] * len(logs)


def test_all_receivers_see_the_one_order():
    broadcaster = StreamEventBroadcaster(10_000)
    receivers = [broadcaster.subscribe() for _ in range(3)]
    seen = [[] for _ in receivers]

    reading = start(*[lambda r=r, s=s: s.extend(r) for r, s in zip(receivers, seen, strict=True)])
    join(start(*[sender(broadcaster, name, 500) for name in range(4)]))
    broadcaster.close()
    join(reading)

    assert len(seen[0]) == 2000
    assert seen[0] == seen[1] == seen[2]


def test_two_senders_of_three_over_capacity_two_come_to_six():
    for _ in range(50):
        broadcaster = StreamEventBroadcaster(2)
        log = Log(broadcaster.subscribe())

        reading = start(blocking_many(log))
        join(start(sender(broadcaster, "a", 3), sender(broadcaster, "b", 3)))
        broadcaster.close()
        join(reading)

        assert log.accounts_for(6)


def test_two_receivers_get_all_and_then_the_end():
    for _ in range(30):
        broadcaster = StreamEventBroadcaster(16)
        logs = [Log(broadcaster.subscribe()) for _ in range(2)]

        reading = start(*[blocking_each(log) for log in logs])
        join(start(sender(broadcaster, "a", 2), sender(broadcaster, "b", 2)))
        broadcaster.close()
        join(reading)

        assert [log.count for log in logs] == [4, 4]


def test_across_the_wrap_each_receiver_comes_to_three():
    for _ in range(30):
        broadcaster = StreamEventBroadcaster(2)
        logs = [Log(broadcaster.subscribe()) for _ in range(2)]

        reading = start(blocking_many(logs[0]), waiting_each(logs[1]))
        join(start(sender(broadcaster, "a", 3)))
        broadcaster.close()
        join(reading)

        assert all(log.accounts_for(3) for log in logs)


def test_receivers_come_and_go_while_others_send():
    broadcaster = StreamEventBroadcaster(8)
    stays = Log(broadcaster.subscribe())

    def come_and_go():
        for number in range(300):
            with broadcaster.subscribe() as receiver:
                receiver.try_recv_many()
                if number % 3 == 0:
                    receiver.get_many(timeout=0.0001)

    reading = start(blocking_many(stays))
    join(start(come_and_go, come_and_go, sender(broadcaster, "a", 3000), sender(broadcaster, "b", 3000)))
    count = broadcaster.receiver_count()
    broadcaster.close()
    join(reading)

    assert count == 1
    assert stays.accounts_for(6000)


def test_nobody_hangs_when_receivers_drop_in_the_middle_of_an_overflow():
    broadcaster = StreamEventBroadcaster(1)

    def drop_while_reading():
        for _ in range(200):
            receiver = broadcaster.subscribe()
            receiver.get_many(timeout=0.0001)
            del receiver

    join(start(*[drop_while_reading] * 3, *[sender(broadcaster, name, 3000) for name in range(3)]))

    assert broadcaster.receiver_count() == 0
    assert len(broadcaster._log.events) <= 3  # stragglers of the senders, at most one each
    assert not broadcaster.active


def test_subscribers_of_several_loops_share_senders_of_several_threads():
    broadcaster = StreamEventBroadcaster(100_000)
    logs = [Log(broadcaster.subscribe()) for _ in range(6)]

    async def two(first, second):
        async def read(log):
            async for event in log.receiver:
                log.add([event])

        await asyncio.gather(read(first), read(second))

    pairs = list(zip(logs[::2], logs[1::2], strict=True))
    reading = start(*[lambda pair=pair: asyncio.run(two(*pair)) for pair in pairs])
    join(start(*[sender(broadcaster, name, 1000) for name in range(3)]))
    broadcaster.close()
    join(reading)

    assert [log.count for log in logs] == [3000] * 6
