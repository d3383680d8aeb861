"""Waking readers: in their loop, from other threads, in no context, and with nothing left behind."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import weakref
from collections import deque

import pytest
from receiving import blocked, parked, send_all, told, waits

from otel_stream.broadcaster import Empty, StreamEventBroadcaster, _bell

PATIENCE = 20.0  # seconds after which a wake-up counts as lost
current_span = contextvars.ContextVar("current_span", default="none")


def test_a_parked_receiver_is_woken_and_gets_it(run):
    broadcaster = StreamEventBroadcaster()
    receiver = broadcaster.subscribe()

    async def main():
        task = asyncio.ensure_future(receiver.recv())
        await parked(broadcaster)
        broadcaster.send("one")
        return await task

    assert run(main()) == "one"


def test_only_the_receiver_that_parked_again_is_woken_by_the_second_send(run):
    broadcaster = StreamEventBroadcaster()
    first, second = broadcaster.subscribe(), broadcaster.subscribe()

    async def main():
        tasks = [asyncio.ensure_future(first.recv()), asyncio.ensure_future(second.recv())]
        await parked(broadcaster, 2)
        broadcaster.send("one")
        assert await asyncio.gather(*tasks) == ["one", "one"]
        again = asyncio.ensure_future(first.recv())
        await parked(broadcaster)
        waiting = waits(broadcaster)
        broadcaster.send("two")
        return waiting, await again, len(second)

    assert run(main()) == (1, "two", 1)


def test_a_receiver_moved_to_another_task_is_woken_there(run):
    broadcaster = StreamEventBroadcaster()
    receiver = broadcaster.subscribe()

    async def main():
        first = asyncio.ensure_future(receiver.recv())
        await parked(broadcaster)
        first.cancel()
        await asyncio.wait([first])
        second = asyncio.ensure_future(receiver.recv())
        await parked(broadcaster)
        broadcaster.send("one")
        return first.cancelled(), await second

    assert run(main()) == (True, "one")


def test_a_receiver_moved_to_another_loop_is_woken_there():
    broadcaster = StreamEventBroadcaster()
    receiver = broadcaster.subscribe()

    async def give_up():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(receiver.recv(), 0.001)

    async def wait():
        task = asyncio.ensure_future(receiver.recv())
        await parked(broadcaster)
        broadcaster.send("one")
        return await task

    asyncio.run(give_up())

    assert asyncio.run(wait()) == "one"


def test_a_slow_receiver_woken_for_the_first_gets_all_in_order(run):
    broadcaster = StreamEventBroadcaster()
    receiver = broadcaster.subscribe()

    async def main():
        task = asyncio.ensure_future(receiver.recv())
        await parked(broadcaster)
        send_all(broadcaster, ["one", "two", "three"])
        return [await task, await receiver.recv(), await receiver.recv()]

    assert run(main()) == ["one", "two", "three"]


def test_many_who_wait_in_one_loop_are_one_call_to_it():
    """A call into a loop from another thread costs as much as 15 sends."""
    broadcaster = StreamEventBroadcaster()
    receivers = [broadcaster.subscribe() for _ in range(10)]
    calls = []

    async def main():
        loop = asyncio.get_running_loop()
        tasks = [asyncio.ensure_future(receiver.recv()) for receiver in receivers]
        await parked(broadcaster, 10)
        original = loop.call_soon_threadsafe
        loop.call_soon_threadsafe = lambda *args, **kwargs: calls.append(args) or original(*args, **kwargs)
        thread = threading.Thread(target=send_all, args=(broadcaster, range(100)))
        thread.start()
        results = await asyncio.gather(*tasks)
        thread.join()
        return results

    assert asyncio.run(main()) == [0] * 10
    assert len(calls) == 1


def test_the_senders_context_does_not_leak_into_the_loop(run, monkeypatch):
    """Else whatever the loop did for the wake-up would carry the sender's current span."""
    broadcaster = StreamEventBroadcaster()
    receiver = broadcaster.subscribe()
    seen = []
    fire = _bell._Hub.fire
    monkeypatch.setattr(_bell._Hub, "fire", lambda hub: (seen.append(current_span.get()), fire(hub)))

    async def main():
        task = asyncio.ensure_future(receiver.recv())
        await parked(broadcaster)
        current_span.set("sender's")
        broadcaster.send("one")
        return await task

    assert run(main()) == "one"
    assert seen == ["none"]


