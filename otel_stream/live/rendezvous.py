"""Where gateways and watchers of one user meet: a folder nobody else can enter, a socket for each process.

`$XDG_RUNTIME_DIR/otel-stream`, else `/tmp/otel-stream-<uid>`. `<pid>.sock` is a Unix socket; `<pid>.json`
tells the address and the token of a process that listens on a loopback port instead.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import stat
import struct
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from otel_stream._guard import logger

FOLDER = "otel-stream"
MAX_SOCKET_PATH = 107  # bytes; sun_path has 108 with the closing zero (unix(7)), macOS 104
PROBE_SECONDS = 1.0
YOUNG_SECONDS = 5  # between its `bind` and its `listen` a socket looks as if its process were dead
_UCRED = struct.Struct("3i")  # pid, uid, gid
_OTHERS = 0o077


class RendezvousError(OSError):
    """The folder or the socket cannot be used, or not safely; the message says why and what to do."""


class Address(msgspec.Struct, frozen=True):
    """Where a process can be watched over TCP, as told by its file."""

    url: str
    token: str


class Target(msgspec.Struct, frozen=True):
    """A process that may be watched. Exactly one of `socket` and `address` is set."""

    key: str
    """The process id, with a suffix where two share one."""
    socket: str = ""
    address: Address | None = None

    @property
    def where(self) -> str:
        """The address for people; never the token."""
        return self.socket if self.address is None else self.address.url


def folder(given: str = "", env: Mapping[str, str] = os.environ) -> Path:
    """Return the folder to meet in; `given` is the setting `live_path`, `env` that of another process."""
    if given:
        return Path(given)
    runtime = env.get("XDG_RUNTIME_DIR", "")
    if runtime and Path(runtime).is_dir():
        return Path(runtime) / FOLDER
    return Path(tempfile.gettempdir()) / f"{FOLDER}-{os.getuid()}"


def prepare(place: Path) -> None:
    """Make the folder, or see that it is ours alone. Raises: RendezvousError."""
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise RendezvousError(f"cannot make {place}: {error.strerror or error}") from error
    check(place)


def check(place: Path) -> None:
    """See that the folder is ours alone. Raises: RendezvousError when it is not, or not there."""
    try:
        found = place.lstat()
    except OSError as error:
        raise RendezvousError(f"cannot look at {place}: {error.strerror or error}") from error
    if not stat.S_ISDIR(found.st_mode):
        raise RendezvousError(f"{place} is not a folder")
    if found.st_uid != os.geteuid():
        raise RendezvousError(f"{place} belongs to another user (uid {found.st_uid})")
    if found.st_mode & _OTHERS:
        raise RendezvousError(f"{place} is open to other users; chmod 700 {place}")


def listen(place: Path) -> tuple[socket.socket, Path]:
    """Return a listening Unix socket in the folder, readable by its owner only, and its path.

    Sockets that nobody listens on any more are removed. Raises: RendezvousError.
    """
    prepare(place)
    remove_stale(place)
    path = _free_name(place, "sock")
    if len(os.fsencode(path)) > MAX_SOCKET_PATH:
        raise RendezvousError(f"{path} is too long for a socket; OTEL_STREAM_LIVE_PATH names another folder")
    listener = socket.socket(socket.AF_UNIX)
    try:
        # The mode of a socket before `bind` is that of its file: no window, no process-wide umask.
        with contextlib.suppress(OSError):  # Linux only; elsewhere the folder keeps others out until chmod
            os.fchmod(listener.fileno(), 0o600)
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen()
    except OSError as error:
        listener.close()
        raise RendezvousError(f"cannot listen on {path}: {error.strerror or error}") from error
    listener.setblocking(False)
    return listener, path


def loopback(port: int) -> socket.socket:
    """Return a socket listening on the loopback port; on a free one when another worker has it."""
    for wanted in (port, 0):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", wanted))
            listener.listen()
        except OSError as error:
            listener.close()
            if not wanted:
                raise
            logger.info("port %d is taken (%s); the live feed takes a free one", wanted, error.strerror)
            continue
        listener.setblocking(False)
        return listener
    raise AssertionError("unreachable: port 0 is free or raises")  # pragma: no cover


def publish(place: Path, url: str) -> tuple[str, Path]:
    """Write a new token and the URL to a file of ours alone; return the token and the file.

    Raises: RendezvousError.
    """
    prepare(place)
    remove_stale(place)
    token = secrets.token_urlsafe(32)
    path = _free_name(place, "json")
    try:
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(opened, "wb") as file:
            file.write(msgspec.json.encode(Address(url, token)))
    except OSError as error:
        raise RendezvousError(f"cannot write {path}: {error.strerror or error}") from error
    return token, path


def discover(place: Path) -> list[Target]:
    """Return the processes that can be watched, by process id; none where the folder is not there.

    Raises: RendezvousError when it is not ours alone.
    """
    if not place.exists():
        return []
    check(place)
    found = [target for path in place.iterdir() if (target := _target(path)) is not None]
    return sorted(found, key=lambda target: (len(target.key), target.key))


def remove_stale(place: Path) -> None:
    """Remove what processes left that ended without a farewell."""
    for path in place.iterdir():
        with contextlib.suppress(OSError):
            target = _target(path)
            young = time.time_ns() - path.lstat().st_mtime_ns < YOUNG_SECONDS * 1_000_000_000
            if target is not None and not young and not is_alive(target):
                path.unlink()


def peer_is_welcome(connection: socket.socket) -> bool:
    """Whether the other end of a Unix socket is this user, or root.

    The folder's and the socket's modes keep others out already; a descriptor may be handed on.
    """
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:  # pragma: no cover - macOS: the modes have to do
        return True
    _, uid, _ = _UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, option, _UCRED.size))
    return uid in (os.geteuid(), 0)


def _target(path: Path) -> Target | None:
    match path.suffix:
        case ".sock":
            return Target(path.stem, socket=str(path))
        case ".json":
            try:
                return Target(path.stem, address=msgspec.json.decode(path.read_bytes(), type=Address))
            except (OSError, msgspec.DecodeError):
                return None
    return None


def is_alive(target: Target) -> bool:
    """Whether somebody listens there. Only a refusal says no: who is merely busy is alive."""
    try:
        _connect(target).close()
    except (ConnectionRefusedError, FileNotFoundError):
        return False
    except (OSError, ValueError):
        return True
    return True


def _connect(target: Target) -> socket.socket:
    if target.address is not None:
        parts = urlsplit(target.address.url)
        return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=PROBE_SECONDS)
    probe = socket.socket(socket.AF_UNIX)
    probe.settimeout(PROBE_SECONDS)
    try:
        probe.connect(target.socket)
    except OSError:
        probe.close()
        raise
    return probe


def _free_name(place: Path, suffix: str) -> Path:
    """Return `<pid>.<suffix>`; containers that share the folder may share a pid, so one may be taken."""
    path = place / f"{os.getpid()}.{suffix}"
    target = _target(path) if path.exists() else None
    if target is not None and not is_alive(target):
        path.unlink()
    while path.exists():
        path = place / f"{os.getpid()}-{secrets.token_hex(2)}.{suffix}"
    return path
