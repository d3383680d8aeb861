"""The live endpoint of a process: a thread with an event loop of its own, so that the gateway's never waits.

`serve` starts it where the setting `live` says so: on a Unix socket only this user can open, or on a loopback
port with a token. In a forked child (gunicorn's workers) it starts anew with the child's first stream.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import importlib.util
import os
import socket
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

from opentelemetry import context

from otel_stream._guard import guard, guarded, logger
from otel_stream.config import Settings
from otel_stream.events import StreamEvent
from otel_stream.live import rendezvous
from otel_stream.live.ending import end
from otel_stream.live.feed import Feed
from otel_stream.live.gate import Gate, loopback_hosts
from otel_stream.live.recent import Recent
from otel_stream.processor import StreamSpanProcessor

if TYPE_CHECKING:
    from otel_stream.live.endpoint import Endpoint, Metrics, Status

MAX_CONNECTIONS = 32  # watchers, and short questions beside them
CLOSE_SECONDS = 2.0  # the end of the process waits no longer for the thread
_BACK_OFF_SECONDS = 1.0  # when the process has no file descriptor left


def serve(
    processor: StreamSpanProcessor,
    settings: Settings,
    *,
    metrics: Metrics | None = None,
    status: Status | None = None,
) -> Server | None:
    """Serve the live feed if the settings say so; None where they do not, or where it cannot be.

    `metrics` gets a header `Accept` and returns content type and body of `/metrics`, `status` the body
    of `/status`; None: no such path.
    Never raises: what is wrong is logged once, with the cure, and nothing else is affected.
    """
    if settings.live == "off":
        return None
    if importlib.util.find_spec("h11") is None:
        logger.warning("the live feed needs h11: pip install 'otel-stream[live]'")
        return None
    server = Server(processor, settings, metrics, status)
    try:
        server.start()
    except OSError as error:
        server.close()
        logger.warning("the live feed is not served: %s; nothing else is affected", error)
        return None
    if server.url:
        logger.info("live feed at %s, its token in %s", server.url, server.path)
    else:
        logger.info("live feed at %s", server.path)
    return server


class Server:
    """A running live endpoint. `path` is its socket, or the file with its address and token."""

    def __init__(
        self,
        processor: StreamSpanProcessor,
        settings: Settings,
        metrics: Metrics | None,
        status: Status | None,
    ) -> None:
        self.url = ""
        """Where a browser finds it; empty for a Unix socket."""
        self.path: Path | None = None
        self._processor = processor
        self._settings = settings
        self._metrics = metrics
        self._status = status
        self._recent = Recent()
        self._pid = 0
        self._thread: threading.Thread | None = None
        self._remove_listener = processor.broadcaster.add_listener(self._on_event)
        self._connections: set[socket.socket] = set()
        self._answering: set[asyncio.Task[None]] = set()
        self._left_behind: list[object] = []
        """A forked child's copies of its parent's loops: closing one would stop the parent's."""
        _servers.add(self)

    def start(self) -> None:
        """Listen, and answer in a thread. Raises: OSError when that cannot be."""
        self._pid = os.getpid()
        self._listener, gate = self._listen()
        self._loop = asyncio.SelectorEventLoop()  # not the policy's: a gateway may have set uvloop's
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, args=(gate,), name="otel-stream-live", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def close(self) -> None:
        """Stop answering and remove the socket. Twice is a no-op."""
        atexit.unregister(self.close)
        self._remove_listener()
        _servers.discard(self)
        thread, self._thread = self._thread, None
        if thread is None:
            return
        with contextlib.suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(self._stopping.set)
        thread.join(CLOSE_SECONDS)
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    # -- listening -------------------------------------------------------------------------------------

    def _listen(self) -> tuple[socket.socket, Gate | None]:
        place = rendezvous.folder(self._settings.live_path)
        if self._settings.live == "unix":
            listener, self.path = rendezvous.listen(place)
            return listener, None
        listener = rendezvous.loopback(self._settings.live_port)
        port = listener.getsockname()[1]
        try:
            self.url = f"http://127.0.0.1:{port}/"
            token, self.path = rendezvous.publish(place, self.url)
        except OSError:
            listener.close()
            raise
        return listener, Gate(token, loopback_hosts(port))

    # -- in the thread ---------------------------------------------------------------------------------

    def _run(self, gate: Gate | None) -> None:
        context.attach(context.set_value("suppress_instrumentation", True))  # nobody traces the tracer
        with guard("live"):
            asyncio.set_event_loop(self._loop)
            try:
                self._loop.run_until_complete(self._main(gate))
            finally:
                self._loop.close()
                self._listener.close()

    async def _main(self, gate: Gate | None) -> None:
        from otel_stream.live.endpoint import Endpoint  # noqa: PLC0415 - with h11, only where it is wanted

        feed = Feed(self._processor, self._settings, self._recent)
        endpoint = Endpoint(feed, gate=gate, metrics=self._metrics, status=self._status)
        self._loop.add_reader(self._listener, self._accept, endpoint)
        try:
            await self._stopping.wait()
        finally:
            self._loop.remove_reader(self._listener)
            endpoint.ending = True
            await end(self._answering)
            for connection in self._connections:  # of tasks that never began
                connection.close()
            feed.close()

    def _accept(self, endpoint: Endpoint) -> None:
        """Take one connection; not by `sock_accept`, which may be cancelled with one in its hand."""
        try:
            connection, _ = self._listener.accept()
        except BlockingIOError:
            return
        except OSError as error:
            logger.warning("the live feed accepts nobody for a second: %s", error)
            self._loop.remove_reader(self._listener)
            self._loop.call_later(_BACK_OFF_SECONDS, self._resume, endpoint)
            return
        if not self._is_welcome(connection):
            endpoint.feed.clients.refused += 1
            connection.close()
            return
        self._connections.add(connection)
        connection.setblocking(False)
        task = self._loop.create_task(self._exchange(connection, endpoint))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    def _resume(self, endpoint: Endpoint) -> None:
        if not self._stopping.is_set():
            self._loop.add_reader(self._listener, self._accept, endpoint)

    def _is_welcome(self, connection: socket.socket) -> bool:
        if len(self._connections) >= MAX_CONNECTIONS:
            return False
        return bool(self.url) or rendezvous.peer_is_welcome(connection)

    async def _exchange(self, connection: socket.socket, endpoint: Endpoint) -> None:
        from otel_stream.live.http import exchange  # noqa: PLC0415 - as above

        try:
            with guard("live.exchange"):
                await exchange(connection, endpoint)
        finally:
            self._connections.discard(connection)
            connection.close()

    # -- in a forked child -----------------------------------------------------------------------------

    def _on_event(self, event: StreamEvent) -> None:
        self._recent.on_event(event)
        if self._pid != os.getpid():
            self._pid = os.getpid()
            threading.Thread(target=self._begin_anew, name="otel-stream-live-start", daemon=True).start()

    @guarded("live.fork")
    def _begin_anew(self) -> None:
        try:
            self.start()
        except OSError as error:
            logger.warning("the live feed of process %d is not served: %s", os.getpid(), error)

    def leave_behind(self) -> None:
        """In a forked child: let go of the parent's sockets without a word to their other ends.

        The loop is not closed, since its epoll set is shared with the parent's; it is only kept from being
        collected, which would close it.
        """
        self._recent.restart()
        if self._thread is None:
            return
        self._left_behind += [self._loop, self._thread, self._connections, self._answering]
        for connection in (self._listener, *self._connections):
            descriptor = connection.detach()
            if descriptor >= 0:
                os.close(descriptor)
        self._connections, self._answering = set(), set()
        self._thread = None
        self.path = None


_servers: weakref.WeakSet[Server] = weakref.WeakSet()


def _leave_all_behind() -> None:
    for server in list(_servers):
        server.leave_behind()


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has none
    os.register_at_fork(after_in_child=_leave_all_behind)
