"""The quirks of the chat dialect's many speakers; what is plain is held by the recordings."""

from __future__ import annotations

import pytest
from answers import document, streamed

URL = "https://api.openai.com/v1/chat/completions"
VERTEX = "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/l"


def chunk(delta=None, *, finish=None, index=0, **more):
    return {
        "id": "c-1",
        "model": "m-1",
        "choices": [{"index": index, "delta": delta or {}, "finish_reason": finish}],
        **more,
    }


def call(index, id=None, name=None, arguments=""):
    found = {"function": {"arguments": arguments, **({"name": name} if name else {})}}
    return {**found, **({} if index is None else {"index": index}), **({"id": id} if id else {})}


def calls(*pieces):
    return [chunk({"tool_calls": [piece]}) for piece in pieces]


def test_the_head_may_come_late_and_is_read_once():
    found = streamed(URL, {"id": "", "model": "", "choices": []}, chunk({"content": "a"}), "[DONE]")

    assert (found.response_id, found.response_model, found.text) == ("c-1", "m-1", "a")


def test_the_rest_of_a_stream_after_done_is_not_read():
    found = streamed(URL, chunk({"content": "a"}, finish="stop"), "[DONE]", chunk({"content": "b"}))

    assert (found.text, found.outcome) == ("a", "completed")


def test_content_in_parts_is_text_and_thinking():
    """Mistral's magistral models; images and references are parts as well."""
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}], "closed": True},
        {"type": "thinking", "thinking": "m"},
        {"type": "thinking", "thinking": [{"type": "text", "text": ""}]},
        {"type": "reference", "reference_ids": [1]},
        {"type": "text", "text": "Hi"},
    ]

    found = streamed(URL, chunk({"content": parts}), chunk(finish="stop"), "[DONE]")

    assert (found.text, found.reasoning_text) == ("Hi", "hmm")


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_reasoning_has_two_names(name):
    found = streamed(URL, chunk({name: "hm"}), "[DONE]")

    assert (found.reasoning_text, found.text) == ("hm", "")


def test_a_refusal_is_no_text():
    found = streamed(URL, chunk({"refusal": "No."}), "[DONE]")

    assert (found.refusal_text, found.text) == ("No.", "")


def test_pieces_of_tool_calls_go_together_by_index():
    pieces = [call(0, "a", "f", "{"), call(1, "b", "g", "["), call(0, arguments="}"), call(1, arguments="]")]

    found = streamed(URL, *calls(*pieces), "[DONE]")

    assert found.tool_calls == [
        {"id": "a", "name": "f", "arguments": "{}"},
        {"id": "b", "name": "g", "arguments": "[]"},
    ]


def test_tool_calls_that_share_an_index_are_told_apart_by_their_ids():
    """Gemini's and older Ollama's OpenAI mode give every call index 0."""
    found = streamed(URL, *calls(call(0, "a", "f", "{}"), call(0, "b", "g", "[]")), "[DONE]")

    assert [(c["id"], c["name"], c["arguments"]) for c in found.tool_calls] == [
        ("a", "f", "{}"),
        ("b", "g", "[]"),
    ]


def test_an_id_made_up_for_every_piece_starts_no_new_call():
    """Older vLLM."""
    found = streamed(URL, *calls(call(0, "a", "f", "{"), call(0, "x", None, "}")), "[DONE]")

    assert found.tool_calls == [{"id": "a", "name": "f", "arguments": "{}"}]


def test_tool_calls_without_an_index_are_told_apart_by_their_ids():
    pieces = [call(None, "a", "f", "{"), call(None, arguments="}"), call(None, "b", "g", "[]")]

    found = streamed(URL, *calls(*pieces), "[DONE]")

    assert [c["arguments"] for c in found.tool_calls] == ["{}", "[]"]


def test_a_legacy_function_call_is_a_tool_call():
    pieces = [{"name": "f", "arguments": "{"}, {"arguments": "}"}]

    found = streamed(URL, *(chunk({"function_call": piece}) for piece in pieces), "[DONE]")

    assert found.tool_calls == [{"id": None, "name": "f", "arguments": "{}"}]


def test_usage_may_stand_in_the_last_choice():
    """Moonshot: https://platform.moonshot.ai/docs/api/chat"""
    last = chunk(finish="stop")
    last["choices"][0]["usage"] = {"prompt_tokens": 3, "completion_tokens": 2}

    found = streamed(URL, chunk({"content": "a"}), last, "[DONE]")

    assert (found.usage.input_tokens, found.usage.output_tokens) == (3, 2)


def test_the_last_of_continuous_usage_reports_counts():
    """vLLM with `continuous_usage_stats`."""
    reports = [{"prompt_tokens": 5, "completion_tokens": n} for n in (1, 2, 3)]

    found = streamed(URL, *(chunk({"content": "a"}, usage=usage) for usage in reports), "[DONE]")

    assert (found.usage.input_tokens, found.usage.output_tokens) == (5, 3)


BARE = {
    "FastAPI": {"detail": "Internal Server Error"},
    "older vLLM": {"object": "error", "message": "boom", "type": "BadRequestError", "code": 400},
    "in a member": {"error": {"message": "boom", "type": "server_error"}},
    "only a text": {"error": "boom"},
    "Groq": {"x_groq": {"error": "boom"}},
    "at the choice": {"choices": [{"error": {"message": "boom"}, "finish_reason": "error", "delta": {}}]},
}


