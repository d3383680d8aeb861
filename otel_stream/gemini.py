"""Token counts of Gemini's generateContent. Formats are short; what is more than one table stands below them.

https://ai.google.dev/api/generate-content#UsageMetadata
"""

from __future__ import annotations

import msgspec

from otel_stream.loose import LooseDecoder
from otel_stream.meaning import Usage


class GeminiUsage(msgspec.Struct, rename="camel", gc=False):
    """`usageMetadata`."""

    prompt_token_count: int | None = None
    candidates_token_count: int | None = None
    total_token_count: int | None = None
    thoughts_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    cached_content_token_count: int | None = None


class _Modality(msgspec.Struct, rename="camel", gc=False):
    modality: str = ""
    token_count: int = 0


class _Details(msgspec.Struct, rename="camel", gc=False):
    prompt_tokens_details: list[_Modality] | None = None
    candidates_tokens_details: list[_Modality] | None = None


class _Last(msgspec.Struct, rename="camel", gc=False):
    usage_metadata: _Details | None = None


_LAST = LooseDecoder(_Last)


def gemini_usage(found: GeminiUsage) -> Usage | None:
    """Return the counts with tool use put into the input and thoughts into the output.

    None for objects that tell nothing but the kind of traffic.
    """
    given, made, thoughts = found.prompt_token_count, found.candidates_token_count, found.thoughts_token_count
    if given is None and found.total_token_count is None:
        return None
    if given is not None and found.tool_use_prompt_token_count is not None:
        given += found.tool_use_prompt_token_count
    if thoughts is not None:
        made = (made or 0) + thoughts
    return Usage(given, made, found.cached_content_token_count, None, thoughts)


def with_audio(usage: Usage, raw: bytes) -> Usage:
    """Return the counts with the audio tokens that the last chunk tells; it takes as long as all the rest."""
    if b'"AUDIO"' not in raw:
        return usage
    details = (_LAST.decode(raw) or _Last()).usage_metadata or _Details()
    return msgspec.structs.replace(
        usage,
        input_audio_tokens=_audio(details.prompt_tokens_details),
        output_audio_tokens=_audio(details.candidates_tokens_details),
    )


def _audio(details: list[_Modality] | None) -> int | None:
    counts = [part.token_count for part in details or () if part.modality == "AUDIO"]
    return sum(counts) if counts else None
