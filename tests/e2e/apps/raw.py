"""Passes the provider's bytes on as they come: FastAPI in front, httpx2 behind."""

from __future__ import annotations

import os

import httpx2
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

app = FastAPI()
client = httpx2.AsyncClient(base_url=os.environ["PROVIDER"], timeout=60)


@app.get("/health")
async def health():
    return {}


@app.post("/v1/chat/completions")
@app.post("/v1/messages")
async def forward(request: Request):
    asked = client.build_request("POST", request.url.path, content=await request.body())
    answer = await client.send(asked, stream=True)
    return StreamingResponse(relay(answer), answer.status_code, media_type=answer.headers["content-type"])


async def relay(answer):
    try:
        async for chunk in answer.aiter_raw():
            yield chunk
    finally:
        await answer.aclose()
