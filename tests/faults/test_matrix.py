"""Every client library under every fault: the host sees what it would see without us, and we see it once.

Each cell asserts: same bytes and same exception as bare, exactly one `Started` and one terminal event with
the right outcome, its span ended, and nothing left: no stream in flight, no thread, no open file.
"""

from __future__ import annotations

import contextlib
import gc
import threading
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import httpx2
import pytest
from instrumentation.contract import Ask
from instrumentation.test_aiohttp_client import Client as Aiohttp
from instrumentation.test_httpx import Async, Sync
from instrumentation.test_urllib3 import Requests, Urllib3
from provider import CHAT, EVENT_STREAM, Answer, document, sse
from watching import watching

CLIENTS = {
    "httpx": Sync(httpx),
    "httpx-async": Async(httpx),
    "httpx2": Sync(httpx2),
    "httpx2-async": Async(httpx2),
    "aiohttp": Aiohttp(),
    "urllib3": Urllib3(),
    "requests": Requests(),
}
OVERLOADED = {"error": {"type": "overloaded_error", "message": "Overloaded"}}


@dataclass(frozen=True)
class Fault:
    """What goes wrong upstream, and the outcomes it may have: one, or what depends on the client."""

    answer: Answer
    outcomes: tuple[str, ...]
    ask: dict = field(default_factory=dict)
    scheme: str = "http"


HALF_AN_EVENT = (*CHAT[:2], CHAT[2][:25])
FAULTS = {
    "reset before the first byte": Fault(Answer(chunks=(), end="reset"), ("error",)),
    "reset in the middle": Fault(Answer(chunks=CHAT[:3], end="reset"), ("error",)),
    "cut in the middle": Fault(Answer(chunks=CHAT[:3], end="cut"), ("error",)),
    "cut after the end signal": Fault(Answer(end="cut"), ("completed",)),
    "truncated, with a clean end": Fault(Answer(chunks=CHAT[:3]), ("incomplete",)),
    "half an event, then a clean end": Fault(Answer(chunks=HALF_AN_EVENT), ("incomplete",)),
    "nothing at all": Fault(Answer(chunks=()), ("incomplete",)),
    "stall before the first byte": Fault(Answer(hold_after=0), ("timeout",), {"timeout": 0.1}),
    "stall in the middle": Fault(Answer(hold_after=2), ("timeout",), {"timeout": 0.1}),
    "429": Fault(document(b'{"error": {"type": "rate_limit", "message": "slow down"}}', 429), ("error",)),
    "500 with a page of HTML": Fault(Answer((b"<html>",), 500, {"content-type": "text/html"}), ("error",)),
    "529": Fault(document(b'{"error": {"type": "overloaded_error"}}', 529), ("error",)),
    "error in the stream, then [DONE]": Fault(
        Answer((*CHAT[:3], *sse(OVERLOADED), b"data: [DONE]\n\n")), ("error",)
    ),
    "one chunk is no JSON": Fault(Answer((*CHAT[:2], b'data: {"cho\n\n', *CHAT[2:])), ("completed",)),
    "binary garbage": Fault(Answer((b"\x00\xff\xfe\r\n\r\n" * 40,)), ("incomplete",)),
    "plain bytes under content-encoding: gzip": Fault(
        Answer(headers={**EVENT_STREAM, "content-encoding": "gzip"}), ("incomplete", "error", "cancelled")
    ),
    "TLS where none is spoken": Fault(Answer(), ("error",), scheme="https"),
}


@pytest.fixture(scope="module", autouse=True)
def warmed_up():
    """Let every library open what it keeps for ever: resolver threads, certificate stores, event loops."""
    from provider import Provider  # noqa: PLC0415 - its own, so that the counts below see one provider only

    with Provider() as provider, watching():
        for client in CLIENTS.values():
            client.read(Ask(provider.url()))


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", CLIENTS)
def test_a_fault_is_the_hosts_own_and_is_recorded_once(provider, name, fault):
    case, client = FAULTS[fault], CLIENTS[name]
    provider.answer = case.answer
    ask = Ask(provider.url().replace("http", case.scheme, 1), **case.ask)

    bare = client.read(ask)
    with nothing_left() as left, watching() as watched:
        with_us = client.read(ask)
        watched.settle()
        outcomes, ended, open_streams = (
            watched.outcomes,
            len(watched.spans),
            watched.runtime.processor.streams(),
        )

    assert comparable(with_us) == comparable(bare)
    assert (len(outcomes), outcomes[0] in case.outcomes) == (1, True), outcomes
    assert (ended, open_streams, left) == (1, [], [])


LEAVINGS = {
    "closed early": (lambda client, ask: client.part(ask, True), {"cancelled"}),
    # A collected generator is closed by the interpreter, which cannot be told from a close.
    "dropped half-read": (lambda client, ask: client.part(ask, False), {"abandoned", "cancelled"}),
    "closed unread": (lambda client, ask: client.unread(ask, True), {"cancelled"}),
}


@pytest.mark.parametrize("leaving", LEAVINGS)
@pytest.mark.parametrize("name", CLIENTS)
def test_a_host_that_leaves_early_ends_its_stream(provider, name, leaving):
    leave, expected = LEAVINGS[leaving]
    provider.answer = Answer(hold_after=3)

    with nothing_left() as left, watching() as watched:
        leave(CLIENTS[name], Ask(provider.url()))
        watched.settle()
        outcomes, ended = watched.outcomes, len(watched.spans)

    assert (len(outcomes), outcomes[0] in expected) == (1, True), outcomes
    assert (ended, left) == (1, [])


@pytest.mark.parametrize("at", [0, 1, 3], ids=["before the first byte", "after one chunk", "in the middle"])
@pytest.mark.parametrize("name", [name for name, client in CLIENTS.items() if hasattr(client, "cancel")])
def test_a_cancelled_task_ends_its_stream_wherever_it_was(provider, name, at):
    provider.answer = Answer(hold_after=at)

    with nothing_left() as left, watching() as watched:
        CLIENTS[name].cancel(Ask(provider.url()), provider.holding.wait)
        watched.settle()
        outcomes, ended = watched.outcomes, len(watched.spans)

    assert (outcomes, ended, left) == (["cancelled"], 1, [])


def comparable(got):
    """Bytes, status and exception; messages that name an address or an object differ by themselves."""
    return got.status, got.body, got.kind


@contextlib.contextmanager
def nothing_left():
    """Yield a list that afterwards names the threads and files that are new."""
    threads, files = ours(), open_files()
    left: list[str] = []
    yield left
    gc.collect()
    left += [thread.name for thread in ours() - threads]
    left += sorted(open_files() - files)


def ours():
    """Our threads; the provider's own come and go."""
    return {thread for thread in threading.enumerate() if thread.name.startswith("otel-stream")}


def open_files():
    """What is open and is no socket of the provider's, which closes in its own time."""
    found = set()
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            target = str(link.readlink())
            if not target.startswith(("socket:", "/proc")):
                found.add(f"{link.name}: {target}")
    return found
