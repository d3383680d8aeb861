from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telling import Told

from otel_stream.tui.filter import NUMBERS, TEXTS, FilterError, compile_filter


def streams():
    """Three streams of different kinds, and now."""
    told = Told()
    told.started("req_a", "gpt-4o", provider="openai", agent_type="codex", tenant="acme", session_id="s1")
    told.started("req_b", "claude-sonnet-4", provider="anthropic", agent_type="batch job", trace_id="beef")
    told.wait(0.5).said("a" * 400, "req_a").wait(2).said("b" * 40, "req_b")
    told.started("req_c", "gpt-4o-mini", provider="openai").failed(
        "req_c", "no more quota", error_type="rate_limit_error", cost_usd=0.07
    )
    return told


def found(text):
    told = streams()
    wanted = compile_filter(text)
    return "".join(row.request_id[-1] for row in told.model.rows.values() if wanted(row, told.now))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "abc"),
        ("  ", "abc"),
        ("gpt", "ac"),
        ("GPT", "ac"),
        ("quota", "c"),
        ("model:gpt", "ac"),
        ("model=gpt-4o", "a"),
        ("model:claude,mini", "bc"),
        ("model=gpt-4o,claude-sonnet-4", "ab"),
        ("-model:gpt", "b"),
        ("provider:openai -mini", "a"),
        ('agent:"batch job"', "b"),
        ('"batch job"', "b"),
        ("state:error", "c"),
        ("state:streaming", "ab"),
        ("error:rate_limit", "c"),
        ("who:codex@acme", "a"),
        ("tenant:acme", "a"),
        ("session:s1", "a"),
        ("trace:beef", "b"),
        ("id:req_b", "b"),
        ("gateway:4711", "abc"),
        ("ttft>2s", "b"),
        ("ttft<=500ms", "a"),
        ("ttft>2s,", None),
        ("cost>0.05", "c"),
        ("cost>$0.05", "c"),
        ("cost<0.01", ""),
        ("tokens>=100", "a"),
        ("tokens:100", "a"),
        ("tokens<0.05k", "bc"),
        ("age>1", "ab"),
        ("stall>0.02m", "a"),
        ("rate>5", "ab"),
        ("rate>20", "a"),
        ("gpt-4o:x", ""),
        ("-", "abc"),
    ],
)
def test_terms(text, expected):
    if expected is None:
        with pytest.raises(FilterError):
            found(text)
    else:
        assert found(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("modle:gpt", r"modle:gpt: no field 'modle'; there are id, model, .*cost, ttft"),
        ("model>gpt", r"model>gpt: model is text; write model:gpt"),
        ("cost>much", r"cost>much: cost wants a number, like cost>2\.5 or cost<300ms"),
    ],
)
def test_what_is_not_understood_is_explained(text, message):
    with pytest.raises(FilterError, match=message):
        compile_filter(text)


@given(st.text(max_size=30))
def test_any_text_is_a_filter_or_explained(text):
    told = streams()

    with contextlib.suppress(FilterError):
        wanted = compile_filter(text)
        assert {wanted(row, told.now) for row in told.model.rows.values()} <= {True, False}


@pytest.mark.parametrize("field", [*TEXTS, *NUMBERS])
def test_every_field_can_be_read_of_every_stream(field):
    told = streams()
    read = {**TEXTS, **NUMBERS}[field]

    for row in told.model.rows.values():
        value = read(row, told.now)
        assert isinstance(value, str) if field in TEXTS else value is None or value >= 0
