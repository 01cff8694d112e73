"""Run several programs at once, each as a child in a process group of its own.

What they print is passed on line by line, with the name of whoever printed it. ^C ends all.
"""

from __future__ import annotations

import os
import selectors
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from agentlock.model import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import FrameType

_ASKED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_HARDER = {signal.SIGINT: signal.SIGTERM, signal.SIGHUP: signal.SIGTERM}
_PATIENCE = 5.0  # seconds after each signal
_LOOK = 0.5  # a child can end while what it started still holds its pipe
_LONGEST_LINE = 1 << 16


class _Member(Value):
    name: str
    process: int
    output: int


class Running:
    """Programs that run; ``put`` gets each line of their output and the name."""

    def __init__(self, put: Callable[[str, bytes], None]) -> None:
        self._put = put
        self._members: dict[int, _Member] = {}
        self._rests: dict[int, bytes] = {}
        self._codes: dict[str, int] = {}
        self._selector = selectors.DefaultSelector()
        self._noticed, notices = os.pipe()
        for end in (self._noticed, notices):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(notices, warn_on_full_buffer=False)
        for one in (*_ASKED, signal.SIGCHLD):
            signal.signal(one, _noticed)
        self._selector.register(self._noticed, selectors.EVENT_READ)
        self._next: tuple[signal.Signals, float] | None = None

    def start(self, name: str, call: Callable[[], int]) -> None:
        """Call this in a child, which ends with what it returns."""
        output, end = os.pipe()
        process = os.fork()
        if not process:
            code = 70
            try:
                _become_member(end)
                code = call()
            finally:
                os._exit(code)
        os.close(end)
        with suppress(OSError):
            os.setpgid(process, process)
        os.set_blocking(output, False)
        self._members[process] = _Member(name, process, output)
        self._rests[output] = b""
        self._selector.register(output, selectors.EVENT_READ, name)

    def wait(self) -> dict[str, int]:
        """Wait until all have ended; the exit code of each, by its name."""
        while self._members:
            for key, _ in self._selector.select(_LOOK):
                if key.fd == self._noticed:
                    self._look_at_signals()
                else:
                    self._pass_on(key.fd, key.data)
            self._reap()
            if self._next is not None and time.monotonic() >= self._next[1]:
                self._end_all(self._next[0])
        return self._codes

    def _look_at_signals(self) -> None:
        for number in os.read(self._noticed, 4096):
            if number in _ASKED:
                self._end_all(signal.Signals(number))

    def _end_all(self, number: signal.Signals) -> None:
        """Send this to every member and what it started; harder if that does not end them."""
        for process in self._members:
            with suppress(ProcessLookupError):
                os.killpg(process, number)
        harder = _HARDER.get(number, signal.SIGKILL)
        self._next = (harder, time.monotonic() + _PATIENCE)

    def _reap(self) -> None:
        for process, one in list(self._members.items()):
            ended, status = os.waitpid(process, os.WNOHANG)
            if ended:
                code = os.waitstatus_to_exitcode(status)
                self._codes[one.name] = code if code >= 0 else 128 - code
                self._pass_on(one.output, one.name)
                if one.output in self._rests:  # something that it started still writes there
                    self._close(one.output, one.name)
                del self._members[process]

    def _pass_on(self, output: int, name: str) -> None:
        while output in self._rests:
            try:
                data = os.read(output, 1 << 16)
            except BlockingIOError:
                return
            if not data:
                self._close(output, name)
                return
            *lines, rest = (self._rests[output] + data).split(b"\n")
            if len(rest) > _LONGEST_LINE:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._put(name, line)
            self._rests[output] = rest

    def _close(self, output: int, name: str) -> None:
        rest = self._rests.pop(output)
        if rest:
            self._put(name, rest)
        self._selector.unregister(output)
        os.close(output)


def _become_member(output: int) -> None:
    """In the child: a group of its own, nothing to read, and its output in the pipe."""
    signal.set_wakeup_fd(-1)
    for one in (*_ASKED, signal.SIGCHLD):
        signal.signal(one, signal.SIG_DFL)
    with suppress(OSError):
        os.setpgid(0, 0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)


def _noticed(_number: int, _frame: FrameType | None) -> None:
    """Its number has woken `wait`."""


def together(
    calls: Mapping[str, Callable[[], int]], put: Callable[[str, bytes], None]
) -> dict[str, int]:
    """Run these at once, by their names, and wait; the exit code of each."""
    running = Running(put)
    for name, call in calls.items():
        running.start(name, call)
    return running.wait()
