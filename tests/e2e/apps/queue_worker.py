"""One task in the background asks the provider for everybody; requests wait at queues.

It is made when the first request needs it, and keeps reading for callers who have left.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os

import openai
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

app = FastAPI()
client = openai.AsyncOpenAI(base_url=f"{os.environ['PROVIDER']}/v1", api_key="k", max_retries=0)
jobs: asyncio.Queue = asyncio.Queue()
running: list[asyncio.Task] = []


@app.get("/health")
async def health():
    return {}


@app.post("/v1/chat/completions")
async def chat(request: Request):
    if not running:
        running.append(asyncio.get_running_loop().create_task(work()))
    answer: asyncio.Queue = asyncio.Queue()
    await jobs.put((await request.json(), answer))
    return StreamingResponse(events(answer), media_type="text/event-stream")


async def work():
    while True:
        asked, answer = await jobs.get()
        with contextlib.suppress(openai.OpenAIError):
            await serve(asked, answer)
        await answer.put(None)


async def serve(asked, answer):
    try:
        async for chunk in await client.chat.completions.create(
            **asked, stream_options={"include_usage": True}
        ):
            if chunk.choices:
                await answer.put(chunk.model_dump_json())
    except openai.OpenAIError as error:
        await answer.put(json.dumps({"error": {"message": str(error)}}))
        raise


async def events(answer):
    while (event := await answer.get()) is not None:
        yield f"data: {event}\n\n"
    yield "data: [DONE]\n\n"
