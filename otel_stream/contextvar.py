"""Setting our contextvars, and setting them back, without a garbage collection in the midst of it.

Up to Python 3.11 a collection can begin at any allocation, so also inside `ContextVar.set`. A finalizer that
sets a contextvar of its own then frees what the outer call still walks over, and the process crashes
(https://github.com/python/cpython/issues/148891); LiteLLM's stream wrapper has such a finalizer. Since 3.12
collections wait for the next bytecode (https://docs.python.org/3/whatsnew/3.12.html, gh-97922).
"""

from __future__ import annotations

import gc
import sys
from contextvars import ContextVar, Token
from typing import TypeVar

T = TypeVar("T")

COLLECTS_ANYWHERE = sys.version_info < (3, 12)


def assign(var: ContextVar[T], value: T) -> Token[T]:
    """Set `var`; the token is for `restore`."""
    if not (COLLECTS_ANYWHERE and gc.isenabled()):
        return var.set(value)
    gc.disable()
    try:
        return var.set(value)
    finally:
        gc.enable()


def restore(var: ContextVar[T], token: Token[T]) -> None:
    """Set `var` back. Where the context is another one by now, as in a coroutine that the garbage collector
    closes, there is nothing to restore.
    """
    if not (COLLECTS_ANYWHERE and gc.isenabled()):
        _reset(var, token)
        return
    gc.disable()
    try:
        _reset(var, token)
    finally:
        gc.enable()


def _reset(var: ContextVar[T], token: Token[T]) -> None:
    try:
        var.reset(token)
    except ValueError:
        """Made in another context, says `ContextVar.reset`."""
