"""The demo as plain lines: one for every stream that ended, sums now and then, and the closing table."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TextIO

from otel_stream.demo.tally import Tally, Totals, differences
from otel_stream.events import Completed, Ended, Error, Outcome, Started, StreamEvent
from otel_stream.terminal import fit, harmless

MARKS: dict[Outcome, str] = {
    "completed": "✓",
    "error": "✗",
    "timeout": "✗",
    "incomplete": "✗",
    "abandoned": "✗",
    "cancelled": "-",
}


class Listing:
    """Takes the events of a run. `quiet`: they are only counted, since something else shows them.

    `out` None is standard output.
    """

    def __init__(self, out: TextIO | None = None, *, quiet: bool = False) -> None:
        self.tally = Tally()
        self._out = out
        self._quiet = quiet

    def add(self, event: StreamEvent) -> None:
        """Count an event; when a stream ended, tell of it."""
        started = self.tally.open.get(event.request_id)
        self.tally.add(event)
        if isinstance(event, Completed | Error):
            self._print(ended_line(started, event))

    def sums(self) -> None:
        """Tell how it stands."""
        totals = self.tally.totals
        self._print(
            f"         in flight {len(self.tally.open)} · ended {totals.requests}"
            f" · tokens {totals.input_tokens:,} in {totals.output_tokens:,} out · ${totals.dollars:.4f}"
            f" · errors {totals.errors} · cancelled {totals.cancelled}"
        )

    def _print(self, line: str) -> None:
        if not self._quiet:
            print(line, file=self._out, flush=True)


def ended_line(started: Started | None, event: Ended) -> str:
    """Return what became of a stream, in one line."""
    clock = time.strftime("%H:%M:%S", time.localtime((event.time_unix_nano or 0) / 1e9))
    first = event.time_to_first_token_s
    facts = [
        f"{event.duration_s:.1f} s" if event.duration_s is not None else "",
        _tokens(event),
        _dollars(event),
        "" if isinstance(event, Completed) or event.outcome == "cancelled" else _reason(event),
        f"first after {first:.2f} s" if first is not None else "",
    ]
    who = _who_asked(started) if started else _cell(event.request_id, 46)
    told = ", ".join(filter(None, facts))
    return f"{clock} {MARKS[event.outcome]} {who} {event.outcome:<10} {told}"


def _reason(event: Error) -> str:
    return harmless(f"{event.error_type}: {event.message}"[:100])


def _tokens(event: Ended) -> str:
    if event.input_tokens is None and event.output_tokens is None:
        return "no usage reported" if event.chunks else ""
    about = "~" if event.usage_source == "estimated" else ""
    return f"{about}{event.input_tokens or 0:,} → {event.output_tokens or 0:,} tokens"


def _dollars(event: Ended) -> str:
    if event.cost_usd is None:
        return "no price" if event.output_tokens else ""
    return f"${event.cost_usd:.5f}"


def _who_asked(started: Started) -> str:
    """Agent, tenant and model in 46 cells; the longest usual model name has 26 characters."""
    return f"{_cell(f'{started.agent_type}@{started.tenant}', 19)} {_cell(started.model, 26)}"


def _cell(text: str, width: int) -> str:
    return fit(harmless(text), width)


def summary(tally: Tally, counted: Totals | None) -> list[str]:
    """Return the closing table: a row a model, their sum, and what /metrics says (None: not reached)."""
    rows = [(harmless(model), sums) for model, sums in sorted(tally.by_model.items())]
    rows.append(("all streams", tally.totals))
    if counted is not None:
        rows.append(("/metrics", counted))
    width = max(len(name) for name, _ in rows)
    head = f"{'':{width}} {'requests':>8} {'completed':>9} {'errors':>6} {'cancelled':>9}"
    head += f" {'tokens in':>11} {'tokens out':>10} {'dollars':>10}"
    return [head, *(_row(name, sums, width) for name, sums in rows)]


def _row(name: str, sums: Totals, width: int) -> str:
    return (
        f"{name:{width}} {sums.requests:>8,} {sums.completed:>9,} {sums.errors:>6,} {sums.cancelled:>9,}"
        f" {sums.input_tokens:>11,} {sums.output_tokens:>10,} {sums.dollars:>10.5f}"
    )


def verdict(totals: Totals, counted: Totals | None) -> list[str]:
    """Return what there is to say of the counters in /metrics."""
    if counted is None:
        return ["/metrics did not answer, so the totals are not checked."]
    wrong = differences(totals, counted)
    if not wrong:
        return ["The totals of the events equal the counters in /metrics."]
    return [f"/metrics differs in {name} by {by:+g}" for name, by in wrong.items()]


def counts(of: Mapping[str, int]) -> str:
    """Return the counts of a ledger in words."""
    return ", ".join(f"{count} {what}" for what, count in sorted(of.items())) or "nothing"
