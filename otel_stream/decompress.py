"""Content decoding on a copy of the bytes, incrementally: gzip, deflate, br, zstd.

The host gets its raw bytes whatever happens here. https://www.rfc-editor.org/rfc/rfc9110#section-8.4
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, TypeAlias

MAX_RATIO = 2000  # deflate cannot exceed 1032:1; only bombs of other codings come near
FREE_BYTES = 64 << 20  # output that is never questioned, whatever the ratio
SLICE_BYTES = 1 << 10  # decoded at once: of deflate at most 1 MiB, of zstd at most 32 MiB come out of it
BROTLI_BYTES = 1 << 20  # taken from the brotli engine at once, which makes gigabytes of one slice

Decompress: TypeAlias = Callable[[bytes], bytes]


class Undecodable(ValueError):  # noqa: N818 - what a body is, and an error to nobody but us
    """The body cannot be read: the coding is unknown, its library is missing, or the bytes are broken."""


def decompressor(content_encoding: str) -> Decompress | None:
    """Return a function that decodes the next piece of a body; None when there is nothing to decode.

    Raises: Undecodable for a coding we cannot read. The function raises it for broken bytes and bombs.
    """
    codings = [name for part in content_encoding.lower().split(",") if (name := part.strip())]
    steps = [_step(name) for name in reversed(codings) if name not in ("identity", "aws-chunked")]
    return _Chain(steps) if steps else None


class Decoded:
    """Reads a body through its content coding. `read` gets what comes out, and may be changed at any time.

    What cannot be decoded is told once to `unreadable`, which has to see to it that no more is fed.
    """

    def __init__(
        self,
        decompress: Decompress,
        read: Callable[[bytes], None],
        unreadable: Callable[[Undecodable], None],
    ) -> None:
        self.read = read
        self._decompress = decompress
        self._unreadable = unreadable

    def feed(self, chunk: bytes) -> None:
        try:
            chunk = self._decompress(chunk)
        except Undecodable as error:
            self._unreadable(error)
            return
        if chunk:
            self.read(chunk)


class _Chain:
    """Decodes through each coding in turn and stops at a bomb."""

    def __init__(self, steps: list[Decompress]) -> None:
        self._steps = steps
        self._read = 0
        self._made = [0] * len(steps)

    def __call__(self, chunk: bytes) -> bytes:
        self._read += len(chunk)
        for number, step in enumerate(self._steps):
            if len(chunk) <= SLICE_BYTES:
                chunk = self._checked(number, step(chunk))
            else:
                slices = range(0, len(chunk), SLICE_BYTES)
                chunk = b"".join([self._checked(number, step(chunk[at : at + SLICE_BYTES])) for at in slices])
        return chunk

    def _checked(self, number: int, made: bytes) -> bytes:
        self._made[number] += len(made)
        if self._made[number] > FREE_BYTES and self._made[number] > MAX_RATIO * self._read:
            raise Undecodable("the body decodes to more than 2000 times its size")
        return made


def _step(name: str) -> Decompress:
    match name:
        case "gzip" | "x-gzip":
            return _Zlib(31)
        case "deflate":
            return _Deflate()
        case "br":
            return _brotli()
        case "zstd":
            return _zstd()
    raise Undecodable(f"content-encoding {name!r} is not known")


class _Zlib:
    """One or several gzip members (or zlib streams) back to back."""

    def __init__(self, wbits: int) -> None:
        self._wbits = wbits
        self._engine = zlib.decompressobj(wbits)

    def __call__(self, chunk: bytes) -> bytes:
        made = []
        try:
            while chunk:
                made.append(self._engine.decompress(chunk))
                chunk = self._engine.unused_data
                if self._engine.eof:
                    self._engine = zlib.decompressobj(self._wbits)
        except zlib.error as error:
            raise Undecodable(str(error)) from error
        return b"".join(made)


class _Deflate:
    """`deflate` is a zlib stream by the standard, but some servers send the bare one."""

    def __init__(self) -> None:
        self._engine: _Zlib | None = None

    def __call__(self, chunk: bytes) -> bytes:
        if self._engine is None and chunk:
            zlib_wrapped = chunk[0] & 0x0F == 8  # noqa: PLR2004 - RFC 1950: method 8 in the low bits
            self._engine = _Zlib(15 if zlib_wrapped else -15)
        return self._engine(chunk) if self._engine else b""


def _brotli() -> Decompress:
    try:
        import brotli  # noqa: PLC0415 - an extra
    except ImportError:
        try:
            import brotlicffi as brotli  # noqa: PLC0415 - the other binding
        except ImportError:
            raise Undecodable("br needs brotli: pip install 'otel-stream[compression]'") from None
    engine: Any = brotli.Decompressor()
    limited = hasattr(engine, "can_accept_more_data")  # since brotli 1.2
    return _converting(_in_pieces(engine) if limited else engine.process, brotli.error)


def _in_pieces(engine: Any) -> Decompress:
    """Return a function that takes the output piece by piece and stops at a bomb."""

    def step(chunk: bytes) -> bytes:
        made = [engine.process(chunk, output_buffer_limit=BROTLI_BYTES)]
        while not engine.can_accept_more_data():
            if len(made) * BROTLI_BYTES > FREE_BYTES:
                raise Undecodable("one read decodes to more than 64 MiB")
            made.append(engine.process(b"", output_buffer_limit=BROTLI_BYTES))
        return b"".join(made)

    return step


def _zstd() -> Decompress:
    try:
        import zstandard  # noqa: PLC0415 - an extra
    except ImportError:
        raise Undecodable("zstd needs zstandard: pip install 'otel-stream[compression]'") from None
    engine: Any = zstandard.ZstdDecompressor().decompressobj(read_across_frames=True)
    return _converting(engine.decompress, zstandard.ZstdError)


def _converting(decode: Callable[[bytes], bytes], error: type[Exception]) -> Decompress:
    def step(chunk: bytes) -> bytes:
        try:
            return decode(chunk) if chunk else b""
        except error as broken:
            raise Undecodable(str(broken)) from broken

    return step
