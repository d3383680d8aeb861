"""The examples of the docs, and gateways started by them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import httpx2

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
GATEWAY = ROOT / "otel_stream" / "demo" / "gateway_app.py"


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def environment(**settings):
    """Of a shell where nothing is set but what is given."""
    return {"PATH": f"{BIN}:/usr/bin:/bin", **settings}


@contextmanager
def started(script, folder, **env):
    """Run a block of shell where `app.py` is; yield the process, and stop it."""
    process = subprocess.Popen(
        ["/bin/sh", "-ec", script],
        cwd=folder,
        env=environment(**env),
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.communicate()


def ask(port):
    """Call the gateway once it is up; return the answer."""
    with httpx2.Client(transport=httpx2.HTTPTransport(retries=10), timeout=30) as client:
        return client.post(
            f"http://127.0.0.1:{port}/v1/chat/completions", json={"model": "gpt-4o", "stream": True}
        )
