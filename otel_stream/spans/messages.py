"""The answer as the conventions' messages: built from a transcript, where content capture asks for it.

https://github.com/open-telemetry/semantic-conventions-genai/blob/main/model/gen-ai/gen-ai-output-messages.json
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import msgspec

from otel_stream import semconv
from otel_stream.events import Channel
from otel_stream.transcript import ToolCall, Transcript

Message: TypeAlias = dict[str, Any]

_PARTS: tuple[tuple[Channel, str], ...] = (
    ("reasoning", "reasoning"),
    ("output", "text"),
    ("refusal", "refusal"),
)


def output_messages(transcript: Transcript, finish_reasons: Sequence[str]) -> list[Message]:
    """Return one message a choice that said anything; `finish_reasons` are in choice order."""
    tools = transcript.tool_calls
    choices = {*range(max(1, len(finish_reasons))), *(tool.index for tool in tools)}
    messages = [_message(transcript, tools, index, finish_reasons) for index in sorted(choices)]
    return [message for message in messages if message["parts"]]


def _message(
    transcript: Transcript, tools: Sequence[ToolCall], index: int, finish_reasons: Sequence[str]
) -> Message:
    parts: list[Message] = [
        {"type": kind, "content": text}
        for channel, kind in _PARTS
        if (text := transcript.text(channel, index))
    ]
    parts += [_tool_call(tool) for tool in tools if tool.index == index]
    reason = finish_reasons[index] if index < len(finish_reasons) else ""
    return {"role": "assistant", "parts": parts, "finish_reason": reason}


def _tool_call(tool: ToolCall) -> Message:
    call = {"type": "tool_call", "id": tool.id, "name": tool.name or "", "arguments": _value(tool.arguments)}
    return {key: value for key, value in call.items() if value is not None}


def _value(arguments: object) -> object:
    """Return the value a JSON text stands for, or the text itself when it was cut off."""
    if not isinstance(arguments, str):
        return arguments
    try:
        return msgspec.json.decode(arguments)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return arguments


def content(
    given: dict[str, Any], transcript: Transcript | None, finish_reasons: Sequence[str]
) -> dict[str, Any]:
    """Return the content attributes, structured; `given` are the request's, as text or structured."""
    found = {name: _value(value) for name, value in given.items() if name in semconv.CONTENT}
    if transcript is not None:
        messages = output_messages(transcript, finish_reasons)
        if messages:
            found[semconv.OUTPUT_MESSAGES] = messages
    return found


def as_text(found: dict[str, Any]) -> dict[str, str]:
    """Return the content attributes as JSON text, the form they have on spans."""
    return {
        name: value if isinstance(value, str) else msgspec.json.encode(value).decode()
        for name, value in found.items()
    }
