"""Reads the provider's stream by lines, keeps the usage to itself, and sends on in pieces of another size.

A middleware of Starlette's older kind lies around it, which hides from the application that a caller left.
"""

from __future__ import annotations

import json
import os

import httpx2
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.middleware.base import BaseHTTPMiddleware

PIECE = 50

app = FastAPI()
client = httpx2.AsyncClient(base_url=os.environ["PROVIDER"], timeout=60)


async def stamp(request, call_next):
    answer = await call_next(request)
    answer.headers["x-gateway"] = "rechunked"
    return answer


app.add_middleware(BaseHTTPMiddleware, dispatch=stamp)


@app.get("/health")
async def health():
    return {}


@app.post("/v1/chat/completions")
async def chat(request: Request):
    asked = {**await request.json(), "stream_options": {"include_usage": True}}
    answer = await client.send(client.build_request("POST", request.url.path, json=asked), stream=True)
    if answer.is_error:
        await answer.aread()
        return JSONResponse(answer.json(), answer.status_code)
    return StreamingResponse(pieces(answer), media_type="text/event-stream")


async def pieces(answer):
    async for event in events(answer):
        for at in range(0, len(event), PIECE):
            yield event[at : at + PIECE]
    yield b"data: [DONE]\n\n"


async def events(answer):
    try:
        async for line in answer.aiter_lines():
            if line and '"choices":[]' not in line and "[DONE]" not in line:
                yield f"{line}\n\n".encode()
    except httpx2.HTTPError as error:
        yield b"data: " + json.dumps({"error": {"message": str(error)}}).encode() + b"\n\n"
    finally:
        await answer.aclose()
