from __future__ import annotations

import asyncio
import logging

import pytest

from otel_stream import _guard


@pytest.fixture(autouse=True)
def fresh_counts(monkeypatch):
    monkeypatch.setattr(_guard, "_counts", type(_guard._counts)())


@_guard.guarded("parsing")
def parse(text):
    return int(text)


def test_a_guarded_function_gives_its_result():
    assert parse("7") == 7


def test_a_guarded_function_never_raises(swallow):
    assert parse("seven") is None
    assert _guard.counts() == {"parsing": 1}


def test_a_guarded_function_keeps_its_name():
    assert parse.__name__ == "parse"


def test_a_guarded_block_never_raises(swallow):
    with _guard.guard("sink"):
        raise ZeroDivisionError

    assert _guard.counts() == {"sink": 1}


def test_a_guarded_block_without_an_error_counts_nothing():
    with _guard.guard("sink"):
        pass

    assert _guard.counts() == {}


def test_even_a_stop_iteration_stops_here(swallow):
    with _guard.guard("sink"):
        raise StopIteration

    assert _guard.counts() == {"sink": 1}


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, asyncio.CancelledError, GeneratorExit])
def test_what_belongs_to_the_host_passes(swallow, error):
    def fail():
        raise error

    with pytest.raises(error):
        _guard.guarded("tap")(fail)()
    with pytest.raises(error), _guard.guard("tap"):
        fail()
    assert _guard.counts() == {}


def test_in_tests_an_error_of_ours_is_raised_as_it_is():
    bug = RuntimeError("a bug")

    with pytest.raises(RuntimeError) as caught, _guard.guard("sink"):
        raise bug
    with pytest.raises(ValueError, match="seven"):
        parse("seven")
    assert caught.value is bug


def test_the_log_says_what_failed_and_that_the_stream_is_unaffected(swallow, caplog):
    parse("seven")

    (record,) = caplog.records
    assert record.name == "otel_stream"
    assert record.levelno == logging.WARNING
    assert record.getMessage() == "parsing failed; the application's stream is unaffected"
    assert record.exc_info[0] is ValueError


def test_a_bug_that_fires_per_chunk_does_not_flood_the_log(swallow, caplog):
    for _ in range(100):
        parse("seven")

    assert len(caplog.records) == _guard.LOGGED_PER_STAGE
    assert _guard.counts() == {"parsing": 100}


def test_each_stage_may_log(swallow, caplog):
    for _ in range(100):
        parse("seven")
    _guard.failed("sink", ValueError())

    assert caplog.messages[-1].startswith("sink failed")


class BrokenFilter(logging.Filter):
    def filter(self, record):
        raise LookupError("the host's own filter is broken")


def test_a_broken_logging_filter_of_the_host_does_not_raise_either(swallow):
    broken = BrokenFilter()
    _guard.logger.addFilter(broken)
    try:
        assert parse("seven") is None
    finally:
        _guard.logger.removeFilter(broken)


def test_bad_input_is_counted_without_a_word(caplog):
    _guard.skipped("wire.openai_chat")

    assert _guard.counts() == {"wire.openai_chat": 1}
    assert caplog.records == []


def test_observers_hear_of_failures_and_of_skipped_input(swallow):
    heard = []
    stop = _guard.on_failure(heard.append)

    parse("seven")
    _guard.skipped("wire.openai_chat")
    stop()
    parse("seven")

    assert heard == ["parsing", "wire.openai_chat"]


def test_an_observer_that_raises_harms_nobody(swallow):
    heard = []
    stops = [_guard.on_failure(lambda stage: 1 / 0), _guard.on_failure(heard.append)]

    parse("seven")
    for stop in stops:
        stop()

    assert heard == ["parsing"]


def test_an_observer_may_be_stopped_twice():
    stop = _guard.on_failure(print)

    stop()
    stop()


def test_counts_are_a_copy():
    _guard.counts()["parsing"] = 5

    assert _guard.counts() == {}


def test_the_switch_tells_what_it_was():
    assert _guard.set_reraise(False) is True
    assert _guard.set_reraise(True) is False


def test_even_a_recursion_error_stops_here(swallow):
    def endless():
        raise RecursionError

    assert _guard.guarded("wire")(endless)() is None
