"""Which modules the commands that agents call all day load, apart from click's own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from support import run

if TYPE_CHECKING:
    from support import Repo

# Each of these costs as much as all other modules of a command (benchmarks/RESULTS.md).
ONLY_WHERE_USED = {
    *("bracex", "filelock", "pathspec", "platformdirs", "rich"),
    *(
        "csv",
        "ctypes",
        "datetime",
        "hashlib",
        "hmac",
        "json",
        "logging",
        "sqlite3",
        "subprocess",
        "uuid",
    ),
}
PREFIX = "import time:"


def loaded_by(repo: Repo, *command: str) -> set[str]:
    result = run(sys.executable, "-X", "importtime", *command, cwd=repo.path, agent="A")
    assert result.code == 0, result
    lines = [line for line in result.err.splitlines() if line.startswith(PREFIX)]
    return {line.rpartition("|")[2].strip() for line in lines}


@pytest.mark.parametrize("command", ["reserve x.py", "release x.py", "check x.py", "status"])
def test_an_everyday_command_loads_only_what_it_uses(repo: Repo, command: str) -> None:
    repo.reserve("A", "x.py")
    ours = loaded_by(repo, "-m", "agentlock", *command.split())
    assert "agentlock.store.sqlite" in ours
    ours -= loaded_by(repo, "-c", "import click")
    assert not ours & ONLY_WHERE_USED
