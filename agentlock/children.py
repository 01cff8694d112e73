"""Run a program that is not git: an agent's program, or the shell line of one of our entries."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any

from agentlock.model import Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


class Ended(Value):
    """How a program ended; ``code`` is None if it had to be ended."""

    code: int | None
    out: str
    err: str


def run(
    command: Sequence[str],
    *,
    limit: float,
    stdin: str = "",
    cwd: bytes | None = None,
    environment: Mapping[str, str] | None = None,
) -> Ended:
    """Run a program and wait, ``limit`` seconds at most; OSError if it cannot be started."""
    pipe = subprocess.PIPE
    child = subprocess.Popen(
        command,
        cwd=cwd,
        env=environment,
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        text=True,
        encoding="utf-8",
        errors="backslashreplace",
        start_new_session=True,
    )
    try:
        out, err = child.communicate(stdin, timeout=limit)
    except subprocess.TimeoutExpired:
        _end(child)
        out, err = child.communicate()
        return Ended(None, out, err)
    return Ended(child.returncode, out, err)


@contextmanager
def talking(command: Sequence[str], *, limit: float) -> Iterator[Talk]:
    """Start a program to talk with, and end it afterwards.

    OSError if it cannot be started, or gives no answer within ``limit`` seconds.
    """
    child = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        start_new_session=True,
    )
    with child:
        try:
            if child.stdin is not None and child.stdout is not None:
                yield Talk(child.stdin, child.stdout, limit)
        finally:
            _end(child)


class Talk:
    """A conversation with a program that answers requests by lines of JSON (JSON-RPC)."""

    def __init__(self, to: IO[bytes], answers: IO[bytes], limit: float) -> None:
        self._to, self._answers, self._limit = to, answers, limit
        self._last, self._rest = 0, b""

    def say(self, method: str, given: Mapping[str, Any]) -> None:
        """Tell it something that has no answer."""
        self._write({"method": method, "params": given})

    def ask(self, method: str, given: Mapping[str, Any]) -> Any:
        """Its answer to a request; OSError if that is an error."""
        self._last += 1
        self._write({"id": self._last, "method": method, "params": given})
        end = time.monotonic() + self._limit
        while True:
            try:
                answer = json.loads(self._line(end))
            except ValueError as error:
                raise OSError("its answer is no JSON") from error
            if isinstance(answer, dict) and answer.get("id") == self._last:
                if "result" not in answer:
                    raise OSError(f"{method}: {json.dumps(answer.get('error'))[:200]}")
                return answer["result"]

    def _write(self, message: Mapping[str, Any]) -> None:
        self._to.write(json.dumps(message).encode() + b"\n")

    def _line(self, end: float) -> bytes:
        with selectors.DefaultSelector() as selector:
            selector.register(self._answers, selectors.EVENT_READ)
            while b"\n" not in self._rest:
                left = end - time.monotonic()
                if left <= 0 or not selector.select(left):
                    raise OSError("it gave no answer in time")
                data = os.read(self._answers.fileno(), 1 << 16)
                if not data:
                    raise OSError("it ended")
                self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return line


def _end(child: subprocess.Popen[Any]) -> None:
    """End it, with what it started."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
