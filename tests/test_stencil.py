"""A chunk that fits a stencil means what it would have meant if it had been parsed; others are parsed."""

from __future__ import annotations

import itertools
import json
import re

import corpus
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recording import Recording

from otel_stream import stencil, wire
from otel_stream.events import TextDelta
from otel_stream.framing.sse import SSEDecoder
from otel_stream.testing import replay
from otel_stream.wire.anthropic_messages import AnthropicMessages
from otel_stream.wire.openai_chat import OpenAIChat

HEAD = '"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o"'
DONE = b"data: [DONE]\n\n"


def chat(text, *, delta="content", more="", end='"logprobs":null,"finish_reason":null}]'):
    said = json.dumps(text, ensure_ascii=False)
    return f'data: {{{HEAD},"choices":[{{"index":0,"delta":{{"{delta}":{said}}},{end}{more}}}\n\n'.encode()


def claude(text, blanks=0):
    said = json.dumps(text, ensure_ascii=False)
    start = '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":'
    return f"event: content_block_delta\ndata: {start}{said}}}{' ' * blanks}}}\n\n".encode()


class Reading:
    """One stream through `stencil.reader`: what was told, and which chunks had to be parsed."""

    def __init__(self, format=OpenAIChat):
        self.recording = Recording()
        self.parsed = []
        parser = format(self.recording.stream)
        feed, parser.feed = parser.feed, lambda frame: (self.parsed.append(frame.raw), feed(frame))
        self.framing = SSEDecoder(lenient=True)
        self.read = stencil.reader(self.recording.stream, self.framing, parser)

    def of(self, *chunks):
        """Read chunks; return the texts told of these and how many were parsed."""
        told, parsed = len(self.texts), len(self.parsed)
        for chunk in chunks:
            self.read(chunk)
        return self.texts[told:], len(self.parsed) - parsed

    @property
    def texts(self):
        return [(e.text, e.channel, e.index) for e in self.recording.events if isinstance(e, TextDelta)]


def warm(format=OpenAIChat, chunk=chat):
    """Return a reading that has its stencil."""
    reading = Reading(format)
    reading.of(*[chunk("a")] * (stencil.PATIENCE + 1))
    assert len(reading.parsed) == stencil.PATIENCE
    return reading


def test_a_chunk_that_fits_is_told_without_being_parsed():
    assert warm().of(chat(" token"), chat("ü€😀")) == ([(" token", "output", 0), ("ü€😀", "output", 0)], 0)


@pytest.mark.parametrize("text", ['"', "\\", "a\nb", "\u2028", '"},"finish_reason":"stop"', '":"', "x" * 999])
def test_any_text_may_stand_there(text):
    assert warm().of(chat(text)) == ([(text, "output", 0)], 0)


@pytest.mark.parametrize("text", ["", "x" * 5000])
def test_no_text_and_very_long_text_is_parsed(text):
    assert warm().of(chat(text)) == ([(text, "output", 0)] if text else [], 1)


@pytest.mark.parametrize("wrong", [b"\xff", b"\xed\xa0\x80", b"\x01", b'a","name":"b', b"a\\"])
def test_bytes_that_are_no_text_are_parsed(wrong):
    _, parsed = warm().of(chat("token").replace(b"token", wrong))

    assert parsed == 1


@pytest.mark.parametrize(
    ("chunk", "frames"),
    [
        (chat("a", more=',"usage":{"prompt_tokens":1,"completion_tokens":2}'), 1),
        (chat("a", end='"finish_reason":"stop"}]'), 1),
        (chat("a", delta="reasoning_content"), 1),
        (chat("a") + chat("b", end='"finish_reason":"stop"}]'), 2),
        (chat("a") + chat("b") + DONE, 3),
        (chat("a") + chat("") + chat("b"), 3),
        (chat("a") + chat("b")[:-1], 1),
        (chat("a")[:-1], 0),
        (b": keep-alive\n\n", 0),
    ],
)
def test_a_chunk_that_does_not_fit_is_parsed(chunk, frames):
    _, parsed = warm().of(chunk)

    assert parsed == frames


@pytest.mark.parametrize("count", [2, 3, 200])
def test_events_that_come_in_one_chunk_are_told_one_by_one(count):
    texts = [f" token {number}" for number in range(count)]

    assert warm().of(b"".join(map(chat, texts))) == ([(text, "output", 0) for text in texts], 0)


@pytest.mark.parametrize(
    ("format", "padded"),
    [
        (OpenAIChat, lambda text, n: chat(text, more=f',"obfuscation":"{"xY1q"[:n]}"')),
        (AnthropicMessages, claude),
    ],
)
def test_padded_events_may_come_in_one_chunk_too(format, padded):
    several = b"".join(padded(text, n) for n, text in enumerate("abcd", 1))

    assert warm(format, lambda text: padded(text, 3)).of(several) == (
        [(text, "output", 0) for text in "abcd"],
        0,
    )


def test_a_stencil_is_cut_from_chunks_of_several_events():
    reading = Reading()
    reading.of(*[chat("a") + chat("b")] * stencil.PATIENCE)

    assert reading.of(chat("c") + chat("d")) == ([("c", "output", 0), ("d", "output", 0)], 0)
    assert reading.of(chat("e")) == ([("e", "output", 0)], 0)


