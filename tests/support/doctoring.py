"""What the tests of `agentlock doctor` share."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from support.repositories import AGENTLOCK, Repo, Result, run

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def prepare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``agentlock`` on PATH, as the printed commands expect it; a name; a TMPDIR of our own."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "agentlock"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(AGENTLOCK)} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("AGENTLOCK_AGENT", "Doctor")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))


def doctor(repo: Repo, *options: str) -> Result:
    return repo.agentlock("doctor", "--timeout", "1s", *options)


def wrong(result: Result) -> list[str]:
    """The lines that say what is wrong; what is wrong with this machine's SQLite is left out."""
    harmless = ("ok ", "warning  sqlite: ")
    return [line for line in result.out.splitlines() if not line.startswith(harmless)]


def pasted(repo: Repo, result: Result) -> None:
    """Run, once each, every command that doctor printed."""
    shown = (line.rpartition("; fix: ") for line in wrong(result))
    for command in dict.fromkeys(command for _, separator, command in shown if separator):
        done = run("sh", "-c", command, cwd=repo.path)
        assert done.code == 0, (command, done)


def hook_file(repo: Repo, name: str = "pre-commit") -> Path:
    return repo.path / ".git" / "hooks" / name
