"""A model, a clock of the test's own, and short ways to tell the model what gateways say."""

from __future__ import annotations

from otel_stream.events import Completed, Error, Started, TextDelta
from otel_stream.live.frames import Finished, Gateway, Lagged, Snapshot
from otel_stream.processor.state import StreamState
from otel_stream.tui.meters import NS
from otel_stream.tui.model import Model

START = 1_700_000_000 * NS
GATEWAY = Gateway(4711, "demo-gateway", "e1", version="0.1.0", text=True)


class Told:
    """`model` hears of streams at the gateway "4711"; `now` moves only by `wait`."""

    def __init__(self, model=None):
        self.model = model or Model()
        self.now = START
        self._sequence = {}

    def wait(self, seconds):
        self.now += int(seconds * NS)
        return self

    def row(self, request_id):
        return self.model.rows[request_id]

    def apply(self, frame, gateway="4711"):
        self.model.apply(gateway, frame, self.now)
        return self

    def started(self, request_id="req_1", model="gpt-4o", gateway="4711", **known):
        self._sequence[request_id] = 0
        return self.apply(Started(request_id, model, time_unix_nano=self.now, sequence=0, **known), gateway)

    def said(self, text, request_id="req_1", channel="output", gateway="4711", **known):
        sequence = self._sequence[request_id] = self._sequence.get(request_id, 0) + 1
        given = {"length": len(text), "time_unix_nano": self.now, "sequence": sequence, **known}
        return self.apply(TextDelta(request_id, text, channel, **given), gateway)

    def completed(self, request_id="req_1", input_tokens=10, output_tokens=20, cost_usd=0.5, **known):
        given = {"time_unix_nano": self.now, "usage_source": "provider", **known}
        return self.apply(Completed(request_id, input_tokens, output_tokens, cost_usd, **given))

    def failed(self, request_id="req_1", message="it broke", outcome="error", **known):
        given = {"time_unix_nano": self.now, "outcome": outcome, **known}
        return self.apply(Error(request_id, message, **given))

    def snapshot(self, *states, recent=(), gateway="4711", **known):
        frame = Snapshot(GATEWAY, self.now, tuple(states), tuple(recent), **known)
        return self.apply(frame, gateway)

    def lagged(self, missed):
        return self.apply(Lagged(missed, self.now))

    def state(self, request_id="req_1", model="gpt-4o", **known):
        return StreamState(request_id, model, **{"time_unix_nano": self.now, **known})

    def finished(self, request_id="req_1", started=True, **known):
        ended = Completed(request_id, 1, 2, 0.25, time_unix_nano=self.now, **known)
        return Finished(ended, Started(request_id, "gpt-4o", time_unix_nano=self.now) if started else None)
