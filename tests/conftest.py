"""Every test runs in a sealed environment, and makes its repositories in it."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support import Repo
from support.environment import make_home, sealed_environment
from support.postgresql import GIVEN_POOLER, GIVEN_SERVER, Server, pooled, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


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
