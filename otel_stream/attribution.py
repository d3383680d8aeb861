"""Who is asking: agent type, tenant, session and request id, from the places gateways and agents put them.

Pure functions, used by `call.py`; the order of sources is that of docs/gateways.md, first hit wins.
Keys and secrets are never read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from otel_stream.identity import NOBODY, Who

MAX_CHARACTERS = 128  # of a value; longer ones are cut, ids in use have at most 64
UNKNOWN = "unknown"
PRIVATE_HEADER = "x-otel-stream-private"

_AGENT_BAGGAGE = ("agent.type", "gen_ai.agent.name")
_CALL_ID_HEADERS = ("x-request-id", "x-litellm-call-id")
_NOT_A_VENDOR = "x-parent-session-id"
_VENDOR_SESSION = re.compile(r"x-[a-z0-9-]+-session-id")
_PLAUSIBLE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{7,}")
_CODEX = re.compile(r"codex[-_ /]", re.IGNORECASE)
_PRODUCT = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110 §5.6.2, a token


def identify(
    headers: Mapping[str, str],
    baggage: Mapping[str, object],
    metadata: Mapping[str, object],
    given: Who = NOBODY,
) -> Who:
    """Return who is asking; what is `given` through the API wins.

    `headers` has lower-case names; `metadata` is the member of that name of the request's JSON body.
    """
    return Who(
        agent_type=clean(given.agent_type) or _agent_type(headers, baggage, metadata),
        tenant=clean(given.tenant) or _tenant(headers, baggage, metadata),
        session_id=clean(given.session_id) or _session(headers),
        call_id=clean(given.call_id) or call_id(headers),
        private=given.private or is_private(headers),
    )


def clean(value: object) -> str | None:
    """Return the printable text of a value, at most 128 characters; None for what is empty or no text."""
    if not isinstance(value, str):
        return None
    text = value[: 4 * MAX_CHARACTERS]
    if not text.isprintable():
        text = "".join(filter(str.isprintable, text))
    return text.strip()[:MAX_CHARACTERS] or None


def call_id(headers: Mapping[str, str]) -> str | None:
    """Return the gateway's own id of the request, as its caller or its front proxy sent it."""
    return _first(headers, _CALL_ID_HEADERS)


def is_private(headers: Mapping[str, str]) -> bool:
    """Return whether the caller asks that the text of the answer stays out of every event."""
    return headers.get(PRIVATE_HEADER, "").strip().lower() in ("1", "true", "yes", "on")


def _first(values: Mapping[str, object], names: tuple[str, ...]) -> str | None:
    return next((text for name in names if (text := clean(values.get(name)))), None)


def _agent_type(
    headers: Mapping[str, str], baggage: Mapping[str, object], metadata: Mapping[str, object]
) -> str:
    return (
        clean(headers.get("x-agent-type"))
        or _first(baggage, _AGENT_BAGGAGE)
        or _first(headers, ("x-litellm-agent-id", "x-mlflow-gateway-caller"))
        or clean(metadata.get("agent_type"))
        or _tagged_agent(headers.get("x-litellm-tags", ""))
        or _product(headers.get("user-agent", ""))
        or UNKNOWN
    )


def _tagged_agent(tags: str) -> str | None:
    """Return NAME of the first tag `agent:NAME` in a comma-separated list."""
    named = (tag.strip() for tag in tags[:4096].split(","))
    return next((clean(tag[len("agent:") :]) for tag in named if tag.startswith("agent:")), None)


def _product(user_agent: str) -> str | None:
    """Return the first product of a User-Agent without its version; all of Codex's clients are `codex`."""
    if _CODEX.match(user_agent):
        return "codex"
    product = _PRODUCT.match(user_agent)
    return None if product is None else clean(product.group())


def _tenant(
    headers: Mapping[str, str], baggage: Mapping[str, object], metadata: Mapping[str, object]
) -> str | None:
    return (
        clean(headers.get("x-tenant-id"))
        or clean(baggage.get("tenant.id"))
        or _first(metadata, ("tenant_id", "tenant"))
    )


def _session(headers: Mapping[str, str]) -> str | None:
    """LiteLLM's order: its own two headers, a vendor's, Codex's bare names, the general one."""
    return (
        _first(headers, ("x-litellm-trace-id", "x-litellm-session-id"))
        or _vendor_session(headers)
        or (_first(headers, ("session-id", "thread-id")) if _is_codex(headers) else None)
        or clean(headers.get("x-session-id"))
    )


def _vendor_session(headers: Mapping[str, str]) -> str | None:
    for name, value in headers.items():
        if name.endswith("-session-id") and name != _NOT_A_VENDOR and _VENDOR_SESSION.fullmatch(name):
            text = clean(value)
            if text and _PLAUSIBLE_ID.fullmatch(text):
                return text
    return None


def _is_codex(headers: Mapping[str, str]) -> bool:
    return _CODEX.match(headers.get("user-agent", "")) is not None
