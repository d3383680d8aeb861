"""When an answer that nobody announced opens its stream."""

from __future__ import annotations

import pytest
from recording import Recording

from otel_stream.meaning import Usage
from otel_stream.opening import Opening


@pytest.fixture
def opened():
    """Gives an opening and the list of recordings it opened: none, then one."""

    def make(*, lazy, told=()):
        made = []

        def open_stream():
            if not made:
                made.append(Recording())
            return made[0].stream

        return Opening(open_stream, lazy=lazy, is_told=told.__contains__), made

    return make


@pytest.mark.parametrize("lazy", [True, False])
def test_what_is_not_understood_opens_nothing(opened, lazy):
    opening, made = opened(lazy=lazy)
    opening.skip("ping")

    assert made == []


def test_at_the_client_a_head_opens_the_stream(opened):
    opening, made = opened(lazy=False)
    opening.head("msg_1", "claude")
    opening.usage(Usage(input_tokens=3))

    assert (made[0].stream.response_id, made[0].stream.reported) == ("msg_1", Usage(input_tokens=3))


def test_at_the_server_a_head_waits_for_what_comes_next(opened):
    opening, made = opened(lazy=True)
    opening.head("msg_1", "claude")
    opening.usage(Usage(input_tokens=3))
    before = list(made)
    opening.delta("Hi")
    opening.usage(Usage(input_tokens=3, output_tokens=1))
    stream = made[0].stream

    assert before == []
    assert (stream.response_id, stream.response_model, stream.chunks) == ("msg_1", "claude", 1)
    assert stream.reported == Usage(input_tokens=3, output_tokens=1)


def test_an_answer_that_is_told_elsewhere_opens_nothing(opened):
    opening, made = opened(lazy=True, told=["msg_1"])
    opening.head("msg_1", "claude")
    opening.delta("Hi")
    opening.finish("stop")

    assert made == []
