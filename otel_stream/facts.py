"""What a request says of its call: provider, model, and the request attributes of the conventions.

Formats call `facts` with what only they know; the rest is the same for every API.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from otel_stream.meaning import CallFacts, Request

UNKNOWN_MODEL = "unknown"
MAX_NAME = 256  # characters of a model name that are kept; providers' are below 100

_PROVIDERS = {
    "openai.azure.com": "azure.ai.openai",
    "cognitiveservices.azure.com": "azure.ai.openai",
    "services.ai.azure.com": "azure.ai.inference",
    "inference.ai.azure.com": "azure.ai.inference",
    "models.inference.ai.azure.com": "azure.ai.inference",
    "openai.com": "openai",
    "anthropic.com": "anthropic",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "aiplatform.googleapis.com": "gcp.vertex_ai",
    "amazonaws.com": "aws.bedrock",
    "api.aws": "aws.bedrock",
    "groq.com": "groq",
    "deepseek.com": "deepseek",
    "mistral.ai": "mistral_ai",
    "cohere.com": "cohere",
    "cohere.ai": "cohere",
    "perplexity.ai": "perplexity",
    "x.ai": "x_ai",
    "moonshot.ai": "moonshot_ai",
    "moonshot.cn": "moonshot_ai",
    "ml.cloud.ibm.com": "ibm.watsonx.ai",
    "openrouter.ai": "openrouter",
    "together.xyz": "together",
    "together.ai": "together",
    "fireworks.ai": "fireworks",
    "cerebras.ai": "cerebras",
    "aliyuncs.com": "alibaba",
    "snowflakecomputing.com": "snowflake",
    "writer.com": "writer",
    "replicate.com": "replicate",
    "huggingface.co": "huggingface",
    "ollama.com": "ollama",
    "githubcopilot.com": "github",
    "models.github.ai": "github",
    "nvidia.com": "nvidia",
    "deepinfra.com": "deepinfra",
    "novita.ai": "novita",
    "sambanova.ai": "sambanova",
    "databricks.com": "databricks",
    "azuredatabricks.net": "databricks",
}
"""Host suffixes and `gen_ai.provider.name`; well-known values where the conventions have one."""

_DEPLOYMENT = re.compile(r"/(?:deployments|serving-endpoints)/([^/]+)/").search

_Int = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]  # what an attribute can hold; seeds exceed it

_ATTRIBUTES: tuple[tuple[str, str, Any], ...] = (
    ("temperature", "gen_ai.request.temperature", float),
    ("top_p", "gen_ai.request.top_p", float),
    ("top_k", "gen_ai.request.top_k", _Int),
    ("p", "gen_ai.request.top_p", float),  # Cohere
    ("k", "gen_ai.request.top_k", _Int),
    ("max_tokens", "gen_ai.request.max_tokens", _Int),
    ("max_completion_tokens", "gen_ai.request.max_tokens", _Int),
    ("max_output_tokens", "gen_ai.request.max_tokens", _Int),
    ("max_gen_len", "gen_ai.request.max_tokens", _Int),  # Llama at Bedrock
    ("frequency_penalty", "gen_ai.request.frequency_penalty", float),
    ("presence_penalty", "gen_ai.request.presence_penalty", float),
    ("seed", "gen_ai.request.seed", _Int),
    ("stop_sequences", "gen_ai.request.stop_sequences", list[str]),
    ("reasoning_effort", "gen_ai.request.reasoning.level", str),
    ("previous_response_id", "gen_ai.request.previous_response.id", str),
)
_KINDS = {name: (attribute, kind) for name, attribute, kind in _ATTRIBUTES}


def provider_of(request: Request, default: str) -> str:
    """Return the provider by the request's host, else `default`: the dialect's own provider."""
    suffix = request.host.rpartition("-")[2] if "-aiplatform." in request.host else request.host
    while suffix and suffix not in _PROVIDERS:
        suffix = suffix.partition(".")[2]
    provider = _PROVIDERS.get(suffix, default)
    if provider == "azure.ai.inference" and request.path.startswith("/openai/"):
        return "azure.ai.openai"  # one host serves both
    return provider


def facts(
    request: Request,
    *,
    format: str,
    provider: str,
    operation: str = "chat",
    model: str | None = None,
    streaming: bool | None = None,
    attributes: dict[str, Any] | None = None,
) -> CallFacts:
    """Return the facts of a request; `provider` is the dialect's own, used when the host tells nothing.

    `model` and `streaming` are read from the body where they are not given; `attributes` are added to those
    that are found there.
    """
    host, port, _, _ = request.parts
    model = model or request.get("model", str) or UNKNOWN_MODEL
    return CallFacts(
        provider=provider_of(request, provider),
        operation=operation,
        model=model[:MAX_NAME],
        format=format,
        streaming=request.get("stream", bool) is True if streaming is None else streaming,
        server_address=host or None,
        server_port=port or _default_port(request.url),
        attributes=_attributes(request) | (attributes or {}),
        prompt_characters=request.prompt_characters,
    )


def deployment(request: Request) -> str | None:
    """Return Azure's or Databricks's name in the path, for OpenAI's dialects whose body names no model."""
    found = None if request.get("model", str) is not None else _DEPLOYMENT(request.path)
    return found and found[1]


