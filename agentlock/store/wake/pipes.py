"""Bells of an SQLite database: a named pipe for each process that waits.

Its process keeps the pipe open, so the kernel knows whether that process lives, in whatever
container: a pipe that nobody reads cannot be opened for writing. A pipe belongs to the same users
as the database, and its path may be longer than the 108 bytes of a socket's.
"""

from __future__ import annotations

import errno
import os
import select
import stat
import time

from agentlock.table_errors import CannotWakeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from agentlock.store.base import Store

SUFFIX = ".bells"
_MOST_SWEPT = 100
_MOST_TRIES = 100


class PipeBell:
    """See ``wake.Bell``; ``name`` is its path within the folder of all bells.

    Each ``look_every`` seconds it looks whether the database has changed, because somebody may have
    been killed between a commit and the ring.
    """

    look_every = 25.0
    is_heard = True

    def __init__(self, store: Store, name: str, descriptor: int) -> None:
        self.name = name
        self._store = store
        self._descriptor = descriptor
        self._seen = _state(store.location)

    def sleep(self, until: int) -> None:
        waiting = select.poll()
        waiting.register(self._descriptor, select.POLLIN)
        while (left := (until - self._store.now()) / 1_000_000) > 0:
            if waiting.poll(min(left, self.look_every) * 1000 + 1):
                os.read(self._descriptor, 4096)
                break
            if self._seen != _state(self._store.location):
                break
        self._seen = _state(self._store.location)  # before the caller looks at the table
        self._store.rested()

    def close(self) -> None:
        path = _path(self._store.location, self.name)
        _remove(path)
        os.close(self._descriptor)
        try:  # noqa: SIM105 -- contextlib would cost a hook an import
            os.rmdir(os.path.dirname(path))
        except OSError:  # somebody else waits for the same
            pass


def made(store: Store, what: str) -> PipeBell:
    """A new bell; CannotWakeError if the folder of the database cannot hold one."""
    folder = _path(store.location, what)
    try:
        for _ in range(_MOST_TRIES):
            try:
                _make_folders(store.location, folder)
                _sweep(store.location, what)
                token = os.urandom(6).hex()
                descriptor = _opened(store.location, os.path.join(folder, token))
                return PipeBell(store, f"{what}/{token}", descriptor)
            except FileNotFoundError:  # noqa: PERF203 -- another process removed the empty folder
                continue
    except OSError as error:
        raise CannotWakeError(
            f"{folder} cannot hold the named pipe that would wake this process: {error.strerror}",
            fix=f"let this user or sandbox write to {os.path.dirname(store.location)}",
        ) from error
    raise CannotWakeError(f"{folder} is removed again and again", fix="try again")


def _opened(database: str, path: str) -> int:
    """Make a pipe and open it; it gets its name last, so under its name it is never unread."""
    folder, token = os.path.split(path)
    draft = os.path.join(folder, "." + token)
    os.mkfifo(draft, 0o600)
    try:
        descriptor = os.open(draft, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        _share(draft, database, os.stat(database).st_mode & 0o666)
        os.rename(draft, path)
    except BaseException:
        _remove(draft)
        raise
    return descriptor


def _make_folders(database: str, folder: str) -> None:
    for path in (database + SUFFIX, folder):
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            continue
        mode = os.stat(database).st_mode & 0o666
        inherited = os.stat(os.path.dirname(database)).st_mode & stat.S_ISGID
        _share(path, database, mode | (mode & 0o444) >> 2 | inherited)


def _share(path: str, database: str, mode: int) -> None:
    """Give a new file to the users of the database, also if root makes it."""
    if os.geteuid() == 0:
        owner = os.stat(database)
        os.chown(path, owner.st_uid, owner.st_gid)
    os.chmod(path, mode)


def _sweep(database: str, what: str) -> None:
    """Remove what processes left that were killed: all of it, or a part, where they are many."""
    names = os.listdir(_path(database, what))
    first = os.urandom(1)[0] * len(names) // 256 if len(names) > _MOST_SWEPT else 0
    for name in names[first : first + _MOST_SWEPT]:
        if not name.startswith("."):
            is_alive(database, f"{what}/{name}")
        elif _is_old(_path(database, f"{what}/{name}")):
            _remove(_path(database, f"{what}/{name}"))


def _is_old(path: str) -> bool:
    """Whether a draft was left behind: a process gives it its name within milliseconds."""
    try:
        return abs(time.time() - os.stat(path).st_mtime) > 3600
    except OSError:
        return False


def ring(database: str, names: Iterable[str]) -> None:
    """Ring these bells, and all in a folder where a name is that of a folder."""
    for name in names:
        found = [name] if "/" in name else _listed(database, name)
        for each in found:
            descriptor = _open(database, each)
            if descriptor >= 0:
                try:  # noqa: SIM105 -- as above
                    os.write(descriptor, b".")
                except OSError:  # it is full, so it has been rung; or its process has just ended
                    pass
                os.close(descriptor)


def _listed(database: str, what: str) -> list[str]:
    try:
        return [f"{what}/{one}" for one in os.listdir(_path(database, what)) if one[0] != "."]
    except OSError:  # nobody waits for it
        return []


def is_alive(database: str, name: str) -> bool:
    """Whether the process with this bell still runs; if not, the bell is removed."""
    descriptor = _open(database, name)
    if descriptor >= 0:
        os.close(descriptor)
    return descriptor != _GONE


_GONE, _UNKNOWN = -1, -2


def _open(database: str, name: str) -> int:
    """A bell, opened for ringing; _GONE if nobody listens, _UNKNOWN if that cannot be told."""
    what, _, token = name.partition("/")
    if not token.isalnum() or what.startswith("."):  # no name that was made here
        return _GONE
    path = _path(database, name)
    try:
        return os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    except (FileNotFoundError, NotADirectoryError):
        return _GONE
    except OSError as error:
        if error.errno != errno.ENXIO:
            return _UNKNOWN
        _remove(path)
        return _GONE


def _path(database: str, name: str) -> str:
    return f"{database}{SUFFIX}/{name}"


def _remove(path: str) -> None:
    try:  # noqa: SIM105 -- as above
        os.unlink(path)
    except OSError:
        pass


def _state(database: str) -> tuple[int, ...]:
    """What changes whenever somebody writes to the database; reading it asks no lock and no row."""
    found: list[int] = []
    for path in (database, database + "-wal"):
        try:
            file = os.stat(path)
        except OSError:  # noqa: PERF203 -- two times at most
            found.append(0)
        else:
            found += (file.st_ino, file.st_size, file.st_mtime_ns)
    return tuple(found)
