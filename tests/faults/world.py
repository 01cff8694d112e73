"""A repository, its table and its remote: the world that each fault is arranged in."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from support import AGENTLOCK, HOLDER, OTHER, Repo, Result, run
from support.environment import make_home, variables_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

Operation = Literal["commit", "push"]
Command = Literal["list", "reserve", "release"]
COMMANDS: tuple[Command, ...] = ("list", "reserve", "release")
OPERATIONS: tuple[Operation, ...] = ("commit", "push")
HOOK_OF: Mapping[Operation, str] = {"commit": "pre-commit", "push": "pre-push"}
RESERVED, FREE = "src/x.py", "docs/free.md"
NOBODY = 65534
_LOOK_EVERY = 0.01  # seconds
_ASLEEP = 5  # looks in a row: a process that only reads does not sleep that long
_MOST_PATIENCE = 30  # seconds until it is gone after what happened to it, in the slowest of runs
PACKAGE = Path(__file__).resolve().parents[2] / "agentlock"


class World:
    """A repository in which everything works, until a fault is arranged.

    Staged: a change of the reserved path and one of the free path. Branch ``free``: one commit
    more than the remote has, to the free path; branch ``both``: one to both, made unguarded.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.repo = Repo(folder / "repo")
        self.remote = Repo(folder / "remote.git")
        self.as_user: tuple[str, ...] = ()
        self.environment: dict[str, str] = {}
        self.before_git: tuple[str, ...] = ()
        self.beforehand = ""  # what a shell does before it becomes the command
        self.redirections = ""
        # what happens to each command once it waits for the table, told its group, and around each
        self.meanwhile: Callable[[int], object] | None = None
        self.happened = 0
        self.around: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext
        self.killed_git = False
        self.push_lines: bytes | None = None
        self.push_arguments = ("origin", "../remote.git")
        self.lifting = contextlib.ExitStack()  # what ends the trouble, and leaves the table
        self.cleanup = contextlib.ExitStack()

    @property
    def database(self) -> Path:
        return self.repo.database

    def variables(self) -> dict[str, str]:
        return {
            **variables_of(self.folder / "home"),
            "TMPDIR": str(self.folder / "tmp"),
            "AGENTLOCK_AGENT": OTHER,
            **self.environment,
        }

    def git(self, operation: Operation, path: str = FREE) -> Result:
        """Let git commit or push ``path``, which would pass if it is the free one."""
        branch = "free" if path == FREE else "both"
        arguments = {
            "commit": ("commit", "-q", "-m", "change", "--", path),
            "push": ("push", "-q", "origin", f"{branch}:refs/heads/main"),
        }[operation]
        whole = self.in_shell("git", *self.before_git, *arguments)
        return self.run(*whole)

    def command(self, command: Command) -> Result:
        """Run a command of OTHER's, who holds notes/ and asks for docs/."""
        words = {"list": (), "reserve": ("docs/",), "release": ("--all",)}[command]
        whole = self.in_shell(*AGENTLOCK, command, *words, redirections=self.redirections)
        return self.run(*whole)

    def check(self) -> Result:
        """What `db check` says of the table."""
        return self.run(*self.in_shell(*AGENTLOCK, "db", "check", redirections=self.redirections))

    def hook(self, operation: Operation) -> Result:
        """Run the installed hook as git does, for a change of the reserved and the free path."""
        path = str(self.repo.path / ".git" / "hooks" / HOOK_OF[operation])
        arguments: tuple[str, ...] = ()
        lines = b""
        if operation == "push":
            arguments = self.push_arguments
            lines = self.push_lines if self.push_lines is not None else self.update("both")
        command = self.in_shell(path, *arguments, redirections=self.redirections)
        return self.run(*command, stdin=lines)

    def in_shell(self, *command: str, redirections: str = "") -> tuple[str, ...]:
        if not (self.beforehand or redirections):
            return command
        return ("sh", "-c", f'{self.beforehand} exec "$@" {redirections}', "sh", *command)

    def run(self, *command: str, stdin: bytes = b"") -> Result:
        if self.killed_git:
            return self._run_killing_git(command, stdin)
        whole = (*self.as_user, *command)
        if self.meanwhile is None:
            return run(*whole, cwd=self.repo.path, env=self.variables(), stdin=stdin)
        with (
            self.around(),
            subprocess.Popen(
                whole,
                cwd=self.repo.path,
                env={**os.environ, **self.variables()},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            ) as process,
        ):
            watcher = threading.Thread(target=self._watch, args=(process, self.meanwhile))
            watcher.start()
            out, err = process.communicate(stdin, timeout=_MOST_PATIENCE)
            watcher.join()
        return Result(process.returncode, out.decode(), err.decode())

    def _watch(self, process: subprocess.Popen[bytes], meanwhile: Callable[[int], object]) -> None:
        """Let it happen as soon as a process of the command's session waits for the table."""
        asleep = 0
        while process.poll() is None and asleep < _ASLEEP:
            time.sleep(_LOOK_EVERY)
            asleep = asleep + 1 if _sleeps_with(self.database, process.pid) else 0
        if asleep == _ASLEEP:
            self.happened += 1
            meanwhile(process.pid)

    def update(self, branch: str) -> bytes:
        new = (self.repo.path / ".git" / "refs" / "heads" / branch).read_text().strip()
        return f"refs/heads/{branch} {new} refs/heads/main {self.pushed}\n".encode()

    @property
    def pushed(self) -> str:
        return (self.remote.path / "refs" / "heads" / "main").read_text().strip()

    def landed(self) -> dict[str, bytes]:
        """Every ref here and there, as files: what a commit or a push would change."""
        found = {}
        for root in (self.repo.path / ".git" / "refs" / "heads", self.remote.path / "refs"):
            for path in root.rglob("*"):
                if path.is_file():
                    found[str(path.relative_to(self.folder))] = path.read_bytes()
        return found

    def table(self) -> dict[str, object]:
        """Every file around the table and what is in it; SQLite's shared memory is its own.

        An empty log is as good as none: SQLite makes one where a reader opens the table.
        """
        found: dict[str, object] = {}
        for path in (self.folder / "repo" / ".git" / "agentlock").rglob("*"):
            name = str(path.relative_to(self.folder))
            if not path.is_file():
                found[name] = path.lstat().st_mode
            elif not path.name.endswith("-shm"):
                found[name] = path.read_bytes()
        return {name: held for name, held in found.items() if held or not name.endswith("-wal")}

    def configure(self, name: str, value: str) -> None:
        self.repo.must("config", name, value, env=self.variables())

    def pin(self, name: str, path: Path) -> None:
        """Let the installed hooks use another interpreter (``python``) or ``program``."""
        for hook in HOOK_OF.values():
            file = self.repo.path / ".git" / "hooks" / hook
            text = file.read_text(encoding="utf-8")
            kept = r"\1 '{}'" if name == "program" else r"'{}' \2"
            pinned = re.sub(r"(?m)^use ('.*') ('.*')$", f"use {kept.format(path)}", text)
            assert pinned != text
            file.write_text(pinned, encoding="utf-8")

    def own_interpreter(self) -> Path:
        """An interpreter for this world alone, pinned in its hooks."""
        python = self.folder / "program" / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.symlink_to(sys.executable)
        self.pin("python", python)
        return python

    def own_package(self) -> Path:
        """A copy of the package for this world alone, pinned in its hooks."""
        package = self.folder / "program" / "agentlock"
        shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
        self.pin("program", package / "__main__.py")
        return package

    def other_table(self) -> Path:
        """The table of another repository, healthy, in which nobody holds anything."""
        other = Repo(self.folder / "other")
        other.path.mkdir()
        other.must("init", "-q", env=self.variables())
        result = other.agentlock("init", "--no-hooks", "--project", "same", env=self.variables())
        assert result.code == 0, result
        return other.database

    def _run_killing_git(self, command: tuple[str, ...], stdin: bytes) -> Result:
        """Kill -9 the git that the hook runs, while it waits for a pipe in its object store."""
        pipe = self.repo.path / ".git" / "objects" / "info" / "alternates"
        environment = {**os.environ, **self.variables()}
        with subprocess.Popen(
            command,
            cwd=self.repo.path,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:

            def kill_readers() -> None:
                while process.poll() is None:
                    with contextlib.suppress(OSError):  # nobody reads yet
                        end = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
                        for pid in _gits_below(process.pid):
                            os.kill(pid, signal.SIGKILL)
                        os.close(end)
                    time.sleep(0.002)

            killer = threading.Thread(target=kill_readers)
            killer.start()
            out, err = process.communicate(stdin, timeout=30)
            killer.join()
        return Result(process.returncode, out.decode(), err.decode())


def _sleeps_with(database: Path, session: int) -> bool:
    """Whether a process of the session has the database open and sleeps."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            state, _parent, _group, its_session = _status_of(process)
            if int(its_session) == session and state == "S":
                opened = {os.readlink(entry) for entry in (process / "fd").iterdir()}
                if str(database) in opened:
                    return True
    return False


def _status_of(process: Path) -> list[str]:
    """State, parent, group and session, of proc(5)'s stat; the name before them may hold spaces."""
    return (process / "stat").read_text().rpartition(")")[2].split()[:4]


def _gits_below(pid: int) -> Iterator[int]:
    for child in map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
        if Path(f"/proc/{child}/comm").read_text().strip() == "git":
            yield child
        yield from _gits_below(child)


def build(folder: Path) -> None:
    """A healthy world, to be copied for each fault. Nothing in it names the place it lies in."""
    for name in ("repo", "remote.git", "tmp"):
        (folder / name).mkdir(parents=True)
    make_home(folder / "home")
    world = World(folder)
    repo, env = world.repo, world.variables()
    world.remote.must("init", "-q", "--bare", env=env)
    repo.must("init", "-q", env=env)
    for name in (RESERVED, FREE, "README.md"):
        repo.write(name, f"start of {name}\n")
    repo.commit_unguarded("start")
    repo.must("remote", "add", "origin", "../remote.git", env=env)
    repo.must("push", "-q", "origin", "HEAD:refs/heads/main", env=env)
    repo.must("fetch", "-q", "origin", env=env)
    result = repo.agentlock("init", "--project", "same", env=env)
    assert result.code == 0, result
    for branch, paths in (("free", (FREE,)), ("both", (FREE, RESERVED))):
        repo.must("checkout", "-q", "-b", branch, "main", env=env)
        for name in paths:
            repo.write(name, f"{name} as {branch} wants it\n")
        repo.commit_unguarded(branch)
    repo.must("checkout", "-q", "main", env=env)
    repo.reserve(HOLDER, "src/**", "--ttl", "20h", env=env)
    repo.reserve(OTHER, "notes/", "--ttl", "20h", env=env)
    for name in (RESERVED, FREE):
        repo.write(name, f"{name} changed and staged\n")
    repo.must("add", "--all", env=env)


@contextlib.contextmanager
def copied(template: Path, *, other_user: bool = False) -> Iterator[World]:
    """A copy of a healthy world, gone afterwards; ``other_user``: where root would not notice."""
    with tempfile.TemporaryDirectory(prefix="agentlock-fault-", dir="/tmp") as folder:
        world = World(Path(folder) / "world")
        shutil.copytree(template, world.folder, symlinks=True)
        with world.cleanup, world.lifting:
            if other_user and os.geteuid() == 0:
                _give_away(world, Path(folder), template)
            yield world


def _give_away(world: World, folder: Path, template: Path) -> None:
    """Let everything in the world belong to and be done by a user who is not root."""
    ids = (f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    world.as_user = ("setpriv", *ids)
    folder.chmod(0o755)
    world.own_package()
    # The shell in between: setpriv itself still starts what only root can reach.
    reach = ("sh", "-c", 'test -x "$1"', "sh", sys.executable)
    if run(*world.as_user, *reach, cwd=folder).code != 0:
        world.pin("python", _public_interpreter(template.parent))
    for root, _, names in os.walk(world.folder):
        for name in (".", *names):
            os.chown(os.path.join(root, name), NOBODY, NOBODY, follow_symlinks=False)


def _public_interpreter(folder: Path) -> Path:
    """A program that starts a copy of this interpreter where every user reaches it.

    The copy is as much as the guard needs, with its ``libpython`` if it has one: the place of that
    is written into an interpreter that was built with --enable-shared, and is the original's.
    """
    root = folder / "python"
    program = root / "start"
    if not program.exists():
        library = Path(sysconfig.get_path("stdlib"))
        copy = root / sys.platlibdir / library.name
        for part in (".", "encodings", "collections", "lib-dynload"):
            (copy / part).mkdir(parents=True, exist_ok=True)
            for file in (library / part).iterdir():
                if file.suffix in (".py", ".so"):
                    shutil.copy(file, copy / part)
        python = root / "bin" / Path(sys.executable).resolve().name
        python.parent.mkdir()
        shutil.copy(Path(sys.executable).resolve(), python)
        for shared in _shared_libraries():
            shutil.copy(shared, copy)
        folder.chmod(0o755)
        program.write_text(f'#!/bin/sh\nLD_LIBRARY_PATH={copy} exec {python} "$@"\n')
        program.chmod(0o755)
    return program


def _shared_libraries() -> set[str]:
    """Every ``libpython`` that this process has loaded."""
    maps = Path("/proc/self/maps").read_text(encoding="utf-8")
    return set(re.findall(r"(?m) (/\S*/libpython3[^/\s]*)$", maps))