def test_a_chunk_that_goes_on_where_another_was_cut_is_framed():
    reading = warm()
    reading.of(b"data: ")

    assert reading.of(chat("a"))[1] == 1
    assert reading.of(chat("b")) == ([("b", "output", 0)], 0)


def test_nothing_familiar_counts_after_the_end():
    reading = warm()
    reading.of(DONE)

    assert reading.of(*[chat("a")] * 50)[0] == []


def test_padding_against_guessed_lengths_may_change():
    def obfuscated(text, padding="xY1"):
        return chat(text, more=f',"obfuscation":"{padding}"')

    assert warm(chunk=obfuscated).of(obfuscated("b", ""), obfuscated("c", "q1")) == (
        [("b", "output", 0), ("c", "output", 0)],
        0,
    )
    assert warm(chunk=obfuscated).of(chat("b", more=',"obfuscation":"a","usage":null'))[1] == 1
    assert warm(AnthropicMessages, lambda text: claude(text, 3)).of(claude("b", 9)) == (
        [("b", "output", 0)],
        0,
    )
    assert warm(AnthropicMessages, lambda text: claude(text, 3)).of(claude("b", 9)[:-1])[1] == 0


def test_a_new_stencil_is_cut_when_the_old_one_fits_no_more():
    reading = warm()

    told, parsed = reading.of(*[chat("b", delta="reasoning_content")] * 40)

    assert set(told) == {("b", "reasoning", 0)}
    assert len(told) == 40
    assert parsed <= 3 * stencil.PATIENCE


def test_streams_that_never_fit_are_tried_ever_more_rarely(monkeypatch):
    tried = []
    monkeypatch.setattr(stencil, "cut", lambda chunk, _: tried.append(chunk))

    Reading().of(*(chat("a") for _ in range(10_000)))

    assert len(tried) <= 11


@pytest.mark.parametrize(
    "chunk",
    [
        DONE,
        b": ping\n\n",
        chat("a")[:-2],
        chat("a") + chat("b"),
        chat("a", end='"finish_reason":"stop"}]'),
        chat("a", more=',"usage":{"prompt_tokens":1,"completion_tokens":2}'),
        b'data: {"choices":[{"index":0,"delta":{"content":"\\u0061","name":"a"}}]}\n\n',
        b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"function":{"arguments":"a"}}]}}]}\n\n',
    ],
)
def test_no_stencil_is_cut_of_anything_else(chunk):
    assert stencil.cut(chunk, OpenAIChat) is None


def test_a_stencil_knows_channel_and_choice():
    chunk = b'data: {"choices":[{"index":3,"delta":{"refusal":"No"}}]}\n\n'

    found = stencil.cut(chunk, OpenAIChat)

    assert found[:2] == (
        b'data: {"choices":[{"index":3,"delta":{"refusal":', b"}}]}\n\n",
    )  # fmt: skip
    assert found[3:] == ("refusal", 3)


def told(case, chunks):
    result = replay(**case.replay_arguments(chunks))
    deltas = [(e.text, e.channel, e.index, e.length) for e in result.events if isinstance(e, TextDelta)]
    return deltas, result.outcome, result.usage, result.finish_reasons, result.tool_calls


def by_event(body, together=1):
    """Cut a body behind each blank line, as providers send it, or so many events together, as networks do."""
    ends = [match.end() for match in re.finditer(rb"\r?\n\r?\n", body)][::together]
    return [body[a:b] for a, b in itertools.pairwise([0, *ends, len(body)])]


PLAIN = [
    case
    for case in corpus.streams(framing="sse")
    if case.api.startswith(("openai", "anthropic", "cohere.chat", "azure", "deepseek", "mistral"))
]


@pytest.mark.parametrize("together", [1, 3])
@pytest.mark.parametrize("case", PLAIN, ids=str)
def test_recordings_mean_the_same_with_and_without(case, together, monkeypatch):
    chunks = by_event(case.body, together)
    with_stencil = told(case, chunks)
    monkeypatch.setattr(wire, "PLAIN", frozenset())

    assert with_stencil == told(case, chunks)


def test_the_tap_reads_plain_formats_so(monkeypatch):
    made, reader = [], stencil.reader
    monkeypatch.setattr(stencil, "reader", lambda *args: made.append(args) or reader(*args))

    for id in ("openai-chat-001", "gemini-generate_content-001"):
        case = corpus.stream(id)
        replay(**case.replay_arguments(by_event(case.body)))

    assert [type(parser) for _, _, parser in made] == [OpenAIChat]


@given(st.lists(st.text(min_size=1), min_size=20, max_size=60), st.booleans(), st.integers(1, 4))
def test_any_text_means_the_same_with_and_without(texts, escaped, together):
    chunks = [f"data: {json.dumps(json.loads(chat(t)[6:]), ensure_ascii=escaped)}\n\n" for t in texts]
    arguments = {"url": "https://api.openai.com/v1/chat/completions", "request_json": {"stream": True}}

    body = "".join(chunks).encode("utf-8", "surrogatepass")

    result = replay(**arguments, chunks=by_event(body, together))

    assert result.text == "".join(texts)
