"""`otel-stream top` in a terminal of its own, whose output somebody takes as fast as it comes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
LINES, COLUMNS = 34, 140


@contextlib.contextmanager
def running(place: Path) -> Iterator[int]:
    """Watch the gateways in this folder; gives the screen's process id."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    command = [sys.executable, "-m", "otel_stream.cli", "top", "--folder", str(place)]
    env = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs, env={**env, "TERM": "xterm-256color"}
    )
    os.close(theirs)
    threading.Thread(target=_drain, args=(ours,), daemon=True).start()
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait()
        os.close(ours)


def _drain(terminal: int) -> None:
    with contextlib.suppress(OSError):
        while os.read(terminal, 1 << 16):
            pass
