"""What the demo says at first: which addresses there are to open, and where spans go."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from otel_stream.demo.launch import ENDPOINTS, Addresses, Options
from otel_stream.live.rendezvous import Target

WHAT = "A provider that replays recorded streams, a gateway that was not changed, and its callers."


def addresses_to_open(options: Options, at: Addresses, live: Sequence[Target]) -> list[str]:
    """Return a line for each; `live` is where the gateway can be watched."""
    told = {
        "gateway": f"http://127.0.0.1:{at.gateway}/v1/chat/completions and /v1/messages",
        "metrics": at.metrics_url,
        "page": ", ".join(_pages(live)) or "not served",
        "spans": where_spans_go(options),
        "provider": f"http://127.0.0.1:{at.provider}/ledger says what it sent",
    }
    return [f"{name:8}  {address}" for name, address in told.items()]


def notes_for_the_screen(options: Options, at: Addresses, live: Sequence[Target]) -> list[str]:
    """Return the same in few words."""
    return [
        f"metrics {at.metrics_url}",
        f"gateway http://127.0.0.1:{at.gateway}",
        *(f"page {address}" for address in _pages(live)),
        f"spans {where_spans_go(options)}".partition(", --spans")[0],
    ]


def greeting(options: Options, notes: Sequence[str], addresses: Sequence[str]) -> list[str]:
    """Return the lines that stand above everything; `notes` tells of ports that were in use."""
    ends = ["Ctrl-C ends it."] if options.duration_seconds is None else []
    return [*notes, "", WHAT, *(f"  {line}" for line in addresses), *ends, ""]


def _pages(live: Sequence[Target]) -> list[str]:
    return [f"{target.address.url}#token={target.address.token}" for target in live if target.address]


def where_spans_go(options: Options, env: Mapping[str, str] = os.environ) -> str:
    """Return a line for people."""
    for name in reversed(ENDPOINTS):
        if name in env:
            return f"to {env[name]} ({name})"
    if options.spans:
        return "here" if options.spans == "-" else f"to {options.spans}"
    return f"nowhere; {ENDPOINTS[0]}=http://localhost:4317 sends them to a collector, --spans FILE to a file"
