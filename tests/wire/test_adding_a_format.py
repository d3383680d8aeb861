"""The format that docs/adding-a-format.md writes as an example does what the page says."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path

from otel_stream.meaning import Request

PAGE = Path(__file__).parents[2] / "docs" / "adding-a-format.md"


class Told(list):
    """A meaning that keeps what it is told."""

    def __getattr__(self, name):
        return lambda *args, **known: self.append((name, *args, *known.values()))


class Frame:
    event = "message"

    def __init__(self, raw):
        self.raw = raw


def acme(monkeypatch):
    module = types.ModuleType("acme_chat")
    monkeypatch.setitem(sys.modules, "acme_chat", module)  # where msgspec looks annotations up
    example = re.search(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)[1]
    exec(example, module.__dict__)  # noqa: S102 - our own page
    return module.AcmeChat


def test_the_example_reads_its_stream(monkeypatch):
    told = Told()
    format = acme(monkeypatch)(told)

    for raw in (b'{"kind": "text", "text": "Hi"}', b'{"kind": "new"}', b"x", b'{"kind": "finished"}'):
        format.feed(Frame(raw))

    assert told == [("delta", "Hi"), ("skip", "new"), ("skip", "frame"), ("done",)]


def test_the_example_knows_its_requests_and_its_greeting(monkeypatch):
    format = acme(monkeypatch)

    facts = format.recognise(Request("POST", "https://api.acme.com/v1/chat", {}, b'{"model": "a-1"}'))

    assert (facts.provider, facts.model, facts.format) == ("acme", "a-1", "acme_chat")
    assert format.recognise(Request("POST", "https://example.com/v1/chat", {}, b"{}")) is None
    assert format.sniff(Frame(b'{"kind": "acme.hello"}'))
    assert not format.sniff(Frame(b"{}"))
