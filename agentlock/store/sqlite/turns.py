"""Whose turn it is to write: writers queue in the kernel, in the order in which they came.

SQLite's busy handler sleeps and asks again, so among many writers somebody always asks at the wrong
moment (benchmarks/RESULTS.md). Here each writer takes the next number, which is a byte of a file
next to the database. It keeps that byte locked until its transaction is over, and waits for the
byte before it, so the kernel wakes exactly the next writer. (With one flock(2) for all, a newcomer
could overtake the writer that is being woken.)

A turn is a courtesy: BEGIN IMMEDIATE alone decides who may write. A writer that gets no turn in
time (the file system has no locks, the file cannot be written, another writer is stopped) asks
SQLite without one. A hook comes here only if it has something to write.
"""

from __future__ import annotations

import _thread
import fcntl
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SUFFIX = ".turn"
_MOST_TRIES = 10_000  # more writers than ever come at the same moment
_MOST_NUMBERS = 1 << 20  # a megabyte; then the file starts again, and one writer may overtake


class Turn:
    """A place in the queue of the writers, kept until ``give_up``."""

    __slots__ = ("_come", "_descriptor", "_settled", "number")

    def __init__(self, database: str) -> None:
        self.number = 0  # how many writers came before; 0 as well if there is no place
        self._come: Any = None  # locked until the turn has come; None: nobody was before us
        self._settled: Any = None  # the thread or we lock it, and whoever is second closes the file
        self._descriptor = -1
        try:
            self._queue(database)
        except (OSError, RuntimeError):  # the file system has no such locks, or no thread is left
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
        """Let a thread wait: fcntl(2) knows no time limit, and signals belong to the program."""
        come, settled = _thread.allocate_lock(), _thread.allocate_lock()
        come.acquire()
        _thread.start_new_thread(_wait, (self._descriptor, number, come, settled))
        self._come, self._settled = come, settled

    def wait(self, seconds: float) -> None:
        """Return when the turn has come, or after that time; the place is kept either way."""
        if self._come is not None:
            self._come.acquire(True, seconds)

    def give_up(self) -> None:
        """Let the next writer have its turn; it may be called at any time and more than once."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor < 0:
            return
        if self._settled is None or not self._settled.acquire(False):
            os.close(descriptor)


def _take_number(descriptor: int) -> int:
    """Lock the first byte that nobody has had; its number.

    The byte is locked before it is written, and so before the file's size tells others of it:
    the next writer finds it locked or done. A byte that is written belongs to a writer, who may
    have left since.
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
    raise OSError("another process keeps the whole file locked")


def _lock(descriptor: int, kind: int, number: int) -> bool:
    """Try to lock a byte without waiting; whether it is locked now."""
    try:
        fcntl.lockf(descriptor, kind | fcntl.LOCK_NB, 1, number)
    except (BlockingIOError, PermissionError):  # POSIX allows either
        return False
    return True


def _wait(descriptor: int, number: int, come: Any, settled: Any) -> None:
    """Wait, in a thread, until the number before is free; close what was given up meanwhile."""
    try:  # noqa: SIM105 -- contextlib would cost a hook an import
        fcntl.lockf(descriptor, fcntl.LOCK_SH, 1, number)
    except OSError:  # a deadlock, or the file system is gone: go on as if the turn had come
        pass
    if settled.acquire(False):
        come.release()
    else:
        os.close(descriptor)


def _open(database: str) -> int:
    """Open the file of the numbers, and make it if it is missing, for all users of the database."""
    path = database + SUFFIX
    flags = os.O_RDWR | os.O_CLOEXEC
    try:
        return os.open(path, flags)
    except FileNotFoundError:
        mode = os.stat(database).st_mode & 0o666
        descriptor = os.open(path, flags | os.O_CREAT, mode)
        try:  # noqa: SIM105 -- as above
            os.fchmod(descriptor, mode)  # whatever the umask is
        except OSError:  # another user has just made it
            pass
        return descriptor
