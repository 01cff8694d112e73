"""Whose turn it is to write: writers queue in the kernel, in the order in which they came.

SQLite's busy handler sleeps and asks again, so that among many writers somebody always asks at the
wrong moment (benchmarks/RESULTS.md). Here each takes the next number, a byte of a file beside the
database, keeps that byte locked until its transaction is over, and waits for the byte before it:
the kernel wakes one writer, the next one. (One flock(2) for all would let a newcomer overtake the
one that is being woken.)

It is a courtesy: BEGIN IMMEDIATE alone decides who may write. Who gets no turn in time (no such
locks here, a file that cannot be written, a holder that is stopped) asks SQLite as before.

A hook comes here only where it has something to write.
"""

from __future__ import annotations

import _thread
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import fcntl
    from typing import Any
else:
    try:
        import fcntl
    except ImportError:  # Windows: SQLite's own waiting has to do
        fcntl = None

SUFFIX = ".turn"
_MOST_TRIES = 10_000  # more than ever come in the same moment
_MOST_NUMBERS = 1 << 20  # then the file starts again: a megabyte, and once a writer who overtakes


class Turn:
    """A place in the queue of the writers, from its making until ``give_up``."""

    __slots__ = ("_come", "_descriptor", "_settled", "number")

    def __init__(self, database: str) -> None:
        self.number = 0  # how many have come before; 0 also where no place can be had
        self._come: Any = None  # locked until the turn has come; None: nobody was before us
        self._settled: Any = None  # locked by who is first, the thread or us: the other closes
        self._descriptor = -1
        if fcntl is not None:
            try:
                self._queue(database)
            except (OSError, RuntimeError):  # no such lock, or no thread to be had
                self.give_up()

    def _queue(self, database: str) -> None:
        self._descriptor = _open(database)
        self.number = number = _take_number(self._descriptor)
        if number >= _MOST_NUMBERS:
            os.ftruncate(self._descriptor, 0)
        if number == 0:
            return
        if not _lock(self._descriptor, fcntl.LOCK_SH, number - 1):
            self._wait_in_thread(number - 1)

    def _wait_in_thread(self, number: int) -> None:
        """Waiting knows no time limit, and signals belong to the program: so a thread waits."""
        come, settled = _thread.allocate_lock(), _thread.allocate_lock()
        come.acquire()
        _thread.start_new_thread(_wait, (self._descriptor, number, come, settled))
        self._come, self._settled = come, settled

    def wait(self, seconds: float) -> None:
        """Return when the turn has come, or when so much time has passed: the place is kept."""
        if self._come is not None:
            self._come.acquire(True, seconds)

    def give_up(self) -> None:
        """Let the next one have its turn; called at any time, and as often as one likes."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor < 0:
            return
        if self._settled is None or not self._settled.acquire(False):
            os.close(descriptor)


def _take_number(descriptor: int) -> int:
    """Lock the first byte that nobody has had.

    It is locked before it is written, and so before the file's size tells anybody of it: who comes
    next finds it locked, or done. A byte that is written was somebody's, who may have gone since.
    """
    number = os.lseek(descriptor, 0, os.SEEK_END)
    for _ in range(_MOST_TRIES):
        if not _lock(descriptor, fcntl.LOCK_EX, number):
            number += 1
        elif not os.pread(descriptor, 1, number).strip(b"\0"):
            os.pwrite(descriptor, b".", number)
            return number
        else:
            fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, number)
            number = max(number + 1, os.lseek(descriptor, 0, os.SEEK_END))
    raise OSError("somebody keeps the whole file locked")


def _lock(descriptor: int, kind: int, number: int) -> bool:
    """Lock a byte, if that can be done at once."""
    try:
        fcntl.lockf(descriptor, kind | fcntl.LOCK_NB, 1, number)
    except (BlockingIOError, PermissionError):  # POSIX allows either
        return False
    return True


def _wait(descriptor: int, number: int, come: Any, settled: Any) -> None:
    """A thread until the number before is free; it closes what was given up meanwhile."""
    try:  # noqa: SIM105 -- contextlib would cost a hook an import
        fcntl.lockf(descriptor, fcntl.LOCK_SH, 1, number)
    except OSError:  # it would be a deadlock, or the file system is gone: as good as a turn
        pass
    if settled.acquire(False):
        come.release()
    else:
        os.close(descriptor)


def _open(database: str) -> int:
    """Open the file of the numbers, made where it is missing, for whoever may use the database."""
    path = database + SUFFIX
    flags = os.O_RDWR | os.O_CLOEXEC
    try:
        return os.open(path, flags)
    except FileNotFoundError:
        mode = os.stat(database).st_mode & 0o666
        descriptor = os.open(path, flags | os.O_CREAT, mode)
        try:  # noqa: SIM105 -- as above
            os.fchmod(descriptor, mode)  # whatever the umask is
        except OSError:  # somebody else has just made it, and it is theirs
            pass
        return descriptor
