"""The live broadcast: what sending costs with nobody, with stalled readers, and from a thread into a loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine

from benchmarks._harness import Row, interleaved, process_ns, shown, statement_ns
from otel_stream.broadcaster import Closed, Receiver, StreamEventBroadcaster
from otel_stream.events import Completed, TextDelta

EVENT = TextDelta("req_abc123", "Hello")
SUBSCRIBERS = 10
EVENTS = 10_000
CAPACITY = 2 * EVENTS  # nothing is lost, so both sides deliver every event to every subscriber


def rows() -> list[Row]:
    return [*_sending(), *_across_threads()]


def _sending() -> list[Row]:
    nobody, one, hundred, counted = (StreamEventBroadcaster() for _ in range(4))
    stalled = [one.subscribe(), *(hundred.subscribe() for _ in range(100))]
    counted.add_listener(lambda _: None)
    delta = statement_ns("send(event)", {"send": counted.send, "event": EVENT})
    end = statement_ns("send(event)", {"send": counted.send, "event": Completed("req_abc123", 1, 2, None)})
    cases = {
        "loop": statement_ns("pass", {}),
        "guard": statement_ns("if broadcaster.active: pass", {"broadcaster": nobody}),
        "nobody": statement_ns("send(event)", {"send": nobody.send, "event": EVENT}),
        "one": statement_ns("send(event)", {"send": one.send, "event": EVENT}),
        "hundred": statement_ns("send(event)", {"send": hundred.send, "event": EVENT}),
        "delta": delta,
        "end": end,
    }
    took = interleaved(cases, 15)
    net = {name: took[name] - took["loop"] for name in cases}
    assert all(len(receiver) > 0 for receiver in stalled)
    return [
        Row.at_most("guard on active", 10, net["guard"], "ns"),
        Row.at_most("send() without subscribers", 60, net["nobody"], "ns"),
        Row.note("send() of a delta past a listener to ends only", net["delta"], "ns"),
        Row.note("send() of an end to one listener", net["end"], "ns"),
        Row.at_most("send() with 1 stalled subscriber", 200, net["one"], "ns"),
        Row.at_most(
            "send() with 100 stalled subscribers, against 1",
            2,
            net["hundred"] / net["one"],
            "x",
            f"100: {shown(net['hundred'], 'ns')}",
        ),
    ]


def _across_threads() -> list[Row]:
    cases = {
        "recv_many": process_ns(_run(_ours, _read_many), EVENTS),
        "async for": process_ns(_run(_ours, _read_each), EVENTS),
        "batches": process_ns(_run(_ours, _read_sampled), EVENTS),
        "queues": process_ns(lambda: asyncio.run(_queues()), EVENTS),
    }
    took = {name: ns / 1000 for name, ns in interleaved(cases, 5).items()}
    baseline = f"asyncio.Queue each: {shown(took['queues'], 'µs')}"
    where = f"a thread to {SUBSCRIBERS} asyncio subscribers, an event"
    return [
        Row.at_most(f"{where}, recv_many", 1, took["recv_many"], "µs", baseline),
        Row.note(f"{where}, batches", took["batches"], "µs", baseline),
        Row.note(f"{where}, async for", took["async for"], "µs", baseline),
    ]


Read = Callable[[Receiver], Coroutine[None, None, None]]


def _run(scene: Callable[[Read], Coroutine[None, None, None]], read: Read) -> Callable[[], None]:
    return lambda: asyncio.run(scene(read))


async def _ours(read: Read) -> None:
    broadcaster = StreamEventBroadcaster(CAPACITY)
    receivers = [broadcaster.subscribe() for _ in range(SUBSCRIBERS)]

    def send() -> None:
        for _ in range(EVENTS):
            broadcaster.send(EVENT)
        broadcaster.close()

    thread = threading.Thread(target=send)
    thread.start()
    await asyncio.gather(*map(read, receivers))
    thread.join()
    assert [receiver.received for receiver in receivers] == [EVENTS] * SUBSCRIBERS


async def _read_many(receiver: Receiver) -> None:
    try:
        while True:
            for _ in await receiver.recv_many():
                pass
    except Closed:
        pass


async def _read_each(receiver: Receiver) -> None:
    async for _ in receiver:
        pass


async def _read_sampled(receiver: Receiver) -> None:
    async for batch in receiver.batches(0.05):
        for _ in batch:
            pass


async def _queues() -> None:
    """The usual way: one call into the loop for each event, which puts it on a queue for each subscriber."""
    loop = asyncio.get_running_loop()
    queues: list[asyncio.Queue[TextDelta | None]] = [asyncio.Queue() for _ in range(SUBSCRIBERS)]

    def fan_out(event: TextDelta | None) -> None:
        for queue in queues:
            queue.put_nowait(event)

    def send() -> None:
        for _ in range(EVENTS):
            loop.call_soon_threadsafe(fan_out, EVENT)
        loop.call_soon_threadsafe(fan_out, None)

    async def read(queue: asyncio.Queue[TextDelta | None]) -> None:
        while await queue.get() is not None:
            pass

    thread = threading.Thread(target=send)
    thread.start()
    await asyncio.gather(*map(read, queues))
    thread.join()
