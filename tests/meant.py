"""A `Meaning` that keeps what it is told, for tests of single formats."""

from __future__ import annotations

from typing import Any

import msgspec

from otel_stream.framing import Payload


class Meant:
    """`calls` are (method, arguments by position, arguments by name) in the order they came."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **named: self.calls.append((name, args, named))

    def told(self, name: str) -> list[Any]:
        """Return the first argument of each call of a method."""
        return [args[0] for called, args, _ in self.calls if called == name]


def meant(format: type[Any], *payloads: Any) -> Meant:
    """Return what frames without a name mean to a format."""
    found = Meant()
    parser = format(found)
    for payload in payloads:
        parser.feed(Payload(msgspec.json.encode(payload)))
    return found
