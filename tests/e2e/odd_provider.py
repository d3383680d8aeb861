"""The demo's provider, and answers that the recordings have none of: unpriced, without usage, stalled, odd.

    uvicorn e2e.odd_provider:app

Which one is asked for by the model, as ODD says.
"""

from __future__ import annotations

import asyncio
import json
import os
import urllib.request

from starlette.responses import StreamingResponse

from otel_stream.demo.provider import Provider

ODD = {"house-70b": "unpriced", "house-mini": "no usage", "house-slow": "stalls", "house-beta": "odd frames"}
STALL_SECONDS = 1.5
WORDS = (",", " world", ".", " How", " are", " you", "?")
USAGE = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}


class OddProvider(Provider):
    async def answer(self, request):
        model = json.loads(await request.body()).get("model", "")
        if model in ODD:
            return StreamingResponse(odd(model), media_type="text/event-stream")
        return await super().answer(request)


async def odd(model):
    yield chunk(model, {"role": "assistant", "content": "Hello"})
    if ODD[model] == "stalls":
        await asyncio.sleep(STALL_SECONDS)
    if ODD[model] == "odd frames":
        yield b"data: {not json}\n\n"
    for word in WORDS:
        await asyncio.sleep(float(os.environ.get("E2E_PAUSE", "0")))
        yield chunk(model, {"content": word})
    yield chunk(model, {}, "stop")
    if ODD[model] != "no usage":
        yield frame({"object": "chat.completion.chunk", "model": model, "choices": [], "usage": USAGE})
    yield b"data: [DONE]\n\n"


def chunk(model, delta, finish=None):
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    return frame({"id": "c", "object": "chat.completion.chunk", "model": model, "choices": choices})


def frame(content):
    return b"data: " + json.dumps(content).encode() + b"\n\n"


def call(gateway, model, tenant="acme", agent="tester"):
    """Ask the gateway for one of the odd answers, and read it."""
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": "Say hello."}]}
    headers = {"content-type": "application/json", "x-tenant-id": tenant, "x-agent-type": agent}
    request = urllib.request.Request(f"{gateway}/v1/chat/completions", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        answer.read()


def __getattr__(name):
    if name != "app":  # made only where it is served
        raise AttributeError(name)
    return OddProvider(int(os.environ["E2E_SEED"]), float(os.environ["E2E_SPEED"])).app
