"""Synchronous clients as their users write them. Each knows how to open a stream and where its text is."""

from __future__ import annotations

import contextlib
import json
import re


def messages(text):
    return [{"role": "user", "content": text}]


def chat(text):
    return {
        "model": "gpt-4o",
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": messages(text),
    }


def chunk_text(chunk):
    """The text of a chunk in OpenAI's shape."""
    return "".join(choice.delta.content or "" for choice in chunk.choices)


class OpenAI:
    api = "openai.chat"

    def __init__(self, base):
        import openai

        self.client = openai.OpenAI(base_url=f"{base}/v1", api_key="k", max_retries=0, **self.options())

    def options(self):
        return {}

    def stream(self, text):
        return self.client.chat.completions.create(**chat(text))

    text = staticmethod(chunk_text)


class OpenAIOnHttpx(OpenAI):
    """With a client of the httpx that openai was built on until version 3."""

    def options(self):
        import httpx

        return {"http_client": httpx.Client()}


class OpenAIResponses(OpenAI):
    api = "openai.responses"

    def stream(self, text):
        return self.client.responses.create(model="gpt-4.1", input=text, stream=True)

    def text(self, event):
        return event.delta if event.type == "response.output_text.delta" else ""


CLAUDE = {"model": "claude-sonnet-4-20250514", "max_tokens": 100}


class Anthropic:
    api = "anthropic.messages"

    def __init__(self, base):
        import anthropic

        self.client = anthropic.Anthropic(base_url=base, api_key="k", max_retries=0)

    def stream(self, text):
        return self.client.messages.create(**CLAUDE, messages=messages(text), stream=True)

    def text(self, event):
        delta = event.delta if event.type == "content_block_delta" else None
        return delta.text if delta is not None and delta.type == "text_delta" else ""


class AnthropicHelper(Anthropic):
    """`messages.stream()`, which adds events of its own."""

    def stream(self, text):
        return self.client.messages.stream(**CLAUDE, messages=messages(text))


class GoogleGenAI:
    api = "gemini.generate_content"

    def __init__(self, base):
        from google import genai
        from google.genai import types

        options = types.HttpOptions(base_url=base, retry_options=types.HttpRetryOptions(attempts=1))
        self.client = genai.Client(api_key="k", http_options=options)

    @contextlib.contextmanager
    def stream(self, text):
        chunks = self.client.models.generate_content_stream(model="gemini-2.0-flash", contents=text)
        with contextlib.closing(chunks):
            yield chunks

    def text(self, chunk):
        return chunk.text or ""


class Mistral:
    api = "mistral.chat"

    def __init__(self, base):
        from mistralai.client import Mistral as Client

        self.client = Client(api_key="k", server_url=f"{base}/mistral")

    def stream(self, text):
        return self.client.chat.stream(model="mistral-small-latest", messages=messages(text))

    def text(self, event):
        return chunk_text(event.data)


class Cohere:
    api = "cohere.chat"

    def __init__(self, base):
        import cohere

        self.client = cohere.ClientV2(api_key="k", base_url=base)

    @contextlib.contextmanager
    def stream(self, text):
        events = self.client.v2.chat_stream(
            model="command-a-03-2025", messages=messages(text), request_options={"max_retries": 0}
        )
        with contextlib.closing(events):
            yield events

    def text(self, event):
        return event.delta.message.content.text if event.type == "content-delta" else ""


class Groq:
    api = "groq.chat"

    def __init__(self, base):
        import groq

        self.client = groq.Groq(base_url=f"{base}/groq", api_key="k", max_retries=0)

    def stream(self, text):
        return self.client.chat.completions.create(
            model="openai/gpt-oss-120b", messages=messages(text), stream=True
        )

    text = staticmethod(chunk_text)


class Ollama:
    api = "ollama.chat"

    def __init__(self, base):
        import ollama

        self.client = ollama.Client(host=base)

    @contextlib.contextmanager
    def stream(self, text):
        parts = self.client.chat(model="qwen3.6", messages=messages(text), stream=True)
        with contextlib.closing(parts):
            yield parts

    def text(self, part):
        return part.message.content or part.message.thinking or ""


class BedrockConverse:
    api = "bedrock.converse"

    def __init__(self, base):
        import boto3
        from botocore.config import Config

        self.client = boto3.client(
            "bedrock-runtime",
            endpoint_url=base,
            region_name="us-east-1",
            aws_access_key_id="k",
            aws_secret_access_key="k",
            config=Config(retries={"total_max_attempts": 1}),
        )

    @contextlib.contextmanager
    def stream(self, text):
        answer = self.client.converse_stream(
            modelId="anthropic.claude-3-haiku-20240307-v1:0",
            messages=[{"role": "user", "content": [{"text": text}]}],
        )
        with contextlib.closing(answer["stream"]) as events:
            yield events

    def text(self, event):
        return event.get("contentBlockDelta", {}).get("delta", {}).get("text", "")


class BedrockInvoke(BedrockConverse):
    api = "bedrock.invoke"

    @contextlib.contextmanager
    def stream(self, text):
        body = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 100, "messages": messages(text)}
        answer = self.client.invoke_model_with_response_stream(
            modelId="anthropic.claude-3-sonnet-20240229-v1:0", body=json.dumps(body)
        )
        with contextlib.closing(answer["body"]) as events:
            yield events

    def text(self, event):
        return json.loads(event["chunk"]["bytes"]).get("delta", {}).get("text", "")


class Raw:
    """Without an SDK: the items are reads of the body, and only all of them together are the same twice."""

    api = "openai.chat"
    raw = True

    def __init__(self, base):
        self.url = f"{base}/v1/chat/completions"

    def text(self, chunk):
        return "some" if re.search(rb'"content":"[^"]', chunk) else ""


class Requests(Raw):
    @contextlib.contextmanager
    def stream(self, text):
        import requests

        with requests.post(self.url, json=chat(text), stream=True, timeout=60) as answer:
            answer.raise_for_status()
            yield answer.iter_content(None)


class Httpx(Raw):
    library = "httpx"

    @contextlib.contextmanager
    def stream(self, text):
        client = __import__(self.library).Client(timeout=60)
        with client, client.stream("POST", self.url, json=chat(text)) as answer:
            answer.raise_for_status()
            yield answer.iter_raw()


class Httpx2(Httpx):
    library = "httpx2"


CLIENTS = {
    "openai": OpenAI,
    "openai, http_client=httpx.Client()": OpenAIOnHttpx,
    "openai Responses": OpenAIResponses,
    "anthropic": Anthropic,
    "anthropic, messages.stream()": AnthropicHelper,
    "google-genai": GoogleGenAI,
    "mistralai": Mistral,
    "cohere": Cohere,
    "groq": Groq,
    "ollama": Ollama,
    "boto3 converse_stream": BedrockConverse,
    "boto3 invoke_model_with_response_stream": BedrockInvoke,
    "requests": Requests,
    "httpx": Httpx,
    "httpx2": Httpx2,
}
