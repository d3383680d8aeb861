"""A gateway as its users start it, under `opentelemetry-instrument --`, and all that is told of it.

Each call has a key, which goes out as `x-request-id` and so is its call id, and in the text for the provider.
"""

from __future__ import annotations

import contextlib
import urllib.request
from collections import Counter
from pathlib import Path

from e2e import otlp
from e2e.processes import Process, environment, free_port, provider, until
from prometheus_client.parser import text_string_to_metric_families
from serving import Caller

from otel_stream.events import Completed, Error, Started, TextDelta, decode

CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"

PROVIDERS = {
    "openai.chat": "openai",
    "openai.responses": "openai",
    "anthropic.messages": "anthropic",
    "gemini.generate_content": "gcp.gemini",
    "bedrock.converse": "aws.bedrock",
    "bedrock.invoke": "aws.bedrock",
}
"""API of the ledger → `gen_ai.provider.name`."""

OUTCOMES = {
    "complete": "completed", "failed": "error", "refused": "error", "reset": "error", "gone": "cancelled",
}  # fmt: skip
"""State in the ledger → outcome."""


class Call:
    """What was recorded of one call."""

    def __init__(self, events):
        self.started = [event for event in events if isinstance(event, Started)]
        self.ended = [event for event in events if isinstance(event, Completed | Error)]
        self.text = "".join(event.text for event in events if isinstance(event, TextDelta))

    @property
    def outcomes(self):
        ends = {event.request_id: event for event in self.ended}
        return [ends[event.request_id].outcome for event in self.started]

    @property
    def only(self):
        """The last event of the only stream."""
        (ended,) = self.ended
        return ended


class Gateway:
    """Made by `running`."""

    def __init__(self, port, metrics_port, upstream, spans, tail):
        self.port = port
        self.upstream = upstream
        self.headers = {}
        """What callers send beside what tests give."""
        self._metrics_url = f"http://127.0.0.1:{metrics_port}/metrics"
        self._spans = spans
        self._tail = tail

    # -- asking

    def ask(self, model, key, conduct="whole", path=CHAT, until=None, headers=None, text=None, **more):
        """Ask for a stream and return the reply; with `until`, hang up once these bytes came."""
        text = text or f"Say something. [[{conduct} {key}]]"
        asked = {"input": text} if path == RESPONSES else {"messages": [{"role": "user", "content": text}]}
        limit = {"max_tokens": 100} if path == MESSAGES else {}
        payload = {"model": model, "stream": True, **asked, **limit, **more}
        sent = {"x-request-id": key, "x-agent-type": "coder", **self.headers, **(headers or {})}
        return Caller(self.port).ask(payload, sent, path, until)

    # -- what was recorded

    def call(self, key, streams=1):
        """Return what was recorded of the call, once so many streams have ended."""
        return until(lambda: self._ended(key, streams), lambda: f"{streams} streams: {self.events(key)}")

    def has_ended(self, key):
        """Whether all streams of the call have."""
        return self._ended(key, 1) is not None

    def _ended(self, key, streams):
        call = Call(self.events(key))
        return call if len(call.started) >= streams and len(call.ended) == len(call.started) else None

    def streams(self, count, of=("upstream", "downstream")):
        """(first, last event) of each stream so far, once so many are of these sources and all ended."""
        return until(
            lambda: self._all_ended(count, of), lambda: f"{count} streams, all ended: {self.events()}"
        )

    def _all_ended(self, count, sources):
        call = Call(self.events())
        ends = {event.request_id: event for event in call.ended}
        found = [event for event in call.started if event.source in sources]
        if len(found) < count or len(ends) < len(call.started):
            return None
        return [(event, ends[event.request_id]) for event in call.started]

    def events(self, key=None):
        """All events so far, or those of one call."""
        lines = self._tail.read_bytes().splitlines(keepends=True) if self._tail.exists() else []
        events = [decode(line) for line in lines if line.endswith(b"\n")]
        if key is None:
            return events
        ours = {e.request_id for e in events if isinstance(e, Started) and e.call_id == key}
        return [event for event in events if event.request_id in ours]

    def spans(self, count):
        """The spans of LLM calls as the collector got them, at least so many: ours, and SDKs' own."""
        until(lambda: len(self._llm_spans()) >= count, lambda: f"{count} spans: {len(self._llm_spans())}")
        return self._llm_spans()

    def _llm_spans(self):
        return [span for _, span in self._spans.spans if "gen_ai.operation.name" in otlp.attributes(span)]

    def metrics(self):
        """The samples of /metrics."""
        with urllib.request.urlopen(self._metrics_url, timeout=30) as answer:
            families = text_string_to_metric_families(answer.read().decode())
            return [sample for family in families for sample in family.samples]

    # -- the books

    def settled(self):
        """Wait until nothing is open at the provider, nor here."""
        ledger = until(self._closed_ledger, lambda: f"all closed: {self.upstream.ledger()}")
        self.streams(len(ledger), of=("upstream",))
        return ledger

    def _closed_ledger(self):
        rows = self.upstream.ledger()
        return None if any(row["state"] in ("open", "held") for row in rows) else rows


