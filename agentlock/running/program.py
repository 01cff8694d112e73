"""Start a program as a child, and follow it to its end as a shell would.

The program keeps the terminal, the process group and the folder. What the terminal sends to the
group (^C, ^\\, ^Z) reaches it anyway, so the parent ignores it; what is sent to the parent alone is
passed on. Where the program stops, the parent stops, and they go on together.
"""

from __future__ import annotations

import os
import select
import signal
import time
from typing import TYPE_CHECKING

from agentlock.model import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import FrameType

NOT_EXECUTABLE, NOT_FOUND = 126, 127  # as a shell ends
_PASSED_ON = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCONT)
_IGNORED = (signal.SIGINT, signal.SIGQUIT)
_NOTICED = (*_PASSED_ON, signal.SIGTSTP, signal.SIGCHLD)
_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)  # which the interpreter ignores at its start
_GRACE = 0.3  # seconds in which a program stops at the terminal's ^Z by itself
_LOOK = 0.2


class Program(Value):
    """A child that has not started its program yet; ``start`` lets it."""

    process: int
    gate: int
    failure: int
    noticed: int  # where the numbers of signals arrive

    def start(self) -> int:
        """Let the program run; the system's error number if it cannot, else 0."""
        os.write(self.gate, b"go")
        os.close(self.gate)
        with os.fdopen(self.failure, "rb") as failure:
            return int(failure.read() or b"0")


def prepare(command: Sequence[str], environment: Mapping[str, str]) -> Program:
    """A child that will become the program. From now on this process only follows it."""
    noticed, notices = os.pipe()
    os.set_blocking(noticed, False)
    os.set_blocking(notices, False)
    signal.set_wakeup_fd(notices, warn_on_full_buffer=False)
    before = {one: signal.getsignal(one) for one in (*_IGNORED, *_NOTICED)}
    for one in _IGNORED:
        signal.signal(one, signal.SIG_IGN)
    for one in _NOTICED:
        signal.signal(one, _noticed)
    waiting, gate = os.pipe()
    failure, failed = os.pipe()
    process = os.fork()
    if process:
        os.close(waiting)
        os.close(failed)
        return Program(process, gate, failure, noticed)
    try:
        signal.set_wakeup_fd(-1)
        os.close(gate)
        if os.read(waiting, 2):  # else the parent is gone
            for one, handler in before.items():
                ignored = handler == signal.SIG_IGN
                signal.signal(one, signal.SIG_IGN if ignored else signal.SIG_DFL)
            for one in _BY_PYTHON:
                signal.signal(one, signal.SIG_DFL)
            os.execvpe(command[0], list(command), dict(environment))  # noqa: S606
    except OSError as error:
        os.write(failed, str(error.errno).encode())
    finally:
        os._exit(NOT_EXECUTABLE)


def follow(program: Program, every: float, renew: Callable[[], None]) -> int:
    """Wait until a child ends, and call ``renew`` each so many seconds; its exit code.

    A child that a signal ended has 128 and the number of the signal.
    """
    process, noticed = program.process, program.noticed
    due = time.monotonic() + every
    stops_at: float | None = None
    while True:
        pid, status = os.waitpid(process, os.WNOHANG | os.WUNTRACED)
        if pid and not os.WIFSTOPPED(status):
            return _code(status)
        if pid:
            stops_at, due = None, 0
            _stop_with(process)
        now = time.monotonic()
        if now >= due:
            renew()
            due = time.monotonic() + every
        if stops_at is not None and now >= stops_at:
            stops_at = None
            os.kill(process, signal.SIGTSTP)
        until = due if stops_at is None else min(due, stops_at)
        select.select([noticed], [], [], max(0.0, until - time.monotonic()))
        for number in _read(noticed):
            if number in _PASSED_ON:
                os.kill(process, number)
            elif number == signal.SIGTSTP:
                stops_at = time.monotonic() + _GRACE


def _read(noticed: int) -> bytes:
    try:
        return os.read(noticed, 4096)
    except BlockingIOError:
        return b""


def _noticed(_number: int, _frame: FrameType | None) -> None:
    """The number of the signal has woken `follow`; there is nothing else to do."""


def _stop_with(process: int) -> None:
    """Stop this process, because its child has, until somebody lets either of them go on."""
    if os.path.exists("/proc/self/stat"):
        _stop_watched(process)
    else:
        os.kill(os.getpid(), signal.SIGSTOP)
    os.kill(process, signal.SIGCONT)


def _stop_watched(process: int) -> None:
    """The same, and another process watches: whoever is stopped sees nothing go on, or end."""
    myself = os.getpid()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _NOTICED)
    watcher = os.fork()
    if not watcher:
        try:
            signal.set_wakeup_fd(-1)
            for one in _NOTICED:
                signal.signal(one, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
            while os.getppid() == myself and _is_stopped(process):
                time.sleep(_LOOK)
            if os.getppid() == myself:
                os.kill(myself, signal.SIGCONT)
        finally:
            os._exit(0)
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    os.kill(myself, signal.SIGSTOP)
    os.kill(watcher, signal.SIGKILL)
    os.waitpid(watcher, 0)


def _is_stopped(process: int) -> bool:
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            return file.read().rpartition(b") ")[2][:1] in b"Tt"
    except OSError:
        return False


def _code(status: int) -> int:
    if os.WIFSIGNALED(status):
        return 128 + os.WTERMSIG(status)
    return os.WEXITSTATUS(status)
