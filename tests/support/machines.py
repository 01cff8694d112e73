"""A machine on which install.sh is run for real: a HOME, a PATH, a repository with a hook."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCRIPT = os.path.join(CHECKOUT, "install.sh")
# What install.sh itself calls, besides Python.
TOOLS = (
    "cat",
    "dirname",
    "git",
    "grep",
    "ln",
    "mkdir",
    "readlink",
    "rm",
    "rmdir",
    "sh",
    "sort",
    "tr",
)
# An interpreter's own, even where the tests run in a virtual environment.
PYTHON = str(getattr(sys, "_base_executable", sys.executable))
OLD_HOOK = b"#!/bin/sh\n# somebody's own, without a final newline\nexit 0"

Snapshot = dict[str, tuple[int, bytes]]


class Run(NamedTuple):
    """How one command ended."""

    code: int
    stdout: str
    stderr: str


class Machine:
    """A user's machine: a HOME, a PATH that is wholly ours, a repository with a hook."""

    def __init__(self, root: Path) -> None:
        self.home = root / "home of somebody"
        self.tools = root / "tools"
        self.scratch = root / "scratch"
        self.repository = root / "a repository"
        self.data = self.home / ".local/share/agentlock"
        self.bin = self.home / ".local/bin"
        for folder in (self.home, self.tools, self.scratch):
            folder.mkdir()
        for name in TOOLS:
            found = shutil.which(name)
            assert found, f"this machine has no {name}"
            (self.tools / name).symlink_to(found)
        self.path = [str(self.tools)]

    @property
    def environment(self) -> dict[str, str]:
        """What pip needs to reach a package index, and nothing of the tester's own settings."""
        ours = ("PIP_", "SSL_", "REQUESTS_", "HTTP", "http", "NO_PROXY", "no_proxy", "LD_", "DYLD_")
        kept = {name: value for name, value in os.environ.items() if name.startswith(ours)}
        return kept | {
            "HOME": str(self.home),
            "PATH": ":".join(self.path),
            "TMPDIR": str(self.scratch),
            "PYTHONDONTWRITEBYTECODE": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "Somebody",
            "GIT_AUTHOR_EMAIL": "somebody@example.com",
            "GIT_COMMITTER_NAME": "Somebody",
            "GIT_COMMITTER_EMAIL": "somebody@example.com",
        }

    def add_python(self, folder: str, script: str) -> None:
        """Appends a folder to PATH that holds nothing but a ``python3`` made of this script."""
        place = self.tools.parent / folder
        place.mkdir()
        python = place / "python3"
        python.write_text(f"#!/bin/sh\n{script}\n")
        python.chmod(0o755)
        self.path.append(str(place))

    def add_shim(self) -> None:
        self.add_python("shims", f'exec "{PYTHON}" "$@"')

    def add_python_that(self, statement: str) -> None:
        """Appends a real interpreter to PATH that runs this statement before anything else."""
        place = self.tools.parent / "peculiar"
        subprocess.run([PYTHON, "-m", "venv", "--without-pip", str(place)], check=True)
        (site,) = place.glob("lib/python3*/site-packages")
        (site / "peculiar.pth").write_text(f"import sys; {statement}\n")
        self.path.append(str(place / "bin"))

    def run(
        self,
        *command: str,
        cwd: Path | None = None,
        changes: dict[str, str | None] | None = None,
    ) -> Run:
        environment = self.environment | (changes or {})
        done = subprocess.run(
            command,
            cwd=cwd or self.home,
            env={name: value for name, value in environment.items() if value is not None},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return Run(done.returncode, done.stdout, done.stderr)

    def install(self, *options: str, **changes: str | None) -> Run:
        return self.run("sh", SCRIPT, *options, changes=changes)

    def git(self, *arguments: str, **changes: str | None) -> Run:
        return self.run("git", *arguments, cwd=self.repository, changes=changes)

    def agentlock(self, *arguments: str, agent: str) -> Run:
        program = str(self.bin / "agentlock")
        identity: dict[str, str | None] = {"AGENTLOCK_AGENT": agent}
        return self.run(program, *arguments, cwd=self.repository, changes=identity)

    def make_repository(self) -> None:
        self.repository.mkdir()
        assert self.git("init", "--quiet").code == 0
        hook = self.repository / ".git/hooks/pre-commit"
        hook.parent.mkdir(exist_ok=True)
        hook.write_bytes(OLD_HOOK)
        hook.chmod(0o755)

    def commit_of(self, name: str, *, agent: str) -> Run:
        (self.repository / name).write_text("something\n")
        assert self.git("add", name).code == 0
        done = self.git("commit", "--quiet", "-m", "Change it", AGENTLOCK_AGENT=agent)
        if done.code != 0:
            self.git("rm", "--quiet", "--cached", name)
        return done


def snapshot(root: Path) -> Snapshot:
    """Every entry below: its mode and its content, or where it points."""
    found: Snapshot = {}
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = os.path.join(folder, name)
            mode = os.lstat(path).st_mode
            content = b""
            if stat.S_ISLNK(mode):
                content = os.fsencode(os.readlink(path))
            elif stat.S_ISREG(mode):
                with open(path, "rb") as file:
                    content = file.read()
            found[os.path.relpath(path, root)] = (mode, content)
    return found


def settings(repository: Path) -> Snapshot:
    """What agentlock may change in a repository: hooks, configuration, its own folder."""
    return {
        path: entry
        for path, entry in snapshot(repository / ".git").items()
        if path.split("/")[0] in {"hooks", "config", "config.worktree", "info", "agentlock"}
    }
