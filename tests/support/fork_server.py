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
import time
import traceback
from functools import cache
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FRESH = "AGENTLOCK_TEST_FRESH"
# What an interpreter or the loader reads once, when it starts.
_READ_AT_START = ("PYTHON", "LC_", "LANG", "LD_")
_PIPE = 1 << 16  # what a pipe holds while nobody reads


def run_forked(
    arguments: Sequence[str], cwd: str, environment: Mapping[str, str], stdin: bytes
) -> tuple[int, bytes, bytes] | None:
    """The exit code and both outputs of ``agentlock``; None: it needs a new interpreter."""
    if os.environ.get(FRESH) or len(stdin) > _PIPE:
        return None
    asked = json.dumps([list(arguments), cwd, dict(environment)]).encode()
    return _server(_start_of(environment)).run(asked, stdin)


def _start_of(environment: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(item for item in environment.items() if item[0].startswith(_READ_AT_START)))


@cache
def _server(start: tuple[tuple[str, str], ...]) -> _Client:
    return _Client(dict(start))


class _Client:
    """The end in the test process: asks the server for processes."""

    def __init__(self, start: Mapping[str, str]) -> None:
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                (sys.executable, os.path.abspath(__file__), str(theirs.fileno())),
                pass_fds=(theirs.fileno(),),
                env={"PATH": os.environ["PATH"], **start},
                cwd="/",
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,
            )
        atexit.register(self._close)

    def _close(self) -> None:
        self._control.close()
        self._process.communicate()

    def run(self, asked: bytes, stdin: bytes) -> tuple[int, bytes, bytes]:
        ours, theirs = socket.socketpair()
        pipes = [os.pipe() for _ in range(3)]
        (their_in, our_in), (our_out, their_out), (our_err, their_err) = pipes
        with ours:
            descriptors = (theirs.fileno(), their_in, their_out, their_err)
            socket.send_fds(self._control, [b"x"], descriptors)
            theirs.close()
            for descriptor in descriptors[1:]:
                os.close(descriptor)
            ours.sendall(len(asked).to_bytes(8, "big") + asked)
            with contextlib.suppress(BrokenPipeError):
                os.write(our_in, stdin)
            os.close(our_in)
            out, err = _read_both(our_out, our_err)
            status = ours.makefile("rb").read()
        return os.waitstatus_to_exitcode(int(status)), out, err


def _read_both(*descriptors: int) -> list[bytes]:
    read: dict[int, list[bytes]] = {descriptor: [] for descriptor in descriptors}
    with selectors.DefaultSelector() as selector:
        for descriptor in descriptors:
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select():
                chunk = os.read(key.fd, _PIPE)
                read[key.fd].append(chunk)
                if not chunk:
                    selector.unregister(key.fd)
                    os.close(key.fd)
    return [b"".join(chunks) for chunks in read.values()]


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
            message, descriptors, _, _ = socket.recv_fds(control, 1, 4)
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
            request.sendall(str(status).encode())


def _become(descriptors: list[int]) -> NoReturn:
    """Be the process that was asked for: its streams, directory, environment and program."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    code = 1
    try:
        with socket.socket(fileno=descriptors[0]) as request, request.makefile("rb") as stream:
            arguments, cwd, environment = json.loads(
                stream.read(int.from_bytes(stream.read(8), "big"))
            )
        for number, descriptor in enumerate(descriptors[1:]):
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(environment)
        time.tzset()
        program = importlib.import_module("agentlock.__main__")
        sys.path[0] = os.getcwd()
        sys.argv = [str(program.__file__), *arguments]
        code = program.main()
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:  # noqa: BLE001 -- as an interpreter ends
        traceback.print_exc()
    finally:
        _end(code)


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
