"""Token counts of the OpenAI family, normalised to the semantic conventions.

Several formats share these shapes, and formats never import each other.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

import msgspec

from otel_stream.meaning import Usage


class _Details(msgspec.Struct, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    audio_tokens: int | None = None
    reasoning_tokens: int | None = None


class ChatUsage(msgspec.Struct, gc=False):
    """`usage` of a chat completion, with the members compatible services add."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    cached_tokens: int | None = None
    prompt_cache_hit_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost: msgspec.Raw = msgspec.Raw()


_NONE = _Details()


def chat_usage(found: ChatUsage | None) -> Usage | None:
    """Return what a `usage` object says, or None when it says nothing.

    `prompt_tokens` includes cached, `completion_tokens` reasoning tokens; where a service leaves reasoning
    out of them (xAI chat), the total tells, and it is added.
    https://platform.openai.com/docs/api-reference/chat/object
    """
    if found is None or (found.prompt_tokens is None and found.completion_tokens is None):
        return None
    given, made = found.prompt_tokens_details or _NONE, found.completion_tokens_details or _NONE
    return Usage(
        input_tokens=found.prompt_tokens,
        output_tokens=_with_reasoning(found, made.reasoning_tokens),
        cache_read_tokens=_first(given.cached_tokens, found.cached_tokens, found.prompt_cache_hit_tokens),
        cache_write_tokens=given.cache_write_tokens,
        reasoning_tokens=_first(made.reasoning_tokens, found.reasoning_tokens),
        input_audio_tokens=given.audio_tokens,
        output_audio_tokens=made.audio_tokens,
        cost_usd=money(found.cost),
    )


def _with_reasoning(found: ChatUsage, reasoning: int | None) -> int | None:
    made, given, total = found.completion_tokens, found.prompt_tokens, found.total_tokens
    if made and given and reasoning and total == given + made + reasoning:
        return made + reasoning
    return made


def _first(*values: int | None) -> int | None:
    return next((value for value in values if value is not None), None)


def money(raw: msgspec.Raw) -> Decimal | None:
    """Return a provider-reported amount in US dollars, exactly as written; None when it is no number ≥ 0."""
    try:
        amount = Decimal(bytes(raw).decode("ascii").strip('"'))
    except (InvalidOperation, UnicodeDecodeError):
        return None
    return amount if amount.is_finite() and amount >= 0 else None
