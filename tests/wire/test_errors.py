"""Errors that a gateway or proxy puts between the provider's frames, in words of its own."""

from __future__ import annotations

import corpus
import pytest

from otel_stream.testing import replay

STRAY = {
    "object": (b'data: {"error": {"type": "t", "message": "boom"}}', ("t", "boom")),
    "flat": (b'event: error\ndata: {"message": "boom"}', (None, "boom")),
    "text": (b"event: error\ndata: boom", (None, "boom")),
}
"""Events, and type and message of the error they tell."""
APIS = sorted({case.api for case in corpus.streams(framing="sse")} - {"replicate.stream"})  # text is its data


def halves(body):
    """Return a stream's bytes cut at an event in its middle."""
    body = body.replace(b"\r\n", b"\n")
    cut = body.index(b"\n\n", len(body) // 3) + 2
    return body[:cut], body[cut:]


@pytest.mark.parametrize(("event", "told"), STRAY.values(), ids=STRAY)
@pytest.mark.parametrize("api", APIS)
def test_an_error_from_between_us_and_the_provider_is_one_in_every_dialect(api, event, told):
    case = next(case for case in corpus.streams(api) if case.expected["error"] is None)
    before, after = halves(case.body)

    found = replay(**case.replay_arguments([before, event + b"\n\n", after]))

    assert (found.outcome, (found.error.type, found.error.message)) == ("error", told)
