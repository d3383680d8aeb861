"""Answers that are one document: kept up to a cap while they come in, read when they are whole."""

from __future__ import annotations

from otel_stream import wire
from otel_stream._guard import skipped
from otel_stream.failures import error_document, read_failure
from otel_stream.meaning import Failure, Meaning
from otel_stream.recorder import Recorder

MAX_ERROR_BYTES = 64 << 10  # of an error body; providers' are below 4 KiB


class Document:
    """The pieces of one body. Beyond the cap it is given up, never buffered without end."""

    __slots__ = ("_left", "_pieces")

    def __init__(self, max_bytes: int = MAX_ERROR_BYTES) -> None:
        self._left = max_bytes
        self._pieces: list[bytes] = []

    def add(self, piece: bytes) -> bool:
        """Keep a piece. False: the body is too large, nothing of it is kept and nothing more is wanted."""
        self._left -= len(piece)
        if self._left < 0:
            skipped("tap.body_too_large")
            self._pieces = []
            return False
        self._pieces.append(piece)
        return True

    def take(self) -> bytes:
        """Return the body, once."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def read_error(recorder: Recorder, body: bytes) -> None:
    """Tell what an error body says, or that there was an error where it says nothing."""
    header = recorder.attributes.pop("error_header", None)
    failure = read_failure(body, header if isinstance(header, str) else None)
    recorder.error(failure or Failure(None, None, None))


def read_answer(format: type[wire.Format], meaning: Meaning, body: bytes) -> None:
    """Tell what a non-streaming answer means."""
    if (failure := error_document(body)) is not None:
        meaning.error(failure)
    else:
        format(meaning).whole(body)
