"""Workers' files: read together, folded when their worker is dead, whatever is killed when."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
import workers

from otel_stream.config import SettingError
from otel_stream.metrics import multiprocess


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    workers.write(os.getpid(), "counter", 1)
    return tmp_path


def test_the_dead_are_counted_on_and_their_files_go(folder):
    for pid in (workers.DEAD + 1, workers.DEAD + 2):
        workers.write(pid, "counter", 3)
    before = workers.read(folder)
    workers.write(workers.DEAD + 3, "counter", 4, page="other")

    assert before == {"home": 7}
    assert workers.read(folder) == {"home": 7, "other": 4}
    assert workers.names(folder) == ["counter_0.db", f"counter_{os.getpid()}.db"]


@pytest.mark.parametrize(
    ("mode", "shown"), [("sum", 5), ("max", 3), ("min", 2), ("livesum", None), ("liveall", None)]
)
def test_gauges_of_the_dead_go_unless_they_mean_all_that_ever_lived(folder, mode, shown):
    workers.write(workers.DEAD + 1, "gauge", 3, mode=mode, page="gauge")
    workers.write(workers.DEAD + 2, "gauge", 2, mode=mode, page="gauge")

    assert workers.read(folder).get("gauge") == shown
    assert workers.read(folder).get("gauge") == shown
    assert workers.names(folder)[1:] == ([f"gauge_{mode}_0.db"] if shown else [])


def test_what_cannot_be_added_up_is_left_as_it_is(folder):
    workers.write(workers.DEAD + 1, "gauge", 3, mode="all", page="gauge")

    assert workers.read(folder)["gauge"] == 3
    assert f"gauge_all_{workers.DEAD + 1}.db" in workers.names(folder)


def test_files_that_are_not_named_by_pid_are_left_alone(folder):
    (folder / f"counter_{os.getpid()}.db").rename(folder / "counter_1.db")
    workers.write(workers.DEAD + 1, "counter", 3)
    workers.write(1 << 70, "counter", 3)

    assert workers.read(folder) == {"home": 7}
    assert f"counter_{workers.DEAD + 1}.db" in workers.names(folder)


def test_ids_that_are_no_pids_are_not_dead(folder):
    workers.write(1 << 70, "counter", 3)

    assert workers.read(folder) == {"home": 4}
    assert f"counter_{1 << 70}.db" in workers.names(folder)


def test_a_process_of_somebody_else_is_alive(folder, monkeypatch):
    def not_ours(pid, signal):
        raise PermissionError

    workers.write(workers.DEAD + 1, "counter", 3)
    monkeypatch.setattr(os, "kill", not_ours)

    assert workers.read(folder) == {"home": 4}
    assert f"counter_{workers.DEAD + 1}.db" in workers.names(folder)


def test_a_worker_killed_before_its_first_value_does_no_harm(folder):
    (folder / f"counter_{workers.DEAD + 1}.db").touch()
    (folder / f"gauge_livesum_{os.getpid()}.db").touch()

    assert workers.read(folder) == {"home": 1}
    assert f"counter_{workers.DEAD + 1}.db" not in workers.names(folder)


def test_a_file_may_go_while_it_is_looked_at(folder):
    assert not multiprocess._has_values(folder / "gauge_livesum_7.db")


class KilledHere(BaseException):
    """Stands for SIGKILL at a line: nothing of the function runs after it."""


def killed_at(line: int, path: Path) -> bool:
    """Reap, but be killed when that many lines of it have run; False when it was through before."""
    left = line

    def trace(frame, event, argument):
        nonlocal left
        if frame.f_code.co_filename != multiprocess.__file__:
            return None
        if event == "line":
            left -= 1
            if left == 0:
                raise KilledHere
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        multiprocess.reap(path)
    except KilledHere:
        return True
    finally:
        sys.settrace(before)
    return False


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # what is killed closes nothing
def test_whoever_folds_may_be_killed_at_any_line(folder):
    line, counted = 1, 1
    while True:
        for pid in (workers.DEAD + 1, workers.DEAD + 2):
            workers.write(pid, "counter", 1)
            workers.write(pid, "gauge", 1, mode="sum", page="gauge")
        counted += 2
        killed = killed_at(line, folder)

        assert workers.read(folder) == {"home": counted, "gauge": counted - 1}, line
        if not killed:
            break
        line += 1
    assert line > 100
    assert workers.names(folder) == ["counter_0.db", f"counter_{os.getpid()}.db", "gauge_sum_0.db"]


def test_the_folder_is_made_and_what_an_earlier_run_left_is_folded(tmp_path, monkeypatch):
    folder = tmp_path / "run" / "metrics"
    multiprocess.prepare(folder)
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(folder))
    workers.write(workers.DEAD + 1, "counter", 3)
    workers.write(workers.DEAD + 1, "gauge", 3, mode="livesum", page="gauge")

    multiprocess.prepare(folder)

    assert workers.names(folder) == ["counter_0.db"]
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_worker_that_comes_later_folds_nothing_of_its_siblings(folder):
    workers.write(workers.DEAD + 1, "counter", 3)
    seat = multiprocess.take_seat(folder)

    multiprocess.prepare(folder)
    multiprocess.release(seat)

    assert f"counter_{workers.DEAD + 1}.db" in workers.names(folder)


def test_a_folder_that_cannot_be_is_told_at_the_start(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(
        SettingError, match=r"PROMETHEUS_MULTIPROC_DIR must be a folder.*file/here.*Not a dir"
    ):
        multiprocess.prepare(tmp_path / "file" / "here")


@pytest.mark.parametrize("variable", ["PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir"])
def test_the_folder_is_named_by_prometheus_clients_own_variable(monkeypatch, variable):
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    before = multiprocess.folder()
    monkeypatch.setenv(variable, "/somewhere")

    assert (before, multiprocess.folder()) == (None, Path("/somewhere"))


def test_the_seat_is_given_once_until_it_is_free_again(tmp_path):
    first = multiprocess.take_seat(tmp_path)
    second = multiprocess.take_seat(tmp_path)
    multiprocess.release(first)
    third = multiprocess.take_seat(tmp_path)
    multiprocess.release(third)
    multiprocess.release(third)

    assert (first is None, second, third is None) == (False, None, False)


def test_a_forked_child_closes_its_copies_of_the_locks(tmp_path):
    seat = multiprocess.take_seat(tmp_path)

    multiprocess._let_go()

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(seat)


FORK_UNDER_LOCK = """
import os, sys
from pathlib import Path
from otel_stream.metrics import multiprocess
folder = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
with multiprocess._locked(folder):
    child = os.fork()
    if not child:
        sys.stdin.readline()
        os._exit(0)
