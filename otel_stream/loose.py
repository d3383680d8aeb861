"""Typed JSON that bends: decode into msgspec Structs, and where the wire has other types keep what fits.

The fast path is one typed decode. Only when it fails is the payload looked at member by member; members
of a wrong type fall back to their default. So a vendor's surprise costs one field, never the stream.
"""

from __future__ import annotations

import json
import types
import typing
from functools import lru_cache
from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T", bound=msgspec.Struct)

NOT_JSON = (msgspec.MsgspecError, ValueError, RecursionError)
"""What decoding hostile bytes can raise."""

_any = msgspec.json.Decoder()


class LooseDecoder(Generic[T]):
    """Decodes JSON objects into a Struct whose every field has a default."""

    def __init__(self, kind: type[T]) -> None:
        self.kind = kind
        self.strict = msgspec.json.Decoder(kind).decode
        """The fast half of `decode`; raises one of NOT_JSON where `bend` is needed."""

    def decode(self, raw: bytes) -> T | None:
        """Return the Struct, with defaults where members are missing or mistyped; None for no object."""
        try:
            return self.strict(raw)
        except NOT_JSON:
            return self.bend(raw)

    def bend(self, raw: bytes) -> T | None:
        """The slow half of `decode`: look at the payload member by member."""
        value = parse(raw)
        return bend(value, self.kind) if isinstance(value, dict) else None


def parse(raw: bytes) -> Any:
    """Return the JSON value, or None when it is none; bytes that are no UTF-8 become U+FFFD."""
    try:
        return _any.decode(raw)
    except NOT_JSON:
        pass
    try:  # the standard library also takes lone surrogates: half an emoji, the other half comes next
        return json.loads(raw.decode("utf-8", "replace"))
    except NOT_JSON:
        return None


def json_value(raw: msgspec.Raw | bytes) -> Any:
    """Return the JSON value, or its text where it holds what JSON cannot tell again; "" for none."""
    try:
        return _any.decode(raw) if raw else ""
    except NOT_JSON:
        return bytes(raw).decode("utf-8", "replace")


def bend(value: dict[str, Any], kind: type[T]) -> T:
    """Return `kind` filled with the members of `value` that have, or contain, the right types."""
    found = {}
    for name, wire_name, wanted in _fields(kind):
        if wire_name in value and (bent := _bend(value[wire_name], wanted)) is not _MISFIT:
            found[name] = bent
    return kind(**found)


_MISFIT: Any = object()


def _bend(value: Any, wanted: Any) -> Any:
    struct, listed = _struct_in(wanted)
    if struct is not None and listed and isinstance(value, list):
        return [bend(item, struct) for item in value if isinstance(item, dict)]
    if struct is not None and not listed and isinstance(value, dict):
        return bend(value, struct)
    if isinstance(value, float) and value.is_integer() and wanted is not msgspec.Raw:
        value = int(value)  # 7.0 tokens are 7
    try:
        if wanted is msgspec.Raw:
            return msgspec.Raw(json.dumps(value).encode())  # half a character stays an escape
        return msgspec.convert(value, wanted)
    except NOT_JSON:
        return _MISFIT


@lru_cache(maxsize=256)
def _fields(kind: type[msgspec.Struct]) -> list[tuple[str, str, Any]]:
    return [(f.name, f.encode_name, f.type) for f in msgspec.structs.fields(kind)]


@lru_cache(maxsize=256)
def _struct_in(wanted: Any) -> tuple[type[msgspec.Struct] | None, bool]:
    """Return (the Struct inside `X | None` or `list[X] | None`, whether it is listed)."""
    options = (
        typing.get_args(wanted) if typing.get_origin(wanted) in (typing.Union, types.UnionType) else (wanted,)
    )
    for option in options:
        listed = typing.get_origin(option) is list
        inner = typing.get_args(option)[0] if listed else option
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            return inner, listed
    return None, False
