"""Prompts become the conventions' messages; what is not understood is left out, never raised."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_stream import prompts
from otel_stream.meaning import Request

URL = "https://api.openai.com/v1/chat/completions"


def captured(**body):
    found = prompts.content(Request("POST", URL, {}, json.dumps(body).encode()))
    return {name.removeprefix("gen_ai."): json.loads(text) for name, text in found.items()}


@pytest.mark.parametrize(
    ("body", "messages"),
    [
        (
            {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]},
            [
                {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
                {"role": "user", "parts": [{"type": "text", "content": "Hi"}]},
            ],
        ),
        ({"input": "Hi"}, [{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}]),
        (
            {"contents": [{"role": "model", "parts": [{"text": "Hi"}]}]},
            [{"role": "assistant", "parts": [{"type": "text", "content": "Hi"}]}],
        ),
        (
            {"messages": [{"role": "tool", "tool_call_id": "c1", "content": "18 °C"}]},
            [{"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "18 °C"}]}],
        ),
        (
            {"input": [{"type": "function_call_output", "call_id": "c1", "output": "18"}]},
            [{"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "18"}]}],
        ),
        (
            {
                "messages": [
                    {
                        "role": "assistant",
                        "content": None,
                        "tool_calls": [
                            {"id": "c1", "function": {"name": "f", "arguments": "{}"}},
                            {"id": "c2"},
                        ],
                    }
                ]
            },
            [
                {
                    "role": "assistant",
                    "parts": [
                        {"type": "tool_call", "id": "c1", "name": "f", "arguments": "{}"},
                        {"type": "tool_call", "id": "c2", "name": ""},
                    ],
                }
            ],
        ),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "text", "text": "What is this?"},
                            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                            {"type": "tool_result", "tool_use_id": "t1", "content": "ok"},
                            {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
                            {"type": "thinking", "thinking": "Hm."},
                            {"functionCall": {"name": "g", "args": {}}},
                            {"functionResponse": {"name": "g", "response": {}}},
                            17,
                        ],
                    }
                ]
            },
            [
                {
                    "role": "user",
                    "parts": [
                        {"type": "text", "content": "What is this?"},
                        {"type": "image_url"},
                        {"type": "tool_call_response", "id": "t1", "response": "ok"},
                        {"type": "tool_call", "id": "t1", "name": "f", "arguments": {"a": 1}},
                        {"type": "reasoning", "content": "Hm."},
                        {"type": "tool_call", "name": "g", "arguments": {}},
                        {"type": "tool_call_response", "id": "g", "response": {}},
                    ],
                }
            ],
        ),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"id": "c1", "name": "f"}]}]},
            [{"role": "assistant", "parts": [{"type": "tool_call", "id": "c1", "name": "f"}]}],
        ),
    ],
)
def test_messages_of_each_api_become_parts(body, messages):
    assert captured(**body)["input.messages"] == messages


@pytest.mark.parametrize(
    "body",
    [
        {"system": "Be brief."},
        {"system": [{"type": "text", "text": "Be brief."}]},
        {"systemInstruction": {"parts": [{"text": "Be brief."}]}},
        {"instructions": "Be brief."},
    ],
)
def test_system_instructions_stand_apart(body):
    assert captured(**body) == {"system_instructions": [{"type": "text", "content": "Be brief."}]}


def test_tools_are_told_as_they_are():
    tools = [{"type": "function", "function": {"name": "f"}}]

    assert captured(tools=tools) == {"tool.definitions": tools}


def test_a_request_without_a_body_has_no_content():
    assert prompts.content(Request("POST", URL, {}, None)) == {}


names = st.sampled_from(["role", "content", "parts", "type", "text", "tool_calls", "function", "name"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(names, inner),
    max_leaves=12,
)


@given(body=st.dictionaries(st.sampled_from(["messages", "input", "system", "tools", "contents"]), values))
def test_no_body_makes_it_raise(body):
    captured(**body)
