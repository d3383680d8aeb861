"""The demo's gateway with a probe inside: how late its event loop runs, and what is left when it rests.

Started by uvicorn, plain or with `opentelemetry-instrument`; it imports nothing of ours. On SIGUSR1 a line
goes into SOAK_FOLDER/<pid>.jsonl with the lags since the last one, on SIGUSR2 one that has collected garbage.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import gateway_app  # type: ignore[import-not-found]  # the demo's, by PYTHONPATH: its package would import otel_stream
from fastapi import FastAPI

TICK_SECONDS = 0.01

app = gateway_app.app
_plain = app.router.lifespan_context


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with _plain(app):
        app.state.client.timeout = float(os.environ["SOAK_TIMEOUT"])
        probe = Probe(Path(os.environ["SOAK_FOLDER"]) / f"{os.getpid()}.jsonl")
        ticking = asyncio.get_running_loop().create_task(probe.tick())
        try:
            yield
        finally:
            ticking.cancel()


app.router.lifespan_context = lifespan


class Probe:
    """Measures this process's event loop; writes when it is told by a signal."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lags: list[tuple[float, float]] = []
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, self._write)
        loop.add_signal_handler(signal.SIGUSR2, self._rest)
        path.touch()

    async def tick(self) -> None:
        """Note how late a timer comes, and how much of that this process may have done itself.

        The rest is the machine's: no process can have been late by more than the CPU time it took.
        """
        clock = asyncio.get_running_loop().time
        while True:
            due, cpu = clock() + TICK_SECONDS, time.process_time()
            await asyncio.sleep(TICK_SECONDS)
            lag = max(0.0, clock() - due)
            self._lags.append((lag, min(lag, time.process_time() - cpu)))

    def _write(self) -> None:
        self._append({"lags": [(round(lag, 6), round(own, 6)) for lag, own in self._lags]})
        self._lags.clear()

    def _rest(self) -> None:
        self._lags.clear()
        while gc.collect():  # finalisers make garbage of their own
            pass
        self._append({"blocks": sys.getallocatedblocks(), "tasks": len(asyncio.all_tasks())})

    def _append(self, line: dict[str, object]) -> None:
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")
