"""Two gateways, each started once for all tests of this folder.

`monitored` is one process under load, watched by all that an operator has. `counted` is two workers, and
calls that fail in every way there is; then a worker is killed, and then the master.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from types import SimpleNamespace

import pytest
from e2e import debian, otlp, stack
from e2e.monitoring import acts
from e2e.odd_provider import ODD, call
from e2e.processes import until

from otel_stream.demo.load import Load

TENANTS = 210  # there is room for 200
BUDGET = 0.02  # dollars for 30 days: any spend at all is an alert

HAPPENED = (
    'llm_stream_events_dropped_total{subscriber="sleeper"}',
    "llm_stream_label_overflow_total",
    "llm_stream_unpriced_total",
    "llm_stream_usage_missing_total",
    "llm_stream_stalls_total",
    'llm_stream_instrumentation_errors_total{stage="wire.openai_chat"}',
    'llm_stream_tokens_total{usage_source="estimated"}',
    'llm_stream_requests_total{outcome="cancelled"}',
    'llm_stream_requests_total{outcome="error"}',
    'llm_stream_requests_total{outcome="completed"}',
    'ALERTS{alertname="LLMCostBurst",alertstate="firing"}',
)


@pytest.fixture(scope="session")
def debian_programs():
    return debian.programs()


@pytest.fixture(scope="session")
def monitored(debian_programs, tmp_path_factory):
    """Everything running, and enough happened that every panel has something to show."""
    folder = tmp_path_factory.mktemp("monitored")
    with contextlib.ExitStack() as opened:
        enter = opened.enter_context
        received, hook = enter(otlp.receiver()), enter(stack.webhook())
        doors = enter(stack.collector(folder, received.url))
        upstream = enter(stack.provider(folder))
        gateway = enter(stack.gateway(folder, "e2e.watched_gateway:app", upstream, **doors.grpc))
        alerts = enter(stack.alertmanager(debian_programs, folder, hook.url))
        shipped = folder / "shipped"
        prometheus = enter(stack.prometheus(debian_programs, shipped, gateway.metrics, alerts, budget=BUDGET))
        enter(callers(gateway.url))
        until(lambda: not _missing(prometheus), lambda: f"in Prometheus: {_missing(prometheus)}", 120)
        yield SimpleNamespace(
            prometheus=prometheus,
            received=received,
            delivered=hook.calls,
            shipped=shipped,
            metrics=gateway.metrics,
            programs=debian_programs,
        )


def _missing(prometheus):
    """Return what has not happened yet, or was not scraped often enough for a rate."""
    return [
        name
        for name in HAPPENED
        if not prometheus.value(f"sum({name}) > 0 and min(count_over_time({name}[1m])) > 2")
    ]


@pytest.fixture(scope="session")
def counted(debian_programs, tmp_path_factory):
    """What is left when all is over: the provider's ledger, and Prometheus."""
    folder = tmp_path_factory.mktemp("counted")
    with contextlib.ExitStack() as opened:
        enter = opened.enter_context
        received = enter(otlp.receiver())
        doors = enter(stack.collector(folder, received.url))
        upstream = enter(stack.provider(folder, speed=2))  # so that long answers last while things happen
        multiproc = folder / "multiproc"
        gateway = enter(
            stack.gateway(
                folder,
                "otel_stream.demo.gateway_app:app",
                upstream,
                "--workers",
                2,
                PROMETHEUS_MULTIPROC_DIR=str(multiproc),
                OTEL_STREAM_TAIL=str(folder / "events.jsonl"),
                **doors.http,
            )
        )
        prometheus = enter(stack.prometheus(debian_programs, folder / "shipped", gateway.metrics))
        yield acts.play(gateway, upstream, prometheus, folder, received)


# -- the callers of `monitored` --------------------------------------------------------------------------


@contextlib.contextmanager
def callers(url):
    """Call the gateway until the block ends: the demo's callers, and some for each odd model."""
    stop = threading.Event()
    threads = [
        threading.Thread(target=asyncio.run, args=(_load(url, stop),)),
        threading.Thread(target=_odd_calls, args=(url, stop)),
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


async def _load(url, stop):
    load = Load(url, rate=5, seed=1)
    calling = asyncio.ensure_future(load.run())
    await asyncio.to_thread(stop.wait)
    calling.cancel()
    await load.finish()


def _odd_calls(url, stop):
    """First one for each tenant, more than there is room for; then one of each odd model in turn."""
    for number in range(TENANTS):
        if not stop.is_set():
            call(url, "house-70b", f"tenant-{number}")
    while not stop.is_set():
        for model in ODD:
            call(url, model)
            stop.wait(0.2)
