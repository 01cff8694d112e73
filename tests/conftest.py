"""Every test runs in a sealed environment, and makes its repositories in it."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from support import Repo, copy_repository, make_guarded, make_plain
from support.environment import heed_signals, make_home, sealed_environment, variables_of
from support.fork_server import FRESH
from support.postgresql import GIVEN_POOLER, GIVEN_SERVER, Server, pooled, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.repositories import MadeOnce

heed_signals()

# A busy machine makes no test fail.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


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


@pytest.fixture
def fresh(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command starts an interpreter, whose parent is this process."""
    assert home.exists()  # the environment is sealed before
    monkeypatch.setenv(FRESH, "1")


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


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for what is made once for all tests of this process."""
    kept = tmp_path_factory.mktemp("kept")
    make_home(kept / "home")
    return kept


@pytest.fixture
def made_once(kept: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> MadeOnce:
    """The folder that a function makes: the first call makes it, every other finds it.

    It is made in the sealed environment, and with a home of its own.
    """
    assert home.exists()

    def made(make: Callable[[Path], object]) -> Path:
        folder = kept / f"{make.__module__}.{make.__qualname__}"
        if not folder.exists():
            with monkeypatch.context() as patch:
                for name, value in variables_of(kept / "home").items():
                    patch.setenv(name, value)
                make(folder)
        return folder

    return made


def _plain(folder: Path) -> None:
    make_plain(folder, "README.md")


def _guarded(folder: Path) -> None:
    make_guarded(folder, "README.md")


@pytest.fixture
def new_repo(tmp_path: Path, made_once: MadeOnce) -> Callable[..., Repo]:
    """Makes plain repositories with one commit, where agentlock was never run."""
    return lambda name="plain": copy_repository(made_once(_plain), tmp_path / name)


@pytest.fixture
def repo(tmp_path: Path, made_once: MadeOnce) -> Repo:
    """A repository with one commit, in which `init` has run."""
    return copy_repository(made_once(_guarded), tmp_path / "repo")
