"""Real repositories, real git, the real command line: what the scenarios are told with."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

from agentlock.install import registry
from agentlock.install.config_hooks import EVENTS
from support.fork_server import Forked, is_forkable, start
from support.postgresql import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    MadeOnce = Callable[[Callable[[Path], object]], Path]  # the fixture made_once of conftest.py

AGENTLOCK = (sys.executable, "-m", "agentlock")
HOLDER, OTHER = "BlueLake", "GreenHill"  # the agent who reserves, and the one who meets that
# Options of git's: no hook runs, neither from a folder nor (2.54 and newer) from its configuration.
NO_HOOKS = (
    *("-c", "core.hooksPath=/dev/null"),
    *(word for event in EVENTS for word in ("-c", f"hook.agentlock-{event}.enabled=false")),
)


class Result(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def run(
    *command: str | bytes | Path,
    cwd: Path,
    agent: str | None = None,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
) -> Result:
    """Run a command, as an agent where one is named."""
    environment = {**os.environ, **(env or {})}
    if agent is not None:
        environment["AGENTLOCK_AGENT"] = agent
    if command[: len(AGENTLOCK)] == AGENTLOCK and is_forkable(environment, stdin):
        words = [os.fsdecode(word) for word in command[len(AGENTLOCK) :]]
        forked = start(words, cwd, environment, stdin)
        out, err = forked.communicate()
        code = forked.wait()
    else:
        done = subprocess.run(
            command, cwd=cwd, env=environment, input=stdin, capture_output=True, check=False
        )
        code, out, err = done.returncode, done.stdout, done.stderr
    return Result(code, *(text.decode("utf-8", "backslashreplace") for text in (out, err)))


class Repo:
    """A worktree. Every call is a real process."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def git(self, *arguments: str | bytes, agent: str | None = None, **options: Any) -> Result:
        """Run git, whatever comes of it."""
        return run("git", *arguments, cwd=options.pop("cwd", self.path), agent=agent, **options)

    def must(self, *arguments: str | bytes, agent: str | None = None, **options: Any) -> str:
        """Run git, which has to succeed; its stdout without the last newline."""
        result = self.git(*arguments, agent=agent, **options)
        assert result.code == 0, f"git {arguments}: {result}"
        return result.out.rstrip("\n")

    def agentlock(
        self, *arguments: str | bytes, agent: str | None = None, **options: Any
    ) -> Result:
        """Run agentlock, whatever comes of it."""
        return run(
            *AGENTLOCK, *arguments, cwd=options.pop("cwd", self.path), agent=agent, **options
        )

    def agentlock_in_background(
        self, *arguments: str, agent: str, env: Mapping[str, str] | None = None
    ) -> Forked:
        """Start agentlock, whose output is read when it has ended."""
        environment = {**os.environ, **(env or {}), "AGENTLOCK_AGENT": agent}
        return start(arguments, self.path, environment)

    def reserve(self, agent: str, *patterns: str | bytes, **options: Any) -> Any:
        """Reserve, which has to succeed; the granted reservations."""
        result = self.agentlock("reserve", "--json", *patterns, agent=agent, **options)
        assert result.code == 0, result
        return result.json["granted"]

    def live(self) -> list[tuple[str, str, bool]]:
        """The agent, the pattern and whether it is exclusive, of each live reservation."""
        listed = self.agentlock("list", "--json").json
        return [(held["agent"], held["pattern"], held["exclusive"]) for held in listed]

    def write(self, name: str, text: str = "text\n") -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def commit_all(self, message: str = "change", agent: str | None = None) -> Result:
        """Stage everything and commit, whatever comes of it."""
        self.must("add", "--all")
        return self.git("commit", "-q", "-m", message, agent=agent)

    def commit_unguarded(self, message: str = "change") -> None:
        """Stage everything and commit with hooks switched off."""
        self.must("add", "--all")
        self.must(*NO_HOOKS, "commit", "-q", "--allow-empty", "-m", message)

    @property
    def head(self) -> str:
        return self.must("rev-parse", "HEAD")

    @property
    def database(self) -> Path:
        return self.path / ".git" / "agentlock" / "agentlock.sqlite3"

    def sql(self, statement: str, *parameters: object) -> list[Any]:
        """Run a statement on the table, as a person with an SQLite client (or psql) would."""
        if not self.database.exists():
            return Server(self.must("config", "agentlock.database")).run(statement)
        with closing(sqlite3.connect(self.database, isolation_level=None)) as connection:
            return connection.execute(statement, parameters).fetchall()

    def expire(self) -> None:
        """Age every live reservation until its lease has run out."""
        self.sql(
            "UPDATE file_reservations SET expires_ts = created_ts - 1 WHERE released_ts IS NULL"
        )


def make_plain(path: Path, *files: str) -> Repo:
    """A new repository with one commit, of these files, where agentlock was never run."""
    repo = Repo(path)
    repo.path.mkdir(parents=True)
    repo.must("init", "-q")
    for name in files:
        repo.write(name, f"start of {name}\n")
    repo.commit_unguarded("start")
    return repo


def make_guarded(path: Path, *files: str, options: Sequence[str] = ()) -> Repo:
    """A new repository with one commit, of these files, where `init` has run."""
    repo = make_plain(path, *files)
    assert_passed(repo.agentlock("init", *options))
    return repo


def copy_repository(template: Path, path: Path) -> Repo:
    """A copy of a repository; if `init` has run there, this user's list has the copy too.

    The copy keeps the template's project and the id of its table.
    """
    shutil.copytree(template, path, symlinks=True)
    repo = Repo(path)
    repo.must("update-index", "-q", "--refresh")  # the copies are other files than it knows
    if (path / ".git" / "agentlock").exists():
        registry.add(os.fsencode(path / ".git"))
    return repo


def publish(repo: Repo, folder: Path) -> Path:
    """Give a repository a bare remote ``origin`` in this folder, which has its main; its path."""
    remote = folder / "remote.git"
    assert run("git", "init", "-q", "--bare", str(remote), cwd=folder).code == 0
    repo.must("remote", "add", "origin", str(remote))
    repo.must(*NO_HOOKS, "push", "-q", "origin", "main")
    repo.must("fetch", "-q", "origin")
    return remote


def assert_passed(result: Result) -> None:
    assert result.code == 0, result


def assert_refused(result: Result, *shown: str, what: str = "commit", code: int = 1) -> None:
    """Agentlock refused it, said all of this, and told of no way around itself."""
    said = result.out + result.err  # a hook manager passes a hook's words on to stdout
    assert result.code == code, result
    for text in (f"agentlock: {what} refused: ", *shown):
        assert text in said, result
    for text in ("--no-verify", "AGENTLOCK_SKIP"):
        assert text not in said, result
