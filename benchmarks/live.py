"""The live feed at 5,000 events a second: what it costs the gateway, what the screen takes, what is lost.

The gateway is a process that sends events through recorders as taps do; the screen is `otel-stream top` in a
terminal of its own. CPU is read from outside, with and without the screen in turns. Linux only.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks._harness import Row, rounds, shown
from otel_stream.live import client
from otel_stream.live.rendezvous import Target, discover

ROOT = Path(__file__).parents[1]
EVENTS, STREAMS = 5000, 100
SECONDS, ROUNDS = 6.0, 3
SETTLE_SECONDS = 3.0
START_SECONDS = 30
TICKS = os.sysconf("SC_CLK_TCK")
LINES, COLUMNS = 34, 140


def rows() -> list[Row]:
    added, screen, idle, missed = [], [], [], []
    with tempfile.TemporaryDirectory(prefix="live-") as folder, _gateway(folder) as (pid, target):
        for _ in range(rounds(ROUNDS)):
            alone = _share(pid)
            with _screen(folder) as screen_pid:
                time.sleep(SETTLE_SECONDS)
                watched, painting = _shares(pid, screen_pid)
            added.append((watched - alone) * 100)
            idle.append(alone * 100)
            screen.append(painting * 100)
            missed.append(_missed(target))
    what = f"at {EVENTS:,} events/s of {STREAMS} streams"
    alone_told = f"{shown(statistics.median(idle), '%')} of a core without a screen"
    return [
        Row.at_most(
            f"gateway's CPU a screen adds, {what}", 3, statistics.median(added), "points", alone_told
        ),
        Row.at_most(f"screen's CPU, {what}", 50, statistics.median(screen), "% of a core"),
        Row.at_most(f"events a watcher of the feed missed, {what}", 0, max(missed), "events"),
    ]


def _share(pid: int) -> float:
    (share,) = _shares(pid)
    return share


def _shares(*pids: int) -> list[float]:
    """Return the part of a core that each process takes over a while."""
    before, began = [_cpu_seconds(pid) for pid in pids], time.monotonic()
    time.sleep(SECONDS)
    passed = time.monotonic() - began
    return [(_cpu_seconds(pid) - spent) / passed for pid, spent in zip(pids, before, strict=True)]


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _missed(target: Target) -> int:
    """Return how many events a watcher loses over two seconds, as the feed itself tells it."""
    import queue  # noqa: PLC0415

    deliveries: queue.Queue[client.Delivery] = queue.Queue(client.QUEUED)
    watching = client.Watching(target, deliveries, "refresh=2")
    lost, end = 0, time.monotonic() + 2
    while time.monotonic() < end:
        with contextlib.suppress(queue.Empty):
            for frame in deliveries.get(timeout=0.1).frames:
                lost += getattr(frame, "missed", 0) or 0
    watching.stop()
    return lost


@contextlib.contextmanager
def _gateway(folder: str) -> Iterator[tuple[int, Target]]:
    command = [sys.executable, "-m", "benchmarks._streams", folder, str(EVENTS), str(STREAMS)]
    with subprocess.Popen(command, cwd=ROOT) as process:
        try:
            yield process.pid, _until_found(Path(folder) / "live")
        finally:
            process.terminate()


def _until_found(place: Path) -> Target:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if place.exists() and (found := discover(place)):
            return found[0]
        time.sleep(0.1)
    raise AssertionError("the gateway does not serve its feed")


@contextlib.contextmanager
def _screen(folder: str) -> Iterator[int]:
    """Run `top` in a terminal of the usual size, whose output somebody takes as fast as it comes."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    command = [sys.executable, "-m", "otel_stream.cli", "top", "--folder", str(Path(folder) / "live")]
    env = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs, env={**env, "TERM": "xterm-256color"}
    )
    os.close(theirs)
    threading.Thread(target=_drain, args=(ours,), daemon=True).start()
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait()
        os.close(ours)


def _drain(terminal: int) -> None:
    with contextlib.suppress(OSError):
        while os.read(terminal, 1 << 16):
            pass
