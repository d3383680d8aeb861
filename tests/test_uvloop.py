"""On uvloop, which most gateways run on: streams end the same ways as on asyncio's own loop."""

from __future__ import annotations

import asyncio
import contextlib

import httpx
import pytest
import uvloop
from provider import CHAT, TEXT, Answer, Provider
from watching import watching

REQUEST = {"model": "gpt-5", "stream": True, "messages": []}


@pytest.fixture
def provider():
    with Provider() as provider:
        yield provider


def run(play, ended=1):
    """Run the scene in an instrumented process, on uvloop."""
    with watching() as watched, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(play())
        watched.until(ended=ended)
    return watched


async def read(provider, until=None):
    async with httpx.AsyncClient() as client, client.stream("POST", provider.url(), json=REQUEST) as response:
        async for chunk in response.aiter_raw():
            if until is not None and until in chunk:
                return


pytestmark = pytest.mark.skipif(not hasattr(asyncio, "Runner"), reason="asyncio.Runner is of Python 3.11")


def test_a_whole_answer_completes(provider):
    watched = run(lambda: read(provider))

    assert (watched.outcomes, watched.text) == (["completed"], TEXT)


def test_an_early_close_is_cancelled(provider):
    provider.answer = Answer(hold_after=3)

    assert run(lambda: read(provider, until=b"Hello")).outcomes == ["cancelled"]


def test_a_cancelled_task_is_cancelled(provider):
    provider.answer = Answer(hold_after=3)

    async def cancel():
        task = asyncio.ensure_future(read(provider))
        await asyncio.to_thread(provider.holding.wait, 30)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    assert run(cancel).outcomes == ["cancelled"]


def test_a_reset_connection_is_an_error(provider):
    provider.answer = Answer(CHAT[:3], end="reset", hold_after=3)

    async def wait_for_the_reset():
        task = asyncio.ensure_future(read(provider))
        await asyncio.to_thread(provider.holding.wait, 30)
        provider.release()
        with contextlib.suppress(httpx.HTTPError):
            await task

    assert run(wait_for_the_reset).outcomes == ["error"]


def test_streams_at_the_same_time_are_told_apart(provider):
    async def crowd():
        await asyncio.gather(*(read(provider) for _ in range(5)))

    watched = run(crowd, ended=5)

    assert watched.outcomes == ["completed"] * 5
    assert len({event.request_id for event in watched.started}) == 5
