"""What a stream comes to at its end: the tokens that were billed, and the event that tells everything."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from otel_stream.events import Completed, Ended, Error, Outcome, UsageSource
from otel_stream.meaning import Usage
from otel_stream.outcome import error_type_of, message_of
from otel_stream.stream import Stream

MAX_TOKENS = 2**53  # far beyond any model; a larger count breaks whoever takes it for 64 bits
CHARACTERS_PER_TOKEN = 4  # the providers' own rule of thumb for English; estimates are marked as such


def settle_usage(stream: Stream, outcome: Outcome, wanted: str) -> tuple[Usage | None, UsageSource]:
    """Return the usage of a stream that ended and where it comes from.

    What the provider reported stands. After a bad end, which was billed all the same, what it did not
    report is estimated from the characters seen. `wanted` is the setting `estimate_usage`.
    """
    reported = stream.reported and _possible(stream.reported)
    finished = outcome == "completed"
    final = reported is not None and reported.output_tokens is not None and (finished or stream.soft)
    if final or not stream.chunks or wanted == "never" or (finished and wanted != "always"):
        return reported, "none" if reported is None else "provider"
    return _estimate(stream, reported or Usage()), "estimated"


def _possible(usage: Usage) -> Usage:
    """Return the usage without counts that no call can have."""
    wrong = [
        name
        for name in usage.__struct_fields__
        if name.endswith("tokens") and not 0 <= (getattr(usage, name) or 0) <= MAX_TOKENS
    ]
    return msgspec.structs.replace(usage, **dict.fromkeys(wrong)) if wrong else usage


def _estimate(stream: Stream, usage: Usage) -> Usage:
    """A reported number stands when it is larger: some providers begin with a placeholder of 1."""
    seen = math.ceil(stream.characters / CHARACTERS_PER_TOKEN)
    prompt = math.ceil(stream.facts.prompt_characters / CHARACTERS_PER_TOKEN)
    return msgspec.structs.replace(
        usage,
        input_tokens=prompt if usage.input_tokens is None else usage.input_tokens,
        output_tokens=max(seen, usage.output_tokens or 0),
    )


def last_event(stream: Stream, outcome: Outcome, error: BaseException | None) -> Ended:
    """Return the one `Completed` or `Error` of a stream."""
    usage = stream.reported or Usage()
    tokens = (usage.input_tokens, usage.output_tokens, stream.cost_usd)
    if outcome == "completed":
        return Completed(stream.request_id, *tokens, **_known(stream, usage))
    status = stream.status or 0
    input_tokens, output_tokens, cost_usd = tokens
    return Error(
        stream.request_id,
        message_of(outcome, stream.failure, status, error),
        error_type=error_type_of(outcome, stream.failure, status, error),
        outcome=outcome,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cost_usd=cost_usd,
        **_known(stream, usage),
    )


def _known(stream: Stream, usage: Usage) -> dict[str, Any]:
    return {
        "response_id": stream.response_id,
        "provider_request_id": stream.provider_request_id,
        "response_model": stream.response_model,
        "finish_reasons": stream.finish_reasons or None,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "usage_source": stream.usage_source,
        "cost_source": stream.cost_source,
        "duration_s": stream.duration_s,
        "time_to_first_token_s": stream.time_to_first_token_s,
        "chunks": stream.chunks,
        "output_characters": stream.characters,
        "time_unix_nano": stream.unix_nano(stream.ended_at or stream.now),
        "sequence": stream.sequence + 1,
        "trace_id": stream.trace.trace_id,
        "span_id": stream.trace.span_id,
    }
