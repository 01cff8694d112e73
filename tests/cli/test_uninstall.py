"""An uninstall says what it removes and what stays, asks a person first, and can only say it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support import HOLDER, Repo, make_guarded, make_plain
from support.terminal import in_a_terminal

if TYPE_CHECKING:
    from pathlib import Path

EVERYWHERE = ("hooks", "uninstall", "--everywhere")


@pytest.fixture
def first(tmp_path: Path) -> Repo:
    return make_guarded(tmp_path / "first", "README.md")


def joined(tmp_path: Path, table: Path, name: str = "second") -> Repo:
    repo = make_plain(tmp_path / name, "README.md")
    done = repo.agentlock("init", "--database", str(table))
    assert done.code == 0, done
    return repo


def files(repo: Repo) -> dict[Path, bytes]:
    found = (path for path in repo.path.rglob("*") if path.is_file())
    return {
        path: path.read_bytes()
        for path in found
        if path.suffix not in (".sqlite3-shm", ".sqlite3-wal")
    }


def test_a_table_inside_goes_and_one_elsewhere_stays_and_is_named(
    first: Repo, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "shared.sqlite3"
    second = joined(tmp_path, elsewhere)
    done = first.agentlock(*EVERYWHERE)
    assert done.code == 0, done
    of_first, of_second, kept = done.out.splitlines()
    assert of_first.startswith(f"{first.path}/.git: hooks removed: pre-commit")
    assert of_first.endswith("; its reservation table removed")
    assert of_second.startswith(f"{second.path}/.git: hooks removed: pre-commit")
    assert "reservation table" not in of_second
    assert kept == f"{elsewhere}: this table is kept"
    assert elsewhere.exists()
    assert not first.database.exists()


def test_a_table_inside_one_repository_that_another_uses_is_not_said_to_stay(
    first: Repo, tmp_path: Path
) -> None:
    joined(tmp_path, first.database)
    done = first.agentlock(*EVERYWHERE)
    assert "is kept" not in done.out
    assert not first.database.exists()


def test_a_table_that_was_used_before_is_called_the_former_one(first: Repo, tmp_path: Path) -> None:
    other = tmp_path / "other.sqlite3"
    assert first.agentlock("db", "copy", str(first.database), str(other)).code == 0
    assert first.agentlock("db", "use", str(other)).code == 0
    told = first.agentlock(*EVERYWHERE).out
    assert "its former reservation table removed" in told
    assert f"{other}: this table is kept" in told


def test_a_dry_run_says_what_would_go_and_changes_nothing(first: Repo, tmp_path: Path) -> None:
    before = files(first)
    for command in (EVERYWHERE, ("hooks", "uninstall")):
        told = first.agentlock(*command, "--dry-run")
        assert told.code == 0
        assert "would remove" in told.out
        assert "pre-commit" in told.out
    assert "would remove its reservation table" in first.agentlock(*EVERYWHERE, "--dry-run").out
    assert len(first.agentlock(*EVERYWHERE, "--dry-run", "--json").json) == 1
    assert files(first) == before
    (tmp_path / "first").rename(tmp_path / "gone")
    gone = first.agentlock(*EVERYWHERE, "--dry-run", cwd=tmp_path)
    assert "it is no longer there" in gone.out


def test_files_with_the_guide_are_named_wherever_they_are(first: Repo, tmp_path: Path) -> None:
    for name in ("AGENTS.md", "notes/guide for all.md"):
        (first.path / name).parent.mkdir(exist_ok=True)
        assert first.agentlock("guide", "--write", name).code == 0
    first.must("add", "AGENTS.md")
    first.must("worktree", "add", "-q", str(tmp_path / "linked"))
    assert Repo(tmp_path / "linked").agentlock("guide", "--write", "CLAUDE.md").code == 0
    said = "the guide for agents stays in AGENTS.md, CLAUDE.md, notes/guide for all.md"
    assert said in first.agentlock("hooks", "uninstall", "--dry-run").err
    assert said in first.agentlock(*EVERYWHERE, "--dry-run").out
    assert said in first.agentlock(*EVERYWHERE).out


def test_a_person_at_a_terminal_is_asked_first(first: Repo) -> None:
    question = "Remove the hooks from 1 repository, and 1 table with all reservations?"
    before = files(first)
    code, shown = in_a_terminal(first, *EVERYWHERE, answers={question: "n"})
    assert question in shown
    assert code != 0
    assert files(first) == before
    code, shown = in_a_terminal(first, "hooks", "uninstall", answers={"Remove the hooks": "n"})
    assert code != 0
    assert files(first) == before
    code, shown = in_a_terminal(first, *EVERYWHERE, answers={question: "y"})
    assert (code, first.database.exists()) == (0, False)


def test_with_yes_nobody_is_asked(first: Repo) -> None:
    code, shown = in_a_terminal(first, *EVERYWHERE, "--yes")
    assert (code, "Remove" in shown) == (0, False)


def test_removing_the_hooks_of_one_repository_says_that_its_table_stays(first: Repo) -> None:
    first.reserve(HOLDER, "README.md")
    done = first.agentlock("hooks", "uninstall")
    assert f"the table is kept, with its settings: {first.database}" in done.err
    assert first.agentlock("init").code == 0
    assert [agent for agent, *_ in first.live()] == [HOLDER]
