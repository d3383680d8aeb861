"""The gateways that test_gateways.py runs, each as its users start it; docs/gateways.md has their tables.

Some are installed, some written by hand, as teams do: those lie in apps/ and import nothing of ours.
"""

from __future__ import annotations

import contextlib
import json
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from e2e import environments
from e2e.gateway import CHAT, MESSAGES, running

APPS = Path(__file__).parent / "apps"
CLAUDE = "claude-sonnet-4-20250514"
KEY = "a-key-of-the-e2e-tests"

_LM_PROXY = """
host = "127.0.0.1"
port = {port}
[connections.openai]
api_type = "open_ai"
api_base = "{up}/v1/"
api_key = "k"
[routing]
"*" = "openai.*"
[groups.default]
api_keys = ["KEY"]
""".replace("KEY", KEY)

_ANY_LLM = """
database_url: sqlite:///{folder}/any-llm.db
master_key: KEY
bootstrap_api_key: false
providers:
  openai: {api_key: k, api_base: "{up}/v1", client_args: {max_retries: 0}}
  anthropic: {api_key: k, api_base: "{up}", client_args: {max_retries: 0}}
""".replace("KEY", KEY)

_MLFLOW = """
endpoints:
- name: gpt
  endpoint_type: llm/v1/chat
  model: {provider: openai, name: gpt-4o, config: {openai_api_key: k, openai_api_base: "{up}/v1"}}
- name: claude
  endpoint_type: llm/v1/chat
  model:
    provider: anthropic
    name: claude-sonnet-4-20250514
    config: {anthropic_api_key: k, anthropic_api_base: "{up}/v1"}
"""


def _no_headers(_: int) -> dict[str, str]:
    return {}


def _key(_: int) -> dict[str, str]:
    return {"authorization": f"Bearer {KEY}"}


