from __future__ import annotations

import asyncio
import contextlib
from collections import Counter

from starlette.applications import Starlette
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from otel_stream.demo import load as loads
from otel_stream.demo.load import PATHS, Load
from otel_stream.demo.plan import plan
from otel_stream.demo.provider import Provider


class Gateway:
    """Answers every call with `answer` and keeps the headers of the requests."""

    def __init__(self, answer):
        self.headers = []
        self._answer = answer
        self.app = Starlette(routes=[Route(path, self.call, methods=["POST"]) for path in PATHS.values()])

    async def call(self, request):
        await request.body()
        self.headers.append(dict(request.headers))
        return self._answer()


async def endless():
    while True:
        yield b": still here\n\n"
        await asyncio.sleep(0.01)


async def until(condition):
    while not condition():  # noqa: ASYNC110 - the load tells nobody
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def running(load):
    task = asyncio.get_running_loop().create_task(load.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait((task,))


async def test_callers_say_who_they_are_and_read_their_answers(serve):
    gateway = Gateway(lambda: Response(b"data: 1\n\n"))
    load = Load(serve(gateway.app), rate=200, seed=1)

    async with running(load):
        await until(lambda: load.seen["answered"] >= 20)
    await load.idle()
    await load.finish()

    first = plan(1, 1)
    assert gateway.headers[0]["x-agent-type"] == first.agent
    assert gateway.headers[0]["x-tenant-id"] == first.tenant
    assert gateway.headers[0]["x-session-id"] == first.session
    assert set(load.seen) == {"answered"}


async def test_some_callers_hang_up(serve, monkeypatch):
    early = plan(1, 1)._replace(leaves_after_s=0.01)
    monkeypatch.setattr(loads, "plan", lambda seed, number: early)
    load = Load(serve(Gateway(lambda: StreamingResponse(endless())).app), rate=100, seed=1)

    async with running(load):
        await until(lambda: load.seen["hung up"] >= 3)
    await load.finish()

    assert set(load.seen) == {"hung up"}


async def test_at_the_end_whoever_still_reads_hangs_up(serve, monkeypatch):
    patient = plan(1, 1)._replace(leaves_after_s=None)
    monkeypatch.setattr(loads, "plan", lambda seed, number: patient)
    gateway = Gateway(lambda: StreamingResponse(endless()))
    load = Load(serve(gateway.app), rate=100, seed=1)

    async with running(load):
        await until(lambda: len(gateway.headers) >= 3)
    await load.finish()

    assert load.seen["hung up"] >= 3
    assert load._calls == set()


async def test_refusals_and_broken_connections_are_told_apart(serve):
    provider = Provider(seed=1, speed=1000)
    load = Load(serve(provider.app), rate=300, seed=1)

    async with running(load):
        await until(lambda: load.seen["HTTP 429"] and load.seen["broken off"] and load.seen["answered"])
    await load.finish()

    assert load.seen.keys() >= {"answered", "HTTP 429", "broken off"}


async def test_a_gateway_that_is_too_slow_is_not_asked_without_end(serve, monkeypatch):
    monkeypatch.setattr(loads, "MAX_OPEN", 2)
    load = Load(serve(Gateway(lambda: StreamingResponse(endless())).app), rate=500, seed=1)

    async with running(load):
        await until(lambda: load.seen["not made"] >= 3)
        assert len(load._calls) <= 2
    await load.finish()


async def test_nothing_is_left_to_do_before_the_first_call():
    load = Load("http://127.0.0.1:9", rate=1, seed=1)

    await load.finish()

    assert load.seen == Counter()
