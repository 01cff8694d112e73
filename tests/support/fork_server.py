"""agentlock as a process of its own that is forked from one which has loaded the program.

Loading Python, click and the program costs ten times what most commands do. The process that is
forked has its own id, directory, environment, streams and exit code, as a started one has.
AGENTLOCK_TEST_FRESH=1 starts a new interpreter for every command instead.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import select
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

FRESH = "AGENTLOCK_TEST_FRESH"
# What an interpreter or the loader reads once, when it starts.
_READ_AT_START = ("PYTHON", "LC_", "LANG", "LD_")
_PIPE = 1 << 16  # what a pipe holds while nobody reads
_SELDOM = 4
_asked: Counter[tuple[tuple[str, str], ...]] = Counter()
_NUMBER = 8  # bytes of a length, a process id, a status


def is_forkable(environment: Mapping[str, str], stdin: bytes) -> bool:
    """Whether to fork; else an interpreter is started.

    What was set only now and then for interpreters is not worth a server.
    """
    set_for_it = _read_at_start(environment)
    _asked[set_for_it] += 1
    often = _asked[set_for_it] > _SELDOM or set_for_it == _read_at_start(os.environ)
    return FRESH not in environment and len(stdin) <= _PIPE and often


def start(
    arguments: Sequence[str],
    cwd: Path,
    environment: Mapping[str, str],
    stdin: bytes = b"",
    gate: int | None = None,
) -> Forked:
    """A process that runs ``agentlock``; with a gate, once the pipe's other end is closed."""
    asked = json.dumps([list(arguments), os.fspath(cwd), dict(environment)]).encode()
    return _server(_read_at_start(environment)).fork(asked, stdin, gate)


def _read_at_start(environment: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    found = (item for item in environment.items() if item[0].startswith(_READ_AT_START))
    return tuple(sorted(found))


class Forked:
    """A started process, as ``subprocess.Popen`` is one."""

    def __init__(self, reports: socket.socket, out: int, err: int) -> None:
        self._reports, self._out, self._err = reports, out, err
        self.pid = self._told()  # it stands at its gate then
        self.returncode: int | None = None

    def _told(self) -> int:
        number = self._reports.recv(_NUMBER)
        assert len(number) == _NUMBER, "the server of processes has ended"
        return int.from_bytes(number, "big")

    def poll(self) -> int | None:
        """The exit code; None: it still runs."""
        ended = self.returncode is not None or select.select((self._reports,), (), (), 0)[0]
        return self.wait() if ended else None

    def wait(self) -> int:
        """The exit code, once it has ended."""
        if self.returncode is None:
            self.returncode = os.waitstatus_to_exitcode(self._told())
            self._reports.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[bytes, bytes]:
        """Both outputs, once it has ended; nothing if they have been read before."""
        read: dict[int, list[bytes]] = {self._out: [], self._err: []}
        with selectors.DefaultSelector() as selector:
            for descriptor in read:
                if descriptor >= 0:
                    selector.register(descriptor, selectors.EVENT_READ)
            while selector.get_map():
                ready = selector.select(timeout)
                assert ready, f"{self.pid} said nothing for {timeout} s"
                for key, _ in ready:
                    chunk = os.read(key.fd, _PIPE)
                    read[key.fd].append(chunk)
                    if not chunk:
                        selector.unregister(key.fd)
                        os.close(key.fd)
        self.wait()
        out, err = (b"".join(read.get(descriptor, ())) for descriptor in (self._out, self._err))
        self._out, self._err = -1, -2
        return out, err


class _Server:
    """The test process's end of a server, which is started for it."""

    def __init__(self, read_at_start: Mapping[str, str]) -> None:
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                (sys.executable, os.path.abspath(__file__), str(theirs.fileno())),
                pass_fds=(theirs.fileno(),),
                env={"PATH": os.environ["PATH"], **read_at_start},
                cwd="/",
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,
            )
        atexit.register(self._close)

    def fork(self, asked: bytes, stdin: bytes, gate: int | None) -> Forked:
        reports, theirs = socket.socketpair()
        (their_in, our_in), (our_out, their_out), (our_err, their_err) = (
            os.pipe() for _ in range(3)
        )
        passed = [theirs.fileno(), their_in, their_out, their_err]
        socket.send_fds(self._control, [b"x"], [*passed, *(() if gate is None else (gate,))])
        theirs.close()
        for descriptor in passed[1:]:
            os.close(descriptor)
        reports.sendall(len(asked).to_bytes(_NUMBER, "big") + asked)
        forked = Forked(reports, our_out, our_err)
        with contextlib.suppress(BrokenPipeError):
            os.write(our_in, stdin)
        os.close(our_in)
        return forked

    def _close(self) -> None:
        self._control.close()
        self._process.communicate()


@cache
def _server(read_at_start: tuple[tuple[str, str], ...]) -> _Server:
    return _Server(dict(read_at_start))


def _serve(control: socket.socket) -> None:
    """Fork for each request until the tests have ended; tell each how its process ended."""
    woken, waker = socket.socketpair()
    waker.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waker.fileno())
    asking: dict[int, socket.socket] = {}
    while True:
        ready, _, _ = select.select((control, woken), (), ())
        if woken in ready:
            woken.recv(4096)
            _tell_ended(asking)
        if control in ready:
            message, descriptors, _, _ = socket.recv_fds(control, 1, 5)
            if not message:
                return
            pid = os.fork()
            if pid == 0:
                for other in (control, woken, waker, *asking.values()):
                    other.close()
                _become(descriptors)
            asking[pid] = socket.socket(fileno=descriptors[0])
            for descriptor in descriptors[1:]:
                os.close(descriptor)


def _tell_ended(asking: dict[int, socket.socket]) -> None:
    while asking:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        with asking.pop(pid) as request, contextlib.suppress(OSError):
            request.sendall(status.to_bytes(_NUMBER, "big"))


def _become(descriptors: list[int]) -> NoReturn:
    """Be the process that was asked for, from its gate to its end."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    # A shell that started the tests in the background lets them ignore ^C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    code = 1
    try:
        with socket.socket(fileno=descriptors[0]) as request:
            try:
                _set_up(request, descriptors[1:4])
            finally:
                request.sendall(os.getpid().to_bytes(_NUMBER, "big"))
        for gate in descriptors[4:]:
            os.read(gate, 1)
            os.close(gate)
        code = importlib.import_module("agentlock.__main__").main()
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:  # noqa: BLE001 -- as an interpreter ends
        traceback.print_exc()
    finally:
        _end(code)


def _set_up(request: socket.socket, streams: list[int]) -> None:
    """Take over the streams, directory, environment and arguments that are asked for."""
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    with request.makefile("rb") as stream:
        length = int.from_bytes(stream.read(_NUMBER), "big")
        arguments, cwd, environment = json.loads(stream.read(length))
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    tempfile.tempdir = None  # found anew, as the environment names it now
    sys.path[0] = os.getcwd()
    sys.argv = ["agentlock", *arguments]


def _end(code: int) -> NoReturn:
    try:
        atexit._run_exitfuncs()  # as the interpreter does
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = 120  # as an interpreter that cannot write its output ends
    finally:
        os._exit(code)


def _load() -> None:
    import agentlock

    for module in pkgutil.walk_packages(agentlock.__path__, "agentlock."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    importlib.import_module("agentlock.__main__")
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    _load()
    _serve(socket.socket(fileno=int(sys.argv[1])))
