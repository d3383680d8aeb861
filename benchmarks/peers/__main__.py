"""`python -m benchmarks.peers [--quick] [--only NAME]`: measure everybody, write docs/benchmarks.md.

The first run installs each peer into an environment of its own below .cache/peers: 0.1 to 0.4 GB each,
some minutes. Later runs take about fifteen.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from benchmarks.peers import report
from benchmarks.peers.registry import PEERS, ROOT, Peer
from benchmarks.peers.venvs import InstallError, python

ROUNDS = 9
SHORT = 10
KINDS = ("sync", "async", "raw")
SCENARIOS = (
    "normal", "no usage", "early break", "cancel", "reset", "mid-stream error", "429", "malformed",
    "raw pass-through", "live visibility",
)  # fmt: skip


class Worker:
    """One process of a peer, with the instrumentation `on`, `off`, or on and its records kept (`watch`)."""

    def __init__(self, executable: Path, peer: Peer, mode: str) -> None:
        command = [executable, "-m", "benchmarks.peers.worker", peer.name, mode, peer.package]
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.begin = self._read()

    def ask(self, **order: Any) -> Any:
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer = self._read()
        if "error" in answer:
            raise RuntimeError(f"{order}: {answer['error']}")
        return answer["result"]

    def stop(self) -> None:
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _read(self) -> dict[str, Any]:
        line = self._process.stdout.readline()
        return json.loads(line) if line else {"error": "the process died"}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--only", metavar="NAME", action="append", choices=[peer.name for peer in PEERS])
    parser.add_argument("--quick", action="store_true", help="3 rounds; the numbers scatter more")
    parser.add_argument("--no-docs", action="store_true", help="print, leave docs/ as it is")
    options = parser.parse_args()
    peers = [peer for peer in PEERS if options.only is None or peer.name in options.only]

    results = [report.Result(peer) for peer in peers]
    _prepare(results)
    _record(results)
    _time(results, 3 if options.quick else ROUNDS)
    _hold(results)

    print(report.markdown(results))
    if not options.no_docs:
        report.write(results)
        print(f"written: {', '.join(report.FILES)}", file=sys.stderr)


def _prepare(results: list[report.Result]) -> None:
    for result in results:
        try:
            result.python = python(result.peer)
        except InstallError as error:  # noqa: PERF203 - each is tried
            result.failure = str(error)


def _usable(results: list[report.Result]) -> list[report.Result]:
    return [result for result in results if result.failure is None]


def _record(results: list[report.Result]) -> None:
    """Play the ten scenarios, each peer in a process of its own."""
    for result in _usable(results):
        _say(f"ten scenarios: {result.peer.title}")
        worker = Worker(result.python, result.peer, "watch")
        result.failure = worker.begin.get("error")
        result.versions = worker.begin.get("versions", {})
        for scenario in SCENARIOS if result.failure is None else ():
            result.records[scenario] = worker.ask(scenario=scenario)
        worker.stop()


def _time(results: list[report.Result], rounds: int) -> None:
    """Measure each with and without its instrumentation, in new processes each round."""
    took: dict[tuple[str, str], list[dict[tuple[str, str], float]]] = defaultdict(list)
    for turn in range(1, rounds + 1):
        for result in _usable(results):
            _say(f"CPU, round {turn} of {rounds}: {result.peer.title}")
            for kind, ns in _round(result).items():
                took[result.peer.name, kind].append(ns)
    for result in _usable(results):
        for kind in KINDS:
            result.times[kind] = _slope(took[result.peer.name, kind], result.peer)


def _round(result: report.Result) -> dict[str, dict[tuple[str, str], float]]:
    """Return CPU ns by (mode, length) for each kind."""
    lengths = {"short": SHORT, "long": result.peer.chunks}
    workers = {mode: Worker(result.python, result.peer, mode) for mode in ("off", "on")}
    found: dict[str, dict[tuple[str, str], float]] = {}
    for kind in KINDS:
        for worker in workers.values():
            worker.ask(what=kind, chunks=SHORT)  # to warm up
        found[kind] = {
            (mode, length): worker.ask(what=kind, chunks=chunks)
            for length, chunks in lengths.items()
            for mode, worker in workers.items()
        }
    for worker in workers.values():
        worker.stop()
    return found


def _slope(turns: list[dict[tuple[str, str], float]], peer: Peer) -> report.Times:
    """Return what a chunk and a stream cost, from the difference of long and short streams, in us.

    The fastest round of each counts: a machine shared with others is slower for seconds at a time.
    """
    us = {name: min(turn[name] for turn in turns) / 1000 for name in turns[0]}
    chunk = {mode: (us[mode, "long"] - us[mode, "short"]) / (peer.chunks - SHORT) for mode in ("off", "on")}
    fixed = {mode: us[mode, "short"] - SHORT * chunk[mode] for mode in ("off", "on")}
    return report.Times(
        bare=chunk["off"],
        added=chunk["on"] - chunk["off"],
        fixed=fixed["on"] - fixed["off"],
        bare_fixed=fixed["off"],
    )


def _hold(results: list[report.Result]) -> None:
    """Measure memory in processes of their own: nothing is remembered there between chunks."""
    for result in _usable(results):
        _say(f"memory of an open stream: {result.peer.title}")
        held = {}
        for mode in ("off", "on"):
            worker = Worker(result.python, result.peer, mode)
            held[mode] = worker.ask(what="held", chunks=0)
            worker.stop()
        result.held_bytes = held["on"] - held["off"]


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
