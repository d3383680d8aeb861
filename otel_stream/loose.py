"""Typed JSON that bends: decode into msgspec Structs, and where the wire has other types keep what fits.

The fast path is one typed decode. Only when it fails is the payload looked at member by member; members
of a wrong type fall back to their default. So a vendor's surprise costs one field, never the stream.
"""

from __future__ import annotations

import builtins
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
    for option in _options(wanted):
        if (bent := _bend_structs(value, option)) is not _MISFIT:
            return bent
    if isinstance(value, float) and value.is_integer() and wanted is not msgspec.Raw:
        value = int(value)  # 7.0 tokens are 7
    try:
        if wanted is msgspec.Raw:
            return msgspec.Raw(json.dumps(value).encode())  # half a character stays an escape
        return msgspec.convert(value, wanted)
    except NOT_JSON:
        return _MISFIT


def _bend_structs(value: Any, option: Any) -> Any:
    """Bend an object into a Struct, or each of a list or dict of them; what is no object is left out."""
    arguments = typing.get_args(option)
    match typing.get_origin(option), value:
        case None, dict() if _is_struct(option):
            return bend(value, option)
        case builtins.list, list() if _is_struct(arguments[0]):
            return [bend(item, arguments[0]) for item in value if isinstance(item, dict)]
        case builtins.dict, dict() if _is_struct(arguments[1]):
            return {name: bend(item, arguments[1]) for name, item in value.items() if isinstance(item, dict)}
    return _MISFIT


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


@lru_cache(maxsize=256)
def _fields(kind: type[msgspec.Struct]) -> list[tuple[str, str, Any]]:
    return [(f.name, f.encode_name, f.type) for f in msgspec.structs.fields(kind)]


@lru_cache(maxsize=256)
def _options(wanted: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the one type there is."""
    is_union = typing.get_origin(wanted) in (typing.Union, types.UnionType)
    return typing.get_args(wanted) if is_union else (wanted,)
