from __future__ import annotations

import asyncio

from otel_stream.live.ending import end


def ended(*answers):
    """End these answers in a loop of their own; return whether each was cancelled."""

    async def main():
        tasks = {asyncio.get_running_loop().create_task(answer): None for answer in answers}
        await asyncio.sleep(0)
        await end(list(tasks))
        return [task.cancelled() for task in tasks]

    return asyncio.run(main())


async def last_batch():
    await asyncio.sleep(0)


async def deaf():
    await asyncio.Event().wait()


async def stubborn():
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        await asyncio.Event().wait()


def test_who_has_a_last_batch_may_send_it():
    assert ended(last_batch()) == [False]


def test_who_does_not_come_to_an_end_is_cancelled_as_often_as_it_takes():
    assert ended(deaf(), stubborn(), last_batch()) == [True, True, False]


def test_without_answers_nothing_is_waited_for():
    assert ended() == []
