"""Several workers, one `/metrics`: the files of all are read, and those of dead workers folded.

prometheus_client keeps each worker's values in files named by its pid and never cleans up. Left alone, the
gauges of a killed worker stick; removed, its counters would fall and Prometheus count them again. So here a
dead worker's counters are added to the files of pid 0 and its live gauges go, under one lock with reading.
https://prometheus.github.io/client_python/multiprocess/
"""

from __future__ import annotations

import fcntl
import operator
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from prometheus_client.metrics_core import Metric as Family
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

from otel_stream.config import SettingError

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

_FILE = re.compile(r"(counter|histogram|summary|gauge_[a-z]+)_(\d+)\.db")
_ADD: dict[str, Callable[[float, float], float]] = {
    "counter": operator.add,
    "histogram": operator.add,
    "summary": operator.add,
    "gauge_sum": operator.add,
    "gauge_max": max,
    "gauge_min": min,
}
"""How values of one kind of file go together; kinds that are not here stay as they are."""

_NOBODY = 0  # a pid that no process has; its files hold what the dead counted


def folder() -> Path | None:
    """Return where workers keep their values; None when each process counts for itself."""
    named = os.environ.get(VARIABLE) or os.environ.get(VARIABLE.lower())
    return Path(named) if named else None


def prepare(path: Path) -> None:
    """Make the folder, and fold what an earlier run left in it.

    Raises: SettingError when it cannot be made or written to.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        first = take_seat(path)
        if first is not None:
            with _locked(path):
                reap(path)
            release(first)
    except OSError as error:
        raise SettingError(
            f"{VARIABLE} must be a folder we can write to; got {str(path)!r}: {error.strerror}"
        ) from None


class Workers:
    """What the workers of a folder counted, dead ones included, as a collector for a registry."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def collect(self) -> Iterable[Family]:
        """Return all metrics. Other scrapes wait meanwhile, whichever process answers them."""
        with _locked(self._path):
            if (self._path / f"counter_{os.getpid()}.db").exists():  # else files may be named by other ids
                reap(self._path)
            files = [str(file) for file in sorted(self._path.glob("*.db")) if _has_values(file)]
            return MultiProcessCollector.merge(files)  # type: ignore[no-any-return, no-untyped-call]


# -- folding ---------------------------------------------------------------------------------------------
#
# A process may be killed at any line of this. Files to be folded are moved to fold/in, their sums written to
# fold/out, then fold becomes folded: from there on out counts and in is forgotten. Who comes next goes on.


def reap(path: Path) -> None:
    """Fold the counters of dead workers and remove their live gauges. Called under the lock."""
    _publish(path)
    if (path / "fold").exists():
        _fold(path)
    counters = []
    for file, kind in _of_the_dead(path):
        if kind.startswith("gauge_live"):
            file.unlink(missing_ok=True)  # a server's own hook for dead workers may have been quicker
        elif kind in _ADD:
            counters.append(file)
    if counters:
        (path / "fold" / "in").mkdir(parents=True)
        for file in counters:
            file.rename(path / "fold" / "in" / file.name)
        _fold(path)


def _of_the_dead(path: Path) -> Iterator[tuple[Path, str]]:
    for file in sorted(path.iterdir()):
        match = _FILE.fullmatch(file.name)
        if match and int(match[2]) != _NOBODY and not _is_alive(int(match[2])):
            yield file, match[1]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):  # somebody else's process, or no pid at all
        return True
    return True


def _fold(path: Path) -> None:
    """Add what lies in fold/in to the files of the dead."""
    ins, out = path / "fold" / "in", path / "fold" / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    ins.mkdir(exist_ok=True)
    kinds: dict[str, list[Path]] = {}
    for file in sorted(ins.iterdir()):
        kinds.setdefault(file.name.rpartition("_")[0], []).append(file)
    for kind, files in kinds.items():
        base = path / f"{kind}_{_NOBODY}.db"
        _write(out / base.name, _sum([base, *files], _ADD[kind]))
    (path / "fold").rename(path / "folded")
    _publish(path)


def _sum(files: Iterable[Path], add: Callable[[float, float], float]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for file in files:
        if not _has_values(file):
            continue
        for key, value, _, _ in MmapedDict.read_all_values_from_file(file):  # type: ignore[no-untyped-call]
            sums[key] = add(sums[key], value) if key in sums else value
    return sums


def _has_values(file: Path) -> bool:
    """Whether it is there and its worker lived to write into it."""
    try:
        return file.stat().st_size > 0
    except FileNotFoundError:
        return False


def _write(file: Path, values: dict[str, float]) -> None:
    with closing(MmapedDict(str(file))) as made:  # type: ignore[no-untyped-call]
        for key, value in values.items():
            made.write_value(key, value, 0.0)  # type: ignore[no-untyped-call]


def _publish(path: Path) -> None:
    """Put folded sums in the place of those before."""
    folded = path / "folded"
    if not folded.exists():
        return
    for file in sorted((folded / "out").glob("*.db")):
        file.replace(path / file.name)
    shutil.rmtree(folded)


# -- the locks -------------------------------------------------------------------------------------------

_held: set[int] = set()
"""Descriptors of locks; a forked child closes its copies, or it would hold its parent's locks for ever."""


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    held = _open(path / ".lock")
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        release(held)


def take_seat(path: Path) -> int | None:
    """Return a hold on being the one that serves; None while another process has it.

    It goes with the process that holds it, however that ends; `release` gives it back.
    """
    held = _open(path / ".serving")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        release(held)
        return None
    return held


def release(held: int) -> None:
    """Give a lock back. In a forked child, whose copy is closed already, nothing happens."""
    if held in _held:
        _held.remove(held)
        fcntl.flock(held, fcntl.LOCK_UN)
        os.close(held)


def _open(path: Path) -> int:
    held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    _held.add(held)
    return held


def _let_go() -> None:
    while _held:
        os.close(_held.pop())


os.register_at_fork(after_in_child=_let_go)
