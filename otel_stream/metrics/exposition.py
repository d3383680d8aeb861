"""`/metrics` over HTTP, from a daemon thread: writing out a few hundred series would block an event loop.

Speaks OpenMetrics to scrapers that ask for it; exemplars are only in that format.
https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from socketserver import TCPServer, ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Sample

from otel_stream import _guard
from otel_stream.metrics import multiprocess

REQUEST_SECONDS = 10  # a scraper that is slower than this to say what it wants is let go
POLL_SECONDS = 0.1  # how long closing may take
BREATH_SAMPLES = 256  # written in 2 ms; then whoever waits for the interpreter has it
BREATH_SECONDS = 0.0002


def wsgi_app(registry: CollectorRegistry) -> Callable[..., Iterable[bytes]]:
    """Return a WSGI application that answers any path with the registry's metrics.

    In multi-process mode with those of all processes, whatever the registry.
    """

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        return make_wsgi_app(_source(registry))(environ, start_response)  # type: ignore[no-any-return]

    return app


def _source(registry: CollectorRegistry) -> CollectorRegistry:
    folder = multiprocess.folder()
    if folder is None:
        return _OneByOne(registry)  # type: ignore[return-value] # has what is asked of it
    everybody = CollectorRegistry(support_collectors_without_names=True)
    everybody.register(multiprocess.Workers(folder))
    return everybody


class _OneByOne:
    """A registry whose samples are made when they are written, one at a time.

    Made all at once, a hundred thousand of them have Python look through the whole process for garbage, and
    for 30 ms and more nothing else in it runs.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def restricted_registry(self, names: Iterable[str]) -> Any:
        return self._registry.restricted_registry(names)

    def collect(self) -> Iterator[Metric]:
        collectors = getattr(self._registry, "_collector_to_names", None)
        if collectors is None or getattr(self._registry, "_target_info", None):
            yield from self._registry.collect()
            return
        for collector in tuple(collectors):
            if type(collector).collect is MetricWrapperBase.collect:
                family: Metric = collector._get_metric()  # noqa: SLF001 - `collect` without its list
                family.samples = _Samples(collector)  # type: ignore[assignment] # is gone through once
                yield family
            else:
                yield from collector.collect()


class _Samples:
    def __init__(self, collector: Any) -> None:
        self._collector = collector

    def __iter__(self) -> Iterator[Sample]:
        name = self._collector._name  # noqa: SLF001 - as in MetricWrapperBase.collect
        for number, (suffix, *rest) in enumerate(self._collector._samples()):  # noqa: SLF001
            if number % BREATH_SAMPLES == BREATH_SAMPLES - 1:
                time.sleep(BREATH_SECONDS)
            yield Sample(name + suffix, *rest)


class Server:
    """A running `/metrics`; one thread, and one more for each scrape."""

    def __init__(self, http: _HTTPServer, scheme: str = "http") -> None:
        self._http = http
        self._scheme = scheme
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
        return f"{self._scheme}://{f'[{host}]' if ':' in host else host}:{self.port}/metrics"

    def close(self) -> None:
        """Stop serving and free the port. Twice is a no-op."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def abandon(self) -> None:
        """In a forked child, which has the socket but not the thread: close the child's copy."""
        self._http.socket.close()


def serve(registry: CollectorRegistry, host: str, port: int, tls: ssl.SSLContext | None = None) -> Server:
    """Serve the registry's metrics at host and port (0: a free one).

    Raises: OSError when the port is taken or the address is not ours.
    """
    family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    http = _HTTPServer(family, (str(address[0]), port), wsgi_app(registry))
    if tls is None:
        return Server(http)
    # The handshake is left to the thread of the request: a scraper that says nothing holds up no other.
    http.socket = tls.wrap_socket(http.socket, server_side=True, do_handshake_on_connect=False)
    return Server(http, "https")


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
