"""A real gateway with and without us, 100 streams at a time: how much of its throughput is left.

Under `opentelemetry-instrument` FastAPI makes spans of its own, so a third gateway has that alone.
Provider, gateways and callers are processes of their own. A gateway that is busy does as much as its CPU
lets it, so the ratio of the CPU time that the same streams take is the ratio of its throughput; wall time
would measure the machine's other work. Linux, where a process's CPU time can be read from outside.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks._harness import Row, rounds, shown
from benchmarks.pipeline import REQUEST

ROOT = Path(__file__).parents[1]
STREAMS, CHUNKS, PAUSE = 100, 300, 0.01  # an answer of 300 tokens in 3 s
TRIPLES, ROUNDS = 6, 2  # triples of processes, and rounds that count with each
START_SECONDS = 30
TICKS = os.sysconf("SC_CLK_TCK")

WITHOUT = [sys.executable, "-m", "uvicorn"]
WITH = [str(Path(sys.executable).with_name("opentelemetry-instrument")), *WITHOUT]
APP = ["gateway_app:app", "--app-dir", str(ROOT / "otel_stream" / "demo"), "--log-level", "critical"]
NOWHERE = {
    "OTEL_TRACES_EXPORTER": "none",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
    "OTEL_EXPORTER_PROMETHEUS_PORT": "0",
}
WITHOUT_US = {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "otel_stream"}


def rows() -> list[Row]:
    took: dict[str, list[float]] = {name: [] for name in ("bare", "alone", "watched")}
    with _provider() as provider:
        for _ in range(rounds(TRIPLES)):
            with (
                _gateway(WITHOUT, provider) as bare,
                _gateway(WITH, provider, **WITHOUT_US) as alone,
                _gateway(WITH, provider) as watched,
            ):
                for turn in range(ROUNDS + 1):
                    for name, gateway in (("bare", bare), ("alone", alone), ("watched", watched)):
                        spent = _cpu_of(gateway)
                        if turn:  # the first is to warm up
                            took[name].append(spent)
    ms = {name: shown(statistics.median(spent) / STREAMS * 1000, "ms") for name, spent in took.items()}
    return [
        Row.at_least(
            f"throughput of a FastAPI gateway with us, {STREAMS} streams at a time",
            0.97,
            _left(took["bare"], took["watched"]),
            "x",
            f"CPU of a stream of {CHUNKS} chunks: {ms['bare']}, with us {ms['watched']}",
        ),
        Row.note(
            "the same against one with OpenTelemetry alone",
            _left(took["alone"], took["watched"]),
            "x",
            f"CPU of a stream with OpenTelemetry alone: {ms['alone']}",
        ),
    ]


def _left(without: list[float], with_us: list[float]) -> float:
    """Return what is left of the throughput, the median of the rounds."""
    return statistics.median(a / b for a, b in zip(without, with_us, strict=True))


Gateway = tuple[int, int]  # process id, port


def _cpu_of(gateway: Gateway) -> float:
    """Return the CPU seconds the gateway takes for one round of streams."""
    before = _cpu_seconds(gateway[0])
    asyncio.run(_ask_all(gateway[1]))
    return _cpu_seconds(gateway[0]) - before


def _cpu_seconds(pid: int) -> float:
    """User and system time of all threads: nanoseconds in schedstat, else ticks of 10 ms."""
    total = 0
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with contextlib.suppress(OSError):
            total += int(path.read_text().split()[0])
    if total:
        return total / 1e9
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def _ask_all(port: int) -> None:
    await asyncio.gather(*(_ask(port) for _ in range(STREAMS)))


async def _ask(port: int) -> None:
    body = json.dumps(REQUEST).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n"
    writer.write(head + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
    answer = await reader.read()
    writer.close()
    assert answer.count(b" token") == CHUNKS, answer[:500]


@contextlib.contextmanager
def _provider(chunks: int = CHUNKS, pause: float = PAUSE, together: int = 1) -> Iterator[int]:
    command = [sys.executable, "-m", "benchmarks._provider", str(chunks), str(pause), str(together)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield int(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait(10)


@contextlib.contextmanager
def _gateway(command: list[str], provider: int, **more: str) -> Iterator[Gateway]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    env = {**os.environ, **NOWHERE, "OPENAI_BASE_URL": f"http://127.0.0.1:{provider}", **more}
    process = subprocess.Popen([*command, *APP, "--port", str(port)], env=env, cwd=ROOT)
    try:
        _wait_for(port)
        yield process.pid, port
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(port: int) -> None:
    give_up = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise TimeoutError("the gateway did not start")
