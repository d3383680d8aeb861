"""One streaming call as an application makes it: through the OpenAI SDK, or through LiteLLM."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

REQUEST = {
    "model": "gpt-4o-mini",
    "messages": [{"role": "user", "content": "Write a story."}],
    "stream": True,
    "stream_options": {"include_usage": True},
}
HEADERS = {"content-type": "text/event-stream; charset=utf-8"}


def _chunk(**members: object) -> bytes:
    chunk = {
        "id": "chatcmpl-9rD4cbxcufhWUCMSJ0LP0ZNuora53",
        "object": "chat.completion.chunk",
        "created": 1722468666,
        "model": "gpt-4o-mini-2024-07-18",
        "system_fingerprint": "fp_0705bf87c0",
        "choices": [],
        "usage": None,
        **members,
    }
    return b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"


TOKENS = [
    _chunk(choices=[{"index": 0, "delta": {"content": text}, "logprobs": None, "finish_reason": None}])
    for text in (" once", " upon", " a", " time", " there", " was", " the", " token")
]
"""In turns: LiteLLM breaks a stream off that says the same a hundred times."""
END = [
    _chunk(choices=[{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}]),
    _chunk(usage={"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}),
    b"data: [DONE]\n\n",
]


def http() -> Any:
    """Return the HTTP library that the SDK here is built on."""
    try:
        import httpx2 as library
    except ImportError:
        import httpx as library
    return library


def canned(chunks: Iterable[bytes]) -> Any:
    """Return a transport that answers every request with these chunks, each a read of its own.

    As on a connection, what was read is gone: the SDK reads on after `[DONE]`, to leave nothing behind.
    """
    library = http()

    class Answer(library.SyncByteStream, library.AsyncByteStream):
        def __init__(self):
            self._left = iter(chunks)

        def __iter__(self):
            yield from self._left

        async def __aiter__(self):
            for chunk in self._left:
                yield chunk

    return library.MockTransport(lambda _: library.Response(200, headers=HEADERS, stream=Answer()))


def sync_client(chunks: Iterable[bytes]) -> Any:
    import openai

    return openai.OpenAI(
        api_key="sk-none", max_retries=0, http_client=http().Client(transport=canned(chunks))
    )


def async_client(chunks: Iterable[bytes] | None = None, base_url: str | None = None) -> Any:
    import openai

    inner = None if chunks is None else http().AsyncClient(transport=canned(chunks))
    return openai.AsyncOpenAI(api_key="sk-none", max_retries=0, http_client=inner, base_url=base_url)


def create(name: str, client: Any, **changes: Any) -> Any:
    """Begin a synchronous streaming call."""
    if name == "litellm":
        import litellm

        return litellm.completion(client=client, num_retries=0, **(_for_litellm(REQUEST) | changes))
    return client.chat.completions.create(**(REQUEST | changes))


async def acreate(name: str, client: Any, **changes: Any) -> Any:
    """Begin an asynchronous streaming call."""
    if name == "litellm":
        import litellm

        return await litellm.acompletion(client=client, num_retries=0, **(_for_litellm(REQUEST) | changes))
    return await client.chat.completions.create(**(REQUEST | changes))


def _for_litellm(request: dict[str, Any]) -> dict[str, Any]:
    return request | {"model": f"openai/{request['model']}", "api_key": "sk-none"}


def parse_once() -> None:
    """Make the SDK parse each different chunk once: its 100 us a chunk would drown what is to be measured."""
    import openai
    from openai import _streaming

    parse = _streaming.ServerSentEvent.json
    documents: dict[str, Any] = {}
    objects: dict[int, Any] = {}

    def json_once(self: Any) -> Any:
        known = documents.get(self.data)
        if known is None:
            known = documents[self.data] = parse(self)
        return known

    def once(process: Any) -> Any:
        def process_once(self: Any, *, data: Any, **options: Any) -> Any:
            known = objects.get(id(data))
            if known is None:
                known = objects[id(data)] = process(self, data=data, **options)
            return known

        return process_once

    _streaming.ServerSentEvent.json = json_once
    for client in (openai.OpenAI, openai.AsyncOpenAI):
        client._process_response_data = once(client._process_response_data)
