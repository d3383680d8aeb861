"""What an operator runs around a gateway: each part as a context manager, on loopback, with a free port."""

from __future__ import annotations

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
from e2e.processes import TESTS, Process, environment, free_port, until
from e2e.prometheus_api import Prometheus

from otel_stream import cli

BIN = Path(sys.executable).parent


@contextlib.contextmanager
def provider(folder, *, seed=1, speed=4, pause=0):
    """Run the demo's provider with the odd models; gives its address."""
    port = free_port()
    env = environment(PYTHONPATH=str(TESTS), E2E_SEED=str(seed), E2E_SPEED=str(speed), E2E_PAUSE=str(pause))
    with Process(uvicorn("e2e.odd_provider:app", port), folder / "provider.log", env) as process:
        process.ready(f"http://127.0.0.1:{port}/healthz")
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def gateway(folder, app, upstream, *options, server=None, **env):
    """Run the demo's gateway under opentelemetry-instrument; gives both its addresses and the process."""
    port, metrics = free_port(), free_port()
    command = [BIN / "opentelemetry-instrument", *(server or uvicorn)(app, port, *options)]
    settings = {
        "PYTHONPATH": str(TESTS),
        "OPENAI_BASE_URL": upstream,
        "ANTHROPIC_BASE_URL": upstream,
        "OTEL_SERVICE_NAME": "gateway",
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_METRIC_EXPORT_INTERVAL": "1000",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        "OTEL_BLRP_SCHEDULE_DELAY": "200",
        "OTEL_EXPORTER_PROMETHEUS_PORT": str(metrics),
        "OTEL_STREAM_METRIC_LABELS": "agent,tenant",
        "OTEL_STREAM_STALL_SECONDS": "1",
        "OTEL_STREAM_EVENTS": "both",
        "OTEL_STREAM_SEMCONV": "dup",
    }
    with Process(command, folder / "gateway.log", environment(**(settings | env))) as process:
        process.ready(f"http://127.0.0.1:{port}/healthz")
        yield SimpleNamespace(url=f"http://127.0.0.1:{port}", metrics=f"127.0.0.1:{metrics}", process=process)


def uvicorn(app, port, *more):
    return [sys.executable, "-m", "uvicorn", app, "--port", port, "--log-level", "warning", *more]


def gunicorn(app, port, *more):
    worker = "uvicorn_worker.UvicornWorker"
    return [
        sys.executable,
        "-m",
        "gunicorn",
        app,
        "--bind",
        f"127.0.0.1:{port}",
        "--worker-class",
        worker,
        *more,
    ]


@contextlib.contextmanager
def collector(folder, to):
    """Run rotel: OTLP in by gRPC and HTTP, OTLP out by HTTP. Gives the settings of its two doors."""
    rotel = pytest.importorskip("rotel", reason="rotel has no package for this machine or Python")
    grpc, http = free_port(), free_port()
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
        yield SimpleNamespace(grpc=_exporter("grpc", grpc), http=_exporter("http/protobuf", http))


def _exporter(protocol, port):
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
    }


def _takes(port):
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/traces", b"", method="POST")
    request.add_header("content-type", "application/x-protobuf")
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


@contextlib.contextmanager
def prometheus(programs, folder, metrics, alertmanager="127.0.0.1:1", *, budget=3000, scrape_seconds=2):
    """Run Prometheus with what `otel-stream dashboards` writes, pointed at this gateway, more often."""
    assert cli.main(["dashboards", str(folder), "--budget", str(budget)]) == 0
    config = yaml.safe_load((folder / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": f"{scrape_seconds}s", "evaluation_interval": "1s"}
    config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [alertmanager]
    (job,) = [job for job in config["scrape_configs"] if job["job_name"] == "gateway"]
    job["static_configs"] = [{"targets": [metrics]}]
    config["scrape_configs"] = [job]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    command = [
        programs / "prometheus", f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'tsdb'}", f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=exemplar-storage",
    ]  # fmt: skip
    with Process(command, folder / "prometheus.log", environment()) as process:
        process.ready(f"http://127.0.0.1:{port}/-/ready")
        yield Prometheus(port)


@contextlib.contextmanager
def alertmanager(programs, folder, webhook):
    """Run Alertmanager with the shipped configuration, its receivers pointed at our webhook."""
    config = yaml.safe_load((TESTS.parent / "dashboards" / "alertmanager.yml").read_text())
    for receiver in config["receivers"]:
        for hook in receiver.get("webhook_configs", ()):
            hook["url"] = f"{webhook}/{receiver['name']}"
    for route in config["route"]["routes"]:
        route["group_wait"] = "0s"
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    command = [
        programs / "prometheus-alertmanager", f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'alerts'}", f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]  # fmt: skip
    with Process(command, folder / "alertmanager.log", environment(), cwd=programs) as process:
        process.ready(f"http://127.0.0.1:{port}/-/ready")
        yield f"127.0.0.1:{port}"


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
