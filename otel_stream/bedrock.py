"""What the APIs of Amazon Bedrock have in common: model ids in paths, token counts, failures in a stream.

Formats never import each other; what they share lies below them.
"""

from __future__ import annotations

from urllib.parse import unquote

import msgspec

from otel_stream.failures import read_failure
from otel_stream.framing.aws_event_stream import EventStreamMessage
from otel_stream.meaning import Failure, Frame, Usage


class BedrockUsage(msgspec.Struct, rename="camel", gc=False):
    """`usage` of Converse and of Nova, which spells the cache counts in its own way."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None
    cache_read_input_token_count: int | None = None
    cache_write_input_token_count: int | None = None


def bedrock_usage(found: BedrockUsage) -> Usage:
    """Return the counts with the cached tokens put into the input, unless the total says they are.

    https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html
    """
    read = _either(found.cache_read_input_tokens, found.cache_read_input_token_count)
    written = _either(found.cache_write_input_tokens, found.cache_write_input_token_count)
    given, made = found.input_tokens, found.output_tokens
    if given is not None and found.total_tokens != given + (made or 0):
        given += (read or 0) + (written or 0)
    return Usage(given, made, read, written)


def _either(first: int | None, second: int | None) -> int | None:
    return second if first is None else first


def model_of(path: str, verbs: tuple[str, ...]) -> str | None:
    """Return the model of `/model/{id}/{verb}`; of an ARN what follows its kind. None for other paths."""
    above, _, verb = path.rstrip("/").rpartition("/")
    _, found, model = above.rpartition("/model/")
    if verb not in verbs or not found:
        return None
    model = unquote(model)
    return model.partition("/")[2] or model if model.startswith("arn:") else model


def failure_in(frame: Frame) -> Failure | None:
    """Return the failure that an exception or error message of an event stream tells; None for events."""
    if not isinstance(frame, EventStreamMessage) or frame.kind == "event":
        return None
    return read_failure(frame.raw, frame.event) or Failure(frame.event or None, None, None)
