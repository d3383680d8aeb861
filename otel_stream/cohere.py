"""Token counts of Cohere's APIs. Formats never import each other; what they share lies below them."""

from __future__ import annotations

import msgspec

from otel_stream.meaning import Usage


class _Tokens(msgspec.Struct, gc=False):
    input_tokens: float | None = None
    output_tokens: float | None = None
    reasoning_tokens: float | None = None


class CohereUsage(msgspec.Struct, gc=False):
    """`usage` of version 2, `meta` of version 1."""

    tokens: _Tokens | None = None
    billed_units: _Tokens | None = None
    cached_tokens: float | None = None


def cohere_usage(found: CohereUsage | None) -> Usage | None:
    """Return the tokens used, or those billed where nothing else is told; None when nothing is.

    Billed units leave out the prompt's template and its cached part, which the conventions count in.
    https://docs.cohere.com/reference/chat-stream
    """
    counts = (found.tokens or found.billed_units) if found is not None else None
    if found is None or counts is None:
        return None
    return Usage(
        _whole(counts.input_tokens),
        _whole(counts.output_tokens),
        _whole(found.cached_tokens),
        None,
        _whole(counts.reasoning_tokens),
    )


def _whole(count: float | None) -> int | None:
    """JSON has 7.0 tokens, and may have 1e999."""
    return int(count) if count is not None and abs(count) < 1e15 else None  # noqa: PLR2004
