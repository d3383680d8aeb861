"""Processes that run: each is asked by its live endpoint; where that is off, its environment is read.

Linux shows a process's environment and command to its own user: /proc/<pid>/environ and cmdline, see proc(5).
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from otel_stream.config import Settings
from otel_stream.doctor import network, settings, taps
from otel_stream.doctor.report import Finding, Section, note, ok, problem
from otel_stream.instrumentation.status import Status, decode
from otel_stream.live import client
from otel_stream.live.rendezvous import RendezvousError, Target, discover, folder, is_alive

PROC = Path("/proc")
_PATH = "opentelemetry/instrumentation/auto_instrumentation"
_PLAIN = (
    "it was not started with opentelemetry-instrument: nothing is recorded, unless its own code instruments"
)
_CURE = "start it with: opentelemetry-instrument -- COMMAND"
_LIVE_OFF = "its live endpoint is off, so its hooks cannot be asked for"


def running(place: Path) -> list[Section]:
    """Return what the processes whose endpoints are in the folder say of themselves."""
    try:
        return [_asked(target) for target in discover(place) if is_alive(target)]
    except RendezvousError as error:
        return [Section("Running gateways", [problem("live feed", str(error))])]


def one(pid: str, given: str = "", proc: Path = PROC) -> Section:
    """Return what can be said of a process. `given` is the folder of its socket, else its own setting's."""
    place = proc / pid
    try:
        env = dict(
            _pair(text) for text in (place / "environ").read_text("utf-8", "replace").split("\0") if text
        )
        command = (place / "cmdline").read_text("utf-8", "replace").split("\0")
    except FileNotFoundError:
        return Section(f"Process {pid}", [problem("process", "there is none of this id")])
    except OSError as error:
        told = f"cannot be looked at: {error.strerror}"
        return Section(f"Process {pid}", [problem("process", told, "run the doctor as its user")])
    try:
        targets = [
            t
            for t in discover(folder(given or env.get("OTEL_STREAM_LIVE_PATH", ""), env))
            if t.key.partition("-")[0] == pid
        ]
    except RendezvousError as error:
        return Section(f"Process {pid}", [problem("live feed", str(error))])
    if targets and is_alive(targets[0]):
        return _asked(targets[0])
    return Section(f"Process {pid}: {_program(command)}", [*_outside(env, command)])


def _asked(target: Target) -> Section:
    title = f"Process {target.key}, asked at {target.where}"
    try:
        status = decode(client.ask(target, "/status"))
    except (client.FeedError, msgspec.DecodeError) as error:
        told = f"does not say what is hooked: {error}"
        return Section(title, [problem("live feed", told, "is it of another version, or by code alone?")])
    python = ok("Python", f"{status.python} at {status.executable}, otel-stream {status.version}")
    return Section(title, [python, *_here(status), *taps.findings(status), *taps.traffic(status)], status)


def _here(status: Status) -> list[Finding]:
    if status.instrumented:
        return []
    return [problem("hooks", "nothing is instrumented in this process any more")]


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


def _program(command: Iterable[str]) -> str:
    """The program and what it runs; further words may hold keys and are not told."""
    words = [Path(word).name for word in command if word][:2]
    return " ".join(words) or "a process without a command"


# -- from outside --------------------------------------------------------------------------------------


def _outside(env: Mapping[str, str], command: list[str]) -> Iterable[Finding]:
    yield from _python(env, command)
    if _PATH in env.get("PYTHONPATH", ""):
        yield ok("start", "with opentelemetry-instrument")
    else:
        yield problem("start", _PLAIN, _CURE)
    yield from settings.findings(env)
    read = settings.read(env)
    if read is not None:
        yield from _metrics(read)
        yield from _live(read)


def _python(env: Mapping[str, str], command: list[str]) -> Iterable[Finding]:
    """Whether it runs with this Python: another has its own packages, and its own doctor."""
    path = shutil.which(command[0], path=env.get("PATH", "")) if command[0] else None
    if path is None or Path(path).parent == Path(sys.executable).parent:
        return
    yield note("Python", f"it runs with {path}, not with this one", f"{path} -m otel_stream.cli doctor")


def _metrics(read: Settings) -> Iterable[Finding]:
    if not read.prometheus or not read.prometheus_port:
        return
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(read.prometheus_host, read.prometheus_host)  # noqa: S104
    url = f"http://{host}:{read.prometheus_port}/metrics"
    if network.serves_ours(url):
        yield ok("/metrics", f"{url}, if no other gateway serves it there")
    else:
        yield problem(
            "/metrics", f"nothing of ours is at {url}", "see the log of its start, logger otel_stream"
        )


def _live(read: Settings) -> Iterable[Finding]:
    if read.live == "off":
        yield note(
            "live feed",
            _LIVE_OFF,
            "start it with OTEL_STREAM_LIVE=unix, or rehearse a start: otel-stream doctor --import MODULE",
        )
    else:
        yield problem(
            "live feed",
            f"OTEL_STREAM_LIVE is {read.live}, and there is no endpoint",
            "see the log of its start; a forked worker serves from its first stream on",
        )
