"""Where the gateway's spans go: an OTLP/HTTP receiver that keeps of each what the books need."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

MAX_EXPORT_BYTES = 64 << 20  # a batch of 512 spans is about 2 MiB

_FIELDS = {
    "otel_stream.session_id": "call",
    "otel_stream.agent_type": "agent",
    "otel_stream.outcome": "outcome",
    "otel_stream.usage_source": "usage_source",
    "gen_ai.usage.input_tokens": "input_tokens",
    "gen_ai.usage.output_tokens": "output_tokens",
    "otel_stream.cost_usd": "dollars",
}


class Span(NamedTuple):
    """One stream as its span tells it. None: not told."""

    call: str | None = None
    agent: str | None = None
    outcome: str | None = None
    usage_source: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    dollars: float | None = None


class Collector:
    """All spans of ours so far, and how many there were of others."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.others = 0
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if body[:2] == b"\x1f\x8b":
            body = gzip.decompress(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scoped in resource.scope_spans:
                if scoped.scope.name == "otel_stream":
                    self.spans += map(_span, scoped.spans)
                else:
                    self.others += len(scoped.spans)
        return web.Response(content_type="application/x-protobuf")


def _span(found: Any) -> Span:
    told = {
        _FIELDS[a.key]: getattr(a.value, a.value.WhichOneof("value"))
        for a in found.attributes
        if a.key in _FIELDS
    }
    return Span(**told)


@asynccontextmanager
async def collector() -> AsyncIterator[Collector]:
    """Receive on a free port of loopback until the block ends."""
    made = Collector()
    app = web.Application(client_max_size=MAX_EXPORT_BYTES)
    app.router.add_post("/v1/traces", made.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    made.url = f"http://{host}:{port}"
    try:
        yield made
    finally:
        await runner.cleanup()
