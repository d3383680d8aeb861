"""Documents: pieces in, one body out, and no more of it than the cap."""

from __future__ import annotations

import pytest

from otel_stream.document import Document


def test_a_body_is_the_sum_of_its_pieces_and_taken_once():
    document = Document()

    kept = [document.add(piece) for piece in (b"{", b"", b"}")]

    assert (kept, document.take(), document.take()) == ([True] * 3, b"{}", b"")


@pytest.mark.parametrize("pieces", [[b"12345"], [b"123", b"45"], [b"1234", b"", b"5"]])
def test_of_a_body_beyond_the_cap_nothing_is_kept(pieces):
    document = Document(4)

    kept = [document.add(piece) for piece in pieces]

    assert (kept[-1], document.take()) == (False, b"")