def _key_of_a_user(port: int) -> dict[str, str]:
    """Have any-llm make a key, as its keeper does for each user."""
    url = f"http://127.0.0.1:{port}/v1/keys"
    headers = {"x-anyllm-key": f"Bearer {KEY}", "content-type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, b'{"key_name": "e2e"}', headers)) as answer:
        return {"x-anyllm-key": f"Bearer {json.load(answer)['key']}"}


WHEN_LEFT = {
    "closes": "closes the provider's stream: cancelled",
    "stops": "reads no more and leaves the provider's connection open: cancelled",
    "drops": "stops after the provider's next chunk, and drops the stream: cancelled once it is collected",
    "reads on": "reads on to the end: completed, and billed",
    "has it all": "has the whole answer before its caller gets any",
}


class Kind(NamedTuple):
    """A gateway. Texts of `command`, `files` and `env` are filled in as `gateway.running` says."""

    environment: str
    server: str
    client: str
    command: tuple[str, ...]
    """A program of the environment, and its arguments."""
    routes: Mapping[str, Mapping[str, str]]
    """Path → model as callers name it → the API that the provider is asked."""
    health: str = "/health"
    files: Mapping[str, str] = {}
    env: Mapping[str, str] = {}
    headers: Callable[[int], dict[str, str]] = _no_headers
    """Given the port, what callers send to be let in."""
    asks_usage: bool = True
    """Whether it asks OpenAI for the usage; else its callers do."""
    tells_usage: bool = True
    """Whether callers are told the provider's usage."""
    when_left: str = "closes"
    """What it does with the provider's stream when its caller hangs up, as WHEN_LEFT has it."""
    done_after_error: bool = False
    """Whether it sends `[DONE]` behind an error."""
    note: str = ""
    """What its users should know."""

    @property
    def cases(self) -> list[tuple[str, str, str]]:
        """(path, model, API) of each route."""
        return [(path, *found) for path, models in self.routes.items() for found in models.items()]


INSTALLED = {
    "MLflow": Kind(
        "mlflow",
        "FastAPI under gunicorn, two workers",
        "aiohttp, read by lines",
        ("mlflow", "gateway", "start", "--config-path", "config.yaml", "--port", "{port}"),
        {CHAT: {"gpt": "openai.chat", "claude": "anthropic.messages"}},
        files={"config.yaml": _MLFLOW},
        env={"PROMETHEUS_MULTIPROC_DIR": "{folder}"},
        note="after an error in OpenAI's stream it leaves the stream open; it is told a second or two later",
    ),
    "any-llm": Kind(
        "any-llm",
        "FastAPI under uvicorn",
        "the SDKs of OpenAI and Anthropic on httpx2",
        ("any-llm-gateway", "serve", "--config", "config.yaml", "--host", "127.0.0.1", "--port", "{port}"),
        {
            CHAT: {"openai:gpt-4o": "openai.chat", f"anthropic:{CLAUDE}": "anthropic.messages"},
            MESSAGES: {"openai:gpt-4o": "openai.chat", f"anthropic:{CLAUDE}": "anthropic.messages"},
        },
        files={"config.yaml": _ANY_LLM},
        headers=_key_of_a_user,
        done_after_error=True,
        note="at `/v1/messages` it does not ask OpenAI for the usage, so such answers have no tokens",
    ),
    "lm-proxy": Kind(
        "lm-proxy",
        "FastAPI under uvicorn",
        "OpenAI's SDK on httpx, in a task of its own",
        ("lm-proxy", "--config", "config.toml"),
        {CHAT: {"gpt-4o": "openai.chat"}},
        health="/docs",
        files={"config.toml": _LM_PROXY},
        headers=_key,
        tells_usage=False,
        when_left="stops",
        done_after_error=True,
    ),
    "optillm": Kind(
        "optillm",
        "Flask, in threads",
        "OpenAI's SDK on httpx, without streaming",
        ("optillm", "--base-url", "{up}/v1", "--port", "{port}"),
        {CHAT: {"gpt-4o": "openai.chat"}},
        env={"OPENAI_API_KEY": "k"},
        tells_usage=False,
        when_left="has it all",
        note="streams are made of whole answers: the tokens are those of the plain calls behind them",
    ),
}


def _uvicorn(app: str) -> tuple[str, ...]:
    return ("uvicorn", f"{app}:app", "--app-dir", str(APPS), "--host", "127.0.0.1", "--port", "{port}")


_PROVIDER = {"PROVIDER": "{up}"}
_OPENAI = {CHAT: {"gpt-4o": "openai.chat"}}
_BOTH = {**_OPENAI, MESSAGES: {CLAUDE: "anthropic.messages"}}

HANDWRITTEN = {
    "raw pass-through": Kind(
        "handwritten", "FastAPI under uvicorn", "httpx2, `aiter_raw()`", _uvicorn("raw"), _BOTH,
        env=_PROVIDER, asks_usage=False,
    ),
    "re-chunked": Kind(
        "handwritten", "FastAPI under uvicorn, `BaseHTTPMiddleware`", "httpx2, `aiter_lines()`",
        _uvicorn("rechunked"), _OPENAI, env=_PROVIDER, tells_usage=False, when_left="drops",
        done_after_error=True,
    ),
    "sync generator": Kind(
        "handwritten", "FastAPI under uvicorn, endpoints in threads", "OpenAI's synchronous SDK",
        _uvicorn("sync_generator"), _OPENAI, env=_PROVIDER, tells_usage=False, when_left="drops",
        done_after_error=True,
    ),
    "queue worker": Kind(
        "handwritten", "FastAPI under uvicorn", "OpenAI's SDK, in one task for all requests",
        _uvicorn("queue_worker"), _OPENAI, env=_PROVIDER, tells_usage=False, when_left="reads on",
        done_after_error=True,
        note="who asks is not known to the worker: enter `gateway_call(headers)` for each item",
    ),
    "aiohttp": Kind(
        "handwritten", "aiohttp.web", "aiohttp, `iter_any()`",
        ("python", str(APPS / "aiohttp_web.py"), "{port}"), _BOTH, env=_PROVIDER, asks_usage=False,
        note="without `handler_cancellation=True` it hears of a caller who left when it writes again",
    ),
}  # fmt: skip

GATEWAYS = {**INSTALLED, **HANDWRITTEN}


@contextlib.contextmanager
def started(name: str, folder: Path):
    """Run the gateway as its users do; `kind` is its row here, `left` the calls whose callers hung up."""
    kind = GATEWAYS[name]
    home = environments.get(kind.environment)
    program, *words = kind.command
    command = [home.bin("opentelemetry-instrument"), "--", home.bin(program), *words]
    with running(folder, command, kind.health, env=kind.env, files=kind.files) as gateway:
        gateway.kind = kind
        gateway.headers = kind.headers(gateway.port)
        gateway.left = []
        yield gateway
