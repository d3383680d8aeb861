"""What a newcomer does: copy the tree, type the README's commands. Installs from PyPI into a fresh .venv."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from e2e.live_gateways import screen_environment
from e2e.terminal import Terminal

ROOT = Path(__file__).parents[2]
PORTS = "--gateway-port 0 --provider-port 0 --page-port 0 --metrics-port 0"

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def clone(request, tmp_path_factory):
    """The tree as git has it, and nothing of this .venv."""
    folder = tmp_path_factory.mktemp("clone")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    request.config.get_terminal_writer().line(f"installing otel-stream[demo] from PyPI into {folder}/.venv")
    return folder


def make(folder, *words, **options):
    base = Path(sys.base_prefix) / "bin"
    env = {**os.environ, "PATH": f"{base}:{os.environ['PATH']}"}
    env = {name: value for name, value in env.items() if not name.startswith(("OTEL_", "VIRTUAL_ENV"))}
    return subprocess.Popen(
        ["make", *words],
        cwd=folder,
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        **options,
    )


def rows_of(out):
    """The closing table's rows of sums: all streams, and /metrics."""
    found = dict(re.findall(r"^(all streams|/metrics) +(.+)$", out, re.MULTILINE))
    return found["all streams"].split(), found["/metrics"].split()


def test_make_demo_runs_for_a_while_and_its_totals_equal_the_counters(clone):
    out, _ = make(clone, "demo", f"ARGS=--duration 8 {PORTS}").communicate(timeout=600)

    seen, counted = rows_of(out)
    assert seen == counted
    assert int(seen[0]) > 5
    assert "The totals of the events equal the counters in /metrics." in out


def test_make_demo_ends_by_ctrl_c(clone):
    """Ctrl-C reaches make and all it started, as from a terminal."""
    process = make(clone, "demo", f"ARGS={PORTS}", start_new_session=True)
    lines = []
    for line in process.stdout:
        lines.append(line)
        if " tokens" in line and "ended" not in line:
            break

    os.killpg(process.pid, signal.SIGINT)
    rest, _ = process.communicate(timeout=60)

    seen, counted = rows_of("".join(lines) + rest)
    assert seen == counted
    assert int(seen[3]) > 0, "who is in the middle of an answer is cancelled"


def test_make_demo_on_a_terminal_is_a_screen_that_needs_nothing_more(clone):
    base = Path(sys.base_prefix) / "bin"
    env = {**screen_environment(), "PATH": f"{base}:{os.environ['PATH']}"}
    with Terminal(["make", "demo", f"ARGS={PORTS}"], env=env, folder=clone) as screen:
        screen.shows(lambda text: re.search(r" [1-9]\d* ended ", text), "ended streams on a screen")
        screen.press("C-c")
        code, history = screen.code(), screen.history()

    seen, counted = rows_of(history)
    assert (code, seen) == (0, counted)


def test_an_old_python_is_refused_with_the_cure(clone, tmp_path):
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && echo Python 3.8.1\nexit 1\n')
    old.chmod(0o755)

    out, _ = make(clone, "demo", f"PYTHON={old}", "VENV=other").communicate(timeout=60)

    assert "is Python 3.8.1: 3.10 or newer is needed; run make with PYTHON=" in out


def test_a_missing_python_is_told(clone):
    out, _ = make(clone, "demo", "PYTHON=no-such-python", "VENV=other").communicate(timeout=60)

    assert "no-such-python not found: install Python 3.10 or newer" in out
