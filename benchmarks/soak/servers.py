"""The soak's processes: the provider, and a gateway as it is or with us, with one worker or more."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import msgspec

from otel_stream.demo.processes import Child, free_port

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
DEMO = ROOT / "otel_stream" / "demo"
PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")
ANSWER_SECONDS = 30.0  # that a busy gateway has to write what it was asked for


class Use(NamedTuple):
    """What the workers of a gateway use at a moment, together, as the kernel tells it."""

    rss_bytes: int = 0
    fds: int = 0
    threads: int = 0
    cpu_seconds: float = 0.0


class Lag(NamedTuple):
    """How late a timer of the event loop came, in seconds, and how much of it may be our process's doing."""

    lag: float
    own: float


class Gateway:
    """One gateway; `name` is also how its calls are called."""

    def __init__(self, name: str, child: Child, port: int, metrics_port: int, folder: Path) -> None:
        self.name = name
        self.url = f"http://127.0.0.1:{port}"
        self.metrics_url = f"http://127.0.0.1:{metrics_port}/metrics"
        self.child = child
        self._folder = folder

    @property
    def workers(self) -> list[int]:
        """The ids of the processes that answer."""
        return sorted(int(path.stem) for path in self._folder.glob("*.jsonl"))

    def use(self) -> Use:
        found = [_use(pid) for pid in self.workers]
        return Use(*map(sum, zip(*found, strict=True)))

    async def lags(self) -> list[Lag]:
        """Return the lags of all workers' event loops since it was last asked."""
        return [Lag(*lag) for line in await self._ask(signal.SIGUSR1) for lag in line["lags"]]

    async def rest(self) -> dict[str, int]:
        """Collect garbage in all workers; return how many memory blocks and tasks there are then."""
        lines = await self._ask(signal.SIGUSR2)
        return {name: sum(line[name] for line in lines) for name in lines[0]}

    async def _ask(self, number: signal.Signals) -> list[dict[str, Any]]:
        before = {pid: len(self._lines(pid)) for pid in self.workers}
        for pid in before:
            os.kill(pid, number)
        return [await self._answer(pid, count) for pid, count in before.items()]

    async def _answer(self, pid: int, count: int) -> dict[str, Any]:
        async def answered() -> None:
            while len(self._lines(pid)) <= count:  # noqa: ASYNC110 - another process cannot set an event
                await asyncio.sleep(0.05)

        await asyncio.wait_for(answered(), ANSWER_SECONDS)
        line: dict[str, Any] = msgspec.json.decode(self._lines(pid)[-1])
        return line

    def _lines(self, pid: int) -> list[bytes]:
        """Return the whole lines that a worker has written."""
        return (self._folder / f"{pid}.jsonl").read_bytes().split(b"\n")[:-1]


def _use(pid: int) -> Use:
    process = Path(f"/proc/{pid}")
    with suppress(FileNotFoundError, ProcessLookupError):
        fields = (process / "stat").read_text().rpartition(")")[2].split()
        return Use(
            int((process / "statm").read_text().split()[1]) * PAGE,
            len(list((process / "fd").iterdir())),
            len(list((process / "task").iterdir())),
            (int(fields[11]) + int(fields[12])) / TICKS,
        )
    return Use()


class Servers:
    """Starts processes of which each has a folder below `folder`, and stops them."""

    def __init__(self, folder: Path, *, timeout_seconds: float, collector: str) -> None:
        self.children: list[Child] = []
        self._folder = folder
        self._timeout = timeout_seconds
        self._collector = collector
        self._provider = ""

    async def provider(self, gap_seconds: float) -> str:
        """Start the provider; return its address."""
        port = free_port(0)
        words = ["-m", "benchmarks.soak.provider", "--port", str(port), "--gap", str(gap_seconds)]
        child = await self._start("provider", [sys.executable, *words], {"PYTHONPATH": str(ROOT)})
        await child.ready(port)
        self._provider = f"http://127.0.0.1:{port}"
        return self._provider

    async def gateway(self, name: str, *, watched: bool, ours: bool = True, workers: int = 1) -> Gateway:
        """Start a gateway: `watched` under `opentelemetry-instrument`, and by us unless `ours` is False."""
        port = free_port(0)
        metrics_port = free_port(0, [port])
        folder = self._folder / name
        folder.mkdir()
        instrument = [str(Path(sys.executable).with_name("opentelemetry-instrument")), "--"]
        command = [
            *(instrument if watched else []), sys.executable, "-m", "uvicorn", "gateway:app",
            "--app-dir", str(HERE), "--log-level", "critical", "--port", str(port), "--workers", str(workers),
        ]  # fmt: skip
        env = self._gateway_environment(folder, metrics_port, workers)
        if not ours:
            env["OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"] = "otel_stream"
        child = await self._start(name, command, env)
        gateway = Gateway(name, child, port, metrics_port, folder)
        await self._healthy(gateway, workers, watched=watched and ours)
        return gateway

    def _gateway_environment(self, folder: Path, metrics_port: int, workers: int) -> dict[str, str]:
        several = {"PROMETHEUS_MULTIPROC_DIR": str(folder / "metrics")} if workers > 1 else {}
        return {
            "PYTHONPATH": f"{DEMO}:{ROOT}",  # of this tree, whichever is installed
            "SOAK_FOLDER": str(folder),
            "SOAK_TIMEOUT": str(self._timeout),
            "OPENAI_BASE_URL": self._provider,
            "ANTHROPIC_BASE_URL": self._provider,
            "OTEL_SERVICE_NAME": "soak",
            "OTEL_EXPORTER_OTLP_ENDPOINT": self._collector,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
            "OTEL_BSP_SCHEDULE_DELAY": "1000",
            "OTEL_EXPORTER_PROMETHEUS_PORT": str(metrics_port),
            "OTEL_STREAM_METRIC_LABELS": "agent",
            **several,
        }

    async def _start(self, name: str, command: list[str], env: dict[str, str]) -> Child:
        ours = ("OTEL_", "PROMETHEUS_", "PYTHONPATH")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
        child = await Child.start(name, command, env={**kept, **env}, log=self._folder / f"{name}.log")
        self.children.append(child)
        return child

    async def _healthy(self, gateway: Gateway, workers: int, *, watched: bool) -> None:
        """Wait until all workers and the metrics answer."""
        await gateway.child.ready(int(gateway.url.rpartition(":")[2]))
        if watched:
            await gateway.child.ready(int(gateway.metrics_url.split(":")[2].split("/")[0]))

        async def up() -> None:
            while len(gateway.workers) < workers:  # noqa: ASYNC110 - another process cannot set an event
                await asyncio.sleep(0.05)

        await asyncio.wait_for(up(), ANSWER_SECONDS)

    async def stop(self) -> None:
        """Stop all that still run."""
        for child in reversed(self.children):
            await child.stop()
        self.children.clear()

    def logs(self) -> Iterator[tuple[str, str]]:
        """Yield what each process wrote to its log, by name, if it wrote anything."""
        for path in sorted(self._folder.glob("*.log")):
            text = path.read_text("utf-8", "replace").strip()
            if text:
                yield path.stem, text


async def get(session: aiohttp.ClientSession, url: str) -> bytes:
    """Return what is there."""
    async with session.get(url) as answer:
        answer.raise_for_status()
        return await answer.read()
