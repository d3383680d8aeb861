"""The tables of docs/gateways.md, made from what the e2e tests run."""

from __future__ import annotations

import re

from e2e import environments, test_litellm, test_sdks
from e2e.gateways import HANDWRITTEN, INSTALLED, WHEN_LEFT, Kind
from support import markdown

NAMES = {
    "openai.chat": "OpenAI chat",
    "openai.responses": "OpenAI Responses",
    "anthropic.messages": "Anthropic",
    "gemini.generate_content": "Gemini",
    "bedrock.converse": "Bedrock Converse",
    "bedrock.invoke": "Bedrock InvokeModel",
    "mistral.chat": "Mistral",
    "cohere.chat": "Cohere",
    "groq.chat": "Groq",
    "ollama.chat": "Ollama",
}
"""API of the e2e tests' provider → what people call it."""

LITELLM = Kind(
    "litellm",
    "FastAPI under uvicorn, one worker and two",
    "httpx over aiohttp",
    (),
    test_litellm.ROUTES,
    note="fallbacks are a second stream of the call, cache hits cost nothing",
)


def gateways() -> str:
    """Return the table of gateways that are installed."""
    kinds = {"LiteLLM's proxy": LITELLM, **INSTALLED}
    rows = [(name, _versions(kind.environment)[0], *_row(kind), kind.note) for name, kind in kinds.items()]
    columns = ("gateway", "package", "server", "client", "routes", "asks", "a caller hangs up", "to know")
    return markdown(columns, rows)


def handwritten() -> str:
    """Return the table of the shapes of gateways that teams write."""
    rows = [(name, *_row(kind), kind.note) for name, kind in HANDWRITTEN.items()]
    return markdown(("shape", "server", "client", "routes", "asks", "a caller hangs up", "to know"), rows)


def sdks() -> str:
    """Return the table of clients."""
    versions = dict(version.split("==") for version in _versions("sdks"))
    rows = [
        (name, versions[_package(name)], NAMES[client.api], ", ".join(_scenarios(name)))
        for name, client in test_sdks.CLIENTS.items()
    ]
    return markdown(("client", "version", "API", "scenarios"), rows)


def _row(kind: Kind) -> tuple[str, ...]:
    asked = dict.fromkeys(NAMES[api] for _, _, api in kind.cases)
    routes = ", ".join(f"`{path}`" for path in kind.routes)
    return kind.server, kind.client, routes, ", ".join(asked), WHEN_LEFT[kind.when_left]


def _versions(environment: str) -> list[str]:
    """Return what is installed there, without extras."""
    return [re.sub(r"\[.*?\]", "", package) for package in environments.PACKAGES[environment]]


def _package(client: str) -> str:
    """Return the package of a client of the matrix, which is how its name begins."""
    return re.split(r"[ ,]", client)[0]


def _scenarios(client: str) -> list[str]:
    return [scenario for name, scenario in test_sdks.CASES if name == client]
