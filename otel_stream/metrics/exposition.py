"""`/metrics` over HTTP, from a daemon thread: writing out a few hundred series would block an event loop.

Speaks OpenMetrics to scrapers that ask for it; exemplars are only in that format.
https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterable
from socketserver import TCPServer, ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.multiprocess import MultiProcessCollector

from otel_stream import _guard

REQUEST_SECONDS = 10  # a scraper that is slower than this to say what it wants is let go
POLL_SECONDS = 0.1  # how long closing may take


def is_multiprocess() -> bool:
    """Whether prometheus_client keeps its values in files shared by several processes."""
    return bool(os.environ.get("PROMETHEUS_MULTIPROC_DIR") or os.environ.get("prometheus_multiproc_dir"))  # noqa: SIM112


def wsgi_app(registry: CollectorRegistry) -> Callable[..., Iterable[bytes]]:
    """Return a WSGI application that answers any path with the registry's metrics.

    In multi-process mode with those of all processes, whatever the registry.
    """

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        return make_wsgi_app(_source(registry))(environ, start_response)  # type: ignore[no-any-return]

    return app


def _source(registry: CollectorRegistry) -> CollectorRegistry:
    if not is_multiprocess():
        return registry
    everybody = CollectorRegistry(support_collectors_without_names=True)
    MultiProcessCollector(everybody)  # type: ignore[no-untyped-call]
    return everybody


class Server:
    """A running `/metrics`; one thread, and one more for each scrape."""

    def __init__(self, http: _HTTPServer) -> None:
        self._http = http
        self._thread = threading.Thread(
            target=http.serve_forever, args=(POLL_SECONDS,), name="otel_stream-metrics", daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """The port in use, also when 0 was asked for."""
        return int(self._http.server_address[1])

    @property
    def url(self) -> str:
        """Where to point a browser or a scraper on this machine."""
        host = str(self._http.server_address[0])
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/metrics"

    def close(self) -> None:
        """Stop serving and free the port. Twice is a no-op."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def serve(registry: CollectorRegistry, host: str, port: int) -> Server | None:
    """Serve the registry's metrics at host and port (0: a free one), or log why not and return None."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        http = _HTTPServer(family, (str(address[0]), port), wsgi_app(registry))
    except OSError as error:
        _guard.logger.warning(
            "/metrics is not served at %s:%d: %s. Set OTEL_EXPORTER_PROMETHEUS_PORT to a free port"
            " (0 picks one) or OTEL_EXPORTER_PROMETHEUS_HOST to an address of this machine;"
            " nothing else is affected",
            host,
            port,
            error.strerror or error,
        )
        return None
    return Server(http)


class _Handler(WSGIRequestHandler):
    timeout = REQUEST_SECONDS

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: the host's log is not ours."""


class _HTTPServer(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def __init__(self, family: int, address: tuple[str, int], app: Callable[..., Iterable[bytes]]) -> None:
        self.address_family = family
        super().__init__(address, _Handler)
        self.set_app(app)

    def server_bind(self) -> None:
        """Bind without the reverse name lookup of `HTTPServer`, which can take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """A scraper that went away is its own affair; the base class would print a traceback."""
        _guard.skipped("exposition")
