"""The hook table: in after import, in whatever order, together or not at all, and out without a trace."""

from __future__ import annotations

import builtins
import contextlib
import functools
import importlib
import re
import sys
import threading
import types
from collections import Counter
from itertools import chain
from pathlib import Path

import pytest

from otel_stream import _guard
from otel_stream.instrumentation import HOOKS
from otel_stream.instrumentation._hooks import STAGE, Hook, Hooks, State, library_of

ROOT = Path(__file__).parents[2]

LIBRARY = """
class Client:
    def send(self):
        return "sent"
    def close(self):
        return "closed"

class Child(Client):
    pass

def get():
    return "got"
"""


def shout(original, module):
    @functools.wraps(original)
    def replacement(*args):
        return original(*args).upper()

    return replacement


def broken(original, module):
    raise RuntimeError("our bug")


@pytest.fixture
def name(tmp_path, monkeypatch):
    """The name of a library that can be imported and has not been."""
    name = f"library_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(LIBRARY)
    monkeypatch.syspath_prepend(tmp_path)
    yield name
    sys.modules.pop(name, None)


def load(name):
    __import__(name)
    return sys.modules[name]


def load_in_vain(name):
    with contextlib.suppress(ZeroDivisionError):
        load(name)


@pytest.fixture
def make():
    made = []

    def make(*rows):
        made.append(Hooks(Hook(*row) for row in rows))
        return made[-1]

    yield make
    for hooks in made:
        hooks.remove()


@pytest.mark.parametrize("imported", ["before", "after"])
def test_it_does_not_matter_when_the_library_is_imported(name, make, imported):
    hooks = make(("tap", name, "Client.send", shout), ("tap", name, "get", shout))
    if imported == "before":
        load(name)
    hooks.install()
    library = load(name)

    assert (library.Client().send(), library.get(), hooks.states()) == (
        "SENT", "GOT", [State("tap", name, "installed")],
    )  # fmt: skip


def test_a_library_is_never_imported_by_us(name, make):
    hooks = make(("tap", name, "get", shout))
    hooks.install()

    assert (name in sys.modules, hooks.states()) == (False, [State("tap", name, "waiting")])


def test_a_library_that_another_thread_is_importing_is_waited_for(name, make, tmp_path):
    """A thread of ours imports genai-prices, and with it httpx2, just when the hooks go in."""
    half, go_on = threading.Event(), threading.Event()
    builtins.half_way = lambda: (half.set(), go_on.wait())
    (tmp_path / f"{name}.py").write_text(f"import builtins\nbuiltins.half_way()\n{LIBRARY}")
    hooks = make(("tap", name, "get", shout))
    thread = threading.Thread(target=load, args=(name,))
    thread.start()
    half.wait()
    installing = threading.Thread(target=hooks.install)
    installing.start()
    go_on.set()
    for each in (thread, installing):
        each.join()
    del builtins.half_way

    assert (load(name).get(), hooks.states()) == ("GOT", [State("tap", name, "installed")])


def test_a_library_whose_import_fails_in_another_thread_is_waited_for_again(name, make, tmp_path):
    half, go_on = threading.Event(), threading.Event()
    builtins.half_way = lambda: (half.set(), go_on.wait(), 1 / 0)
    library = tmp_path / f"{name}.py"
    library.write_text("import builtins\nbuiltins.half_way()\n")
    hooks = make(("tap", name, "get", shout))
    thread = threading.Thread(target=load_in_vain, args=(name,))
    thread.start()
    half.wait()
    installing = threading.Thread(target=hooks.install)
    installing.start()
    go_on.set()
    for each in (thread, installing):
        each.join()
    del builtins.half_way
    waiting = hooks.states()
    library.write_text(LIBRARY)
    importlib.invalidate_caches()

    assert waiting == [State("tap", name, "waiting")]
    assert load(name).get() == "GOT"


@pytest.mark.parametrize("imported", ["before", "after"])
def test_removal_leaves_no_trace(name, make, imported):
    hooks = make(
        ("tap", name, "Client.send", shout), ("tap", name, "Child.close", shout), ("tap", name, "get", shout)
    )
    hooks.install()
    library = load(name) if imported == "before" else None
    hooks.remove()
    library = library or load(name)

    fresh = types.ModuleType(name)
    exec(LIBRARY, vars(fresh))  # noqa: S102 - what the module would be without us
    assert {
        key: sorted(vars(getattr(library, key))) for key in ("Client", "Child")
    } == {key: sorted(vars(getattr(fresh, key))) for key in ("Client", "Child")}  # fmt: skip
    assert not [key for key in vars(library) if "otel_stream" in key]
    assert (library.Client().send(), library.get()) == ("sent", "got")


def test_twice_is_a_no_op_in_both_directions(name, make):
    hooks = make(("tap", name, "Client.send", shout))
    library = load(name)
    original = library.Client.send
    hooks.install()
    hooked = library.Client.send
    hooks.install()
    again = library.Client.send
    hooks.remove()
    hooks.remove()

    assert (again is hooked, library.Client.send is original) == (True, True)


def test_any_number_of_rounds_ends_where_it_began(name, make):
    hooks = make(("tap", name, "Client.send", shout))
    library = load(name)
    original = library.Client.send
    for _ in range(3):
        hooks.install()
        hooks.remove()
    hooks.install()

    assert library.Client().send() == "SENT"
    assert library.Client.send.__wrapped__ is original


def test_an_import_between_removal_and_the_next_round_is_not_missed(name, make):
    hooks = make(("tap", name, "get", shout))
    hooks.install()
    hooks.remove()
    library = load(name)
    while_out = library.get()
    hooks.install()

    assert (while_out, library.get()) == ("got", "GOT")


