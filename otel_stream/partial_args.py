"""Tool-call arguments that come as values at JSON paths, put together again.

Gemini can stream them so (`partialArgs`): https://ai.google.dev/api/caching#FunctionCall
What formats share lies below them.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

MAX_VALUES = 4096  # values of one call that are kept; a path may claim any index, so lists are not padded
MAX_CHARACTERS = 1 << 20  # of one call's paths and text
MAX_DEPTH = 64

_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d{1,9})\]|\[(['\"])(.*?)\3\]")


class PartialArg(msgspec.Struct, rename="camel", gc=False):
    """One value, or piece of text, as it stands on the wire; without any value it is a null."""

    json_path: str = "$"
    string_value: str | None = None
    number_value: int | float | None = None
    bool_value: bool | None = None

    @property
    def value(self) -> object:
        values = (self.string_value, self.number_value, self.bool_value)
        return next((value for value in values if value is not None), None)


class PartialArguments:
    """The arguments of one call in the making. One instance per call."""

    def __init__(self) -> None:
        self._root: dict[str | int, Any] = {}  # objects and arrays alike by key; text as its pieces
        self._values_left = MAX_VALUES
        self._characters_left = MAX_CHARACTERS

    def add(self, part: PartialArg) -> None:
        """Put a value at its path, like `$.items[0].name`; text goes behind the text that is there."""
        path, value = part.json_path, part.value
        self._characters_left -= len(path) + (len(value) if isinstance(value, str) else 0)
        self._values_left -= 1
        if self._characters_left < 0 or self._values_left < 0:
            return
        *above, last = _steps(_whole_characters(path)) or [""]
        node = self._root
        for step in above:
            node = node.setdefault(step, {})
            if not isinstance(node, dict):
                return
        if not isinstance(value, str):
            node[last] = value
        elif isinstance(pieces := node.setdefault(last, []), list):
            pieces.append(value)

    def value(self) -> Any:
        """Return the arguments so far as a JSON value."""
        return _plain(self._root)


def _steps(path: str) -> list[str | int]:
    """Return the keys and indices of a path; none of one that is too deep."""
    steps = [int(index) if index else name or quoted for name, index, _, quoted in _STEP.findall(path)]
    return steps if len(steps) <= MAX_DEPTH else []


def _plain(node: Any) -> Any:
    if isinstance(node, list):
        return _whole_characters("".join(node))
    if not isinstance(node, dict):
        return node
    if node and all(isinstance(key, int) for key in node):
        return [_plain(node[index]) for index in sorted(node)]
    return {str(key): _plain(value) for key, value in node.items()}


def _whole_characters(text: str) -> str:
    """Return the text with the two halves of a character put together; a lone half becomes U+FFFD."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
