"""The demo's provider: replays recorded streams at a realistic pace, and fails as providers do.

A process of its own: `python -m otel_stream.demo.provider --port 8401`. It speaks OpenAI's chat completions
and Anthropic's messages, and keeps a ledger of what it sent, at /ledger.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from otel_stream.demo import plan as plans
from otel_stream.demo.recordings import Recording, load

APIS = {"/v1/chat/completions": "openai.chat", "/v1/messages": "anthropic.messages"}

REFUSALS: dict[str, dict[str, tuple[int, dict[str, Any]]]] = {
    "openai.chat": {
        "rate_limited": (
            429,
            {"message": "Rate limit reached", "type": "requests", "code": "rate_limit_exceeded"},
        ),
        "overloaded": (503, {"message": "The server is overloaded", "type": "server_error", "code": None}),
    },
    "anthropic.messages": {
        "rate_limited": (429, {"type": "rate_limit_error", "message": "This would exceed your rate limit"}),
        "overloaded": (529, {"type": "overloaded_error", "message": "Overloaded"}),
    },
}
"""API → conduct → (status, the `error` of the body), as the providers send them."""

ERROR_FRAMES = {
    "openai.chat": b'data: {"error":{"message":"The server had an error while processing your request",'
    b'"type":"server_error","param":null,"code":null}}\n\n',
    "anthropic.messages": b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error",'
    b'"message":"Overloaded"}}\n\n',
}


class Cut(Exception):  # noqa: N818
    """Raised to drop the connection in the middle of an answer, as a network does."""


class Ledger:
    """What was sent: answers by conduct, and the tokens that whole answers reported, by model."""

    def __init__(self) -> None:
        self.requests = 0
        self.outcomes: Counter[str] = Counter()
        self.tokens: dict[str, Counter[str]] = {}

    def sent_whole(self, recording: Recording) -> None:
        self.outcomes["completed"] += 1
        if recording.usage is not None:
            counts = self.tokens.setdefault(recording.model, Counter())
            counts["input"] += recording.usage.input_tokens
            counts["output"] += recording.usage.output_tokens

    def as_dict(self) -> dict[str, Any]:
        return {"requests": self.requests, "outcomes": self.outcomes, "tokens": self.tokens}


class Provider:
    """One provider with its ledger. `speed` divides all pauses, for tests in a hurry."""

    def __init__(self, seed: int = 1, speed: float = 1.0) -> None:
        self.seed = seed
        self.speed = speed
        self.ledger = Ledger()
        self._refused: set[int] = set()
        self._strangers = itertools.count()
        self.app = Starlette(
            routes=[
                *(Route(path, self.answer, methods=["POST"]) for path in APIS),
                Route("/ledger", self.tell_ledger),
                Route("/healthz", lambda _: Response()),
            ]
        )

    async def tell_ledger(self, _: Request) -> Response:
        return JSONResponse(self.ledger.as_dict())

    async def answer(self, request: Request) -> Response:
        self.ledger.requests += 1
        call = self._plan(APIS[request.url.path], await request.body())
        refusal = REFUSALS[call.recording.api].get(call.conduct)
        if refusal is None:
            return StreamingResponse(self._stream(call), headers=call.recording.headers)
        status, error = refusal
        self.ledger.outcomes[str(status)] += 1
        return JSONResponse({"type": "error", "error": error}, status, headers={"retry-after": "0"})

    def _plan(self, api: str, body: bytes) -> plans.Plan:
        """The plan of the call; a second try after a refusal goes well, and so does a stranger's call."""
        try:
            number = plans.number_of(msgspec.json.decode(body, type=dict[str, Any]))
        except msgspec.DecodeError:
            number = None
        if number is None:
            return self._for_stranger(api)
        call = plans.plan(self.seed, number)
        if call.conduct not in ("rate_limited", "overloaded"):
            return call
        if number in self._refused:
            self._refused.remove(number)
            return call._replace(conduct="clean")
        self._refused.add(number)
        return call

    def _for_stranger(self, api: str) -> plans.Plan:
        fitting = [recording for recording in load().values() if recording.api == api]
        number = next(self._strangers)
        recording = fitting[number % len(fitting)]
        return plans.plan(self.seed, -number)._replace(recording=recording, conduct="clean")

    async def _stream(self, call: plans.Plan) -> AsyncIterator[bytes]:
        chance = Random(f"{self.seed}/{call.number}/pace")
        frames = call.recording.frames
        whole = call.conduct in ("clean", "slow")
        sent = len(frames) if whole else max(1, int(len(frames) * chance.uniform(0.2, 0.8)))
        paces = plans.pauses(chance, len(frames), slow=call.conduct == "slow")
        try:
            for frame, pause in zip(frames[:sent], paces, strict=False):
                await asyncio.sleep(pause / self.speed)
                yield frame
        except (asyncio.CancelledError, GeneratorExit):
            self.ledger.outcomes["hung_up"] += 1
            raise
        if whole:
            self.ledger.sent_whole(call.recording)
            return
        self.ledger.outcomes[call.conduct] += 1
        if call.conduct == "cut":
            raise Cut
        yield ERROR_FRAMES[call.recording.api]


def main() -> None:
    import uvicorn  # noqa: PLC0415 - only the process needs it

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--speed", type=float, default=1.0)
    options = parser.parse_args()
    provider = Provider(options.seed, options.speed)
    # A connection that is cut is an error to the server; here it is the point.
    uvicorn.run(provider.app, host="127.0.0.1", port=options.port, log_level="critical")


if __name__ == "__main__":
    main()
