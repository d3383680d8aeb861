"""Token counts of the OpenAI family, normalised to the semantic conventions, and what a call cost.

Several formats share these shapes, and formats never import each other.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated

import msgspec

from otel_stream.meaning import Usage

MAX_USD = 1_000_000  # what one call may cost; more is no amount but an attack or a slip
MAX_TOKENS = 2**53  # exact as a float, and far beyond any model; larger or negative counts are not taken
USD_PER_TICK = Decimal("1e-10")  # https://docs.x.ai/docs/api-reference: `cost_in_usd_ticks`

Tokens = Annotated[int, msgspec.Meta(ge=0, le=MAX_TOKENS)]
"""A count of tokens on the wire."""


class _Details(msgspec.Struct, gc=False):
    cached_tokens: Tokens | None = None
    cache_write_tokens: Tokens | None = None
    cache_creation_tokens: Tokens | None = None
    """LiteLLM's name for it."""
    cache_creation_input_tokens: Tokens | None = None
    """Alibaba's."""
    audio_tokens: Tokens | None = None
    reasoning_tokens: Tokens | None = None


class _CostDetails(msgspec.Struct, gc=False):
    upstream_inference_cost: msgspec.Raw = msgspec.Raw()


class _Charged(msgspec.Struct, gc=False):
    """What services add to a usage object about money."""

    cost: msgspec.Raw = msgspec.Raw()
    cost_details: _CostDetails | None = None
    is_byok: bool | None = None
    cost_in_usd_ticks: int | None = None


class ChatUsage(_Charged, gc=False):
    """`usage` of a chat completion, with the members compatible services add."""

    prompt_tokens: Tokens | None = None
    completion_tokens: Tokens | None = None
    total_tokens: Tokens | None = None
    prompt_tokens_details: _Details | None = None
    prompt_token_details: _Details | None = None
    """So spelt by OpenAI Assistants and Writer."""
    completion_tokens_details: _Details | None = None
    cached_tokens: Tokens | None = None
    prompt_cache_hit_tokens: Tokens | None = None
    num_cached_tokens: Tokens | None = None
    """Mistral's."""
    reasoning_tokens: Tokens | None = None


class ResponsesUsage(_Charged, gc=False):
    """`usage` of OpenAI's newer APIs: Responses and transcriptions."""

    input_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    input_tokens_details: _Details | None = None
    input_token_details: _Details | None = None
    """So spelt by OpenAI transcriptions."""
    output_tokens_details: _Details | None = None


_NONE = _Details()


def chat_usage(found: ChatUsage | None) -> Usage | None:
    """Return what a `usage` object says, or None when it says nothing.

    `prompt_tokens` includes cached, `completion_tokens` reasoning tokens; where a service leaves reasoning
    out of them (xAI chat), the total tells, and it is added.
    https://platform.openai.com/docs/api-reference/chat/object
    """
    if found is None or (found.prompt_tokens is None and found.completion_tokens is None):
        return None
    given = found.prompt_tokens_details or found.prompt_token_details or _NONE
    made = found.completion_tokens_details or _NONE
    return Usage(
        input_tokens=found.prompt_tokens,
        output_tokens=_with_reasoning(found, made.reasoning_tokens),
        cache_read_tokens=_first(
            given.cached_tokens, found.cached_tokens, found.prompt_cache_hit_tokens, found.num_cached_tokens
        ),
        cache_write_tokens=_first(
            given.cache_write_tokens, given.cache_creation_tokens, given.cache_creation_input_tokens
        ),
        reasoning_tokens=_first(made.reasoning_tokens, found.reasoning_tokens),
        input_audio_tokens=given.audio_tokens,
        output_audio_tokens=made.audio_tokens,
        cost_usd=_charge(found),
    )


def responses_usage(found: ResponsesUsage | None) -> Usage | None:
    """Return what a `usage` object says, or None when it says nothing. Parts are included in the totals.

    https://platform.openai.com/docs/api-reference/responses/object
    """
    if found is None or (found.input_tokens is None and found.output_tokens is None):
        return None
    given = found.input_tokens_details or found.input_token_details or _NONE
    made = found.output_tokens_details or _NONE
    return Usage(
        input_tokens=found.input_tokens,
        output_tokens=found.output_tokens,
        cache_read_tokens=given.cached_tokens,
        cache_write_tokens=given.cache_write_tokens,
        reasoning_tokens=made.reasoning_tokens,
        input_audio_tokens=given.audio_tokens,
        output_audio_tokens=made.audio_tokens,
        cost_usd=_charge(found),
    )


def _with_reasoning(found: ChatUsage, reasoning: int | None) -> int | None:
    made, given, total = found.completion_tokens, found.prompt_tokens, found.total_tokens
    if made is not None and given and reasoning and total == given + made + reasoning:
        return made + reasoning
    return made


def _first(*values: int | None) -> int | None:
    return next((value for value in values if value is not None), None)


def _charge(found: _Charged) -> Decimal | None:
    """Return what the provider says the call cost in US dollars; None where it does not say.

    With the caller's own key OpenRouter's `cost` is its fee alone, and the vendor's charge comes on top.
    https://openrouter.ai/docs/use-cases/usage-accounting
    """
    if found.cost_in_usd_ticks is not None:
        return _plausible(found.cost_in_usd_ticks * USD_PER_TICK)
    cost = money(found.cost)
    if cost is not None and found.is_byok and found.cost_details is not None:
        return cost + (money(found.cost_details.upstream_inference_cost) or 0)
    return cost


class _Cost(msgspec.Struct, gc=False):
    total_cost: msgspec.Raw = msgspec.Raw()


def money(raw: msgspec.Raw) -> Decimal | None:
    """Return a provider-reported amount in US dollars, exactly as written; None when it is no number ≥ 0.

    Perplexity reports an object with the total: https://docs.perplexity.ai/api-reference
    """
    text = bytes(raw)
    if text[:1] == b"{":
        return _total(text)
    try:
        amount = Decimal(text.decode("ascii").strip('"'))
    except (InvalidOperation, UnicodeDecodeError):
        return None
    return _plausible(amount)


def _plausible(amount: Decimal) -> Decimal | None:
    return amount if amount.is_finite() and 0 <= amount <= MAX_USD else None


def _total(raw: bytes) -> Decimal | None:
    try:
        return money(msgspec.json.decode(raw, type=_Cost).total_cost)
    except (msgspec.MsgspecError, RecursionError):
        return None
