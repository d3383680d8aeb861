from __future__ import annotations

import os
import socket
import sys

import pytest

from otel_stream.demo import processes
from otel_stream.demo.processes import Child, ChildFailed, free_port

SERVER = "import socket,time; s=socket.create_server(('127.0.0.1',{port})); time.sleep(60)"
STUBBORN = "import signal,sys,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SERVER
FAILING = "import sys; [print('line', n, file=sys.stderr) for n in range(50)]; sys.exit('no such model')"


@pytest.fixture
def start(tmp_path):
    async def start(program, **options):
        command = [sys.executable, "-c", program]
        return await Child.start("server", command, env=os.environ, log=tmp_path / "log", **options)

    return start


async def test_a_child_is_ready_when_it_listens_and_ends_when_told(start):
    port = free_port(0)
    child = await start(SERVER.format(port=port))

    await child.ready(port)
    await child.stop()
    await child.stop()

    assert await child.wait() != 0


async def test_a_child_that_does_not_want_to_end_is_killed(start, monkeypatch):
    monkeypatch.setattr(processes, "STOP_SECONDS", 0.1)
    port = free_port(0)
    child = await start(STUBBORN.format(port=port))

    await child.ready(port)
    await child.stop()

    assert await child.wait() == -9


async def test_a_child_that_fails_is_told_with_the_end_of_its_log(start):
    child = await start(FAILING)

    with pytest.raises(ChildFailed) as failed:
        await child.ready(free_port(0))

    lines = str(failed.value).splitlines()
    assert lines[0] == "the server ended; the end of its log:"
    assert lines[-1] == "no such model"
    assert len(lines) == 1 + processes.TOLD_LINES


async def test_a_child_that_never_listens_is_given_up(start):
    child = await start("import time; time.sleep(60)")

    with pytest.raises(ChildFailed, match="does not listen on port"):
        await child.ready(free_port(0), 0.2)
    await child.stop()


async def test_a_child_may_tidy_up_before_it_ends(start, tmp_path):
    port, path = free_port(0), tmp_path / "tidy"
    tidy = (
        "import pathlib, signal, sys\n"
        f"def end(*_): pathlib.Path({str(path)!r}).touch(); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end)\n"
    )
    child = await start(tidy + SERVER.format(port=port))

    await child.ready(port)
    await child.stop()

    assert path.exists()


async def test_our_ctrl_c_does_not_reach_it(start):
    child = await start("import time; time.sleep(60)")

    assert os.getsid(child._process.pid) != os.getsid(0)
    await child.stop()


async def test_a_child_that_ended_by_itself_needs_no_stop(start):
    child = await start("pass")

    assert await child.wait() == 0
    await child.stop()


def test_the_wanted_port_is_given_when_it_is_free():
    wanted = free_port(0)

    assert free_port(wanted) == wanted


def test_a_busy_port_is_replaced_by_a_free_one():
    with socket.create_server(("127.0.0.1", 0)) as busy:
        taken = busy.getsockname()[1]

        assert free_port(taken) not in (0, taken)


def test_a_port_given_before_is_not_given_again():
    port = free_port(0)

    assert free_port(port, [port]) != port


def test_without_any_port_that_is_said(monkeypatch):
    monkeypatch.setattr(socket.socket, "bind", lambda *_: (_ for _ in ()).throw(OSError("busy")))

    with pytest.raises(OSError, match="no free port"):
        free_port(8400)


async def test_nobody_answers_on_a_free_port():
    assert await processes._answers(free_port(0)) is False


async def test_a_child_in_our_terminal_says_itself_what_is_wrong(capfd):
    child = await Child.in_our_terminal(
        "screen", [sys.executable, "-c", "import sys; sys.exit('no colours')"]
    )

    assert await child.wait() == 1
    assert capfd.readouterr().err == "no colours\n"
    assert child.complaint("ended") == "the screen ended"
