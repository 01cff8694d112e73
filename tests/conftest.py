"""A sealed environment: no test sees this machine's home, its git configuration or its agents."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from postgresql import GIVEN_POOLER, GIVEN_SERVER, Server, pooled, running
from support import Repo, search_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_OURS = ("GIT_", "PG", "AGENTLOCK_", "PRE_COMMIT", "XDG_", "PYTHON")
_KEPT = ("GIT_SSL_CAINFO",)


def sealed_environment(home: Path) -> dict[str, str]:
    """What a process sees of the outside: the tools on PATH, and how to reach a registry."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _KEPT or not (name.startswith(_OURS) or name == "AGENT_NAME")
    }
    moment = "2026-01-31T12:00:00+00:00"
    return kept | {
        "PATH": search_path(),
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_DATA_HOME": str(home / ".local" / "share"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
        "GIT_AUTHOR_NAME": "A U Thor",
        "GIT_AUTHOR_EMAIL": "author@example.invalid",
        "GIT_AUTHOR_DATE": moment,
        "GIT_COMMITTER_NAME": "C O Mitter",
        "GIT_COMMITTER_EMAIL": "committer@example.invalid",
        "GIT_COMMITTER_DATE": moment,
        "LC_ALL": "C.UTF-8",
    }


def make_home(home: Path) -> None:
    home.mkdir()
    settings = '[init]\n\tdefaultBranch = main\n[protocol "file"]\n\tallow = always\n'
    (home / ".gitconfig").write_text(settings, encoding="utf-8")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty HOME, with git configured as on a fresh machine."""
    home = tmp_path / "home"
    make_home(home)
    environment = sealed_environment(home)
    for name in set(os.environ) - set(environment):
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return home


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A server that is shared by all tests of this process: nobody may stop it."""
    with contextlib.ExitStack() as stack:
        if GIVEN_SERVER:
            server = Server(GIVEN_SERVER)
        else:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="agentlock-server-"))
            Path(folder).chmod(0o755)  # it runs as another user
            server = stack.enter_context(running(Path(folder) / "data"))
        yield stack.enter_context(pooled(server, GIVEN_POOLER)) if GIVEN_POOLER else server


@pytest.fixture
def new_repo(tmp_path: Path) -> Callable[..., Repo]:
    """Makes plain repositories with one commit, where agentlock was never run."""

    def make(name: str = "plain") -> Repo:
        repo = Repo(tmp_path / name)
        repo.path.mkdir(parents=True)
        repo.must("init", "-q")
        repo.write("README.md", "start\n")
        repo.commit_unguarded("start")
        return repo

    return make


@pytest.fixture
def repo(new_repo: Callable[..., Repo]) -> Repo:
    """A repository with one commit, in which `init` has run."""
    repo = new_repo("repo")
    result = repo.agentlock("init")
    assert result.code == 0, result
    return repo
