"""Content codings are decoded incrementally, on a copy of the bytes."""

from __future__ import annotations

import builtins
import gzip
import random
import sys
import types
import zlib

import brotli
import pytest
import zstandard

from otel_stream import decompress
from otel_stream.decompress import Undecodable, decompressor

TEXT = b"".join(b'data: {"n": %d, "text": "K\xc3\xb6ln"}\n\n' % n for n in range(500))


def raw_deflate(data):
    engine = zlib.compressobj(wbits=-15)
    return engine.compress(data) + engine.flush()


ENCODED = {
    "gzip": gzip.compress(TEXT),
    "x-gzip": gzip.compress(TEXT),
    "deflate": zlib.compress(TEXT),
    "br": brotli.compress(TEXT),
    "zstd": zstandard.compress(TEXT),
    "gzip, br": brotli.compress(gzip.compress(TEXT)),
}


def decoded(encoding, body, size):
    decode = decompressor(encoding)
    return b"".join(decode(body[at : at + size]) for at in range(0, len(body), size))


@pytest.mark.parametrize("size", [1, 100, 10_000])
@pytest.mark.parametrize("encoding", ENCODED)
def test_each_coding_is_decoded_however_it_is_cut(encoding, size):
    assert decoded(encoding, ENCODED[encoding], size) == TEXT


@pytest.mark.parametrize("size", [1, 10_000])
@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(TEXT) + gzip.compress(b"more")),
        ("zstd", zstandard.compress(TEXT) + zstandard.compress(b"more")),
    ],
)
def test_several_members_back_to_back_are_one_body(encoding, body, size):
    assert decoded(encoding, body, size) == TEXT + b"more"


@pytest.mark.parametrize("size", [1, 10_000])
def test_deflate_without_its_wrapper_is_read_as_well(size):
    assert decoded("deflate", raw_deflate(TEXT), size) == TEXT


def test_each_flushed_event_comes_at_once():
    engine = zlib.compressobj(wbits=31)
    decode = decompressor("gzip")

    for event in (b"data: 1\n\n", b"data: 2\n\n"):
        assert decode(engine.compress(event) + engine.flush(zlib.Z_SYNC_FLUSH)) == event


@pytest.mark.parametrize("encoding", ["", "identity", " Identity , aws-chunked", ","])
def test_there_may_be_nothing_to_decode(encoding):
    assert decompressor(encoding) is None


def test_names_have_any_case_and_identity_among_them_is_nothing():
    assert decoded("Identity, GZIP", ENCODED["gzip"], 100) == TEXT


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_nothing_decodes_to_nothing(encoding):
    assert decompressor(encoding)(b"") == b""


def test_a_coding_that_is_not_known_is_undecodable():
    with pytest.raises(Undecodable, match="'exi' is not known"):
        decompressor("exi")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_broken_bytes_are_undecodable(encoding):
    noise = random.Random(7).randbytes(5000)

    with pytest.raises(Undecodable):
        decompressor(encoding)(b"\x78" + noise)


@pytest.mark.parametrize(
    ("encoding", "missing", "cure"),
    [
        ("br", {"brotli", "brotlicffi"}, "br needs brotli: pip install 'otel-stream[compression]'"),
        ("zstd", {"zstandard"}, "zstd needs zstandard: pip install 'otel-stream[compression]'"),
    ],
)
def test_a_missing_library_names_its_cure(encoding, missing, cure, monkeypatch):
    imported = builtins.__import__

    def without(name, *args, **named):
        if name in missing:
            raise ImportError(name)
        return imported(name, *args, **named)

    monkeypatch.setattr(builtins, "__import__", without)

    with pytest.raises(Undecodable) as raised:
        decompressor(encoding)
    assert str(raised.value) == cure


def test_the_other_binding_of_brotli_will_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "brotli", None)
    monkeypatch.setitem(
        sys.modules, "brotlicffi", types.SimpleNamespace(Decompressor=brotli.Decompressor, error=brotli.error)
    )

    assert decoded("br", ENCODED["br"], 100) == TEXT


def test_a_brotli_that_cannot_limit_its_output_will_do(monkeypatch):
    class Old:
        def __init__(self):
            self.process = brotli.Decompressor().process

    monkeypatch.setitem(sys.modules, "brotli", types.SimpleNamespace(Decompressor=Old, error=brotli.error))

    assert decoded("br", ENCODED["br"], 100) == TEXT


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [
        ("br", brotli.compress),
        ("zstd", zstandard.compress),
        ("gzip, gzip", lambda data: gzip.compress(gzip.compress(data))),
    ],
)
def test_a_bomb_is_given_up(encoding, compress, monkeypatch):
    """With caps a hundredth of the real ones, and a bomb as small."""
    monkeypatch.setattr(decompress, "FREE_BYTES", 640 << 10)
    monkeypatch.setattr(decompress, "BROTLI_BYTES", 10 << 10)
    monkeypatch.setattr(decompress, "MAX_RATIO", 100)

    with pytest.raises(Undecodable, match="decodes to more than"):
        decompressor(encoding)(compress(bytes(16 << 20)))


def test_a_long_answer_that_compresses_well_is_no_bomb(monkeypatch):
    monkeypatch.setattr(decompress, "FREE_BYTES", 1 << 10)

    assert decoded("gzip", gzip.compress(TEXT * 50), 1000) == TEXT * 50
