"""Scratch repositories in an environment of their own: no configuration of this machine counts."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

from support.environment import make_home, sealed_environment

from agentlock.patterns.matching import compile_pattern
from agentlock.store import agents, reservations

if TYPE_CHECKING:
    from pathlib import Path

_PROGRAMS = {"git": ("git",), "agentlock": (sys.executable, "-m", "agentlock")}
_HOLDERS = 100
_HOUR = 3_600 * 1_000_000


class Scratch:
    """A folder with a HOME and repositories in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        home = folder / "home"
        make_home(home)
        self.environment = {**sealed_environment(home), "AGENTLOCK_AGENT": "Bench"}
        for role in ("AUTHOR", "COMMITTER"):
            del self.environment[f"GIT_{role}_DATE"]  # else two rounds could make the same commit

    def repository(self, name: str, files: int = 1) -> Repository:
        """A repository with one commit of so many files, in folders of a hundred."""
        repo = Repository(self, self.folder / name)
        repo.path.mkdir()
        repo.must("init", "-q", "-b", "main")
        repo.must("config", "gc.auto", "0")  # no repacking in the middle of a measurement
        for at in range(files):
            repo.write(f"src/{at // 100}/{at}.txt", f"{at}\n")
        repo.must("add", "--all")
        repo.must("commit", "-q", "-m", "start")
        return repo


class Repository:
    """One worktree of a scratch folder."""

    def __init__(self, scratch: Scratch, path: Path) -> None:
        self.scratch = scratch
        self.path = path

    def must(self, *arguments: str, program: str = "git", agent: str | None = None) -> str:
        """Run git or agentlock, which has to succeed; its stdout."""
        return self.run(*_PROGRAMS[program], *arguments, agent=agent)

    def run(self, *command: str, agent: str | None = None) -> str:
        """Run a command that has to succeed; its stdout."""
        environment = self.scratch.environment
        if agent is not None:
            environment = {**environment, "AGENTLOCK_AGENT": agent}
        done = subprocess.run(
            command,
            cwd=self.path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done
        return done.stdout

    def write(self, name: str, text: str) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def linked(self) -> Repository:
        """A new linked worktree of it, with a branch of its own."""
        linked = Repository(self.scratch, self.path.with_name(f"{self.path.name}, linked"))
        self.must("worktree", "add", "-q", "-b", "linked", str(linked.path))
        return linked

    def hook(self, name: str, script: str) -> None:
        path = self.path / ".git" / "hooks" / name
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(0o755)


def reserve_by_others(repo: Repository, live: int) -> None:
    """70 % files, 20 % folders, 10 % globs of a hundred agents; none meets src/0/0.txt.

    Written as the store writes them, for a million calls of `reserve` would take an hour.
    """
    database = repo.path / ".git" / "agentlock" / "agentlock.sqlite3"
    now = time.time_ns() // 1000

    def row(at: int) -> tuple[object, ...]:
        text = (
            b"/src/%d/module%d.py" % (at % 997, at)
            if at % 10 < 7
            else b"/packages/part%d/**" % at
            if at % 10 < 9
            else b"/src/%d/*.x%d" % (at % 997, at)
        )
        keys = compile_pattern(text).keys
        texts = (text, text, keys.prefix, keys.name, keys.extension)
        who, lease = f"Other{at % _HOLDERS}", (now, now + 12 * _HOUR)
        return (1, 1, who, *texts, True, "bd-42", *lease, at + 1, "", False, None)

    order = random.Random(3).sample(range(live), live)  # noqa: S311 -- the same every time
    with closing(sqlite3.connect(database)) as connection:
        named = [(1, f"Other{number}", "", "", now) for number in range(_HOLDERS)]
        connection.executemany(agents.WRITE, named)
        connection.executemany(reservations.WRITE, map(row, order))
        connection.execute("UPDATE projects SET last_fence = ?", (live,))
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
