"""Processes of the e2e tests: started on loopback, waited for, and ended by their own id."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

TESTS = Path(__file__).parents[1]
READY_SECONDS = 120  # LiteLLM imports for a quarter of a minute on a busy machine
WAIT_SECONDS = 60
STOP_SECONDS = 20
NO_EXPORT = {f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "METRICS", "LOGS")}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(**changes):
    """The environment of a child: ours, without what was set here for telemetry."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "PROMETHEUS_"))
    }
    for name in ("VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE"):
        kept.pop(name, None)
    return {**kept, "PYTHONUNBUFFERED": "1", "NO_PROXY": "127.0.0.1", **changes}


def until(found, what, seconds=WAIT_SECONDS):
    """Return what `found()` returns as soon as it is true; another process cannot wake us."""
    end = time.monotonic() + seconds
    while not (result := found()):
        if time.monotonic() > end:
            raise AssertionError(f"after {seconds} s still not {what() if callable(what) else what}")
        time.sleep(0.05)
    return result


class Process:
    """A context manager. Its output goes to `log`, whose end is shown when it fails."""

    def __init__(self, command, log, env, cwd=None):
        self._command = [str(word) for word in command]
        self.log = Path(log)
        self._env = env
        self._cwd = cwd

    def __enter__(self):
        with self.log.open("wb") as out:
            self._process = subprocess.Popen(
                self._command,
                env=self._env,
                cwd=self._cwd,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    def __exit__(self, *_):
        """End it and whatever it has started."""
        self.stop()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def stop(self):
        """End it politely, and wait. Twice is a no-op."""
        if self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def ready(self, url):
        """Wait until something answers there with 200."""
        until(lambda: self._alive() and answers(url), lambda: f"at {url}\n{self.tail()}", READY_SECONDS)
        return self

    def _alive(self):
        assert self._process.poll() is None, f"{self._command} ended:\n{self.tail()}"
        return True

    def tail(self):
        return self.log.read_text("utf-8", "replace")[-4000:]


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


@contextlib.contextmanager
def provider(folder):
    """Run the provider of `upstream`; gives its address."""
    env = environment(PYTHONPATH=str(TESTS))
    log = folder / "provider.log"
    with Process([sys.executable, "-m", "e2e.upstream"], log, env) as process:
        port = until(lambda: process._alive() and log.read_text().partition("\n")[0], "the provider's port")
        yield Upstream(f"http://127.0.0.1:{port}")


class Upstream:
    """The provider as tests see it."""

    def __init__(self, url):
        self.url = url

    def ledger(self):
        return _json(f"{self.url}/ledger")

    def wait(self, key, state):
        """Return the row of the call once it is in that state: held, complete, gone …"""
        return _json(f"{self.url}/wait/{key}/{state}")

    def release(self, key):
        """Have it go on: to the end, or by a frame if it drips."""
        _json(f"{self.url}/release/{key}", b"{}")

    def let_go(self, key):
        """Have the answer end, however much there is of it."""
        while any((row["key"], row["state"]) == (key, "held") for row in self.ledger()):
            self.release(key)


def _json(url, data=None):
    with urllib.request.urlopen(url, data, timeout=2 * WAIT_SECONDS) as answer:
        return json.load(answer)
