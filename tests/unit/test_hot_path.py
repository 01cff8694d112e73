"""What a hook loads, read from the interpreter's own list of imports in real commits and pushes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest
from support import NO_HOOKS, run
from support.agent_mail import Archive, Mailbox
from support.postgresql import GIVEN_POOLER, GIVEN_SERVER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support import Repo, Result

# Each costs a commit more than the guard's whole decision (benchmarks/RESULTS.md).
TOO_DEAR = (
    *("click", "rich", "pathspec", "filelock", "bracex", "platformdirs"),
    *("argparse", "asyncio", "collections", "contextlib", "dataclasses", "datetime", "email"),
    *(
        "enum",
        "functools",
        "hashlib",
        "http",
        "importlib.metadata",
        "inspect",
        "json",
        "logging",
        "multiprocessing",
        "pathlib",
    ),
    *("random", "re", "shutil", "site", "socket", "sqlite3", "ssl", "string"),
    *("subprocess", "tempfile", "threading", "traceback", "typing", "urllib", "uuid"),
)
ITS_OWN = {"agentlock.guard.run", "agentlock.guard.verdict", "agentlock.store.base"}
LIBRARY = "agentlock.store.postgres.libpq"  # which a server on this machine needs not
STORES = {"agentlock.store.sqlite", "agentlock.store.postgres"}
PREFIX = "import time:"


class Loaded(NamedTuple):
    """How a guarded git command ended, and every module that its hook imported."""

    code: int
    said: str
    modules: set[str]

    @property
    def too_dear(self) -> set[str]:
        return {
            name
            for name in self.modules
            if any(name == dear or name.startswith(f"{dear}.") for dear in TOO_DEAR)
        }


def loaded(result: Result, *, stores: int = 1) -> Loaded:
    lines = result.err.splitlines(keepends=True)
    listed = [line for line in lines if line.startswith(PREFIX)]
    modules = {line.rpartition("|")[2].strip() for line in listed}
    assert modules >= ITS_OWN, result
    assert len(modules & STORES) <= stores, result
    said = "".join(line for line in lines if not line.startswith(PREFIX))
    return Loaded(result.code, said, modules)


@pytest.fixture(params=["sqlite", "postgresql"])
def watched(request: pytest.FixtureRequest, new_repo: Callable[..., Repo], tmp_path: Path) -> Repo:
    """A repository with files, reservations and a remote, whose hooks tell what they import."""
    repo = new_repo("repo")
    where = ("--database", request.getfixturevalue("postgresql").database())
    assert repo.agentlock("init", *(where if request.param == "postgresql" else ())).code == 0
    for name in ("src/app.py", "docs/guide.md", "lib/shared.py"):
        repo.write(name)
    repo.commit_unguarded("files")
    run("git", "init", "-q", "--bare", "remote.git", cwd=tmp_path)
    repo.must("remote", "add", "origin", str(tmp_path / "remote.git"))
    repo.must(*NO_HOOKS, "push", "-q", "origin", "HEAD:refs/heads/main")
    repo.must("fetch", "-q", "origin")
    repo.reserve("Other", "src/**", "**/*.toml", "docs/[a-f]*/*.md", "README.md")
    repo.reserve("Other", "lib/*.py", "--shared")
    repo.reserve("Mine", "docs/guide.md")
    assert repo.agentlock("hooks", "install", "--strict").code == 0
    for hook in ("pre-commit", "pre-push", "reference-transaction"):
        path = repo.path / ".git" / "hooks" / hook
        text = path.read_text(encoding="utf-8")
        telling = text.replace('"$python" -', '"$python" -X importtime -')
        assert telling != text
        path.write_text(telling, encoding="utf-8")
    return repo


def test_a_commit_that_is_allowed_loads_nothing_dear(watched: Repo) -> None:
    watched.write("docs/guide.md", "mine\n")
    watched.write("lib/shared.py", "shared, so it blocks no commit\n")
    watched.write("free.txt")
    commit = loaded(watched.commit_all(agent="Mine"))
    assert commit.code == 0, commit.said
    assert not commit.too_dear
    assert LIBRARY not in commit.modules or GIVEN_SERVER or GIVEN_POOLER


def test_an_agent_mail_loads_nothing_dear_and_nothing_where_there_is_none(
    watched: Repo, tmp_path: Path
) -> None:
    watched.write("free.txt")
    commit = loaded(watched.commit_all(agent="Mine"))
    assert not any("agent_mail" in name for name in commit.modules)
    mailbox = Mailbox(tmp_path / "mail" / "storage.sqlite3")
    project = mailbox.project(watched.path)
    archive = Archive(tmp_path / "archive", watched.path)
    archive.reserve(1, "Elsewhere", "own/[ab]*/**")
    mailbox.reserve(project, mailbox.agent(project, "Elsewhere"), "own/{a,b}/*.py")
    for place in (mailbox.path, archive.root):
        watched.must("config", "agentlock.agentMail", str(place))
        watched.write("free.txt", f"{place}\n")
        commit = loaded(watched.commit_all(agent="Mine"), stores=2)
        assert commit.code == 0, commit.said
        assert "agentlock.agent_mail.live" in commit.modules
        assert not commit.too_dear
    watched.write("own/a/x.py")
    commit = loaded(watched.commit_all(agent="Mine"), stores=2)
    assert commit.code == 1
    assert "Elsewhere (Agent Mail)" in commit.said
    assert not commit.too_dear


def test_a_commit_that_is_refused_loads_nothing_dear_either(watched: Repo) -> None:
    watched.write("src/app.py", "theirs\n")
    commit = loaded(watched.commit_all(agent="Mine"))
    assert commit.code == 1
    assert "src/app.py  Other  exclusive  src/**" in commit.said
    assert not commit.too_dear


def test_a_push_loads_nothing_dear_allowed_or_refused(watched: Repo) -> None:
    watched.write("free.txt")
    watched.commit_unguarded("free")
    push = loaded(watched.git("push", "-q", "origin", "HEAD:refs/heads/main", agent="Mine"))
    assert push.code == 0, push.said
    assert not push.too_dear
    watched.write("src/app.py", "theirs\n")
    watched.commit_unguarded("theirs")
    push = loaded(watched.git("push", "-q", "origin", "HEAD:refs/heads/main", agent="Mine"))
    assert push.code == 1, push.said
    assert "push refused" in push.said
    assert not push.too_dear


def test_a_branch_that_comes_to_a_new_commit_loads_nothing_dear(watched: Repo) -> None:
    watched.must(*NO_HOOKS, "checkout", "-q", "--detach")
    watched.write("free.txt")
    watched.commit_unguarded("free")
    branch = loaded(watched.git("branch", "free", agent="Mine"))
    assert branch.code == 0, branch.said
    assert not branch.too_dear
    watched.write("src/app.py", "theirs\n")
    watched.commit_unguarded("theirs")
    branch = loaded(watched.git("branch", "theirs", agent="Mine"))
    assert branch.code == 128, branch.said
    assert "branch update refused" in branch.said
    assert not branch.too_dear
