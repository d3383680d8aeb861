"""An instrumented process."""

from __future__ import annotations

import pytest
from watching import watching


@pytest.fixture
def watched():
    with watching() as watched:
        yield watched
