"""Asynchronous clients as their users write them; like those of `sync_clients`, of which they borrow."""

from __future__ import annotations

import contextlib

from e2e.sdks import sync_clients
from e2e.sdks.sync_clients import CLAUDE, chat, messages


class AsyncOpenAI(sync_clients.OpenAI):
    def __init__(self, base):
        import openai

        self.client = openai.AsyncOpenAI(base_url=f"{base}/v1", api_key="k", max_retries=0, **self.options())

    def options(self):
        return {}

    @contextlib.asynccontextmanager
    async def stream(self, text):
        async with await self.client.chat.completions.create(**chat(text)) as chunks:
            yield chunks


class AsyncOpenAIOnHttpx(AsyncOpenAI):
    def options(self):
        import httpx

        return {"http_client": httpx.AsyncClient()}


class AsyncOpenAIOnAiohttp(AsyncOpenAI):
    def options(self):
        import openai

        return {"http_client": openai.DefaultAioHttpClient()}


class AsyncOpenAIResponses(AsyncOpenAI):
    api = "openai.responses"
    text = sync_clients.OpenAIResponses.text

    @contextlib.asynccontextmanager
    async def stream(self, text):
        async with await self.client.responses.create(model="gpt-4.1", input=text, stream=True) as events:
            yield events


class AsyncAnthropic(sync_clients.Anthropic):
    def __init__(self, base):
        import anthropic

        self.client = anthropic.AsyncAnthropic(base_url=base, api_key="k", max_retries=0)

    @contextlib.asynccontextmanager
    async def stream(self, text):
        asked = self.client.messages.create(**CLAUDE, messages=messages(text), stream=True)
        async with await asked as events:
            yield events


class AsyncGoogleGenAI(sync_clients.GoogleGenAI):
    """On aiohttp, which it takes where it is installed."""

    @contextlib.asynccontextmanager
    async def stream(self, text):
        model = self.client.aio.models
        chunks = await model.generate_content_stream(model="gemini-2.0-flash", contents=text)
        async with contextlib.aclosing(chunks):
            yield chunks


class AsyncMistral(sync_clients.Mistral):
    @contextlib.asynccontextmanager
    async def stream(self, text):
        asked = self.client.chat.stream_async(model="mistral-small-latest", messages=messages(text))
        async with await asked as events:
            yield events


class AsyncGroq(sync_clients.Groq):
    def __init__(self, base):
        import groq

        self.client = groq.AsyncGroq(base_url=f"{base}/groq", api_key="k", max_retries=0)

    @contextlib.asynccontextmanager
    async def stream(self, text):
        asked = self.client.chat.completions.create(
            model="openai/gpt-oss-120b", messages=messages(text), stream=True
        )
        async with await asked as chunks:
            yield chunks


class AsyncHttpx(sync_clients.Raw):
    library = "httpx"

    @contextlib.asynccontextmanager
    async def stream(self, text):
        client = __import__(self.library).AsyncClient(timeout=60)
        async with client, client.stream("POST", self.url, json=chat(text)) as answer:
            answer.raise_for_status()
            yield answer.aiter_raw()


class AsyncHttpx2(AsyncHttpx):
    library = "httpx2"


class Aiohttp(sync_clients.Raw):
    @contextlib.asynccontextmanager
    async def stream(self, text):
        import aiohttp

        async with (
            aiohttp.ClientSession() as session,
            session.post(self.url, json=chat(text), raise_for_status=True) as answer,
        ):
            yield answer.content.iter_any()


CLIENTS = {
    "openai, async": AsyncOpenAI,
    "openai, async, http_client=httpx.AsyncClient()": AsyncOpenAIOnHttpx,
    "openai, async, DefaultAioHttpClient": AsyncOpenAIOnAiohttp,
    "openai Responses, async": AsyncOpenAIResponses,
    "anthropic, async": AsyncAnthropic,
    "google-genai, async": AsyncGoogleGenAI,
    "mistralai, async": AsyncMistral,
    "groq, async": AsyncGroq,
    "httpx, async": AsyncHttpx,
    "httpx2, async": AsyncHttpx2,
    "aiohttp": Aiohttp,
}
