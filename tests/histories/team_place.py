"""The place where a team works: who has which worktree or clone of which server, made once."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from support import Repo, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

AGENTS = ("BlueLake", "GreenHill", "RedStone", "Sandbar")
INTEGRATOR = AGENTS[0]  # has main checked out
FILES = ("src/a.py", "src/b.py", "lib/c.py", "docs/d.md")
LINES = 30  # of each file
SUBTREE = "vendor/lib"
FORK = "fork.git"  # has no gate, and another project's table, if any


def build(folder: Path, env: Mapping[str, str]) -> None:
    """The project before its first history, where ``env`` leads to the program; see ``Team``."""
    hub = Repo(folder / "hub")
    hub.path.mkdir(parents=True)
    hub.must("init", "-q")
    for name in FILES:
        hub.write(name, "".join(f"{name} {line}\n" for line in range(LINES)))
    hub.commit_unguarded("start")
    table = str(folder / "table" / "agentlock.sqlite3")
    run("git", "clone", "-q", "--bare", str(hub.path), str(folder / "server.git"), cwd=folder)
    run("git", "clone", "-q", "--bare", str(hub.path), str(folder / FORK), cwd=folder)
    hub.must("remote", "add", "origin", str(folder / "server.git"))
    hub.must("remote", "add", "fork", str(folder / FORK))
    hub.must("fetch", "-q", "origin")
    hub.must("branch", "-q", "--set-upstream-to=origin/main")
    for agent in AGENTS[1:-1]:
        hub.must("worktree", "add", "-q", "-b", agent, str(folder / agent), "origin/main")
    run("git", "clone", "-q", str(folder / "server.git"), AGENTS[-1], cwd=folder)
    last = Repo(folder / AGENTS[-1])
    last.must("checkout", "-q", "-b", AGENTS[-1])
    last.must("remote", "add", "fork", str(folder / FORK))
    library = Repo(folder / "library")
    library.path.mkdir()
    library.must("init", "-q")
    library.write("src/a.py", "of the library\n")
    library.commit_unguarded("library")
    server = Repo(folder / "server.git")
    server.must("config", "uploadpack.allowFilter", "true")
    for repo, options in (
        (hub, ("--database", table)),
        (last, ("--database", table)),
        (server, ("--server", "--database", table, "--identity-variable", "AGENTLOCK_AGENT")),
    ):
        made = repo.agentlock("init", *options, env=env)
        assert made.code == 0, made


def fresh(template: Path, folder: Path) -> None:
    """Put the project back to where ``build`` left it, at the same place."""
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run(("cp", "-a", str(template), str(folder)), check=True)


def refs_of(where: Path, prefix: str) -> dict[str, str]:
    answer = run("git", "for-each-ref", "--format=%(refname) %(objectname)", prefix, cwd=where)
    return dict(line.split(" ") for line in answer.out.splitlines())


def head_log(path: Path) -> Path:
    git = path / ".git"
    if git.is_file():
        git = Path(git.read_text(encoding="utf-8").partition(": ")[2].strip())
    return git / "logs" / "HEAD"


def questions_in(trace: Path) -> int:
    """How often git asked a remote for its branches, beyond the push itself."""
    lines = trace.read_text(encoding="utf-8", errors="replace").splitlines()
    trace.unlink()
    asking = [line for line in lines if '"event":"start"' in line and '"ls-remote"' in line]
    return sum("--get-url" not in line for line in asking)


@contextmanager
def working_in(path: Path) -> Iterator[None]:
    """Another current folder for a while."""
    before = Path.cwd()
    os.chdir(path)
    try:
        yield
    finally:
        os.chdir(before)
