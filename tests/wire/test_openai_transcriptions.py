"""Transcriptions: a form goes out, text comes back."""

from __future__ import annotations

import pytest
from answers import JSON, streamed

from otel_stream.meaning import Request
from otel_stream.testing import replay
from otel_stream.wire.openai_transcriptions import OpenAITranscriptions

URL = "https://api.openai.com/v1/audio/transcriptions"
TOKENS = {"type": "tokens", "input_tokens": 9, "input_token_details": {"audio_tokens": 8}, "output_tokens": 4}


def form(**fields):
    parts = [
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    audio = b'--x\r\nContent-Disposition: form-data; name="file"\r\nContent-Type: audio/wav\r\n\r\n' + bytes(
        100_000
    )
    return "".join(parts).encode() + audio


def recognised(body, url=URL):
    return OpenAITranscriptions.recognise(Request("POST", url, {}, body))


def test_deltas_are_text_and_the_last_event_has_the_usage():
    events = [
        {"type": "transcript.text.delta", "delta": "Hi"},
        {"type": "transcript.text.delta", "delta": ""},
    ]

    found = streamed(URL, *events, {"type": "transcript.text.done", "text": "Hi", "usage": TOKENS}, "[DONE]")

    assert (found.text, found.outcome) == ("Hi", "completed")
    assert (found.usage.input_tokens, found.usage.output_tokens) == (9, 4)


def test_segments_of_speakers_are_no_deltas():
    found = streamed(URL, {"type": "transcript.text.segment", "text": "Hi", "speaker": "A"}, "[DONE]")

    assert (found.text, found.outcome) == ("", "completed")


def test_an_error_and_what_is_not_understood():
    found = streamed(URL, "ping", {"type": "new"}, {"error": {"message": "boom"}}, "[DONE]")

    assert (found.outcome, found.error.message) == ("error", "boom")


@pytest.mark.parametrize("stream", ["true", "false"])
def test_the_form_names_model_and_streaming(stream):
    facts = recognised(form(model="whisper-1", stream=stream))

    assert (facts.model, facts.streaming, facts.operation) == (
        "whisper-1",
        stream == "true",
        "generate_content",
    )


def test_an_unreadable_form_still_is_a_transcription():
    assert recognised(None).model == "unknown"


def test_other_uploads_are_left_alone():
    assert recognised(form(model="x"), "https://example.com/v1/transcriptions") is None


@pytest.mark.parametrize(
    "body", [b'{"text": "Hi", "usage": {"input_tokens": 3, "output_tokens": 2}}', b"Hi"], ids=["json", "text"]
)
def test_a_whole_answer_is_an_object_or_the_bare_text(body):
    found = replay(url=URL, response_headers=JSON, chunks=[body])

    assert (found.text, found.outcome) == ("Hi", "completed")


def test_a_whole_answer_may_be_silence():
    assert replay(url=URL, response_headers=JSON, chunks=[b'{"text": ""}']).outcome == "completed"
