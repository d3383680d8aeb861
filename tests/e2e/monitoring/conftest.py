"""One gateway under load, watched by all that an operator has: Prometheus, Alertmanager, a collector.

Started once for all tests of this folder; the callers go on calling until the last of them is through.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from e2e import debian, otlp
from e2e.processes import TESTS, Process, environment, free_port, until
from e2e.prometheus_api import Prometheus

from otel_stream import cli
from otel_stream.demo.load import Load

BIN = Path(sys.executable).parent
ODD_MODELS = ("e2e-unpriced", "e2e-no-usage", "e2e-stall", "e2e-odd")
TENANTS = 210  # there is room for 200
SPEED = 4
BUDGET = 0.02  # dollars for 30 days: any spend at all is an alert

CHAT = "/v1/chat/completions"


@pytest.fixture(scope="session")
def debian_programs():
    return debian.programs()


@pytest.fixture(scope="session")
def monitored(debian_programs, tmp_path_factory):
    """Everything running, and enough happened that every panel has something to show."""
    folder = tmp_path_factory.mktemp("monitored")
    with contextlib.ExitStack() as stack:
        at = SimpleNamespace(folder=folder, bin=debian_programs, **_ports())
        at.received = stack.enter_context(otlp.receiver())
        at.delivered = stack.enter_context(webhook())
        stack.enter_context(collector(folder, at.received.url, at.grpc, at.http))
        stack.enter_context(provider(folder, at.provider))
        stack.enter_context(gateway(at))
        stack.enter_context(alertmanager(at))
        at.prometheus = stack.enter_context(prometheus(at))
        stack.enter_context(callers(at))
        until(lambda: not _missing(at.prometheus), lambda: f"in Prometheus: {_missing(at.prometheus)}", 120)
        yield at


def _ports():
    names = ("gateway_port", "provider", "metrics", "prometheus_port", "alertmanager", "grpc", "http")
    return {name: free_port() for name in names}


def _missing(prometheus):
    """Return what has not happened yet, or was not scraped often enough for a rate."""
    wanted = (
        'llm_stream_events_dropped_total{subscriber="sleeper"}',
        "llm_stream_label_overflow_total",
        "llm_stream_unpriced_total",
        "llm_stream_usage_missing_total",
        "llm_stream_stalls_total",
        "llm_stream_instrumentation_errors_total",
        'llm_stream_tokens_total{usage_source="estimated"}',
        'llm_stream_requests_total{outcome="cancelled"}',
        'llm_stream_requests_total{outcome="error"}',
        'llm_stream_requests_total{outcome="completed"}',
    )
    return [
        name
        for name in wanted
        if not prometheus.value(f"sum({name}) > 0 and min(count_over_time({name}[1m])) > 2")
    ]


# -- the programs ----------------------------------------------------------------------------------------


@contextlib.contextmanager
def collector(folder, to, grpc, http):
    """Run rotel: OTLP in by gRPC and HTTP, OTLP out by HTTP."""
    rotel = pytest.importorskip("rotel", reason="rotel has no package for this machine or Python")
    options = {
        "otlp-grpc-endpoint": f"127.0.0.1:{grpc}",
        "otlp-http-endpoint": f"127.0.0.1:{http}",
        "exporter": "otlp",
        "otlp-exporter-endpoint": to,
        "otlp-exporter-protocol": "http",
        "pid-file": folder / "rotel.pid",
        "log-file": folder / "rotel.log",
        "batch-timeout": "200ms",
    }
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    program = Path(rotel.__file__).with_name("rotel-agent")
    with Process([program, "start", *words], folder / "collector.log", environment()) as process:
        until(lambda: process._alive() and _takes(http), lambda: f"the collector\n{process.tail()}")
        yield process


def _takes(port):
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/traces", b"", method="POST")
    request.add_header("content-type", "application/x-protobuf")
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


@contextlib.contextmanager
def provider(folder, port, seed=1, speed=SPEED):
    env = environment(PYTHONPATH=str(TESTS), E2E_SEED=str(seed), E2E_SPEED=str(speed))
    with Process(uvicorn("e2e.odd_provider:app", port), folder / "provider.log", env) as process:
        yield process.ready(f"http://127.0.0.1:{port}/healthz")


@contextlib.contextmanager
def gateway(at):
    """Run the demo's gateway, unchanged, under opentelemetry-instrument."""
    env = gateway_environment(
        at.provider,
        at.metrics,
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{at.grpc}",
        OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
        OTEL_STREAM_EVENTS="both",
    )
    command = [BIN / "opentelemetry-instrument", *uvicorn("e2e.watched_gateway:app", at.gateway_port)]
    with Process(command, at.folder / "gateway.log", env) as process:
        yield process.ready(f"http://127.0.0.1:{at.gateway_port}/healthz")