def test_inherited_methods_are_replaced_on_the_class_named_alone(name, make):
    hooks = make(("tap", name, "Child.send", shout))
    hooks.install()
    library = load(name)

    assert (library.Child().send(), library.Client().send()) == ("SENT", "sent")


def test_two_names_of_one_module_hook_it_once(name, make, monkeypatch):
    hooks = make(("tap", name, "Client.send", shout), ("tap", f"{name}_alias", "Client.send", shout))
    library = load(name)
    monkeypatch.setitem(sys.modules, f"{name}_alias", library)
    original = library.Client.send
    hooks.install()
    hooked = library.Client.send
    hooks.remove()

    assert (hooked.__wrapped__, library.Client.send) == (original, original)


def test_rows_of_a_tap_go_in_together_or_not_at_all(name, make, caplog):
    """A version of the library whose inside we do not know is left alone, and its import works."""
    hooks = make(
        ("tap", name, "Client.send", shout),
        ("tap", name, "Client.missing", shout),
        ("other", name, "get", shout),
    )
    hooks.install()
    library = load(name)
    reason = "its inside is not as we know it: type object 'Client' has no attribute 'missing'"

    assert (library.Client().send(), library.get()) == ("sent", "GOT")
    assert hooks.states() == [State("tap", name, "failed", reason), State("other", name, "installed")]
    assert reason in caplog.text


def test_a_library_that_is_too_old_says_what_is_needed(name, make, caplog, tmp_path):
    (tmp_path / f"{name}-1.4.dist-info").mkdir()
    (tmp_path / f"{name}-1.4.dist-info" / "METADATA").write_text(f"Name: {name}\nVersion: 1.4\n")
    hooks = make(("tap", name, "Client.missing", shout, "2"), ("other", name, "Client.gone", shout, "1.0"))
    hooks.install()
    load(name)
    reason = f"{name} 1.4 is installed; 2 or newer is needed"

    old, odd = hooks.states()
    assert old == State("tap", name, "too old", reason)
    assert (odd.state, "has no attribute 'gone'" in odd.reason) == ("failed", True)
    assert f"{name} is not watched: {reason}" in caplog.text


def test_a_library_that_cannot_be_watched_is_counted(name, make):
    """A warning in the log calls nobody; the counter does, by an alert."""
    hooks = make(("tap", name, "Client.missing", shout), ("other", name, "get", shout))
    before = Counter(_guard.counts())
    hooks.install()
    load(name)

    assert Counter(_guard.counts()) - before == {f"{STAGE} tap": 1}


def test_what_is_watched_is_in_the_log_for_those_who_want_to_know(name, make, caplog):
    with caplog.at_level("DEBUG", "otel_stream"):
        make(("tap", name, "Client.send", shout), ("tap", name, "get", shout)).install()
        load(name)

    assert f"tap is watched: Client.send, get in {name}" in caplog.text


def test_the_oldest_versions_are_those_that_are_tested():
    """`make compat` runs the tests with the lowest versions that pyproject.toml allows."""
    declared = dict(re.findall(r'"([a-z0-9]+)>=([0-9.]+)', (ROOT / "pyproject.toml").read_text("utf-8")))
    oldest = {library_of(hook.module): hook.oldest for hook in chain(*HOOKS._groups.values())}

    assert {name: declared.get(name, "2") for name in oldest} == oldest


@pytest.mark.usefixtures("swallow")
def test_our_own_bug_costs_the_tap_and_not_the_hosts_import(name, make):
    hooks = make(("tap", name, "Client.send", shout), ("tap", name, "get", broken))
    before = _guard.counts().get("hooking tap", 0)
    hooks.install()
    library = load(name)

    assert (library.Client().send(), library.get()) == ("sent", "got")
    assert (hooks.states(), _guard.counts()["hooking tap"] - before) == (
        [State("tap", name, "failed", "see the log")], 1,
    )  # fmt: skip


def test_a_failure_half_way_through_installing_removes_what_was_in(name, make, monkeypatch):
    hooks = make(("tap", name, "get", shout), ("other", f"{name}_second", "get", shout))
    library = load(name)
    second = types.ModuleType(f"{name}_second")
    monkeypatch.setitem(sys.modules, second.__name__, second)
    second.get = library.get
    for wanted in (name, second.__name__):
        hooks._groups["broken", wanted] = [Hook("broken", wanted, "Client", broken)]
    second.Client = library.Client

    with pytest.raises(RuntimeError, match="our bug"):
        hooks.install()

    assert (library.get(), second.get()) == ("got", "got")
    assert {state.state for state in hooks.states()} == {"off"}


def test_taps_can_be_switched_off_by_name(name, make):
    hooks = make(("tap", name, "Client.send", shout), ("other", name, "get", shout))
    hooks.install(off=["tap"])
    library = load(name)

    assert (library.Client().send(), library.get()) == ("sent", "GOT")
    assert [state.state for state in hooks.states()] == ["off", "installed"]


def test_somebody_elses_wrapper_around_ours_survives_our_removal(name, make):
    """Ours stays beneath theirs, and is found there when we come back."""
    hooks = make(("tap", name, "Client.send", shout))
    library = load(name)
    hooks.install()

    @functools.wraps(library.Client.send)
    def theirs(self, ours=library.Client.send):
        return ours(self) + "!"

    library.Client.send = theirs
    hooks.remove()
    after_removal = library.Client.send
    hooks.install()

    assert (after_removal is theirs, library.Client.send is theirs) == (True, True)
    assert library.Client().send() == "SENT!"


def test_a_replaced_attribute_is_hooked_anew(name, make):
    hooks = make(("tap", name, "Client.send", shout))
    library = load(name)
    hooks.install()
    library.Client.send = lambda self: "swapped"
    hooks.remove()
    hooks.install()

    assert library.Client().send() == "SWAPPED"
