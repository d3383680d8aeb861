"""A gateway that lives: the demo's, under load of changing strength, scraped by Prometheus; for pictures.

    python dashboards/render/live.py --minutes 30

Prints where Prometheus is and runs until the time is over or Ctrl-C. Uses the parts of the e2e tests.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import math
import signal
import sys
import tempfile
import threading
from pathlib import Path
from random import Random

TESTS = Path(__file__).parents[2] / "tests"
sys.path.insert(0, str(TESTS))

from e2e import debian, otlp, stack  # noqa: E402 - found by the line above
from e2e.odd_provider import ODD, call  # noqa: E402

from otel_stream.demo.load import Load  # noqa: E402

WAVE_SECONDS = 420


class Tide(Load):
    """The demo's callers, more of them and then fewer again."""

    async def run(self) -> None:
        usual = self._rate
        calling = asyncio.ensure_future(super().run())
        began = asyncio.get_running_loop().time()
        try:
            while True:
                passed = asyncio.get_running_loop().time() - began
                self._rate = usual * (1 + 0.6 * math.sin(2 * math.pi * passed / WAVE_SECONDS))
                await asyncio.sleep(1)
        finally:
            calling.cancel()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=float, default=3, help="calls a second, on average")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):  # shells have background jobs ignore the first
        signal.signal(number, signal.default_int_handler)
    with contextlib.ExitStack() as opened, tempfile.TemporaryDirectory() as name:
        enter = opened.enter_context
        folder = Path(name)
        received = enter(otlp.receiver())
        upstream = enter(stack.provider(folder, speed=1, pause=0.1))
        exporter = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": received.url,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        }
        gateway = enter(stack.gateway(folder, "e2e.watched_gateway:app", upstream, **exporter))
        prometheus = enter(
            stack.prometheus(debian.programs(), folder / "shipped", gateway.metrics, scrape_seconds=5)
        )
        print(prometheus.url, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_load(gateway.url, options.rate, options.minutes * 60))


async def _load(url: str, rate: float, seconds: float) -> None:
    stop = threading.Event()
    odd = threading.Thread(target=_odd_calls, args=(url, stop))
    odd.start()
    load = Tide(url, rate=rate, seed=1)
    try:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(load.run(), seconds)
    finally:
        await load.finish()
        stop.set()
        await asyncio.to_thread(odd.join)


def _odd_calls(url: str, stop: threading.Event) -> None:
    chance = Random(1)  # noqa: S311 - pacing
    while not stop.wait(chance.expovariate(0.15)):
        call(url, chance.choice(list(ODD)), "globex", "planner")


if __name__ == "__main__":
    main()
