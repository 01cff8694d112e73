"""`agentlock doctor` proves that each entry denies, and says where a program does not read it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from edit_hooks.test_installing import put
from support import OTHER

from agentlock.doctor.programs import examine_programs
from agentlock.doctor.worktrees import inside, worktrees
from agentlock.edit_hooks.programs import NAMES, dialect_of
from agentlock.git import version
from agentlock.install import edit_hooks

if TYPE_CHECKING:
    from pathlib import Path

    from support import Repo

    from agentlock.doctor.findings import Finding


@pytest.fixture(autouse=True)
def no_programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No program of agents is on PATH here; the folder that a test may put one into."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
    return folder


def said(repo: Repo) -> list[Finding]:
    """What doctor says about edit hooks."""
    with inside(os.fsencode(repo.path)) as repository:
        roots = [one.path for one in worktrees(repository, version.installed())]
        return examine_programs(repository, roots, prove=True)


def warnings(repo: Repo) -> list[Finding]:
    return [one for one in said(repo) if one.level != "ok"]


def program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    (folder / name).chmod(0o755)


def test_each_entry_is_run_and_denies_a_probe(repo: Repo) -> None:
    for name in NAMES:
        edit_hooks.install(name)
    shown = repo.agentlock("doctor", "--json", agent=OTHER).json["findings"]
    found = [(one["level"], one["message"]) for one in shown if one["check"] == "edit hooks"]
    assert [level for level, _ in found] == ["ok"] * len(NAMES), found
    for name, (_, message) in zip(NAMES, found, strict=True):
        assert message.startswith(f"{dialect_of(name).title}'s entry denied a probe ("), message
        assert "it edits all the same if" in message


def test_an_entry_that_does_not_deny_is_named(repo: Repo, no_programs: Path) -> None:
    edit_hooks.install("claude")
    edit_hooks.install("copilot")
    program(no_programs, "sh", "echo nothing happened >&2; exit 0")
    found = warnings(repo)
    assert len(found) == 2, found
    assert "Claude Code's entry did not deny a probe: exit code 0" in found[0].message
    assert "it said: nothing happened" in found[1].message


def test_an_entry_that_is_not_exactly_ours_is_never_run(repo: Repo, tmp_path: Path) -> None:
    path = put("claude", "{}")
    edit_hooks.install("claude")
    ran = tmp_path / "ran"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("sh -c '", f"touch {ran}; sh -c '"), encoding="utf-8")
    assert "belong to another installation" in warnings(repo)[0].message
    assert not ran.exists()


def test_entries_of_the_project_count_only_where_the_program_reads_them(
    repo: Repo, tmp_path: Path
) -> None:
    side = tmp_path / "side"
    repo.must("worktree", "add", "-q", "-b", "side", str(side))
    below = "if it is started in a folder below"
    trust = "unless you trust the project"
    for name, hints in {
        "claude": [below],
        "gemini": [below, trust],
        "copilot": [below, trust],
        "codex": [trust],
        "opencode": [],
    }.items():
        edit_hooks.install(name, str(repo.path))
        found = warnings(repo)
        missing = [one.worktree for one in found if "is not stopped here" in one.message]
        assert missing == ([] if name == "codex" else [os.fsencode(side)]), (name, found)
        rest = [one.message for one in found if "is not stopped here" not in one.message]
        assert len(rest) == len(hints), (name, found)
        for message, hint in zip(rest, hints, strict=True):
            assert hint in message
        edit_hooks.install(name)
        assert warnings(repo) == [], name  # the user's own settings always count
        edit_hooks.uninstall(name)
        edit_hooks.uninstall(name, str(repo.path))


@pytest.mark.parametrize(
    "answer", ["exit 1", "echo no JSON", 'read line; echo \'{"id": 1, "error": {}}\'']
)
def test_a_codex_that_does_not_answer_is_no_trouble_but_named(
    repo: Repo, no_programs: Path, answer: str
) -> None:
    program(no_programs, "codex", answer)
    done = repo.agentlock("edit-hooks", "install", "codex", agent=OTHER)
    assert done.code == 0, done
    assert "Codex does not say which hooks it runs" in done.err
    assert "type /hooks" in done.err
    assert edit_hooks.status("codex").state == "installed"
    assert "Codex does not say which hooks it runs" in warnings(repo)[0].message
    assert repo.agentlock("edit-hooks", "uninstall", "codex", agent=OTHER).code == 0