def settings(request: Request, member: str, names: Mapping[str, str]) -> dict[str, Any]:
    """Return the attributes of a request whose sampling settings stand in a member of their own.

    `names` are the member's names for them, and the ones that OpenAI uses.
    """
    found = {}
    for name, raw in (request.get(member, dict[str, msgspec.Raw]) or {}).items():
        attribute, kind = _KINDS.get(names.get(name, ""), ("", None))
        if attribute and (value := _of_kind(raw, kind)) is not None:
            found[attribute] = value
    return found


def _of_kind(raw: msgspec.Raw, kind: Any) -> Any:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _default_port(url: str) -> int | None:
    return {"https": 443, "http": 80}.get(url.partition(":")[0].lower())


def _attributes(request: Request) -> dict[str, Any]:
    fields = request.fields
    found = {
        attribute: value
        for name, attribute, kind in _ATTRIBUTES
        if name in fields and (value := request.get(name, kind)) is not None
    }
    if "stop" in fields:
        _set(found, "gen_ai.request.stop_sequences", _stop(request))
    if "n" in fields and (count := request.get("n", _Int)) not in (None, 1):
        found["gen_ai.request.choice.count"] = count
    if "response_format" in fields or "text" in fields:
        _set(found, "gen_ai.output.type", _output_type(request))
    if "reasoning" in fields:
        _set(found, "gen_ai.request.reasoning.level", _effort(request))
    return found


def _set(found: dict[str, Any], name: str, value: object) -> None:
    if value is not None:
        found[name] = value


def _stop(request: Request) -> list[str] | None:
    one = request.get("stop", str)
    return [one] if one is not None else request.get("stop", list[str])


def _output_type(request: Request) -> str | None:
    """The format asked for, where chat completions and where Responses have it."""
    match request.get("response_format", dict) or request.get("text", dict):
        case {"type": "json_object" | "json_schema"} | {"format": {"type": "json_object" | "json_schema"}}:
            return "json"
        case {"type": "text"} | {"format": {"type": "text"}}:
            return "text"
    return None


def _effort(request: Request) -> str | None:
    match request.get("reasoning", dict):
        case {"effort": str(effort)}:
            return effort
    return None


_PROVIDER_IDS = (
    "x-request-id", "request-id", "apim-request-id", "x-amzn-requestid", "x-generation-id",
    "llm_provider-x-request-id", "x-ms-request-id", "cf-ray",
)  # fmt: skip


def provider_request_id(headers: Mapping[str, str]) -> str | None:
    """Return the provider's own id of an attempt, which its support asks for; None where it sent none."""
    return next((headers[name] for name in _PROVIDER_IDS if name in headers), None)
