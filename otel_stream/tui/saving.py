"""What the screen writes to files: recordings and exports, for their owner's eyes, never over other files."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from otel_stream.tui.export import as_events, as_otlp
from otel_stream.tui.record import Recorded, line_of
from otel_stream.tui.row import Row
from otel_stream.tui.words import short_id


class Recorder:
    """Writes frames to a new file as they come. Raises: OSError when there can be none."""

    def __init__(self, folder: Path, now: int) -> None:
        self.path, self._file = _create(folder, f"recording-{_stamp(now)}", "jsonl")
        self.written = 0

    def write(self, frames: Iterable[Recorded]) -> None:
        """Append the frames."""
        lines = [line_of(recorded.gateway, recorded.frame) for recorded in frames]
        self._file.write(b"".join(lines))
        self.written += len(lines)

    def close(self) -> None:
        self._file.close()


def save_events(folder: Path, rows: Sequence[Row], now: int) -> Path:
    """Write the streams as lines of our public events; return the new file. Raises: OSError."""
    return _save(folder, _name(rows, now), "jsonl", as_events(rows))


def save_spans(folder: Path, rows: Sequence[Row], services: Mapping[str, str], now: int) -> Path:
    """Write the streams as one OTLP/JSON request; return the new file. Raises: OSError."""
    return _save(folder, _name(rows, now), "otlp.json", as_otlp(rows, services))


def _save(folder: Path, name: str, suffix: str, data: bytes) -> Path:
    path, file = _create(folder, name, suffix)
    with file:
        file.write(data)
    return path


def _name(rows: Sequence[Row], now: int) -> str:
    told = "".join(c for c in short_id(rows[0].request_id) if c.isalnum()) if len(rows) == 1 else ""
    return f"{told or 'streams'}-{_stamp(now)}"


def _stamp(now: int) -> str:
    return time.strftime("%Y%m%d-%H%M%S", time.localtime(now // 1_000_000_000))


def _create(folder: Path, name: str, suffix: str) -> tuple[Path, BinaryIO]:
    """Return a file nobody had before, and its path."""
    number = 1
    while True:
        more = f"-{number}" if number > 1 else ""
        path = folder / f"otel-stream-{name}{more}.{suffix}"
        try:
            opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            number += 1
            continue
        return path, os.fdopen(opened, "wb")
