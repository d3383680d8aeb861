from __future__ import annotations

import json
import os
import socket
import stat
import struct

import pytest

from otel_stream.live import rendezvous
from otel_stream.live.rendezvous import (
    Address,
    RendezvousError,
    Target,
    discover,
    folder,
    is_alive,
    listen,
    peer_is_welcome,
    prepare,
    publish,
    remove_stale,
)


def mode(path):
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.fixture
def place(tmp_path):
    """A folder for sockets; pytest's own paths may be too long for one."""
    return tmp_path / "live"


def age(path):
    os.utime(path, (1, 1))


def test_the_folder_is_the_users_own(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    runtime = folder()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "gone"))
    monkeypatch.setattr("tempfile.tempdir", "/tmp")

    assert runtime == tmp_path / "otel-stream"
    assert str(folder()) == f"/tmp/otel-stream-{os.getuid()}"
    assert str(folder("/run/gateway")) == "/run/gateway"


def test_folder_and_socket_are_open_to_their_owner_only(place):
    before = os.umask(0)
    try:
        listener, path = listen(place)
    finally:
        os.umask(before)

    with listener:
        assert (mode(place), mode(path)) == (0o700, 0o600)
        assert path.name == f"{os.getpid()}.sock"


def test_the_socket_is_never_open_to_others_not_even_for_a_moment(place, monkeypatch):
    """Its mode is right when `bind` returns, before anything else could set it."""
    prepare(place)
    seen = []
    chmod = type(place).chmod
    monkeypatch.setattr(type(place), "chmod", lambda path, to: (seen.append(mode(path)), chmod(path, to)))
    before = os.umask(0)
    try:
        listener, _ = listen(place)
    finally:
        os.umask(before)
    listener.close()

    assert seen == [0o600]


@pytest.mark.parametrize("wrong", [0o755, 0o770, 0o701])
def test_a_folder_open_to_others_is_refused(place, wrong):
    place.mkdir()
    place.chmod(wrong)

    with pytest.raises(RendezvousError, match="is open to other users; chmod 700"):
        listen(place)
    with pytest.raises(RendezvousError, match="is open to other users"):
        discover(place)


def test_a_folder_of_another_user_is_refused(place, monkeypatch):
    prepare(place)
    monkeypatch.setattr(os, "geteuid", lambda: 4711)

    with pytest.raises(RendezvousError, match=r"belongs to another user \(uid \d+\)"):
        prepare(place)


def test_a_link_in_the_folders_place_is_refused(place, tmp_path):
    """Somebody could have made it in /tmp to have our sockets elsewhere."""
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    place.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(RendezvousError, match="is not a folder"):
        prepare(place)


def test_a_file_in_the_folders_place_is_refused(place):
    place.touch()

    with pytest.raises(RendezvousError, match="cannot make"):
        prepare(place)


def test_a_folder_that_is_not_there_has_nobody(place):
    assert discover(place) == []
    with pytest.raises(RendezvousError, match="cannot look at"):
        rendezvous.check(place)


def test_who_listens_is_found(place):
    listener, path = listen(place)
    token, file = publish(place, "http://127.0.0.1:8080/")
    (place / "notes.txt").touch()
    (place / "12.json").write_text("not an address")

    with listener:
        targets = {target.where: target for target in discover(place)}

    assert targets == {
        str(path): Target(path.stem, socket=str(path)),
        "http://127.0.0.1:8080/": Target(file.stem, address=Address("http://127.0.0.1:8080/", token)),
    }


def test_the_token_is_in_a_file_of_its_owner_and_never_the_same(place):
    before = os.umask(0)
    try:
        first, _ = publish(place, "http://127.0.0.1:8080/")
        second, file = publish(place, "http://127.0.0.1:8080/")
    finally:
        os.umask(before)

    assert mode(file) == 0o600
    assert json.loads(file.read_text()) == {"url": "http://127.0.0.1:8080/", "token": second}
    assert len(first) >= 43
    assert first != second


def test_a_name_that_is_taken_gets_a_suffix(place):
    """Containers that share the folder may share a process id."""
    first, path = listen(place)
    second, other = listen(place)

    with first, second:
        assert other != path
        assert other.name.startswith(f"{os.getpid()}-")


def test_what_our_own_process_id_left_behind_is_replaced(place):
    """In a container the gateway may be process 1 each time."""
    first, path = listen(place)
    first.close()

    second, again = listen(place)
    second.close()

    assert again == path


def test_sockets_nobody_listens_on_are_removed(place):
    listener, path = listen(place)
    dead, young = place / "1.sock", place / "2.sock"
    for stale in (dead, young):
        with socket.socket(socket.AF_UNIX) as gone:
            gone.bind(str(stale))
    busy = place / "3.sock"
    busy.touch()
    for old in (dead, path):
        age(old)

    with listener:
        remove_stale(place)

    assert {file.name for file in place.iterdir()} == {"2.sock", "3.sock", path.name}


def test_addresses_nobody_listens_at_are_dead(place):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        target = Target("1", address=Address(f"http://127.0.0.1:{server.getsockname()[1]}/", "t"))
        alive = is_alive(target)

    assert (alive, is_alive(target)) == (True, False)
    assert is_alive(Target("1", address=Address("http://127.0.0.1:nonsense/", "t")))


def test_a_path_too_long_for_a_socket_names_the_setting(tmp_path):
    with pytest.raises(RendezvousError, match="too long for a socket; OTEL_STREAM_LIVE_PATH"):
        listen(tmp_path / ("x" * 100))


def test_a_socket_that_cannot_be_made_is_explained(place, monkeypatch):
    monkeypatch.setattr(rendezvous, "_free_name", lambda place, suffix: place / "no" / "such.sock")

    with pytest.raises(RendezvousError, match=r"cannot listen on .*no/such\.sock: No such file"):
        listen(place)
    with pytest.raises(RendezvousError, match=r"cannot write .*no/such\.sock: No such file"):
        publish(place, "http://127.0.0.1:1/")


class Peer:
    """A connection whose other end is somebody."""

    def __init__(self, uid):
        self.uid = uid

    def getsockopt(self, level, option, size):
        assert (level, option) == (socket.SOL_SOCKET, socket.SO_PEERCRED)
        return struct.pack("3i", 4711, self.uid, 0)


def test_only_this_user_and_root_are_welcome(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    assert [peer_is_welcome(Peer(uid)) for uid in (1000, 0, 1001, 65534)] == [True, True, False, False]
