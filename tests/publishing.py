"""A process with streams in it: a processor, and recorders that go through it."""

from __future__ import annotations

import time

from otel_stream.broadcaster import StreamEventBroadcaster
from otel_stream.events import TextDelta
from otel_stream.identity import Trace, Who
from otel_stream.meaning import CallFacts, Failure, Usage
from otel_stream.processor import StreamSpanProcessor
from otel_stream.recorder import Policy, Recorder


class Publisher:
    """`open` starts a stream; the recorder it returns is told what its format would tell."""

    def __init__(self, capacity=1000, price=None):
        self.broadcaster = StreamEventBroadcaster(capacity)
        self.processor = StreamSpanProcessor(self.broadcaster, price=price)
        self._policy = Policy() if price is None else Policy(price=price)

    def open(self, request_id=None, model="gpt-4o", provider="openai", **who):
        stream = Recorder(
            CallFacts(provider, "chat", model, "openai_chat", prompt_characters=400),
            broadcaster=self.broadcaster,
            sinks=(self.processor,),
            who=Who(**who),
            request_id=request_id,
            policy=self._policy,
        )
        stream.trace = Trace("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", True)
        stream.start()
        return stream

    def say(self, stream, text, channel="output"):
        stream.tick()
        stream.delta(text, channel)

    def complete(self, stream, output_tokens=7):
        stream.usage(Usage(100, output_tokens))
        stream.finish("stop")
        stream.done()
        stream.end("eof")

    def fail(self, stream, message="it broke"):
        stream.error(Failure("server_error", None, message))
        stream.end("eof")

    def burst(self, count, request_id="req_1", text="x"):
        """Send so many deltas of one stream at once."""
        for number in range(count):
            self.broadcaster.send(TextDelta(request_id, text, length=len(text), sequence=number + 1))


def until(condition, seconds=20.0):
    """Return once the condition holds; for what another thread or process does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)
