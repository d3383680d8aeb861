"""Error messages without secrets: keys and tokens are masked, and an echo of the request is cut off.

Providers quote the key they refuse, client libraries the URL they failed at, and validators the input they
did not like. Bottom layer; used wherever a message of others becomes an event.
"""

from __future__ import annotations

import re

MASK = "[redacted]"

_NAMES = r"(?:api|access|auth|secret)[ _-]?(?:key|token)|token|secret|password|signature|sig|credential"
_SECRETS = (
    # ?key=…&…, as Gemini has it, and the usual names elsewhere
    re.compile(
        r"(?i)([?&;](?:code|sig|[a-z0-9_.-]*(?:key|token|secret|signature|credential))=)[^&\s\"'<>)]+"
    ),
    re.compile(r"(?i)(\b(?:bearer|basic)\s+)[^\s\"',;)]{6,}"),
    # "API key provided: …", "token=…", "secret is '…'": what follows is long and has a digit
    re.compile(
        rf"(?i)(\b(?:{_NAMES})s?['\"]?(?: (?:provided|is|was|not valid|invalid))?\W{{1,4}})"
        r"(?=[^\s\"'`,;)<>]*\d)[^\s\"'`,;)<>]{12,}"
    ),
    re.compile(r"(//)[^/\s@:]*:[^/\s@]+(?=@)"),  # a password in a URL
    # keys by their looks: OpenAI, Anthropic, Groq, xAI, Hugging Face, Replicate, …; Google, AWS, JWT
    re.compile(r"()\b(?:sk|pk|rk|gsk|xai|hf|r8|nvapi|pplx|fw|tgp|ya29)[-_.][A-Za-z0-9_.*-]{8,}"),
    re.compile(r"()\b(?:AIza[\w-]{20,}|A[KS]IA[A-Z0-9]{12,}|eyJ[\w-]{10,}\.[\w.-]+)"),
)
_ECHO = re.compile(r"['\"](?:input|messages|content|contents|prompt|text|parts|body)\\?['\"]\s*:")
"""Where a validator begins to quote the request, as JSON or as Python has it."""


def without_secrets(message: str) -> str:
    """Return the message with keys masked, and without what follows the start of an echo."""
    echo = _ECHO.search(message)
    if echo is not None:
        message = f"{message[: echo.start()].rstrip()} [request cut off]".lstrip()
    for secret in _SECRETS:
        message = secret.sub(rf"\1{MASK}", message)
    return message
