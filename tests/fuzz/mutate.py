"""Mutations that know JSON and AWS event streams: blind ones rarely get past a parser or a checksum."""

from __future__ import annotations

import json
import random
import struct
import zlib
from collections.abc import Callable
from typing import Any

_ODD: list[Callable[[random.Random], Any]] = [
    lambda _: None,
    lambda _: True,
    lambda _: "",
    lambda _: [],
    lambda _: {},
    lambda _: -1,
    lambda _: 1e308,
    lambda _: 10**4000,
    lambda _: 2**63,
    lambda chance: chance.random(),
    lambda _: "\ud83d",
    lambda _: "x" * 5000,
    lambda chance: [[]] * chance.randint(1, 50),
    lambda chance: _nested(chance.choice((10, 900, 3000))),
]
_SEPARATORS = (b"\n", b"\r\n", b"\r", b"\n\n", b"\r\n\r\n")


def mutate(data: bytes, seed: int) -> bytes:
    """Return the input with one frame changed, dropped, repeated or moved; the same for the same seed."""
    chance = random.Random(seed)
    if (messages := _messages(data)) is not None:
        head, frames, join = messages
        mutated = _in_one_message(frames, chance)
        return head + join.join(mutated)
    lines = data.split(b"\n")
    at = chance.randrange(len(lines))
    match chance.randrange(8):
        case 0:
            lines.pop(at)
        case 1:
            lines[at:at] = [lines[at]] * chance.choice((1, 2, 300))
        case 2:
            lines.insert(chance.randrange(len(lines) + 1), lines.pop(at))
        case 3:
            return chance.choice(_SEPARATORS).join(lines)
        case _:
            lines[at] = _in_the_json_of(lines[at], chance)
    return b"\n".join(lines)


def _in_the_json_of(line: bytes, chance: random.Random) -> bytes:
    start, end = line.find(b"{"), line.rfind(b"}") + 1
    try:
        value = json.loads(line[start:end])
    except (ValueError, RecursionError):
        return line
    return line[:start] + _dumped(_in_one_place(value, chance)) + line[end:]


def _in_one_place(value: Any, chance: random.Random) -> Any:
    """Return the value with something odd somewhere in it; it is changed in place where it can be."""
    keys = (
        list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    )
    if not keys or chance.random() < 0.1:
        return chance.choice(_ODD)(chance)
    key = chance.choice(keys)
    if chance.random() < 0.1:
        del value[key]
    else:
        value[key] = _in_one_place(value[key], chance)
    return value


def _nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = {"error": value} if depth % 2 else [value]
    return value


def _dumped(value: Any) -> bytes:
    try:
        return json.dumps(value).encode("utf-8", "surrogatepass")
    except RecursionError:
        return b'{"a":' * 3000 + b"1" + b"}" * 3000


# -- AWS event stream ----------------------------------------------------------------------------------


def _messages(data: bytes) -> tuple[bytes, list[bytes], bytes] | None:
    """Return (what stands before, the messages, nothing) of an event stream, None for anything else."""
    for offset in (0, 8):
        head, body, found = data[:offset], data[offset:], []
        while len(body) >= 16:
            size = int.from_bytes(body[:4], "big")
            if not 16 <= size <= len(body) or zlib.crc32(body[:8]) != int.from_bytes(body[8:12], "big"):
                break
            found.append(body[:size])
            body = body[size:]
        if found:
            return head, [*found, body], b""
    return None


def _in_one_message(messages: list[bytes], chance: random.Random) -> list[bytes]:
    at = chance.randrange(len(messages))
    match chance.randrange(6):
        case 0:
            messages.pop(at)
        case 1:
            messages.insert(chance.randrange(len(messages) + 1), messages[at])
        case _:
            messages[at] = _message(messages[at], chance)
    return messages


def _message(message: bytes, chance: random.Random) -> bytes:
    """Return the message with an odd payload and right checksums."""
    if len(message) < 16:
        return message
    size = int.from_bytes(message[4:8], "big")
    headers, payload = message[12 : 12 + size], message[12 + size : -4]
    payload = _in_the_json_of(payload, chance)
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    whole = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return whole + struct.pack(">I", zlib.crc32(whole))
