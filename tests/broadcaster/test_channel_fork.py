"""A forked child starts with nobody subscribed and no lock held, whatever the parent's threads were doing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import threading

import pytest
from receiving import told

from otel_stream.broadcaster import StreamEventBroadcaster, _channel
from otel_stream.events import Started, TextDelta

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning"),
]

STARTED = Started("r1", "gpt")


def in_a_child(check):
    """Return what `check()` returned as text in a forked child, "hangs" if it took 20 seconds."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, str(check()).encode())
        except BaseException as error:
            os.write(write, repr(error).encode())
        os._exit(0)
    os.close(write)
    poll = select.poll()  # select.select takes no descriptor above 1023
    poll.register(read, select.POLLIN)
    answered = poll.poll(20_000)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with os.fdopen(read) as pipe:
        return pipe.read() if answered else "hangs"


def test_a_child_has_no_receivers_and_can_subscribe():
    broadcaster = StreamEventBroadcaster()
    receiver = broadcaster.subscribe()
    broadcaster.send("in the parent")

    def check():
        before = (broadcaster.receiver_count(), broadcaster.active, told(receiver))
        mine = broadcaster.subscribe()
        broadcaster.send("in the child")
        return before, told(mine)

    assert in_a_child(check) == "((0, False, ['closed']), ['in the child', 'empty'])"
    assert told(receiver) == ["in the parent", "empty"]


def test_a_lock_held_by_a_thread_of_the_parent_does_not_hang_the_child():
    broadcaster = StreamEventBroadcaster()
    broadcaster.subscribe()
    held, done = threading.Event(), threading.Event()

    def hold():
        with broadcaster._log.lock, broadcaster._channel.news._lock:
            held.set()
            done.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)

    def check():
        receiver = broadcaster.subscribe()
        broadcaster.send("one")
        heard = told(receiver)
        with contextlib.suppress(asyncio.TimeoutError):
            asyncio.run(asyncio.wait_for(receiver.recv(), 0.001))
        return heard, receiver.get_many(timeout=0.001)

    answer = in_a_child(check)
    done.set()
    thread.join()

    assert answer == "(['one', 'empty'], [])"


def test_listeners_go_on_in_the_child():
    """Counters are wired before a server forks its workers."""
    broadcaster = StreamEventBroadcaster()
    heard = []
    broadcaster.add_listener(heard.append)

    def check():
        broadcaster.send(STARTED)
        return heard == [STARTED]

    assert in_a_child(check) == "True"
    assert heard == []


def test_a_child_forgets_who_waited():
    broadcaster = StreamEventBroadcaster()
    receiver = broadcaster.subscribe()
    thread = threading.Thread(target=receiver.get)
    thread.start()
    while not broadcaster._armed:
        pass

    answer = in_a_child(lambda: (len(broadcaster._armed), broadcaster.send("one")))
    broadcaster.send("one")
    thread.join()

    assert answer == "(0, 0)"


def test_what_a_child_runs_leaves_listeners_to_deltas_wanted():
    broadcaster = StreamEventBroadcaster()
    receiver = broadcaster.subscribe(name="gone")
    heard = []
    broadcaster.add_listener(heard.append, deltas=True)
    delta = TextDelta("r1", "Hello")

    _channel._reset_all()
    broadcaster.send(delta)

    assert (broadcaster.active, broadcaster.receiver_count(), heard) == (True, 0, [delta])
    assert told(receiver) == ["closed"]
    receiver.close()
