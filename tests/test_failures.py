"""The errors that providers tell, and those that somebody between them and us tells."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from meant import Meant

from otel_stream.failures import MAX_WORD, error_document, failure_of, read_failure, unknown
from otel_stream.framing.sse import ServerSentEvent
from otel_stream.meaning import Failure


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        ('{"error": {"type": "t", "code": "c", "message": "m"}}', Failure("t", "c", "m")),
        ('{"error": {"status": "INVALID", "code": 400, "message": "m"}}', Failure("INVALID", "400", "m")),
        ('{"error": "m", "code": "c"}', Failure(None, "c", "m")),
        ('{"error": "m", "error_type": "t"}', Failure("t", None, "m")),
        ('{"error": {"status": 400, "message": "m"}}', Failure(None, None, "m")),
        ('{"error_code": "BAD_REQUEST", "message": "m"}', Failure(None, "BAD_REQUEST", "m")),
        ('{"detail": [{"type": "missing", "loc": ["body"], "msg": "m"}]}', Failure(None, None, "m")),
        ('{"type": "t", "message": {"detail": [{"msg": "m"}]}}', Failure("t", None, "m")),
        ('{"message": "m", "code": 7}', Failure(None, "7", "m")),
        ('{"Message": "m"}', Failure(None, None, "m")),
        ('{"detail": "m"}', Failure(None, None, "m")),
        ('{"errors": [{"code": "c", "message": "m"}, {}]}', Failure(None, "c", "m")),
        ('[{"error": {"message": "m"}}]', Failure(None, None, "m")),
        ('{"error": {"type": 7.5, "code": true, "message": ["m"]}}', Failure(None, None, None)),
        ('{"error": {"code": "' + "c" * 500 + '"}}', Failure(None, "c" * MAX_WORD, None)),
        ('{"ok": true}', None),
        ("[]", None),
        ("no JSON", None),
        ("", None),
    ],
)
def test_errors_are_read_in_the_shapes_that_providers_use(body, failure):
    assert read_failure(body.encode()) == failure


def test_an_error_type_from_elsewhere_stands_in_for_a_missing_one():
    assert read_failure(b'{"message": "m"}', "ThrottlingException") == Failure(
        "ThrottlingException", None, "m"
    )
    assert read_failure(b"", "ThrottlingException") == Failure("ThrottlingException", None, None)
    assert read_failure(b'{"error": {"type": "own"}}', "other") == Failure("own", None, None)


@pytest.mark.parametrize(
    ("raw", "failure"),
    [
        (b"", None),
        (b"null", None),
        (b'"m"', Failure(None, None, "m")),
        (b'{"message": "m"}', Failure(None, None, "m")),
        (b"[1]", Failure(None, None, None)),
    ],
)
def test_a_frames_error_member_is_read_or_is_none(raw, failure):
    assert failure_of(msgspec.Raw(raw)) == failure


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b' {"error": {"message": "m"}}', "m"),
        (b'{"error": null}', None),
        (b'{"text": "error"}', None),
        (b'["error"]', None),
    ],
)
def test_a_document_that_is_an_error_is_told_from_one_that_speaks_of_it(body, message):
    found = error_document(body)

    assert (found and found.message) == message


@given(st.binary())
def test_reading_a_failure_never_raises(body):
    assert read_failure(body) is None or body
    assert failure_of(msgspec.Raw(body)) is None or body


@pytest.mark.parametrize(
    ("event", "raw", "failure"),
    [
        ("message", b'{"error": {"type": "t", "message": "m"}}', Failure("t", None, "m")),
        ("message", b'[{"error": "m"}]', Failure(None, None, "m")),
        ("error", b'{"detail": "m"}', Failure(None, None, "m")),
        ("error", b"upstream closed", Failure(None, None, "upstream closed")),
        ("error", b"{}", Failure(None, None, None)),
        ("error", b'{"error": {"mess', None),
        ("message", b'{"message": "m"}', None),
        ("message", b'{"error": null}', None),
        ("message", b'{"text": "\\"error\\""}', None),
        ("message", b'"error"', None),
        ("message", b"[]", None),
    ],
)
def test_a_frame_that_nobody_knows_may_be_an_error(event, raw, failure):
    meaning = Meant()

    unknown(meaning, ServerSentEvent(event, raw), "what")

    assert [(name, args) for name, args, _ in meaning.calls] == [
        ("skip", ("what",)) if failure is None else ("error", (failure,))
    ]