@pytest.mark.parametrize("payload", BARE.values(), ids=BARE)
def test_an_error_in_the_stream_wins_over_done(payload):
    found = streamed(URL, chunk({"content": "a"}), payload, "[DONE]")

    assert found.outcome == "error"
    assert found.error.message in ("boom", "Internal Server Error")


def test_an_event_named_error_is_one():
    found = streamed(URL, ("error", {"message": "overloaded"}), "[DONE]")

    assert (found.outcome, found.error.message) == ("error", "overloaded")


def test_what_is_no_chunk_is_skipped():
    found = streamed(URL, {"type": "ping"}, "keep-alive", "[]", chunk({"content": "a"}), "[DONE]")

    assert (found.text, found.outcome, found.error) == ("a", "completed", None)


def test_members_of_a_wrong_type_cost_only_themselves():
    odd = {"id": 7, "choices": [{"index": "0", "delta": {"content": "a", "tool_calls": {}}}], "usage": []}

    found = streamed(URL, odd, chunk(finish="stop"), "[DONE]")

    assert (found.text, found.response_id, found.outcome) == ("a", "c-1", "completed")


def test_more_calls_than_anybody_makes_keep_no_state():
    found = streamed(URL, *calls(*(call(n, f"id-{n}", "f", "{}") for n in range(1500))), "[DONE]")

    assert len(found.tool_calls) == 1500


def test_a_whole_answer_is_read_as_one():
    message = {"role": "assistant", "content": "Hi", "reasoning_content": "hm"}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "cost": 0.5}

    found = document(
        URL,
        {
            "id": "c",
            "model": "m-1",
            "choices": [{"message": message, "finish_reason": "stop"}],
            "usage": usage,
        },
    )

    assert (found.text, found.reasoning_text, found.outcome) == ("Hi", "hm", "completed")
    assert (found.finish_reasons, found.usage.output_tokens) == (["stop"], 2)
    assert found.facts is not None
    assert found.facts.streaming is False


def test_a_whole_answer_that_is_no_object_is_skipped():
    found = document(URL, [1, 2])

    assert (found.outcome, found.text) == ("incomplete", "")


@pytest.mark.parametrize(
    ("url", "provider", "model"),
    [
        (
            "https://x.openai.azure.com/openai/deployments/dep/chat/completions?api-version=1",
            "azure.ai.openai",
            "m",
        ),
        ("https://api.writer.com/v1/chat", "writer", "m"),
        ("https://api.mistral.ai/v1/fim/completions", "mistral_ai", "m"),
        ("https://api.mistral.ai/v1/chat/completions#stream", "mistral_ai", "m"),
        ("https://x.snowflakecomputing.com/api/v2/cortex/v1/chat/completions", "snowflake", "m"),
        ("https://x.snowflakecomputing.com/api/v2/cortex/inference:complete", "snowflake", "m"),
        ("https://x.cloud.databricks.com/serving-endpoints/dbrx/invocations", "databricks", "m"),
        (f"{VERTEX}/publishers/mistralai/models/m@1:streamRawPredict", "gcp.vertex_ai", "m"),
        (f"{VERTEX}/publishers/ai21/models/jamba:rawPredict", "gcp.vertex_ai", "m"),
        ("http://localhost:8000/any/base/chat/completions/", "openai", "m"),
    ],
)
def test_the_dialect_is_spoken_at_many_places(url, provider, model):
    facts = streamed(url, "[DONE]", request={"messages": []}).facts

    assert (facts.provider, facts.model, facts.operation) == (provider, model, "chat")


@pytest.mark.parametrize(
    "url",
    [
        "https://x.openai.azure.com/openai/deployments/dep/chat/completions",
        "https://x.cloud.databricks.com/serving-endpoints/dep/invocations",
    ],
)
def test_the_path_names_the_deployment_when_the_body_names_no_model(url):
    found = streamed(url, "[DONE]", request={"model": None, "messages": []})

    assert found.facts.model == "dep"


@pytest.mark.parametrize(
    "url",
    [
        "https://x.cloud.databricks.com/serving-endpoints/embedder/invocations",
        "https://runtime.sagemaker.us-east-1.amazonaws.com/endpoints/e/invocations",
        f"{VERTEX}/endpoints/7:rawPredict",
    ],
)
def test_models_of_other_kinds_are_left_alone(url):
    assert not document(url, {"predictions": [1]}, request={"inputs": ["a"]}).recognised


def test_a_custom_tool_gets_its_input_as_it_is():
    begun = {"index": 0, "id": "t-1", "type": "custom", "custom": {"name": "f", "input": "4 "}}
    more = {"index": 0, "custom": {"input": "+ 4"}}

    found = streamed(URL, *calls(begun, more), "[DONE]")

    assert found.tool_calls == [{"id": "t-1", "name": "f", "arguments": "4 + 4"}]


def test_arguments_may_come_as_an_object():
    found = streamed(URL, *calls(call(0, "t-1", "f", {"a": 1})), "[DONE]")

    assert found.tool_calls == [{"id": "t-1", "name": "f", "arguments": {"a": 1}}]


def test_a_summary_among_the_parts_is_reasoning():
    """https://docs.databricks.com/aws/en/machine-learning/model-serving/query-reason-models"""
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "a"}]}

    found = streamed(URL, chunk({"content": [thought, {"type": "text", "text": "b"}]}), "[DONE]")

    assert (found.reasoning_text, found.text) == ("a", "b")
