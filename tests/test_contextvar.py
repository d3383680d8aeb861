"""Contextvars are set without a garbage collection in the midst of it."""

from __future__ import annotations

import contextvars
import gc
import subprocess
import sys

import pytest

from otel_stream import contextvar
from otel_stream.contextvar import assign, restore

VAR: contextvars.ContextVar[object] = contextvars.ContextVar("test_contextvar", default=None)

HOSTILE = """
import contextvars, gc
from otel_stream.contextvar import assign, restore
ours, theirs = contextvars.ContextVar("ours"), contextvars.ContextVar("theirs")
others = [contextvars.ContextVar(str(number)) for number in range({variables})]
for other in others:
    other.set(object())
class Wrapper:
    def __init__(self):
        self.itself = self
    def __del__(self):
        theirs.set(object())
        theirs.set([])
gc.set_threshold({threshold})
for number in range(20_000):
    Wrapper()
    kept = [[] for _ in range(number % {threshold})]
    token = assign(ours, object())
    for other in others:
        other.get()
    restore(ours, token)
"""
"""Finalizers that set a contextvar, as LiteLLM's stream wrapper has them."""


class Variable:
    """Notes whether a collection could begin while it is set."""

    def __init__(self, error=None):
        self.could_collect = []
        self._error = error

    def set(self, _):
        self.could_collect.append(gc.isenabled())
        if self._error:
            raise self._error
        return "token"

    def reset(self, _):
        self.set(None)


@pytest.fixture(params=[True, False], ids=["collects anywhere", "collects between bytecodes"])
def collects_anywhere(request, monkeypatch):
    monkeypatch.setattr(contextvar, "COLLECTS_ANYWHERE", request.param)
    return request.param


def test_a_value_is_set_and_set_back(collects_anywhere):
    token = assign(VAR, "inside")
    inside = VAR.get()
    restore(VAR, token)

    assert (inside, VAR.get()) == ("inside", None)


def test_no_collection_begins_while_a_variable_is_set_where_one_could(collects_anywhere):
    variable = Variable()
    assign(variable, 1)
    restore(variable, "token")

    assert variable.could_collect == [not collects_anywhere] * 2
    assert gc.isenabled()


def test_a_host_that_has_turned_collections_off_keeps_them_off(collects_anywhere):
    gc.disable()
    try:
        restore(VAR, assign(VAR, 1))
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_collections_go_on_after_an_error(collects_anywhere):
    variable = Variable(RuntimeError("full"))
    with pytest.raises(RuntimeError, match="full"):
        assign(variable, 1)
    with pytest.raises(RuntimeError, match="full"):
        restore(variable, "token")

    assert gc.isenabled()


def test_a_token_of_another_context_restores_nothing(collects_anywhere):
    token = contextvars.copy_context().run(assign, VAR, "there")
    restore(VAR, token)

    assert VAR.get() is None
    assert gc.isenabled()


@pytest.mark.parametrize(("variables", "threshold"), [(1, 3), (8, 7), (20, 13), (40, 3)])
def test_a_finalizer_that_sets_variables_crashes_nothing(variables, threshold):
    """With the bare `set` and `reset`, Python 3.10 and 3.11 die of a third of such loops."""
    script = HOSTILE.format(variables=variables, threshold=threshold)

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