with multiprocess._locked(folder):
    print("locked again")
os.wait()
"""


def test_a_child_forked_under_the_lock_does_not_hold_it(tmp_path):
    process = workers.start(FORK_UNDER_LOCK, tmp_path)
    try:
        assert process.stdout.readline() == "locked again\n"
    finally:
        workers.end(process)


WORKERS = """
import json, os, signal, sys, threading, urllib.request
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families
from otel_stream.events import Completed, Started
from otel_stream.metrics.exposition import serve
from otel_stream.metrics.prometheus import StreamMetrics

def work(ready, stay):
    metrics = StreamMetrics()
    for number in range(24):
        metrics.on_event(Started(f"r{number}", "gpt-4o", provider="openai", operation="chat"))
    for number in range(20):
        metrics.on_event(Completed(f"r{number}", 10, 5, 0.25, time_to_first_token_s=0.2, duration_s=1.0))
    os.write(ready, b".")
    os.close(leave)  # so that the parent's end is the end of this, whatever it died of
    os.read(stay, 1)
    os._exit(0)

# The server first, as a master process would have it: its children must not keep its port.
server = serve(REGISTRY, "127.0.0.1", 0)
StreamMetrics().watch([])
readable, ready = os.pipe()
stay, leave = os.pipe()
pids = []
for _ in range(3):
    pid = os.fork()
    if not pid:
        work(ready, stay)
    pids.append(pid)
for _ in pids:
    os.read(readable, 1)

def scrape():
    totals = {}
    for family in text_string_to_metric_families(urllib.request.urlopen(server.url).read().decode()):
        for sample in family.samples:
            totals[sample.name] = totals.get(sample.name, 0) + sample.value
    return [totals[name] for name in (
        "llm_stream_requests_total", "llm_stream_tokens_total", "llm_stream_duration_seconds_count",
        "llm_stream_in_flight", "llm_stream_build_info",
    )]

seen = []
def scrape_on(killed):
    for _ in range(5):
        seen.append(scrape())
    killed.wait()
    for _ in range(5):
        seen.append(scrape())

killed = threading.Barrier(4)
threads = [threading.Thread(target=scrape_on, args=(killed,)) for _ in range(3)]
for thread in threads:
    thread.start()
os.kill(pids[0], signal.SIGKILL)
os.kill(pids[1], signal.SIGKILL)
os.waitpid(pids[0], 0)
os.waitpid(pids[1], 0)
killed.wait()
for thread in threads:
    thread.join()
last, files = scrape(), os.listdir(os.environ["PROMETHEUS_MULTIPROC_DIR"])
print(json.dumps({"seen": seen, "last": last, "files": files}))
os.write(leave, b".")
os.waitpid(pids[2], 0)
"""


def test_killed_workers_leave_exact_totals_and_no_streams_in_flight(tmp_path):
    """No scrape, whichever thread, sees a dip or anything twice while workers are killed and folded."""
    process = workers.start(WORKERS, tmp_path)
    try:
        told = json.loads(process.stdout.readline())
    finally:
        workers.end(process)

    totals = [seen[:3] for seen in told["seen"]]
    in_flight = {seen[3] for seen in told["seen"]}
    assert totals == [[60, 900, 60]] * 30
    assert in_flight <= {12, 8, 4}
    assert told["last"] == [60, 900, 60, 4, 1]
    assert sum(name.startswith("counter") for name in told["files"]) == 3  # the dead, one worker, the master
