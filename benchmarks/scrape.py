"""How long `/metrics` with 500 label sets keeps an event loop from running, scraped by another process.

Wall time, for once: that is what a stream would wait. The loop's own worst wait without any scrape, in the
same run, shows what the machine's other work does.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from benchmarks._harness import Row, rounds, shown
from otel_stream.events import Completed, Started
from otel_stream.metrics.exposition import serve
from otel_stream.metrics.prometheus import StreamMetrics

LABEL_SETS = 500
SCRAPES = 15
QUIET_SECONDS = 0.15  # about as long as a scrape takes
SCRAPER = """
import sys, urllib.request
for line in sys.stdin:
    print(len(urllib.request.urlopen(line.strip()).read()), flush=True)
"""


def rows() -> list[Row]:
    registry = _counted()
    waits = asyncio.run(_measure(registry))
    idle, scraped, inside = (statistics.median(found) * 1000 for found in waits)
    size = len(generate_latest(registry)) / 1024
    return [
        Row.at_most(
            f"longest block of the event loop by a scrape of {LABEL_SETS} label sets",
            15,
            scraped,
            "ms",
            f"without a scrape {shown(idle, 'ms')}; written out in the loop {shown(inside, 'ms')}",
        ),
        Row.note("what such a scrape weighs", size, "KiB"),
    ]


def _counted() -> CollectorRegistry:
    registry = CollectorRegistry()
    metrics = StreamMetrics(registry)
    for number in range(LABEL_SETS):
        name = f"req_{number}"
        metrics.on_event(Started(name, f"model-{number % 100}", provider=f"provider-{number // 100}"))
        metrics.on_event(Completed(name, 11, 7, 0.01, duration_s=1.0, time_to_first_token_s=0.2, chunks=7))
    return registry


async def _measure(registry: CollectorRegistry) -> tuple[list[float], list[float], list[float]]:
    """Return the longest wait, in seconds, of each quiet spell, each scrape, each write-out in the loop."""
    server = serve(registry, "127.0.0.1", 0)
    pipes = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE}
    scraper = await asyncio.create_subprocess_exec(sys.executable, "-c", SCRAPER, **pipes)
    quiet, scraped, inside = [], [], []
    try:
        await _scrape(scraper, server.url)
        for _ in range(rounds(SCRAPES)):
            quiet.append(await _longest_wait(asyncio.sleep(QUIET_SECONDS)))
            scraped.append(await _longest_wait(_scrape(scraper, server.url)))
            inside.append(await _longest_wait(_write_out(registry)))
    finally:
        scraper.stdin.close()
        await scraper.wait()
        server.close()
    return quiet, scraped, inside


async def _scrape(scraper: asyncio.subprocess.Process, url: str) -> None:
    scraper.stdin.write(f"{url}\n".encode())
    assert int(await scraper.stdout.readline()) > 100_000


async def _write_out(registry: CollectorRegistry) -> None:
    generate_latest(registry)


async def _longest_wait(work) -> float:
    """Return how long the loop once took to come back to a task that only waits for its turn."""
    task = asyncio.ensure_future(work)
    longest, last = 0.0, time.perf_counter()
    while not task.done():
        await asyncio.sleep(0)
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    await task
    return longest
