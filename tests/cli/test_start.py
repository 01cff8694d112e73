"""Which modules the commands that agents call all day load: neither click nor what it brings."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from support import run

if TYPE_CHECKING:
    from support import Repo

# Each of these costs as much as ten modules of ours, or more (ADR 23).
ONLY_WHERE_USED = {
    *("bracex", "click", "filelock", "pathspec", "platformdirs", "rich"),
    *("csv", "ctypes", "dataclasses", "datetime", "difflib", "enum", "hashlib", "hmac"),
    *("importlib.metadata", "inspect", "json", "logging", "pathlib", "re", "shlex", "shutil"),
    *("sqlite3", "subprocess", "tempfile", "threading", "typing", "urllib.parse", "uuid"),
}
PREFIX = "import time:"


def loaded_by(repo: Repo, *command: str) -> set[str]:
    result = run(sys.executable, "-X", "importtime", *command, cwd=repo.path, agent="A")
    assert result.code == 0, result
    lines = [line for line in result.err.splitlines() if line.startswith(PREFIX)]
    return {line.rpartition("|")[2].strip() for line in lines}


@pytest.mark.parametrize(
    "command",
    [
        *("reserve x.py --ttl 2h --reason why", "renew --all", "release x.py", "check x.py"),
        *("check", "status", "inbox", "queue list", "whoami"),
    ],
)
def test_an_everyday_command_loads_only_what_it_uses(repo: Repo, command: str) -> None:
    repo.reserve("A", "x.py")
    ours = loaded_by(repo, "-m", "agentlock", *command.split())
    assert "agentlock.store.sqlite" in ours
    assert not ours & ONLY_WHERE_USED


def test_what_is_out_of_the_ordinary_loads_click(repo: Repo) -> None:
    assert "click" in loaded_by(repo, "-m", "agentlock", "reserve", "--help")
