"""Agents at work: each runs one command after the other, every command in its own process.

A worker loads the program once and forks for each command, so that what the commands do to the
table is most of their time and many meet there. A command ends as it would from a shell, or is
killed with all that it started.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from support import Result

if TYPE_CHECKING:
    from collections.abc import Mapping

_SCRIPT = Path(__file__).with_name("worker_process.py")


class Run(NamedTuple):
    """A command's result, and when it was at work (nanoseconds by the monotonic clock)."""

    result: Result
    began: int
    ended: int

    @property
    def killed(self) -> bool:
        return self.result.code == -signal.SIGKILL


class Worker:
    """A process that runs commands for one agent in one folder."""

    def __init__(self, agent: str, cwd: Path, env: Mapping[str, str] | None = None) -> None:
        self.agent = agent
        self.cwd = cwd
        self._process = subprocess.Popen(
            (sys.executable, _SCRIPT),
            cwd=cwd,
            env={**os.environ, **(env or {}), "AGENTLOCK_AGENT": agent},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(
        self,
        *command: str,
        kill_after: float | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
    ) -> Run:
        """Run ``agentlock …`` or another program; kill -9 it after so many seconds."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order: dict[str, object] = {"command": command, "kill_after": kill_after}
        order["env"] = {**(env or {})}
        order["stdin"] = stdin.hex()
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        report = json.loads(self._process.stdout.readline())
        return Run(Result(*report["result"]), report["began"], report["ended"])

    def close(self) -> None:
        self._process.communicate()
