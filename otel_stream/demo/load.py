"""The demo's callers: agents of several tenants that ask the gateway, and some that hang up early."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from random import Random

import httpx2

from otel_stream.demo.plan import Plan, plan, request_of

PATHS = {"openai.chat": "/v1/chat/completions", "anthropic.messages": "/v1/messages"}
MAX_OPEN = 500  # calls at a time; a rate the machine cannot keep up with does not pile up without end


class Load:
    """Calls the gateway `rate` times a second until it is stopped. `seen` counts what the callers saw."""

    def __init__(self, gateway: str, *, rate: float, seed: int) -> None:
        self.seen: Counter[str] = Counter()
        self._gateway = gateway
        self._rate = rate
        self._seed = seed
        self._calls: set[asyncio.Task[None]] = set()
        self._client = httpx2.AsyncClient(timeout=120, limits=httpx2.Limits(max_connections=MAX_OPEN))

    async def run(self) -> None:
        """Begin calls at random moments until cancelled; what has begun goes on until `finish`."""
        chance = Random(f"{self._seed}/load")
        numbers = itertools.count(1)
        while True:
            self._begin(plan(self._seed, next(numbers)))
            await asyncio.sleep(chance.expovariate(self._rate))

    async def idle(self) -> None:
        """Wait until no call is open."""
        while self._calls:
            await asyncio.wait(self._calls)

    async def finish(self) -> None:
        """Have the callers of all open calls hang up."""
        for call in tuple(self._calls):
            call.cancel()
        await self.idle()
        await self._client.aclose()

    def _begin(self, call: Plan) -> None:
        if len(self._calls) >= MAX_OPEN:
            self.seen["not made"] += 1
            return
        task = asyncio.get_running_loop().create_task(self._call(call))
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    async def _call(self, call: Plan) -> None:
        try:
            self.seen[await asyncio.wait_for(self._ask(call), call.leaves_after_s)] += 1
        except asyncio.TimeoutError:  # in Python 3.10 not the builtin
            self.seen["hung up"] += 1
        except asyncio.CancelledError:
            self.seen["hung up"] += 1
            raise
        except httpx2.HTTPError:
            self.seen["broken off"] += 1

    async def _ask(self, call: Plan) -> str:
        """Read the answer to its end and say what came of it."""
        headers = {"x-agent-type": call.agent, "x-tenant-id": call.tenant, "x-session-id": call.session}
        url = self._gateway + PATHS[call.recording.api]
        async with self._client.stream("POST", url, json=request_of(call), headers=headers) as answer:
            async for _ in answer.aiter_raw():
                pass
            return "answered" if answer.is_success else f"HTTP {answer.status_code}"
