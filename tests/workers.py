"""Workers' files as prometheus_client writes them, and processes that write and serve them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from prometheus_client import CollectorRegistry, values

from otel_stream.metrics import multiprocess

DEAD = 1 << 22  # the kernel gives no pid beyond this one, so this and the next are nobody's


def write(pid: int, kind: str, amount: float, *, mode: str = "", page: str = "home") -> None:
    """Have worker `pid` count `amount` on a metric of that kind."""
    value_class = values.MultiProcessValue(lambda: pid)
    value = value_class(kind, "hits", "hits_total", ("page",), (page,), "Hits.", multiprocess_mode=mode)
    value.inc(amount)
    value._file.close()  # else the file stays open until the next full collection


def read(folder: Path) -> dict[str, float]:
    """Return what all workers of the folder counted, by the label `page`."""
    registry = CollectorRegistry(support_collectors_without_names=True)
    registry.register(multiprocess.Workers(folder))
    return {s.labels["page"]: s.value for family in registry.collect() for s in family.samples}


def names(folder: Path) -> list[str]:
    """Return the files of workers there are."""
    return sorted(path.name for path in folder.glob("*.db"))


def start(program: str, folder: Path, *arguments: object) -> subprocess.Popen:
    """Start a Python program that reads commands and writes answers, one a line."""
    return subprocess.Popen(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program, *map(str, arguments)],
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )


def tell(process: subprocess.Popen, word: str) -> str:
    """Say a word to the program and return its answer."""
    process.stdin.write(word + "\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


def end(process: subprocess.Popen) -> None:
    """End the program and close its pipes."""
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()
