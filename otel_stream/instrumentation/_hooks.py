"""Hooks into other people's libraries: rows of a table, put in after import and taken out by the same rows.

A client library is never imported by us, and it does not matter whether it was before us. The rows of one
tap in one module go in together or not at all; a library whose inside we do not know is left alone.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable
from importlib import _bootstrap
from types import ModuleType
from typing import Any, Literal, NamedTuple, TypeAlias

import wrapt
from opentelemetry.instrumentation.dependencies import get_dependency_conflicts

from otel_stream import _guard

STAGE = "hooking"  # what failures are counted as, with the tap's name; an alert goes by it

_MARK = "__otel_stream_hooks__"  # on the class or module whose attributes we replaced

Wrap: TypeAlias = Callable[[Callable[..., Any], ModuleType], Callable[..., Any]]
"""Makes the replacement from the original and the module it was found in; keeps it in `__wrapped__`."""


class Hook(NamedTuple):
    """One row: the attribute `path` of `module` is replaced by what `wrap` makes of it."""

    tap: str
    """The name it is switched off by."""
    module: str
    path: str
    """`Class.method` or `function`."""
    wrap: Wrap
    oldest: str = ""
    """The oldest version of the library that we test; an older one is watched if its inside is the same."""


def library_of(module: str) -> str:
    """Return the library a module belongs to, by the name it is installed by."""
    return module.partition(".")[0]


class State(NamedTuple):
    """Where a tap stands in one module."""

    tap: str
    module: str
    state: Literal["installed", "waiting", "failed", "too old", "off"]
    """`waiting` is for the library's import; `too old` is a failure that a newer library cures."""
    reason: str = ""


class _Patch(NamedTuple):
    owner: Any
    name: str
    original: Any
    inherited: bool
    replacement: Any


class Hooks:
    """The table and what has been put in of it. Both directions may be called any number of times."""

    def __init__(self, table: Iterable[Hook]) -> None:
        self._groups: dict[tuple[str, str], list[Hook]] = {}
        for hook in table:
            self._groups.setdefault((hook.tap, hook.module), []).append(hook)
        self._off: frozenset[str] = frozenset()
        self._active = False
        self._patches: list[_Patch] = []
        self._states: dict[tuple[str, str], State] = {}
        self._awaited: set[str] = set()

    def install(self, off: Iterable[str] = ()) -> None:
        """Put the rows in, now or when their module is imported, but for the taps named in `off`.

        Raises: whatever goes wrong with the import system; then nothing is left in.
        """
        self._active, self._off = True, frozenset(off)
        try:
            for module in {module for _, module in self._groups}:
                self._await(module)
        except BaseException:
            self.remove()
            raise

    def remove(self) -> None:
        """Take everything out again.

        Where somebody else has wrapped our replacement it stays beneath theirs and passes everything by.
        """
        self._active = False
        while self._patches:
            _restore(self._patches.pop())
        self._states.clear()

    def states(self) -> list[State]:
        """Return where each tap stands, in the order of the table."""
        return [self._state(tap, module) for tap, module in self._groups]

    def _state(self, tap: str, module: str) -> State:
        if not self._active:
            return State(tap, module, "off", "nothing is instrumented in this process")
        if tap in self._off:
            return State(tap, module, "off", "OTEL_STREAM_DISABLED_TAPS names it")
        return self._states.get((tap, module), State(tap, module, "waiting"))

    def _await(self, name: str) -> None:
        if name in sys.modules or name not in self._awaited:
            self._awaited.add(name)
            wrapt.register_post_import_hook(lambda _: self._imported(name), name)

    def _imported(self, name: str) -> None:
        """The module is here, or half of it. An import of the host's never fails because of us."""
        self._awaited.discard(name)
        if not self._active:
            return
        module = _once_imported(name)
        if module is None:
            self._await(name)
            return
        for (tap, wanted), hooks in self._groups.items():
            if wanted == name and tap not in self._off:
                self._states[tap, name] = State(tap, name, "failed", "see the log")
                with _guard.guard(f"{STAGE} {tap}"):
                    self._states[tap, name] = self._hook(tap, hooks, module)

    def _hook(self, tap: str, hooks: list[Hook], module: ModuleType) -> State:
        try:
            self._patches.extend(_patched(hooks, module))
        except (AttributeError, TypeError) as error:
            return _misfit(hooks[0], error)
        _guard.logger.debug("%s is watched: %s in %s", tap, ", ".join(h.path for h in hooks), hooks[0].module)
        return State(tap, hooks[0].module, "installed")


def _misfit(hook: Hook, error: Exception) -> State:
    """Tell why the library cannot be watched, in the log as well, and count it."""
    wanted = [f"{library_of(hook.module)} >= {hook.oldest}"] if hook.oldest else []
    conflict = get_dependency_conflicts(wanted)
    if conflict is not None and conflict.found:
        state = State(
            hook.tap,
            hook.module,
            "too old",
            f"{conflict.found} is installed; {hook.oldest} or newer is needed",
        )
    else:
        state = State(hook.tap, hook.module, "failed", f"its inside is not as we know it: {error}")
    _guard.skipped(f"{STAGE} {hook.tap}")
    _guard.logger.warning("%s is not watched: %s", hook.module, state.reason)
    return state


def _once_imported(name: str) -> ModuleType | None:
    """Return the module when no other thread is in the middle of importing it; None when that failed.

    This waits as an `import` of a module does that is there already, and unlike that imports nothing.
    """
    _bootstrap._lock_unlock_module(name)  # type: ignore[attr-defined]  # noqa: SLF001 - in all of 3.3 to 3.14
    return sys.modules.get(name)


def _patched(hooks: list[Hook], module: ModuleType) -> list[_Patch]:
    """Return the replacements made, row by row; if one cannot be made, none is."""
    done: list[_Patch] = []
    try:
        for hook in hooks:
            patch = _patch(hook, module)
            if patch is not None:
                done.append(patch)
    except BaseException:
        for patch in reversed(done):
            _restore(patch)
        raise
    return done


def _patch(hook: Hook, module: ModuleType) -> _Patch | None:
    """Replace one attribute; None when that has been done, since two names may lead to one class."""
    owner, name = _resolve(module, hook.path)
    current = getattr(owner, name)
    mark = _mark(owner)
    if _is_in(mark.get(name), current):
        return None
    replacement = hook.wrap(current, module)
    patch = _Patch(owner, name, inspect.getattr_static(owner, name), name not in vars(owner), replacement)
    setattr(owner, name, replacement)
    mark[name] = replacement
    return patch


def _resolve(module: ModuleType, path: str) -> tuple[Any, str]:
    owner: Any = module
    *names, last = path.split(".")
    for name in names:
        owner = getattr(owner, name)
    return owner, last


def _mark(owner: Any) -> dict[str, Any]:
    """Return the owner's own note of what we replaced on it; a subclass does not share its base's."""
    if _MARK not in vars(owner):
        setattr(owner, _MARK, {})
    mark: dict[str, Any] = vars(owner)[_MARK]
    return mark


def _is_in(replacement: Any, current: Any) -> bool:
    """Whether our replacement is the attribute, or lies beneath somebody else's wrapper."""
    while current is not None:
        if current is replacement:
            return True
        current = getattr(current, "__wrapped__", None)
    return False


def _restore(patch: _Patch) -> None:
    owner, name = patch.owner, patch.name
    if vars(owner).get(name) is not patch.replacement:
        return
    if patch.inherited:
        delattr(owner, name)
    else:
        setattr(owner, name, patch.original)
    mark = _mark(owner)
    del mark[name]
    if not mark:
        delattr(owner, _MARK)
