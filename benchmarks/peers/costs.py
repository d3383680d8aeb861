"""What an instrumentation costs: CPU of long and short streams, memory of open ones. Runs in its place."""

from __future__ import annotations

import asyncio
import gc
import itertools
import time
import tracemalloc
from typing import Any

from benchmarks.peers import calls

SHORT = 10
RUNS = 15  # of each measurement, the fastest of which counts
STREAMS = 20
OPEN = 3
OPEN_CHUNKS = 2000


def measure(name: str, what: str, chunks: int) -> float:
    """Return CPU ns of the process for one stream of so many chunks; `held`: bytes of an open stream."""
    runs = 1 if what == "held" else RUNS
    return min(CASES[what](name, chunks) for _ in range(runs))


def _body(chunks: int) -> list[bytes]:
    tokens = itertools.islice(itertools.cycle(calls.TOKENS), chunks - len(calls.END))
    return [*tokens, *calls.END]


def _times(chunks: int) -> int:
    return STREAMS if chunks <= SHORT else 1


def _sync(name: str, chunks: int) -> float:
    with calls.sync_client(_body(chunks)) as client:
        began = time.process_time_ns()
        for _ in range(_times(chunks)):
            for _ in calls.create(name, client):
                pass
        return (time.process_time_ns() - began) / _times(chunks)


def _async(name: str, chunks: int) -> float:
    async def read() -> float:
        async with calls.async_client(_body(chunks)) as client:
            began = time.process_time_ns()
            for _ in range(_times(chunks)):
                async for _ in await calls.acreate(name, client):
                    pass
            return (time.process_time_ns() - began) / _times(chunks)

    return asyncio.run(read())


def _raw(_: str, chunks: int) -> float:
    """A proxy that hands bytes on: no SDK at all."""

    async def read() -> float:
        client = calls.http().AsyncClient(transport=calls.canned(_body(chunks)))
        url = "https://api.openai.com/v1/chat/completions"
        async with client:
            began = time.process_time_ns()
            for _ in range(_times(chunks)):
                async with client.stream("POST", url, json=calls.REQUEST) as response:
                    async for _ in response.aiter_raw():
                        pass
            return (time.process_time_ns() - began) / _times(chunks)

    return asyncio.run(read())


def _held(name: str, _: int) -> float:
    """What one stream holds that has had 2,000 chunks and is not over."""
    with calls.sync_client(_endless()) as client:
        _take(calls.create(name, client), 3)
        _sync(name, SHORT)  # whatever is loaded with the first stream that ends
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        streams = [_take(calls.create(name, client), OPEN_CHUNKS) for _ in range(OPEN)]
        gc.collect()
        held = (tracemalloc.get_traced_memory()[0] - before) / OPEN
        tracemalloc.stop()
        for stream in streams:
            close = getattr(stream, "close", None)
            if close is not None:
                close()
    return held


def _endless() -> Any:
    class Endless:
        def __iter__(self):
            for token in itertools.cycle(calls.TOKENS):
                yield bytes(bytearray(token))

    return Endless()


def _take(stream: Any, chunks: int) -> Any:
    iterator = iter(stream)
    for _ in range(chunks):
        next(iterator)
    return stream


CASES = {"sync": _sync, "async": _async, "raw": _raw, "held": _held}
