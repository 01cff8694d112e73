"""Which modules the commands that agents call all day load: neither click nor what it brings."""

from __future__ import annotations

import re
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
# What belongs to another command, or to an option that few calls have.
OF_OTHERS = {
    "check": ("agentlock.guard.history", "agentlock.reservations.granting"),
    "status": ("agentlock.guard.history", "agentlock.reservations.granting"),
    "inbox": ("agentlock.guard.history", "agentlock.reservations.granting"),
    "reserve": ("agentlock.guard.history",),
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
    assert not ours & {*ONLY_WHERE_USED, *OF_OTHERS.get(command.split(maxsplit=1)[0], ())}


def test_what_is_out_of_the_ordinary_loads_click(repo: Repo) -> None:
    assert "click" in loaded_by(repo, "-m", "agentlock", "reserve", "--help")


def program(function: str, *command: str) -> tuple[str, ...]:
    """The program, with the end that the installed scripts have (``run``) or the usual one."""
    text = f"import sys; from agentlock.__main__ import {function} as f; sys.exit(f())"
    return (sys.executable, "-c", text, *command)


@pytest.mark.parametrize(
    "command", ["whoami", "status --json", "check x.py", "list", "renew 9.py", "status --nonsense"]
)
def test_the_program_that_ends_at_once_says_and_returns_what_it_does_when_it_ends_slowly(
    repo: Repo, command: str
) -> None:
    repo.reserve("A", "x.py")
    repo.reserve("B", "y.py")  # known from now on
    told = []
    for function in ("run", "main"):
        one = run(*program(function, *command.split()), cwd=repo.path, agent="B")
        told.append((one.code, *(re.sub("[0-9]+[smh]?", "#", text) for text in (one.out, one.err))))
    assert told[0] == told[1]


def test_what_cannot_be_printed_is_told_by_the_program_that_ends_at_once(repo: Repo) -> None:
    shell = ("sh", "-c", 'exec "$@" >/dev/full', "sh")
    told = run(*shell, *program("run", "list", "--json"), cwd=repo.path, agent="B")
    assert told.code == 3
    assert "the answer cannot be printed: No space left on device" in told.err


def test_whoever_wants_to_be_told_of_the_end_is_told(repo: Repo) -> None:
    text = (
        "import atexit; atexit.register(print, 'the end'); "
        "from agentlock.__main__ import run; run()"
    )
    told = run(sys.executable, "-c", text, "whoami", cwd=repo.path, agent="B")
    assert told.out.splitlines()[-1] == "the end"
