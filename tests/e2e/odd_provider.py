"""The demo's provider, and answers that the recordings have none of: unpriced, without usage, stalled, odd.

    uvicorn e2e.odd_provider:app

Which one is asked for by the model: `e2e-unpriced`, `e2e-no-usage`, `e2e-stall`, `e2e-odd`.
"""

from __future__ import annotations

import asyncio
import json
import os

from starlette.responses import StreamingResponse

from otel_stream.demo.provider import Provider

STALL_SECONDS = 1.5
USAGE = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}


class OddProvider(Provider):
    async def answer(self, request):
        model = json.loads(await request.body()).get("model", "")
        if model.startswith("e2e-"):
            return StreamingResponse(odd(model), media_type="text/event-stream")
        return await super().answer(request)


async def odd(model):
    yield chunk(model, {"role": "assistant", "content": "Hello"})
    if model == "e2e-stall":
        await asyncio.sleep(STALL_SECONDS)
    if model == "e2e-odd":
        yield b"data: {not json}\n\n"
    yield chunk(model, {"content": ", world"})
    yield chunk(model, {}, "stop")
    if model != "e2e-no-usage":
        yield frame({"object": "chat.completion.chunk", "model": model, "choices": [], "usage": USAGE})
    yield b"data: [DONE]\n\n"


def chunk(model, delta, finish=None):
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    return frame({"id": "c", "object": "chat.completion.chunk", "model": model, "choices": choices})


def frame(content):
    return b"data: " + json.dumps(content).encode() + b"\n\n"


app = OddProvider(int(os.environ["E2E_SEED"]), float(os.environ["E2E_SPEED"])).app
