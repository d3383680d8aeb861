"""What a stream said, kept only where content capture or a test asks for it.

The recorder keeps none of this by default: its memory does not grow with the answer.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import msgspec

from otel_stream.events import Channel

MAX_CHARACTERS = 4 << 20  # per stream; the longest answers of today's models are about 0.5 Mi characters


class ToolCall:
    """A client function call in the making. `arguments` is text, or the JSON value where the wire has one."""

    __slots__ = ("_pieces", "id", "index", "name", "value")

    def __init__(self, index: int) -> None:
        self.id: str | None = None
        self.name: str | None = None
        self.index = index
        self.value: object = None
        self._pieces: list[str] = []

    @property
    def arguments(self) -> object:
        return self.value if self.value is not None else "".join(self._pieces)

    def extend(self, id: str | None, name: str | None, arguments: object) -> None:
        self.id = self.id or id
        self.name = self.name or name
        if isinstance(arguments, str):
            self._pieces.append(arguments)
        else:
            self.value = arguments

    def as_dict(self) -> dict[str, Any]:
        return {"id": self.id, "name": self.name, "arguments": self.arguments}


class Transcript:
    """Text by channel and choice, and tool calls in order of first appearance. One instance per stream."""

    def __init__(self, max_characters: int = MAX_CHARACTERS) -> None:
        self.room = max_characters
        self.truncated = False
        self._pieces: list[tuple[Channel, int, str]] = []
        self._tools: dict[Hashable, ToolCall] = {}
        self._cut = 0

    def add(self, text: str, channel: Channel, index: int) -> None:
        if len(text) > self.room:
            self.truncated = True
            text = text[: self.room]
        self.room -= len(text)
        if text:
            self._pieces.append((channel, index, text))

    def add_tool(
        self, key: Hashable, id: str | None, name: str | None, arguments: object, index: int
    ) -> None:
        size = len(arguments) if isinstance(arguments, str) else len(msgspec.json.encode(arguments))
        if size > self.room:
            self.truncated = True
            return
        self.room -= size
        self._tools.setdefault(key, ToolCall(index)).extend(id, name, arguments)

    def text(self, channel: Channel = "output", index: int | None = None) -> str:
        """Return the text of a channel in wire order, over all choices or of one."""
        return "".join(text for kind, at, text in self._pieces if kind == channel and index in (None, at))

    @property
    def tool_calls(self) -> list[ToolCall]:
        return list(self._tools.values())

    def cut(self) -> str:
        """Return the visible text that came since the last cut: the text of one window of deltas."""
        pieces, self._cut = self._pieces[self._cut :], len(self._pieces)
        return whole_characters("".join(text for kind, _, text in pieces if kind == "output"))


def whole_characters(text: str) -> str:
    """Return the text with split surrogate pairs made whole and lone surrogates as U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
