"""What a worker runs: reads an order a line, writes a report a line, until there are no more."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import select
import signal
import sys
import tempfile
import time

from agentlock.__main__ import main
from agentlock.cli.commands import COMMANDS


def serve() -> None:
    for module, _ in COMMANDS.values():
        importlib.import_module(f"agentlock.cli.{module}")
    for line in sys.stdin:
        order = json.loads(line)
        began = time.monotonic_ns()
        result = run(**order)
        report = {"result": result, "began": began, "ended": time.monotonic_ns()}
        sys.stdout.write(json.dumps(report) + "\n")
        sys.stdout.flush()


def run(
    command: list[str], kill_after: float | None, env: dict[str, str], stdin: str
) -> tuple[int, str, str]:
    """Run a command in a child process; its exit code (negative: the signal), stdout and stderr.

    ``env`` is added to the environment, ``stdin`` is in hexadecimal digits.
    """
    given = tempfile.TemporaryFile()  # noqa: SIM115 -- closed below
    given.write(bytes.fromhex(stdin))
    given.seek(0)
    out, child_out = os.pipe()
    errors, child_errors = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.environ.update(env)
        become(command, given.fileno(), child_out, child_errors)
    given.close()
    with contextlib.suppress(PermissionError, ProcessLookupError):  # it has done so, and goes on
        os.setpgid(pid, pid)
    os.close(child_out)
    os.close(child_errors)
    said = {out: b"", errors: b""}
    still_open = set(said)
    deadline = None if kill_after is None else time.monotonic() + kill_after
    while still_open:
        wait = None if deadline is None else max(deadline - time.monotonic(), 0)
        ready, _, _ = select.select(still_open, [], [], wait)
        if not ready:
            os.killpg(pid, signal.SIGKILL)
            deadline = None
        for end in ready:
            chunk = os.read(end, 1 << 16)
            said[end] += chunk
            if not chunk:
                still_open.discard(end)
                os.close(end)
    _, status = os.waitpid(pid, 0)
    out_text, err_text = (text.decode("utf-8", "backslashreplace") for text in said.values())
    return os.waitstatus_to_exitcode(status), out_text, err_text


def become(command: list[str], stdin: int, out: int, errors: int) -> None:
    """Be the command, in a process group of its own, so that a kill reaches git's hooks too."""
    code = 70
    try:
        os.setpgid(0, 0)
        for descriptor, end in enumerate((stdin, out, errors)):
            os.dup2(end, descriptor)
        os.closerange(3, 256)
        if command[0] != "agentlock":
            os.execvp(command[0], command)  # noqa: S606 -- git, as a shell would start it
        sys.argv = command
        code = main()
        sys.stdout.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    serve()
