"""Watching a process's live feed from another process: discovery is `rendezvous`'s, this attaches.

A thread for each process reads and decodes; what it reads goes into a bounded queue. Whoever empties that too
slowly makes the thread wait, and then the gateway's feed tells how much it missed: nothing is lost silently.
"""

from __future__ import annotations

import contextlib
import http.client
import queue
import socket
import threading
import time
from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias
from urllib.parse import urlsplit

import msgspec

from otel_stream.framing.sse import ServerSentEvent, SSEDecoder
from otel_stream.live.frames import Frame, Snapshot, decode_frame
from otel_stream.live.rendezvous import Target

ANSWER_SECONDS = 5.0
SILENT_SECONDS = 45.0  # the feed pings every 15 s; after three missed ones it is dead
RETRY_SECONDS = (0.1, 0.25, 0.5, 1.0)
READ_BYTES = 64 << 10
MAX_FRAME_BYTES = 64 << 20  # a snapshot of 10,000 streams has some 6 MB
QUEUED = 200  # reads of up to 64 KiB

Link: TypeAlias = Literal["connecting", "live", "gone", "refused"]


class FeedError(Exception):
    """The feed cannot be had; the message says why."""


class Refused(FeedError):  # noqa: N818 - it is an answer
    """The endpoint answered, and said no."""


class Delivery(NamedTuple):
    """What a watching thread tells: frames, or what became of the connection (`note` says why)."""

    target: Target
    frames: list[Frame]
    link: Link | None = None
    note: str = ""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _connection(target: Target, timeout: float) -> http.client.HTTPConnection:
    if target.address is None:
        return _UnixConnection(target.socket, timeout)
    parts = urlsplit(target.address.url)
    return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)


def _headers(target: Target) -> dict[str, str]:
    return {} if target.address is None else {"authorization": f"Bearer {target.address.token}"}


def _open(
    connection: http.client.HTTPConnection, target: Target, path: str, headers: Mapping[str, str] = {}
) -> http.client.HTTPResponse:
    """Return the answer to a GET. Raises: Refused, OSError, HTTPException."""
    connection.request("GET", path, headers={**_headers(target), **headers})
    answer = connection.getresponse()
    if answer.status != http.client.OK:
        with answer:
            raise Refused(_reason(answer.read(4096)) or f"HTTP {answer.status}")
    return answer


def _reason(body: bytes) -> str:
    try:
        found = msgspec.json.decode(body, type=dict[str, str])
    except msgspec.DecodeError:
        return ""
    return found.get("error", "")


def ask(target: Target, path: str, timeout: float = ANSWER_SECONDS) -> bytes:
    """Return the body of an answer. Raises: FeedError."""
    connection = _connection(target, timeout)
    try:
        with _open(connection, target, path) as answer:
            return answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise FeedError(f"{target.where}: {error}") from error
    finally:
        connection.close()


def snapshot(target: Target, query: str = "") -> Snapshot:
    """Return what a process says is going on. Raises: FeedError."""
    body = ask(target, f"/snapshot?{query}")
    try:
        frame = decode_frame(body)
    except msgspec.DecodeError as error:
        raise FeedError(f"{target.where}: {error}") from error
    if not isinstance(frame, Snapshot):
        raise FeedError(f"{target.where}: no snapshot")
    return frame


class Watching:
    """Follows one process's feed in a thread until `stop`; comes back after a lost connection."""

    def __init__(self, target: Target, deliveries: queue.Queue[Delivery], query: str = "") -> None:
        self.target = target
        self.skipped = 0
        """Frames that were not understood: the gateway is of a newer version."""
        self._deliveries = deliveries
        self._path = f"/events?{query}"
        self._last_id = ""
        self._stopping = threading.Event()
        self._socket: socket.socket | None = None
        self._thread = threading.Thread(target=self._run, name=f"watch-{target.key}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Leave the feed; returns at once, the thread ends soon after."""
        self._stopping.set()
        connected = self._socket
        if connected is not None:
            with contextlib.suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)

    def join(self, timeout: float | None = None) -> None:
        """Wait until the thread has ended."""
        self._thread.join(timeout)

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                self._follow()
                self._tell("connecting", "the feed ended")
            except Refused as error:
                self._tell("refused", str(error))
            except http.client.IncompleteRead:
                self._tell("connecting", "the feed broke off")
            except (ConnectionRefusedError, FileNotFoundError):
                self._tell("gone", "the process ended")
            except (OSError, http.client.HTTPException) as error:
                self._tell("connecting", str(error) or type(error).__name__)
            if time.monotonic() - began > RETRY_SECONDS[-1]:
                failures = 0
            self._stopping.wait(RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)])
            failures += 1

    def _follow(self) -> None:
        connection = _connection(self.target, ANSWER_SECONDS)
        try:
            connection.connect()
            # The connection forgets its socket once the answer owns it.
            connected = self._socket = connection.sock
            headers = {"last-event-id": self._last_id} if self._last_id else {}
            with _open(connection, self.target, self._path, headers) as answer:
                connected.settimeout(SILENT_SECONDS)
                self._tell("live", "")
                self._read_all(answer)
        finally:
            self._socket = None
            connection.close()

    def _read_all(self, answer: http.client.HTTPResponse) -> None:
        decoder = SSEDecoder(MAX_FRAME_BYTES)
        while not self._stopping.is_set() and (data := answer.read1(READ_BYTES)):
            self._read(decoder.feed(data))

    def _read(self, events: list[ServerSentEvent]) -> None:
        frames: list[Frame] = []
        for event in events:
            try:
                frames.append(decode_frame(event.raw))
            except msgspec.DecodeError:  # noqa: PERF203 - one bad frame must not cost the others
                self.skipped += 1
        if events:
            self._last_id = events[-1].id
        if frames:
            self._put(Delivery(self.target, frames))

    def _tell(self, link: Link, note: str) -> None:
        self._put(Delivery(self.target, [], link, note))

    def _put(self, delivery: Delivery) -> None:
        while not self._stopping.is_set():
            try:
                self._deliveries.put(delivery, timeout=0.25)
            except queue.Full:
                continue
            return
