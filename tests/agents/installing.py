"""Install the agents' programs from npm, each once on a machine, outside of the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock

if TYPE_CHECKING:
    from typing import Protocol

    class Package(Protocol):
        """What npm installs, and the command that it brings."""

        @property
        def name(self) -> str: ...
        @property
        def package(self) -> str: ...
        @property
        def version(self) -> str: ...
        @property
        def command(self) -> str: ...


_SURROUNDINGS = dict(os.environ)  # before a test seals it: npm's settings stand in the real HOME
_NO_SKIP = "AGENTLOCK_TEST_NO_SKIP"
_CACHE = "AGENTLOCK_TEST_CACHE"
_LONGEST = 300  # seconds


def may_skip() -> bool:
    """Whether a test may be left out if this machine lacks what it needs. CI lets none be."""
    return not _SURROUNDINGS.get(_NO_SKIP)


def executable(program: Package) -> Path:
    """The program's command, installed if it is not; the test is skipped where there is no npm."""
    if shutil.which("npm", path=_SURROUNDINGS.get("PATH")) is None:
        if may_skip():
            pytest.skip("needs npm")
        pytest.fail(f"needs npm, and {_NO_SKIP} is set")
    place = cache() / f"{program.name}-{program.version}"
    found = place / "node_modules" / ".bin" / program.command
    with FileLock(f"{place}.lock"):
        if not found.exists():
            _install(program, place)
    assert found.exists(), f"npm installed {program.package} without its command"
    return found


def surroundings() -> dict[str, str]:
    """The environment in which the tests were started."""
    return dict(_SURROUNDINGS)


def cache() -> Path:
    """The folder for what is installed once on this machine."""
    given = _SURROUNDINGS.get(_CACHE)
    folder = Path(given) if given else Path(_base()) / "agentlock-tests"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _base() -> str:
    home = os.path.join(_SURROUNDINGS.get("HOME", "/tmp"), ".cache")
    return _SURROUNDINGS.get("XDG_CACHE_HOME") or home


def _install(program: Package, place: Path) -> None:
    draft = place.with_name(f"{place.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.rmtree(place, ignore_errors=True)
    draft.mkdir()
    wanted = f"{program.package}@{program.version}"
    done = subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(draft), wanted],
        cwd=draft,
        env=_SURROUNDINGS,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_LONGEST,
        check=False,
    )
    assert done.returncode == 0, f"npm install {wanted}: {done.stdout}{done.stderr}"
    draft.rename(place)