def gateway_environment(provider, metrics, **more):
    return environment(
        PYTHONPATH=str(TESTS),
        OPENAI_BASE_URL=f"http://127.0.0.1:{provider}",
        ANTHROPIC_BASE_URL=f"http://127.0.0.1:{provider}",
        OTEL_SERVICE_NAME="gateway",
        OTEL_LOGS_EXPORTER="otlp",
        OTEL_METRIC_EXPORT_INTERVAL="1000",
        OTEL_BSP_SCHEDULE_DELAY="200",
        OTEL_BLRP_SCHEDULE_DELAY="200",
        OTEL_EXPORTER_PROMETHEUS_PORT=str(metrics),
        OTEL_STREAM_METRIC_LABELS="agent,tenant",
        OTEL_STREAM_STALL_SECONDS="1",
        **more,
    )


def uvicorn(app, port, *more):
    return [sys.executable, "-m", "uvicorn", app, "--port", port, "--log-level", "warning", *more]


@contextlib.contextmanager
def prometheus(at):
    """Run Prometheus with the files that `otel-stream dashboards` writes, pointed at this machine."""
    shipped = at.folder / "shipped"
    assert cli.main(["dashboards", str(shipped), "--budget", str(BUDGET)]) == 0
    config = yaml.safe_load((shipped / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{at.alertmanager}"]
    gateway = next(job for job in config["scrape_configs"] if job["job_name"] == "gateway")
    gateway["static_configs"] = [{"targets": [f"127.0.0.1:{at.metrics}"]}]
    config["scrape_configs"] = [gateway]
    (shipped / "prometheus.yml").write_text(yaml.safe_dump(config))
    with run_prometheus(at.bin, shipped / "prometheus.yml", at.prometheus_port) as found:
        yield found


@contextlib.contextmanager
def run_prometheus(bin, config, port):
    folder = config.parent
    command = [
        bin / "prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}", "--enable-feature=exemplar-storage",
    ]  # fmt: skip
    with Process(command, folder / "prometheus.log", environment()) as process:
        process.ready(f"http://127.0.0.1:{port}/-/ready")
        yield Prometheus(port)


@contextlib.contextmanager
def alertmanager(at):
    """Run Alertmanager with the shipped configuration, its receivers pointed at our webhook."""
    config = yaml.safe_load((Path(cli.__file__).parents[1] / "dashboards" / "alertmanager.yml").read_text())
    for receiver in config["receivers"]:
        for hook in receiver.get("webhook_configs", ()):
            hook["url"] = f"{at.delivered.url}/{receiver['name']}"
    for route in config["route"]["routes"]:
        route["group_wait"] = "0s"
    (at.folder / "alertmanager.yml").write_text(yaml.safe_dump(config))
    command = [
        at.bin / "prometheus-alertmanager", f"--config.file={at.folder / 'alertmanager.yml'}",
        f"--storage.path={at.folder / 'alerts'}", f"--web.listen-address=127.0.0.1:{at.alertmanager}",
        "--cluster.listen-address=",
    ]  # fmt: skip
    with Process(command, at.folder / "alertmanager.log", environment(), cwd=at.bin) as process:
        yield process.ready(f"http://127.0.0.1:{at.alertmanager}/-/ready")


@contextlib.contextmanager
def webhook():
    """Take in what Alertmanager delivers: `calls` is a list of (path, body)."""
    calls = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            calls.append((self.path, json.loads(self.rfile.read(int(self.headers["content-length"])))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield SimpleNamespace(url=f"http://127.0.0.1:{server.server_address[1]}", calls=calls)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


# -- the callers -----------------------------------------------------------------------------------------


@contextlib.contextmanager
def callers(at):
    """Call the gateway until the block ends: the demo's callers, and some for each odd model."""
    url = f"http://127.0.0.1:{at.gateway_port}"
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
    number = 0
    while not stop.is_set():
        tenant = f"tenant-{number}" if number < TENANTS else "acme"
        call(
            url,
            {"model": ODD_MODELS[number % len(ODD_MODELS)] if number >= TENANTS else ODD_MODELS[0]},
            tenant,
        )
        number += 1
        if number >= TENANTS:
            stop.wait(0.2)


def call(url, body, tenant="acme", path=CHAT):
    """Make a streaming call and read its answer; returns it as text."""
    body = {"stream": True, "messages": [{"role": "user", "content": "Say hello."}], **body}
    headers = {"content-type": "application/json", "x-tenant-id": tenant, "x-agent-type": "tester"}
    request = urllib.request.Request(url + path, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read().decode()
