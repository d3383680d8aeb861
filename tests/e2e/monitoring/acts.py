"""What happens to the gateway of `counted`, act by act, and what is to be seen when the curtain falls.

Which calls are made is picked from the demo's plans, so that each meets what its act is about: answers that
are cut or left have so many chunks to come that their usage was surely not among what was sent.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from urllib.parse import urlsplit

from e2e.processes import until
from e2e.prometheus_api import get
from prometheus_client.mmap_dict import MmapedDict

from otel_stream.demo.load import PATHS
from otel_stream.demo.plan import plan, request_of

SEED = 1
MANY_FRAMES = 30
BEGUN = 10  # frames: there is text among them
LONG = 100  # frames: well over a second at the provider's speed

PLANS = [plan(SEED, number) for number in range(1, 600)]
WHOLE = [p for p in PLANS if p.conduct == "clean"][:36]
SLOW = [p for p in PLANS if p.conduct == "slow"][:2]
REFUSED = [p for p in PLANS if p.conduct in ("rate_limited", "overloaded")][:4]
BROKEN = [
    p
    for conduct in ("cut", "error")
    for p in [p for p in PLANS if p.conduct == conduct and len(p.recording.frames) >= MANY_FRAMES][:4]
]
_LONG = [p for p in PLANS if p.conduct == "clean" and len(p.recording.frames) >= LONG and p not in WHOLE]
HUNG_UP, DOOMED, LATER = _LONG[:6], _LONG[6:18], [p for p in PLANS if p.conduct == "clean"][100:112]


def play(gateway, upstream, prometheus, folder, received):
    """Play all acts; returns what tests look at."""
    multiproc = folder / "multiproc"
    with ThreadPoolExecutor(12) as callers:
        answered = [*WHOLE, *SLOW, *REFUSED]
        assert set(callers.map(lambda p: call(gateway.url, p), answered)) == {"answered"}
        list(callers.map(lambda p: call(gateway.url, p), BROKEN))
        assert set(callers.map(lambda p: call(gateway.url, p, leave=True), HUNG_UP)) == {"left"}
        settled(upstream, prometheus)
        killed, were_in_flight, ends = kill_a_worker(callers, gateway, multiproc)
        answered += [p for p, end in ends if end == "answered"]
        assert set(callers.map(lambda p: call(gateway.url, p), LATER)) == {"answered"}
        answered += LATER
    lost = sum(end != "answered" for _, end in ends)
    ledger = settled(upstream, prometheus, lost)
    _kill_the_master(gateway, prometheus)
    ended = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    return SimpleNamespace(
        prometheus=prometheus,
        received=received,
        ledger=ledger,
        answered=answered,
        lost=lost,
        killed=killed,
        were_in_flight=were_in_flight,
        multiproc=multiproc,
        master=gateway.process._process.pid,
        ended=[event for event in ended if event["type"] in ("completed", "error")],
    )


def call(url, plan, *, leave=False, begun=None):
    """Make the call of the plan and read its answer, or hang up once it has begun; says how it ended."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    headers = {"content-type": "application/json", "x-agent-type": plan.agent, "x-tenant-id": plan.tenant}
    try:
        connection.request("POST", PATHS[plan.recording.api], json.dumps(request_of(plan)), headers)
        answer = connection.getresponse()
        read = b""
        while read.count(b"data:") < BEGUN and (piece := answer.read1()):
            read += piece
        if begun is not None:
            begun.release()
        if leave:
            return "left"
        answer.read()
    except (http.client.HTTPException, OSError):
        return "broken off"
    finally:
        connection.close()
    return "answered" if answer.status == 200 else f"HTTP {answer.status}"


def kill_a_worker(callers, gateway, multiproc):
    """Kill the worker that answers most of some long calls; returns it, how many it had, and all ends."""
    begun = threading.Semaphore(0)
    calls = [(p, callers.submit(call, gateway.url, p, begun=begun)) for p in DOOMED]
    assert all(begun.acquire(timeout=30) for _ in DOOMED)
    streams = {pid: in_flight(multiproc, pid) for pid in workers(gateway, multiproc)}
    killed = max(streams, key=streams.get)
    os.kill(killed, signal.SIGKILL)
    return killed, streams[killed], [(p, ending.result()) for p, ending in calls]


def workers(gateway, multiproc):
    """Return the process ids of those that count."""
    found = {int(path.stem.rpartition("_")[2]) for path in multiproc.glob("gauge_livesum_*.db")}
    return found - {gateway.process._process.pid}


def in_flight(multiproc, pid):
    values = MmapedDict.read_all_values_from_file(multiproc / f"gauge_livesum_{pid}.db")
    return sum(value for key, value, _, _ in values if json.loads(key)[0] == "llm_stream_in_flight")


def settled(upstream, prometheus, lost=0):
    """Wait until nothing is open and Prometheus knows of all the provider does; returns the ledger."""

    def ledger():
        told = json.loads(get(f"{upstream}/ledger"))
        counted = prometheus.value("sum(llm_stream_requests_total)")
        ended = sum(told["outcomes"].values())
        done = told["requests"] == ended == counted + lost and not prometheus.value(
            "sum(llm_stream_in_flight)"
        )
        return told if done else None

    def so_far():
        told = json.loads(get(f"{upstream}/ledger"))
        counted = prometheus.by("outcome", "sum by (outcome) (llm_stream_requests_total)")
        return f"settled: {told}, counted {counted}, lost {lost}"

    return until(ledger, so_far)


def _kill_the_master(gateway, prometheus):
    """Kill the process that serves `/metrics`, and wait until Prometheus is served again."""
    gateway.process._process.kill()
    gateway.process._process.wait()
    until(lambda: prometheus.value("count_over_time(up[5s]) > 1 and min_over_time(up[5s])"), "served again")
