"""For gateways that want it explicit, and for streams no tap sees: gRPC, queues, compiled clients.

    with gateway_call(request.headers, agent_type="planner"):
        for chunk in trace_stream(upstream, model="gpt-5", provider="openai", format="openai_chat"):
            ...

Without `StreamInstrumentor().instrument()` all of it passes everything on and records nothing.
"""

from __future__ import annotations

from otel_stream.asgi import StreamMiddleware
from otel_stream.gateway.calls import GatewayCall, gateway_call, private
from otel_stream.gateway.manual import trace_stream
from otel_stream.gateway.meter import Extract

__all__ = ["Extract", "GatewayCall", "StreamMiddleware", "gateway_call", "private", "trace_stream"]
