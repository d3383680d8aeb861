from __future__ import annotations

import pytest

from otel_stream.bedrock import BedrockUsage, bedrock_usage, failure_in, model_of
from otel_stream.framing import Payload
from otel_stream.framing.aws_event_stream import EventStreamMessage
from otel_stream.meaning import Failure

ARN = "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3A"


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/model/m/invoke", "m"),
        ("/model/us.anthropic.claude-v2%3A1/invoke/", "us.anthropic.claude-v2:1"),
        (f"/model/{ARN}inference-profile%2Fus.anthropic.claude-v2%3A1/invoke", "us.anthropic.claude-v2:1"),
        (f"/model/{ARN}nothing/invoke", "arn:aws:bedrock:us-east-1:123456789012:nothing"),
        ("/model/m/converse", None),
        ("/models/m/invoke", None),
        ("/invoke", None),
    ],
)
def test_the_model_stands_in_the_path(path, model):
    assert model_of(path, ("invoke",)) == model


def test_the_cache_counts_of_both_spellings_are_read():
    usage = bedrock_usage(BedrockUsage(5, 2, cache_read_input_token_count=3, cache_write_input_tokens=1))

    assert (usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens) == (9, 3, 1)


@pytest.mark.parametrize(
    ("message", "failure"),
    [
        (EventStreamMessage("e", b'{"message": "m"}'), None),
        (Payload(b'{"message": "m"}'), None),
        (EventStreamMessage("e", b'{"message": "m"}', "exception"), Failure("e", None, "m")),
        (EventStreamMessage("e", b'{"Message": "m"}', "exception"), Failure("e", None, "m")),
        (EventStreamMessage("e", b"{}", "error"), Failure("e", None, None)),
        (EventStreamMessage("", b"", "error"), Failure(None, None, None)),
    ],
)
def test_a_message_that_is_no_event_is_a_failure(message, failure):
    assert failure_in(message) == failure
