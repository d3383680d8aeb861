"""`/metrics` of the live endpoint: the same page that `metrics.exposition` serves on its own port."""

from __future__ import annotations

from typing import Any

from otel_stream.live.endpoint import Metrics
from otel_stream.metrics.exposition import wsgi_app


def metrics_of(registry: Any) -> Metrics:
    """Return what answers `/metrics` from a prometheus_client registry, in the format asked for."""
    app = wsgi_app(registry)

    def scrape(accept: str) -> tuple[str, bytes]:
        told: dict[str, str] = {}

        def start(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> None:  # noqa: ARG001
            told.update((name.lower(), value) for name, value in headers)

        environ = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": "/metrics",
            "QUERY_STRING": "",
            "HTTP_ACCEPT": accept,
        }
        body = b"".join(app(environ, start))
        return told["content-type"], body

    return scrape
