"""A small LLM gateway, as teams write them: FastAPI in front, httpx behind, bytes passed through.

It knows nothing of otel_stream. Start it with
    opentelemetry-instrument -- python -m uvicorn gateway_app:app --app-dir otel_stream/demo
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
from fastapi import FastAPI, Request
from fastapi.responses import Response, StreamingResponse

UPSTREAMS = {
    "/v1/chat/completions": os.environ.get("OPENAI_BASE_URL", "https://api.openai.com"),
    "/v1/messages": os.environ.get("ANTHROPIC_BASE_URL", "https://api.anthropic.com"),
}
FORWARDED = ("authorization", "x-api-key", "anthropic-version", "anthropic-beta", "content-type", "accept")
BUSY = (429, 503, 529)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    limits = httpx2.Limits(max_connections=1000)
    async with httpx2.AsyncClient(timeout=60, limits=limits) as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/v1/chat/completions")
@app.post("/v1/messages")
async def forward(request: Request) -> Response:
    """Send the request on, try again once when the provider is busy, and stream the answer back."""
    client: httpx2.AsyncClient = request.app.state.client
    headers = {name: request.headers[name] for name in FORWARDED if name in request.headers}
    upstream = client.build_request(
        "POST", UPSTREAMS[request.url.path] + request.url.path, content=await request.body(), headers=headers
    )
    answer = await client.send(upstream, stream=True)
    if answer.status_code in BUSY:
        await answer.aread()
        await asyncio.sleep(float(answer.headers.get("retry-after", 1)))
        answer = await client.send(upstream, stream=True)
    passed = {
        name: answer.headers[name] for name in ("content-type", "content-encoding") if name in answer.headers
    }
    return StreamingResponse(relay(answer), answer.status_code, passed)


async def relay(answer: httpx2.Response) -> AsyncIterator[bytes]:
    """Pass the bytes on as they come; whoever leaves, the connection is given back."""
    try:
        async for chunk in answer.aiter_raw():
            yield chunk
    finally:
        await answer.aclose()
