"""How a live endpoint's answers end: with what came until then, and none is waited for long."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

LAST_BATCH_SECONDS = 0.15  # three times the feed's own pace


async def end(answering: Collection[asyncio.Task[None]]) -> None:
    """Give answers the time of a last batch, then end all tasks of the loop but ours."""
    if answering:
        await asyncio.wait(answering, timeout=LAST_BATCH_SECONDS)
    # Before Python 3.12 `wait_for` may swallow a cancellation, so it is said again.
    while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=0.1)
