"""The setting `tail`: every event as a line of JSON to stderr, a file, a FIFO or a Unix socket.

The runtime starts it; a thread of its own writes, in batches, so that a slow reader costs the gateway
nothing: what the reader is too slow for is lost to it, and the log says how much.
"""

from __future__ import annotations

import functools
import logging
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from otel_stream import _guard
from otel_stream.broadcaster import Closed, Receiver, StreamEventBroadcaster
from otel_stream.config import SettingError
from otel_stream.events import StreamEvent, TextDelta, encode

INTERVAL_SECONDS = 0.05  # twenty times a second looks immediate
CLOSE_SECONDS = 2.0  # how long the end of the process may wait for a reader that does not read

logger = logging.getLogger("otel_stream")

Write = Callable[[bytes], object]
Encode = Callable[[StreamEvent], bytes]


def start(broadcaster: StreamEventBroadcaster, target: str, *, text: bool = True) -> Callable[[], None]:
    """Write events to the target until the returned function is called; what was sent before is written.

    `target` is "stderr" or a path: a Unix socket is connected to, anything else is opened to append.
    Without `text` deltas tell their length only.

    Raises: SettingError when the target cannot be opened.
    """
    try:
        write, close = _open(target)
    except OSError as error:
        raise SettingError(
            f"OTEL_STREAM_TAIL must be something to write to; got {target!r}: {error}"
        ) from None
    receiver = broadcaster.subscribe(name="tail")
    stopping = threading.Event()
    thread = threading.Thread(
        target=_run,
        args=(receiver, encode if text else _encode_without_text, write, close, stopping),
        name="otel-stream-tail",
        daemon=True,
    )
    thread.start()

    def stop() -> None:
        stopping.set()
        thread.join(CLOSE_SECONDS)

    return stop


def _run(
    receiver: Receiver, line: Encode, write: Write, close: Callable[[], None], stopping: threading.Event
) -> None:
    with _guard.guard("tail"):
        try:
            _copy(receiver, line, write, stopping)
        except OSError as error:  # the reader went away, or the disk is full
            logger.warning("tail ends: %s", error)
        finally:
            receiver.close()
            close()


def _copy(receiver: Receiver, line: Encode, write: Write, stopping: threading.Event) -> None:
    told = 0
    last = False
    while not last:
        last = stopping.wait(INTERVAL_SECONDS)
        try:
            events = receiver.try_recv_many()
        except Closed:
            return
        if events:
            write(b"".join(line(event) + b"\n" for event in events))
        if receiver.lagged > told:
            logger.warning("tail missed %d events: its reader is too slow", receiver.lagged - told)
            told = receiver.lagged


def _encode_without_text(event: StreamEvent) -> bytes:
    return encode(msgspec.structs.replace(event, text="") if isinstance(event, TextDelta) else event)


def _open(target: str) -> tuple[Write, Callable[[], None]]:
    """Return what writes all of the bytes, and what closes the target."""
    if target == "stderr":
        return _to_stderr, lambda: None
    path = Path(target)
    if path.is_socket():
        return _connect(target)
    # Read and write: opening a FIFO only to write waits for its reader, and so would the gateway's start.
    mode = "r+b" if path.is_fifo() else "ab"
    file = cast("BinaryIO", path.open(mode, buffering=0))
    return functools.partial(_write_all, file), file.close


def _connect(target: str) -> tuple[Write, Callable[[], None]]:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(target)
    except OSError:
        connection.close()
        raise
    return connection.sendall, connection.close


def _write_all(file: BinaryIO, data: bytes) -> None:
    """Write all of it; a FIFO takes what it has room for."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def _to_stderr(lines: bytes) -> None:
    sys.stderr.write(lines.decode())
    sys.stderr.flush()
