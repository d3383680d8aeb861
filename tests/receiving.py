"""What the broadcaster's tests share: all a receiver says as one list, and waiting for those who wait."""

from __future__ import annotations

import asyncio
import time

from otel_stream.broadcaster import Closed, Empty, Lagged


def told(receiver):
    """Read all that is there: the events, "lagged n" for each gap, and "empty" or "closed" at the end."""
    heard = []
    while True:
        try:
            heard.append(receiver.try_recv())
        except Lagged as gap:
            heard.append(f"lagged {gap.missed}")
        except Empty:
            return [*heard, "empty"]
        except Closed:
            return [*heard, "closed"]


def send_all(broadcaster, events):
    for event in events:
        broadcaster.send(event)


def waits(broadcaster):
    """How many waits for news are under way, in all loops and threads."""
    return len(broadcaster._channel.news.armed)


async def parked(broadcaster, count=1):
    """Return once so many readers wait."""
    while waits(broadcaster) < count:  # noqa: ASYNC110 - nothing tells that somebody began to wait
        await asyncio.sleep(0)


def blocked(broadcaster, count=1):
    """Return once so many readers wait, for tests of threads."""
    while waits(broadcaster) < count:
        time.sleep(0.001)