def test_cancelling_loses_nothing(run):
    broadcaster = StreamEventBroadcaster()
    receiver = broadcaster.subscribe()

    async def main():
        task = asyncio.ensure_future(receiver.recv())
        await parked(broadcaster)
        broadcaster.send("one")
        task.cancel()  # woken and cancelled in the same turn of the loop
        await asyncio.wait([task])
        return task.cancelled()

    assert run(main())
    assert told(receiver) == ["one", "empty"]


def test_a_cancel_storm_leaves_no_waiter(run):
    broadcaster = StreamEventBroadcaster()
    receiver = broadcaster.subscribe()

    async def main():
        for _ in range(50):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(receiver.recv(), 0.001)
        return [len(hub.parked) for hub in broadcaster._channel.news._hubs.values()]

    assert run(main()) == [0]
    assert waits(broadcaster) == 0


def test_a_storm_of_cancelled_and_waiting_readers_loses_no_wake_up(run):
    broadcaster = StreamEventBroadcaster()
    patient, hasty = broadcaster.subscribe(), broadcaster.subscribe()

    async def main():
        for number in range(200):
            hasty.try_recv_many()
            waits_on = asyncio.ensure_future(patient.recv())
            gives_up = asyncio.ensure_future(hasty.recv())
            await parked(broadcaster, 2)
            if number % 2:
                broadcaster.send(number)
                gives_up.cancel()
            else:
                gives_up.cancel()
                await asyncio.sleep(0)
                broadcaster.send(number)
            assert await asyncio.wait_for(waits_on, PATIENCE) == number
            await asyncio.wait([gives_up])

    run(main())

    assert waits(broadcaster) == 0


def test_closed_loops_leave_nothing_behind():
    broadcaster = StreamEventBroadcaster()
    receiver = broadcaster.subscribe()
    loops = []

    async def main():
        loops.append(weakref.ref(asyncio.get_running_loop()))
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(receiver.recv(), 0.001)

    for _ in range(5):
        asyncio.run(main())
    gc.collect()

    assert [loop() for loop in loops] == [None] * 5
    assert len(broadcaster._channel.news._hubs) == 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("forgotten_by", ["send", "next loop"])
def test_a_loop_closed_with_readers_still_parked_is_let_go(forgotten_by):
    broadcaster = StreamEventBroadcaster()
    receiver, other = broadcaster.subscribe(), broadcaster.subscribe()
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # "Task was destroyed but it is pending"
    task = loop.create_task(receiver.recv())
    loop.run_until_complete(parked(broadcaster))
    loop.close()
    gone = weakref.ref(loop)
    del loop, task

    async def another():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(other.recv(), 0.001)

    if forgotten_by == "send":
        broadcaster.send("one")
    else:
        asyncio.run(another())
    gc.collect()

    assert gone() is None
    assert len(broadcaster._channel.news._hubs) == 0
    assert broadcaster.send("two") == 2


def test_a_hub_whose_loop_was_collected_is_woken_for_nothing():
    loop = asyncio.new_event_loop()
    hub = _bell._Hub(loop)
    loop.close()
    del loop
    gc.collect()

    hub.wake()

    assert hub._loop() is None


def test_two_senders_who_ring_for_the_same_waiter_do_not_fail():
    class Emptied:
        """A deque that another sender empties after it was measured."""

        def __len__(self):
            return 1

        def popleft(self):
            raise IndexError

    bell = _bell.Bell()
    bell.armed = Emptied()

    bell.ring()


def test_a_thread_is_woken():
    broadcaster = StreamEventBroadcaster()
    receiver = broadcaster.subscribe()
    heard = []
    thread = threading.Thread(target=lambda: heard.append(receiver.get(PATIENCE)))
    thread.start()
    blocked(broadcaster)

    broadcaster.send("one")
    thread.join()

    assert heard == ["one"]


