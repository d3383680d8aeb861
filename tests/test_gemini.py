from __future__ import annotations

import json

import pytest

from otel_stream.gemini import GeminiUsage, gemini_usage, with_audio
from otel_stream.meaning import Usage


@pytest.mark.parametrize(
    ("found", "usage"),
    [
        (GeminiUsage(5, 2), Usage(5, 2)),
        (
            GeminiUsage(5, 2, 10, 3, tool_use_prompt_token_count=4, cached_content_token_count=1),
            Usage(9, 5, 1, None, 3),
        ),
        (GeminiUsage(5, thoughts_token_count=3), Usage(5, 3, None, None, 3)),
        (GeminiUsage(total_token_count=7, tool_use_prompt_token_count=4), Usage()),
        (GeminiUsage(candidates_token_count=2), None),
        (GeminiUsage(), None),
    ],
)
def test_tool_use_is_input_and_thoughts_are_output(found, usage):
    assert gemini_usage(found) == usage


def metadata(*details):
    return json.dumps(
        {"usageMetadata": {"promptTokensDetails": details, "candidatesTokensDetails": details[:1]}}
    ).encode()


TEXT, AUDIO = {"modality": "TEXT", "tokenCount": 1}, {"modality": "AUDIO", "tokenCount": 4}


@pytest.mark.parametrize(
    ("raw", "tokens"),
    [
        (metadata(TEXT, AUDIO, AUDIO), (8, None)),
        (metadata(AUDIO, TEXT), (4, 4)),
        (metadata(TEXT), (None, None)),
        (b'{"usageMetadata": "AUDIO"}', (None, None)),
        (b'["AUDIO"]', (None, None)),
    ],
)
def test_audio_tokens_are_told_apart(raw, tokens):
    usage = with_audio(Usage(5, 2), raw)

    assert (usage.input_audio_tokens, usage.output_audio_tokens) == tokens
    assert usage.input_tokens == 5
