"""The live feed at 5,000 events a second: what it costs the gateway, what the screen takes, what is lost.

Twice: the demo's gateway, with a provider and callers in processes of their own, and a process that does
nothing but send events through recorders as taps do. The screen is `otel-stream top` in a terminal of its
own. CPU is read from outside, with and without the screen in turns. Linux only.
"""

from __future__ import annotations

import contextlib
import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks import _screen, gateway
from benchmarks._harness import Row, rounds, shown
from otel_stream.framing.sse import SSEDecoder
from otel_stream.live import client
from otel_stream.live.feed import LINGER_SECONDS
from otel_stream.live.frames import Frame, Lagged, Snapshot, decode_frame
from otel_stream.live.rendezvous import Target, discover

ROOT = Path(__file__).parents[1]
EVENTS, STREAMS = 5000, 100
# One event a chunk would take the gateway itself more than a core at this rate; networks put some together.
TOGETHER = 5
PAUSE = STREAMS * TOGETHER / EVENTS
CHUNKS = 60
SECONDS, ROUNDS = 6.0, 5
SETTLE_SECONDS = 3.0
START_SECONDS = 30
WATCH_SECONDS = 2.0


class Gateway(NamedTuple):
    """A gateway under load. `sent` tells how many events it has sent so far."""

    what: str
    pid: int
    place: Path
    sent: Callable[[], int]


class Watch(NamedTuple):
    """What a watcher of the feed got: events, and how many more it was told it had missed.

    `lost` counts those that neither came nor were told, by the numbers in the events' ids.
    """

    got: int = 0
    told: int = 0
    lost: int = 0


class Phase(NamedTuple):
    """CPU of the gateway and of a screen, if there was one, as parts of a core; and the events a second."""

    gateway: float
    events: float
    screen: float = 0.0

    @property
    def wanted(self) -> float:
        """CPU of the gateway for as many events as are wanted: a busy machine may have sent fewer."""
        return self.gateway / self.events * EVENTS


def rows() -> list[Row]:
    found = []
    for start in (_demo, _synthetic):
        with tempfile.TemporaryDirectory(prefix="live-") as folder, start(Path(folder)) as running:
            time.sleep(SETTLE_SECONDS + CHUNKS * PAUSE)
            found += _rows(running, rounds(ROUNDS))
    return found


def _rows(running: Gateway, times: int) -> list[Row]:
    alone, watched, watches = [_alone(running)], [], []
    for _ in range(times):
        watched.append(_watched(running))
        watches.append(_watch(discover(running.place)[0]))
        alone.append(_alone(running))
    what = f"{running.what}, {statistics.median(one.events for one in watched):,.0f} events/s sent"
    # Held against what was before and after, so that a machine that gets busier counts for nothing.
    baselines = [(before.wanted + after.wanted) / 2 for before, after in itertools.pairwise(alone)]
    added = [one.wanted - baseline for one, baseline in zip(watched, baselines, strict=True)]
    without = f"{shown(statistics.median(baselines) * 100, '%')} of a core without a screen"
    screen = statistics.median(one.screen for one in watched) * 100
    got, told, lost = map(sum, zip(*watches, strict=True))
    came = f"{got:,} came, {told:,} were told as missed"
    return [
        Row.at_most(
            f"CPU a screen adds per {EVENTS:,} events/s to {what}",
            3,
            statistics.median(added) * 100,
            "points",
            without,
        ),
        Row.at_most(f"the screen's own CPU, {what}", 50, screen, "% of a core"),
        Row.at_most(f"events lost silently, {what}", 0, lost, "events", came),
    ]


def _alone(running: Gateway) -> Phase:
    time.sleep(LINGER_SECONDS + 1)  # so long the feed keeps the place of who watched last, and pays for it
    return _phase(running)


def _watched(running: Gateway) -> Phase:
    with _screen.running(running.place) as screen:
        time.sleep(SETTLE_SECONDS)
        return _phase(running, screen)


def _phase(running: Gateway, *screens: int) -> Phase:
    pids = (running.pid, *screens)
    before, sent, began = [gateway._cpu_seconds(pid) for pid in pids], running.sent(), time.monotonic()
    time.sleep(SECONDS)
    passed = time.monotonic() - began
    ours, *theirs = [
        (gateway._cpu_seconds(pid) - spent) / passed for pid, spent in zip(pids, before, strict=True)
    ]
    return Phase(ours, (running.sent() - sent) / passed, *theirs)


def _watch(target: Target) -> Watch:
    """Read the feed for a while."""
    connection = client._connection(target, client.ANSWER_SECONDS)
    connection.connect()
    decoder, end = SSEDecoder(client.MAX_FRAME_BYTES), time.monotonic() + WATCH_SECONDS
    numbers, found = [], Watch()
    with contextlib.closing(connection), client._open(connection, target, "/events") as answer:
        while time.monotonic() < end:
            for event in decoder.feed(answer.read1(client.READ_BYTES)):
                numbers.append(int(event.id.rpartition("-")[2]))
                found = _counted(found, decode_frame(event.raw))
    return found._replace(lost=numbers[-1] - numbers[0] - found.got - found.told)


def _counted(found: Watch, frame: Frame) -> Watch:
    if isinstance(frame, Snapshot):
        return found
    if isinstance(frame, Lagged):
        return found._replace(told=found.told + (frame.missed or 0))
    return found._replace(got=found.got + 1)


# -- the demo's gateway


@contextlib.contextmanager
def _demo(folder: Path) -> Iterator[Gateway]:
    place = folder / "live"
    settings = {
        "OTEL_STREAM_LIVE": "unix",
        "OTEL_STREAM_LIVE_PATH": str(place),
        "OTEL_STREAM_LIVE_TEXT": "true",
    }
    with (
        gateway._provider(CHUNKS, PAUSE, TOGETHER) as provider,
        gateway._gateway(gateway.WITH, provider, **settings) as (pid, port),
        _callers(port) as sent,
    ):
        yield Gateway(f"the demo's gateway, {STREAMS} streams, {TOGETHER} events a chunk", pid, place, sent)


@contextlib.contextmanager
def _callers(port: int) -> Iterator[Callable[[], int]]:
    command = [sys.executable, "-m", "benchmarks._callers", str(port), str(STREAMS), str(CHUNKS * PAUSE)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, text=True, bufsize=1, **pipes) as process:

        def tokens() -> int:
            process.stdin.write("\n")
            return int(process.stdout.readline())

        yield tokens
        process.stdin.close()


# -- a process that only sends


@contextlib.contextmanager
def _synthetic(folder: Path) -> Iterator[Gateway]:
    place = folder / "live"
    command = [sys.executable, "-m", "benchmarks._streams", str(folder), str(EVENTS), str(STREAMS)]
    with subprocess.Popen(command, cwd=ROOT) as process:
        try:
            _wait_for(place)
            began = time.monotonic()
            sent = lambda: int((time.monotonic() - began) * EVENTS)  # noqa: E731 - it keeps its own pace
            yield Gateway(f"a process that only sends, {STREAMS} streams", process.pid, place, sent)
        finally:
            process.terminate()


def _wait_for(place: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while not (place.exists() and discover(place)):
        assert time.monotonic() < end, "it does not serve its feed"
        time.sleep(0.1)
