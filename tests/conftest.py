"""What every test gets: the guard re-raises, and no state is left for the next test."""

from __future__ import annotations

import pytest

from otel_stream import _guard


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
