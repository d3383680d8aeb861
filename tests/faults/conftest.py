"""A provider on loopback that misbehaves as asked."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("instrumentation.contract")

from provider import Provider  # noqa: E402


@pytest.fixture(scope="session")
def one_provider():
    with Provider() as provider:
        yield provider


@pytest.fixture
def provider(one_provider):
    yield one_provider
    one_provider.forget()