def test_a_thread_that_gives_up_leaves_no_waiter():
    broadcaster = StreamEventBroadcaster()
    receiver = broadcaster.subscribe()

    for _ in range(5):
        assert receiver.get_many(timeout=0.001) == []
        with pytest.raises(Empty):
            receiver.get(timeout=0.001)

    assert waits(broadcaster) == 0


def test_loops_and_threads_are_all_woken_by_one_send(run):
    broadcaster = StreamEventBroadcaster()
    heard = []

    def in_a_thread():
        receiver = broadcaster.subscribe()
        heard.append(receiver.get(PATIENCE))

    def in_a_loop():
        async def main():
            receiver = broadcaster.subscribe()
            heard.append(await asyncio.wait_for(receiver.recv(), PATIENCE))

        run(main())

    threads = [threading.Thread(target=target) for target in [in_a_thread, in_a_loop] * 3]
    for thread in threads:
        thread.start()
    blocked(broadcaster, 6)
    broadcaster.send("one")
    for thread in threads:
        thread.join()

    assert heard == ["one"] * 6


class SneakingIn(deque):
    """Somebody sends after a reader looked and before it is armed, and so sees nobody to ring for."""

    events = None

    def append(self, waiter):
        if not self.events:
            self.events.append("sneaked in")
        super().append(waiter)


def test_what_is_sent_between_the_look_and_the_sleep_is_not_missed(run):
    broadcaster = StreamEventBroadcaster()
    receiver = broadcaster.subscribe()
    armed = broadcaster._channel.news.armed = SneakingIn()
    armed.events = broadcaster._events

    waited = run(receiver.recv())
    receiver.close()
    blocked_for = broadcaster.subscribe().get(PATIENCE)

    assert (waited, blocked_for) == ("sneaked in", "sneaked in")
    assert not armed


@pytest.mark.usefixtures("switching")
def test_no_wake_up_is_lost_between_a_thread_and_a_loop(run):
    """Ping-pong: each side waits for the other, so one lost wake-up stops both."""
    rounds = 5000
    ping, pong = StreamEventBroadcaster(), StreamEventBroadcaster()
    pings, pongs = ping.subscribe(), pong.subscribe()
    echoed = []

    def echo():
        for _ in range(rounds):
            event = pings.get(PATIENCE)
            echoed.append(event)
            pong.send(event)

    async def play():
        for number in range(rounds):
            ping.send(number)
            assert await asyncio.wait_for(pongs.recv(), PATIENCE) == number

    thread = threading.Thread(target=echo)
    thread.start()
    run(play())
    thread.join()

    assert echoed == list(range(rounds))


@pytest.mark.usefixtures("switching")
def test_no_wake_up_is_lost_between_two_loops():
    rounds = 1000
    ping, pong = StreamEventBroadcaster(), StreamEventBroadcaster()
    pings, pongs = ping.subscribe(), pong.subscribe()

    async def play(receiver, sender, *, first):
        if first:
            sender.send(0)
        for number in range(rounds):
            assert await asyncio.wait_for(receiver.recv(), PATIENCE) == number
            sender.send(number + first)

    serve = play(pongs, ping, first=True)
    back = play(pings, pong, first=False)
    thread = threading.Thread(target=asyncio.run, args=(back,))
    thread.start()
    asyncio.run(serve)
    thread.join()

    assert (ping.published, pong.published) == (rounds + 1, rounds)


def test_without_the_gil_parked_readers_look_again(monkeypatch):
    """On weakly ordered processors a sender may miss that somebody has just armed."""
    monkeypatch.setattr(_bell, "RECHECK_SECONDS", 0.01)
    broadcaster = StreamEventBroadcaster()
    receiver = broadcaster.subscribe()

    async def main():
        task = asyncio.ensure_future(receiver.recv())
        await parked(broadcaster)
        broadcaster._events.append("unannounced")
        return await asyncio.wait_for(task, PATIENCE)

    def announce_nothing():
        blocked(broadcaster)
        broadcaster._events.append("unannounced")

    heard = [asyncio.run(main())]
    thread = threading.Thread(target=announce_nothing)
    thread.start()
    heard.append(receiver.get(PATIENCE))
    thread.join()

    assert heard == ["unannounced"] * 2
