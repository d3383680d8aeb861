"""Run recorded or made-up responses through the real pipeline, for your own tests. No network.

result = replay(url="https://api.openai.com/v1/chat/completions", chunks=[b"data: …"])
assert result.outcome == "completed"
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from otel_stream._guard import set_reraise
from otel_stream.broadcaster import StreamEventBroadcaster
from otel_stream.events import Completed, Ended, Error, Outcome, Started, StreamEvent, TextDelta
from otel_stream.meaning import CallFacts, Request
from otel_stream.recorder import Policy, Recorder
from otel_stream.stream import Stream
from otel_stream.tap import Tap
from otel_stream.transcript import Transcript

__all__ = ["Replay", "replay", "set_reraise"]

MAX_REPLAYED_CHARACTERS = 1 << 30  # a test's own recording is not capped


class Members(dict[str, Any]):
    """A dict whose members can also be read as attributes."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class Replay(msgspec.Struct, kw_only=True):
    """What a response came to. `usage` members and everything optional are None where not reported."""

    recognised: bool
    """False when the exchange was left alone as no LLM call; then everything else is empty."""
    events: list[StreamEvent] = []
    text: str = ""
    reasoning_text: str = ""
    refusal_text: str = ""
    tool_calls: list[dict[str, Any]] = []
    """`{"id", "name", "arguments"}` each; arguments as text, or as the JSON value where the wire has one."""
    response_id: str | None = None
    response_model: str | None = None
    finish_reasons: list[str] = []
    usage: Members | None = None
    """`input_tokens`, `output_tokens`, `cache_read_tokens`, `cache_write_tokens`, `reasoning_tokens`."""
    error: Members | None = None
    """`{"type", "code", "message"}` as the provider told it, in the stream or as an HTTP error."""
    outcome: Outcome | None = None
    facts: CallFacts | None = None
    """What was read from the request: provider, model, operation, attributes."""


class _Collector:
    """Gathers the events of the one stream a replay opens."""

    def __init__(self) -> None:
        self.events: list[StreamEvent] = []
        self.broadcaster = StreamEventBroadcaster()
        self.broadcaster.add_listener(self._keep_delta, deltas=True)
        self.transcript = Transcript(MAX_REPLAYED_CHARACTERS)
        self.recorder: Recorder | None = None

    def _keep_delta(self, event: StreamEvent) -> None:
        if isinstance(event, TextDelta):
            self.events.append(event)

    def started(self, event: Started, stream: Stream) -> None:  # noqa: ARG002 - a sink
        self.events.append(event)

    def ended(self, event: Ended, stream: Stream) -> None:  # noqa: ARG002 - a sink
        self.events.append(event)

    def open(self, facts: CallFacts, began: float | None) -> Recorder:
        self.recorder = Recorder(
            facts,
            broadcaster=self.broadcaster,
            sinks=(self,),
            policy=Policy(estimate_usage="never"),
            transcript=self.transcript,
            started_at=began,
        )
        self.recorder.start()
        return self.recorder


def replay(
    *,
    url: str,
    request_json: object = None,
    method: str = "POST",
    request_headers: Mapping[str, str] | None = None,
    status: int = 200,
    response_headers: Mapping[str, str] | None = None,
    chunks: Iterable[bytes] = (),
) -> Replay:
    """Return what the pipeline makes of a response whose body arrives in these chunks and then ends.

    `request_json` None means that the request had no readable body. Header names may have any case.
    """
    body = None if request_json is None else msgspec.json.encode(request_json)
    collector = _Collector()
    tap = Tap(Request(method, url, _lower(request_headers), body), collector.open)
    tap.send()
    if tap.responded(status, _lower(response_headers)):
        for chunk in chunks:
            tap.feed(chunk)
    tap.end("eof")
    return _result(collector)


def _lower(headers: Mapping[str, str] | None) -> dict[str, str]:
    return {name.lower(): value for name, value in (headers or {}).items()}


def _result(collector: _Collector) -> Replay:
    recorder = collector.recorder
    if recorder is None:
        return Replay(recognised=False)
    ended = collector.events[-1]
    assert isinstance(ended, Completed | Error)  # noqa: S101 - the order of events is a promise
    transcript, failure = collector.transcript, recorder.failure
    return Replay(
        recognised=True,
        events=collector.events,
        text=transcript.text(),
        reasoning_text=transcript.text("reasoning"),
        refusal_text=transcript.text("refusal"),
        tool_calls=[call.as_dict() for call in transcript.tool_calls],
        response_id=recorder.response_id,
        response_model=recorder.response_model,
        finish_reasons=list(recorder.finish_reasons),
        usage=_usage(recorder),
        error=None if failure is None else Members(msgspec.to_builtins(failure)),
        outcome=ended.outcome,
        facts=recorder.facts,
    )


def _usage(recorder: Recorder) -> Members | None:
    usage = recorder.reported
    if usage is None:
        return None
    names = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
    return Members({name: getattr(usage, name) for name in names})