def served(ledger, left=()):
    """What the provider says it served: requests by (provider, outcome), tokens by (provider, kind).

    Calls of `left` are cancelled whatever became of their streams: the gateway read no more of them.
    """
    requests, tokens = Counter(), Counter()
    for row in ledger:
        provider_name = PROVIDERS[row["api"]]
        has_left = row["key"] in left
        requests[provider_name, "cancelled" if has_left else OUTCOMES[row["state"]]] += 1
        for kind in ("input", "output"):
            if row.get("reported", True) and not has_left:
                tokens[provider_name, kind] += row[kind]
    return +requests, +tokens


def counted(samples):
    """The same as /metrics says it."""
    requests, tokens = Counter(), Counter()
    for name, labels, value, *_ in samples:
        if labels.get("source") != "upstream":
            continue
        if name == "llm_stream_requests_total":
            requests[labels["provider"], labels["outcome"]] += int(value)
        elif name == "llm_stream_tokens_total" and labels["usage_source"] == "provider":
            tokens[labels["provider"], labels["token_type"]] += int(value)
    return +requests, +tokens


def assert_the_books_agree(gateway, left=()):
    """Compare /metrics, and the spans, with what the provider process says it served; `left` as above."""
    ledger = gateway.settled()
    samples = gateway.metrics()
    others = [e for e in gateway.events() if isinstance(e, Started) and e.source != "upstream"]

    assert counted(samples) == served(ledger, left)
    assert len(gateway.spans(len(ledger) + len(others))) == len(ledger) + len(others)


@contextlib.contextmanager
def running(folder, command, health, *, env=None, files=None):
    """Start the provider, a receiver of spans and the gateway.

    `command`, `env` and the texts of `files` (name → text) have {port}, {up} (the provider) and {folder}.
    """
    folder = Path(folder)
    port, metrics_port = free_port(), free_port()
    with provider(folder) as upstream, otlp.receiver() as spans:
        given = {"{port}": str(port), "{up}": upstream.url, "{folder}": str(folder)}
        for name, text in (files or {}).items():
            (folder / name).write_text(_filled(text, given), "utf-8")
        tail = folder / "events.jsonl"
        settings = {
            "OTEL_SERVICE_NAME": "gateway",
            "OTEL_TRACES_EXPORTER": "otlp",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_EXPORTER_OTLP_ENDPOINT": spans.url,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "OTEL_EXPORTER_PROMETHEUS_PORT": str(metrics_port),
            "OTEL_STREAM_TAIL": str(tail),
            "OTEL_STREAM_LIVE_TEXT": "true",
            **{name: _filled(value, given) for name, value in (env or {}).items()},
        }
        words = [_filled(word, given) for word in command]
        with Process(words, folder / "gateway.log", environment(**settings), cwd=folder) as process:
            process.ready(f"http://127.0.0.1:{port}{health}")
            yield Gateway(port, metrics_port, upstream, spans, tail)
        assert "; the application's stream is unaffected" not in process.log.read_text("utf-8", "replace")


def _filled(text, given):
    for name, value in given.items():
        text = text.replace(name, value)
    return text
