"""A client library that rides on a watched one is told so, for exactly as long."""

from __future__ import annotations

import asyncio
import contextvars

import pytest

from otel_stream.riding import Riding, is_riding


def test_only_inside_the_block():
    seen = [is_riding()]
    with Riding():
        seen.append(is_riding())
        with Riding():
            seen.append(is_riding())
        seen.append(is_riding())
    seen.append(is_riding())

    assert seen == [False, True, True, True, False]


def test_the_block_ends_with_an_exception_too():
    with pytest.raises(ZeroDivisionError), Riding():
        raise ZeroDivisionError

    assert not is_riding()


async def test_a_task_made_inside_does_not_ride_for_ever():
    """A transport's worker, created during the first request, serves later ones as well."""
    seen, go_on = [], asyncio.Event()

    async def worker():
        seen.append(is_riding())
        await go_on.wait()
        seen.append(is_riding())

    with Riding():
        task = asyncio.ensure_future(worker())
        await asyncio.sleep(0)
    go_on.set()
    await task

    assert seen == [True, False]


def test_a_block_left_in_another_context_takes_no_offence():
    riding = Riding()
    contextvars.copy_context().run(riding.__enter__)
    riding.__exit__(None, None, None)

    assert not is_riding()


def test_leaving_without_entering_takes_no_offence():
    Riding().__exit__(None, None, None)

    assert not is_riding()
