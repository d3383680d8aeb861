"""What every test gets: the guard re-raises, and no state is left for the next test."""

from __future__ import annotations

# Before any TracerProvider: in a forked child the SDK's handler (1.45) waits for a lock that this module's
# own handler frees, and handlers run in the order in which they were registered.
import concurrent.futures.thread  # noqa: F401
import gc

import hypothesis
import pytest

from otel_stream import _guard

# No deadlines: a busy machine is not a bug. `make fuzz` looks a hundred times as long.
hypothesis.settings.register_profile("fast", max_examples=100, deadline=None)
hypothesis.settings.register_profile("fuzz", max_examples=10_000, deadline=None)
hypothesis.settings.load_profile("fast")


def pytest_collection_finish():
    """Keep what thousands of tests are made of out of the collections that tests ask for: each took 0.3 s."""
    _first_example()
    gc.collect()
    gc.freeze()


@hypothesis.given(hypothesis.strategies.none())
def _first_example(_):
    """Make Hypothesis register its generator before `gc.freeze`, after which it finds nobody who keeps it.

    It warns then. Where `CI` is set its runs are derandomized, and the first test needs the generator anew.
    """


@pytest.fixture(autouse=True)
def guard_reraises():
    before = _guard.set_reraise(True)
    yield
    _guard.set_reraise(before)


@pytest.fixture
def swallow():
    """Run the guard as in production: errors of ours are counted and logged, never raised."""
    before = _guard.set_reraise(False)
    yield
    _guard.set_reraise(before)
