"""Where the collector hands everything on to: an OTLP/HTTP receiver that keeps what it gets."""

from __future__ import annotations

import contextlib
import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

KINDS = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
}


class Received:
    """All spans, metrics and log records so far, in the order of their arrival; any thread may look."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.metrics: list[Any] = []
        self.logs: list[Any] = []
        self.scopes: list[tuple[str, str]] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def take(self, path: str, body: bytes) -> None:
        message = KINDS[path].FromString(body)
        for resource in getattr(message, f"resource_{'spans' if path == '/v1/traces' else path[4:]}"):
            for scoped in getattr(resource, f"scope_{'spans' if path == '/v1/traces' else path[4:]}"):
                self._keep(path, scoped)

    def _keep(self, path: str, scoped: Any) -> None:
        name = scoped.scope.name
        match path:
            case "/v1/traces":
                self.spans += [(name, span) for span in scoped.spans]
            case "/v1/metrics":
                self.metrics += [(name, metric) for metric in scoped.metrics]
            case _:
                self.logs += [(name, record) for record in scoped.log_records]

    def ours(self, kind: str) -> list[Any]:
        """Return what otel_stream itself wrote: `spans`, `metrics` or `logs`."""
        return [found for scope, found in getattr(self, kind) if scope == "otel_stream"]


@contextlib.contextmanager
def receiver() -> Iterator[Received]:
    """Receive on a free port of loopback until the block ends."""
    received = Received()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            received.take(self.path, body)
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    received.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def attributes(of: Any) -> dict[str, Any]:
    """Return the attributes of a span, event, data point or log record as Python values."""
    return {pair.key: value(pair.value) for pair in of.attributes}


def value(of: Any) -> Any:
    kind = of.WhichOneof("value")
    match kind:
        case "array_value":
            return [value(item) for item in of.array_value.values]
        case "kvlist_value":
            return {pair.key: value(pair.value) for pair in of.kvlist_value.values}
        case None:
            return None
        case _:
            return getattr(of, kind)
