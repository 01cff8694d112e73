"""Codex runs our entries only once it trusts them, and its sandbox keeps git's folder read-only."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from agents import matrix
from agents.installing import executable
from agents.programs import PROGRAMS
from support import OTHER, run

from agentlock.install import edit_hooks

if TYPE_CHECKING:
    from support import Repo

pytestmark = pytest.mark.agents
CODEX = PROGRAMS["codex"]


@pytest.fixture(autouse=True)
def on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{executable(CODEX).parent}{os.pathsep}{os.environ['PATH']}")


def install(repo: Repo, *options: str) -> str:
    done = repo.agentlock("edit-hooks", "install", "codex", *options, agent=OTHER)
    assert done.code == 0, done
    return done.err


def warnings(repo: Repo) -> list[str]:
    found = repo.agentlock("doctor", "--json", agent=OTHER).json["findings"]
    return [
        one["message"] for one in found if one["check"] == "edit hooks" and one["level"] != "ok"
    ]


def is_stopped(repo: Repo, folder: Path) -> bool:
    tried, _ = matrix.attempt(CODEX, repo, folder, matrix.ACTIONS[:1])
    return not tried["edit tool"].done


def test_install_has_codex_trust_the_entries_and_doctor_tells_where_it_does_not(
    repo: Repo, tmp_path: Path
) -> None:
    matrix.lay(repo)
    matrix.hold(repo)
    edit_hooks.install("codex")  # the entries alone
    assert not is_stopped(repo, tmp_path / "untrusted")
    assert any("its word for it is 'untrusted'" in one for one in warnings(repo))
    repo.must("checkout", "-q", "src/edit.py")
    assert "Codex trusts 7 entries" in install(repo)
    assert is_stopped(repo, tmp_path / "trusted")
    assert not any("does not run" in one for one in warnings(repo))
    settings = Path(os.environ["HOME"]) / ".codex/config.toml"
    assert "trusted_hash" in settings.read_text(encoding="utf-8")
    assert repo.agentlock("edit-hooks", "uninstall", "codex", agent=OTHER).code == 0
    assert "trusted_hash" not in settings.read_text(encoding="utf-8")


def test_the_sandbox_may_write_the_reservations_once_that_is_asked_for(repo: Repo) -> None:
    line = "agentlock reserve free.py; echo code $?"
    sandboxed = (CODEX.command, "sandbox", "-c", 'sandbox_mode="workspace-write"', "--")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {"PATH": path}

    def reserve() -> str:
        return run(*sandboxed, "sh", "-c", line, cwd=repo.path, agent=OTHER, env=environment).out

    assert "--sandbox" in install(repo)
    assert any("keeps" in one and "read-only" in one for one in warnings(repo))
    assert "code 3" in reserve()
    assert "may write" in install(repo, "--sandbox")
    assert "code 0" in reserve()
    assert warnings(repo) == []
    assert repo.live() == [(OTHER, "/free.py", True)]
