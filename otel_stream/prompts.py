"""The prompt as the conventions' messages, read from a request where content capture asks for it.

https://github.com/open-telemetry/semantic-conventions-genai/blob/main/model/gen-ai/gen-ai-input-messages.json
"""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from otel_stream.meaning import Request
from otel_stream.semconv import INPUT_MESSAGES, SYSTEM_INSTRUCTIONS, TOOL_DEFINITIONS

Message: TypeAlias = dict[str, Any]

_MESSAGES = ("messages", "input", "contents", "prompt", "message", "inputText")
_SYSTEM = ("system", "instructions", "systemInstruction", "system_instruction", "preamble")


def content(request: Request) -> dict[str, str]:
    """Return the content attributes of a request as JSON text; what is not understood is left out."""
    found: dict[str, Any] = {
        INPUT_MESSAGES: [_message(item) for item in _listed(request, _MESSAGES)],
        SYSTEM_INSTRUCTIONS: [
            part for item in _listed(request, _SYSTEM) for part in _parts(item if _is_bare(item) else [item])
        ],
        TOOL_DEFINITIONS: request.get("tools", list[Any]) or [],
    }
    return {name: msgspec.json.encode(value).decode() for name, value in found.items() if value}


def _listed(request: Request, names: tuple[str, ...]) -> list[Any]:
    """Return the first of these members the body has, as a list."""
    for name in names:
        value: Any = request.get(name, object)
        if value:
            return value if isinstance(value, list) else [value]
    return []


def _is_bare(item: object) -> bool:
    """Whether a system instruction is text or a Gemini content, which has parts of its own."""
    return isinstance(item, str) or (isinstance(item, dict) and "parts" in item)


def _message(item: object) -> Message:
    match item:
        case {"role": "tool", "tool_call_id": call_id, **rest}:
            response = {"type": "tool_call_response", "id": call_id, "response": rest.get("content")}
            return {"role": "tool", "parts": [response]}
        case {"type": "function_call_output", "call_id": call_id, "output": output}:
            return {
                "role": "tool",
                "parts": [{"type": "tool_call_response", "id": call_id, "response": output}],
            }
        case {"role": str(role)}:
            return {"role": "assistant" if role == "model" else role, "parts": _parts(item)}
    return {"role": "user", "parts": _parts(item)}


def _parts(item: object) -> list[Message]:
    match item:
        case str(text):
            return [{"type": "text", "content": text}]
        case list(items):
            return [part for one in items for part in [_part(one)] if part]
        case {"content": body, **rest} | {"parts": body, **rest}:
            calls = _calls(rest.get("tool_calls"))
            return _parts(body) + calls
        case {"tool_calls": calls}:
            return _calls(calls)
    part = _part(item)
    return [part] if part else []


def _part(item: object) -> Message:  # noqa: PLR0911 - one line a shape of the wire
    """Return one part; binary payloads are told by their type alone."""
    match item:
        case str(text) | {"text": str(text)}:
            return {"type": "text", "content": text}
        case {"thinking": str(text)}:
            return {"type": "reasoning", "content": text}
        case {"type": "tool_use", "id": call_id, "name": name, "input": arguments}:
            return {"type": "tool_call", "id": call_id, "name": name, "arguments": arguments}
        case {"type": "tool_result", "tool_use_id": call_id, **rest}:
            return {"type": "tool_call_response", "id": call_id, "response": rest.get("content")}
        case {"functionCall": {"name": name, **rest}}:
            return {"type": "tool_call", "name": name, "arguments": rest.get("args")}
        case {"functionResponse": {"name": name, **rest}}:
            return {"type": "tool_call_response", "id": name, "response": rest.get("response")}
        case {"type": str(kind)}:
            return {"type": kind}
    return {}


def _calls(calls: object) -> list[Message]:
    items: list[object] = calls if isinstance(calls, list) else []
    return [_tool_call(call) for call in items if isinstance(call, dict)]


def _tool_call(call: dict[str, Any]) -> Message:
    match call:
        case {"function": {"name": name, **rest}}:
            arguments = rest.get("arguments")
            return {"type": "tool_call", "id": call.get("id"), "name": name, "arguments": arguments}
    return {"type": "tool_call", "id": call.get("id"), "name": call.get("name", "")}
