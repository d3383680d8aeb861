"""Text from strangers on a terminal: control characters made harmless, width in cells.

Models may be talked into writing terminal escapes; nothing they write may move the cursor, set the title
or turn the line around. Used by everything of ours that prints model text.
"""

from __future__ import annotations

import unicodedata

REPLACEMENT = "\N{MIDDLE DOT}"

_INVISIBLE = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
"""Controls (C0, C1, DEL), formats (bidi overrides, zero-width), surrogates, private use, line separators."""


def harmless(text: str) -> str:
    """Return the text on one line without anything a terminal would obey; line ends become spaces."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_harmless, text))


def _harmless(character: str) -> str:
    if character in "\n\r\t":
        return " "
    return REPLACEMENT if unicodedata.category(character) in _INVISIBLE else character


def cells(text: str) -> int:
    """Return how many columns harmless text takes: two for wide characters, none for combining ones."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def _cells(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def fit(text: str, width: int) -> str:
    """Return the beginning of the text in exactly `width` cells, filled up with spaces; `…` marks a cut."""
    if cells(text) > width:
        text = _begin(text, width - 1) + "…"
    return text + " " * (width - cells(text))


def tail(text: str, width: int) -> str:
    """Return the end of the text in at most `width` cells."""
    if cells(text) <= width:
        return text
    return _begin(text[::-1], width)[::-1]


def _begin(text: str, width: int) -> str:
    used = 0
    for index, character in enumerate(text):
        used += _cells(character)
        if used > width:
            return text[:index]
    return text
