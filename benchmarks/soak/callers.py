"""The soak's callers: so many at a time, each asks, reads, leaves as planned, and asks again."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterator

import aiohttp

from benchmarks.soak import plan

BEGIN_SECONDS = 2.0  # over which callers begin, so that connections are not all made at once


class Callers:
    """Calls gateways. `saw` is what came of each call, by its name; one per run."""

    def __init__(self, session: aiohttp.ClientSession, provider: str, gap_seconds: float) -> None:
        self.saw: dict[str, str] = {}
        self.open = 0
        self._session = session
        self._provider = provider
        self._gap = gap_seconds
        self._numbers: dict[str, Iterator[int]] = {}

    async def load(self, gateway: str, series: str, streams: int, stop: asyncio.Event) -> None:
        """Keep so many calls open until `stop`; return when the last has come to its end."""
        numbers = self._numbers.setdefault(series, itertools.count())
        pause = BEGIN_SECONDS / streams
        callers = [self._caller(gateway, series, numbers, index * pause, stop) for index in range(streams)]
        await asyncio.gather(*callers)

    def count(self, series: str) -> Counter[str]:
        """Return how often the callers of a series saw what."""
        return Counter(saw for name, saw in self.saw.items() if name.startswith(f"{series}-"))

    async def _caller(
        self, gateway: str, series: str, numbers: Iterator[int], wait: float, stop: asyncio.Event
    ) -> None:
        await asyncio.sleep(wait)
        while not stop.is_set():
            await self.call(gateway, plan.call(f"{series}-{next(numbers)}"))

    async def call(self, gateway: str, call: plan.Call) -> None:
        """Make one call and note what came of it."""
        self.open += 1
        try:
            self.saw[call.name] = await self._ask(gateway, call)
        except aiohttp.ClientError:
            self.saw[call.name] = "broken off"
        finally:
            self.open -= 1

    async def _ask(self, gateway: str, call: plan.Call) -> str:
        headers = {"x-agent-type": call.conduct, "x-session-id": call.name}
        asking = self._session.post(gateway + call.path, json=call.request, headers=headers)
        if call.conduct == "leaves_early":
            return await self._leave_early(asyncio.ensure_future(asking), call.name)
        async with asking as answer:
            if call.conduct != "leaves":
                return await _read(answer, call)
            try:
                return await asyncio.wait_for(_read(answer, call), call.leaves_after * self._gap)
            except asyncio.TimeoutError:  # in Python 3.10 not the builtin
                answer.close()
                return "left"

    async def _leave_early(self, asking: asyncio.Future[aiohttp.ClientResponse], name: str) -> str:
        """Hang up when the provider has the request and has not answered."""
        async with self._session.get(f"{self._provider}/arrived/{name}"):
            asking.cancel()
        await asyncio.wait((asking,))
        async with self._session.get(f"{self._provider}/left/{name}"):
            return "left"


async def _read(answer: aiohttp.ClientResponse, call: plan.Call) -> str:
    body = await answer.read()
    if not answer.ok:
        return f"HTTP {answer.status}"
    if call.conduct in plan.FINISHING and body != call.body:
        return "garbled"
    return "answered"
