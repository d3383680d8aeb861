"""The watch: a thread that looks about once a second, from the first stream on."""

from __future__ import annotations

import threading

from otel_stream.watch import Watch


def test_it_looks_again_and_again_once_woken():
    looks = threading.Semaphore(0)
    watch = Watch(looks.release, seconds=0.001)

    watch.wake()
    watch.wake()

    assert all(looks.acquire(timeout=10) for _ in range(3))
    watch.stop()


def test_it_has_no_thread_before_it_is_woken():
    watch = Watch(lambda: None)

    names = [thread.name for thread in threading.enumerate()]

    assert "otel-stream-watch" not in names
    watch.stop()


def test_stopped_it_looks_no_more_and_leaves_no_thread():
    looked = threading.Event()
    watch = Watch(looked.set, seconds=0.001)
    watch.wake()
    looked.wait(10)

    watch.stop()

    assert "otel-stream-watch" not in [thread.name for thread in threading.enumerate()]


def test_it_can_be_stopped_by_what_it_looks_at():
    stopped = threading.Event()

    def look() -> None:
        watch.stop()
        stopped.set()

    watch = Watch(look, seconds=0.001)
    watch.wake()

    assert stopped.wait(10)


def test_a_forked_child_begins_anew():
    watch = Watch(lambda: None, seconds=0.001)
    watch.wake()
    watch.stop()
    looked = threading.Event()
    watch._look = looked.set

    watch.restart()
    watch.wake()

    assert looked.wait(10)
    watch.stop()
