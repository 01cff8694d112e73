"""A real Chromium and axe-core, if this machine has or can get them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from filelock import FileLock

_SURROUNDINGS = dict(os.environ)  # before a test seals it: npm's settings stand in the real HOME
_NO_SKIP = "AGENTLOCK_TEST_NO_SKIP"
_AXE = "axe-core@4.10.3"
_LONGEST = 300  # seconds
_WANTED = _SURROUNDINGS.get("AGENTLOCK_TEST_PICTURES")
_PICTURES = Path(os.path.abspath(_WANTED)) if _WANTED else None


def chromium() -> str:
    """The path of Chromium; the test is skipped where there is none, unless none may be."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name, path=_SURROUNDINGS.get("PATH")):
            return found
    lack("Chromium (apt-get install chromium)")
    raise AssertionError


def axe() -> str:
    """The source of axe-core, which is installed from npm once on a machine."""
    place = _cache() / _AXE
    script = place / "node_modules" / "axe-core" / "axe.min.js"
    with FileLock(f"{place}.lock"):
        if not script.exists():
            if shutil.which("npm", path=_SURROUNDINGS.get("PATH")) is None:
                lack("npm, for axe-core")
            place.mkdir(exist_ok=True)
            done = subprocess.run(
                ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(place), _AXE],
                env=_SURROUNDINGS,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_LONGEST,
                check=False,
            )
            assert done.returncode == 0, f"npm install {_AXE}: {done.stdout}{done.stderr}"
    return script.read_text(encoding="utf-8")


def lack(what: str) -> None:
    """Skip the test, or fail it where none may be skipped."""
    if _SURROUNDINGS.get(_NO_SKIP):
        pytest.fail(f"needs {what}, and {_NO_SKIP} is set")
    pytest.skip(f"needs {what}")


def pictures() -> Path | None:
    """Where screenshots are to be kept, if somebody wants them: AGENTLOCK_TEST_PICTURES."""
    if _PICTURES is not None:
        _PICTURES.mkdir(parents=True, exist_ok=True)
    return _PICTURES


def _cache() -> Path:
    home = os.path.join(_SURROUNDINGS.get("HOME", "/tmp"), ".cache")
    given = _SURROUNDINGS.get("AGENTLOCK_TEST_CACHE")
    folder = Path(
        given or os.path.join(_SURROUNDINGS.get("XDG_CACHE_HOME") or home, "agentlock-tests")
    )
    folder.mkdir(parents=True, exist_ok=True)
    return folder
