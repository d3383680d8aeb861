"""Gateways with several workers whose live feeds are watched: the demo's, under opentelemetry-instrument."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from e2e.processes import NO_EXPORT, Process, environment, free_port
from serving import Caller

from otel_stream import demo

INSTRUMENT = Path(sys.executable).with_name("opentelemetry-instrument")
COMMAND = Path(sys.executable).with_name("otel-stream")
APP = Path(demo.__file__).parent
FREE_PORTS = [word for name in ("gateway", "provider", "page", "metrics") for word in (f"--{name}-port", "0")]
"""Options of `otel-stream demo`: no port that somebody else may have."""


class Gateway(Process):
    """One gateway; `workers` of the kind `server`. Callers ask from threads, so that streams may be held."""

    def __init__(self, folder, name, place, upstream, *, server="uvicorn", workers=2, live="unix"):
        self.name = name
        self.port = free_port()
        self._callers = ThreadPoolExecutor(16)
        env = environment(
            **NO_EXPORT,
            OTEL_SERVICE_NAME=name,
            OTEL_STREAM_LIVE=live,
            OTEL_STREAM_LIVE_PATH=str(place),
            OTEL_STREAM_LIVE_TEXT="true",
            OTEL_EXPORTER_PROMETHEUS_PORT="0",
            OPENAI_BASE_URL=upstream.url,
            ANTHROPIC_BASE_URL=upstream.url,
        )
        super().__init__(
            _command(server, self.port, workers), folder / f"{name}-{self.port}.log", env, cwd=APP
        )

    def __enter__(self):
        super().__enter__()
        return self.ready(f"http://127.0.0.1:{self.port}/healthz")

    def __exit__(self, *details):
        """End it at once: politely it would wait for the streams that are held."""
        self._callers.shutdown(wait=False, cancel_futures=True)
        if self._process.poll() is None:
            self.kill()
        super().__exit__(*details)

    def kill(self):
        """End it and its workers as a crash would: nothing is tidied up."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def ask(self, key, conduct="hold", model="gpt-4o"):
        """Ask for a stream from a thread; returns a future of the reply."""
        text = f"Say something. [[{conduct} {key}]]"
        payload = {"model": model, "stream": True, "messages": [{"role": "user", "content": text}]}
        headers = {"x-request-id": key, "x-agent-type": "coder"}
        return self._callers.submit(Caller(self.port).ask, payload, headers)


def _command(server, port, workers):
    serve = {
        "uvicorn": ["uvicorn", "gateway_app:app", "--port", port, "--workers", workers],
        "gunicorn": [
            "gunicorn", "gateway_app:app", "--bind", f"127.0.0.1:{port}", "--workers", workers,
            "--worker-class", "uvicorn_worker.UvicornWorker",
        ],
    }[server]  # fmt: skip
    return [INSTRUMENT, "--", sys.executable, "-m", *serve]


def screen_environment():
    """The environment of a screen: a terminal's, whatever telemetry this process has."""
    kept = {name: value for name, value in environment().items() if name in ("PATH", "HOME")}
    return {"LANG": "C.UTF-8", **kept}


def once(place):
    """What `otel-stream top --once --json` says; None while nobody answers."""
    command = [COMMAND, "top", "--once", "--json", "--folder", str(place)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
    return json.loads(done.stdout) if done.returncode == 0 else None
