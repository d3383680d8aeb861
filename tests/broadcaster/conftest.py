"""Event loops of both makes, and threads that are switched as often as it goes."""

from __future__ import annotations

import asyncio
import sys

import pytest
import uvloop


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request):
    """Run a coroutine in a new loop of each make and close the loop."""

    def run(main):
        loop = request.param()
        try:
            return loop.run_until_complete(asyncio.wait_for(main, 100))
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    return run


@pytest.fixture
def switching():
    """Let threads take turns every 10 microseconds, so that races have a chance."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)
