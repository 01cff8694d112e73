"""Many real processes of the command line that start at the same moment."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, NamedTuple

from support.fork_server import Forked, start
from support.repositories import Result

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


class Call(NamedTuple):
    """One command line and the agent that types it."""

    agent: str
    arguments: tuple[str, ...]


class Runner:
    """Processes that stand at the gate, and the end that opens it."""

    def __init__(self, processes: list[Forked], gate: int) -> None:
        self.processes = processes
        self._gate = gate

    def open_gate(self) -> None:
        """Let all go at once: they wait for the end of a pipe whose only writer is this."""
        os.close(self._gate)
        self._gate = -1

    def results(self) -> list[Result]:
        """How each ended, in the order of the calls."""
        ended = []
        for process in self.processes:
            out, err = (text.decode("utf-8", "backslashreplace") for text in process.communicate())
            ended.append(Result(process.wait(), out, err))
        return ended

    def abandon(self) -> None:
        """End what still runs."""
        if self._gate >= 0:
            self.open_gate()
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.communicate()


@contextmanager
def at_the_gate(
    calls: Sequence[Call], cwd: Path, env: Mapping[str, str] | None = None
) -> Iterator[Runner]:
    """Start a process for each call; all have loaded the program and wait when the block begins."""
    gate, hold_gate = os.pipe()
    runner = Runner([], hold_gate)
    try:
        for call in calls:
            environment = {**os.environ, **(env or {}), "AGENTLOCK_AGENT": call.agent}
            runner.processes.append(start(call.arguments, cwd, environment, gate=gate))
        yield runner
    finally:
        os.close(gate)
        runner.abandon()


def start_together(
    calls: Sequence[Call], cwd: Path, env: Mapping[str, str] | None = None
) -> list[Result]:
    """Run all calls at the same moment; how each ended."""
    with at_the_gate(calls, cwd, env) as runner:
        runner.open_gate()
        return runner.results()


def signal_once_it_writes(victim: Forked, database: Path, signal: int) -> bool:
    """Send a signal as soon as the victim holds the write lock; False where it ended before."""
    with closing(sqlite3.connect(database, timeout=0, isolation_level=None)) as probe:
        while victim.poll() is None:
            try:
                probe.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                victim.send_signal(signal)
                return True
            probe.execute("ROLLBACK")
            time.sleep(0.0005)
    return False
