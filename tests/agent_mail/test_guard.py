"""What an Agent Mail's agents reserve keeps others from a commit, like a reservation of ours."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from support import HOLDER, OTHER, Repo
from support.agent_mail import Archive, Mailbox, kept, over

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def mailbox(repo: Repo, tmp_path: Path) -> Mailbox:
    """An Agent Mail in which nobody holds anything, and a repository that knows it."""
    made = Mailbox(tmp_path / "mail" / "storage.sqlite3")
    assert repo.agentlock("init", "--agent-mail", str(made.path)).code == 0
    return made


@pytest.fixture
def project(mailbox: Mailbox, repo: Repo) -> int:
    return mailbox.project(repo.path)


def hold(mailbox: Mailbox, project: int, pattern: str, **options: float | str) -> int:
    return mailbox.reserve(project, mailbox.agent(project, HOLDER), pattern, **options)  # type: ignore[arg-type]


def commit(repo: Repo, path: str, agent: str | None = OTHER) -> tuple[int, str]:
    """Commit one file; if that is refused, the file goes again."""
    repo.write(path, f"{agent}\n")
    result = repo.commit_all(agent=agent)
    if result.code:
        repo.must("rm", "-qf", path)
    return result.code, result.err


def test_a_commit_of_another_is_refused_by_git_and_names_the_holder(
    repo: Repo, mailbox: Mailbox, project: int
) -> None:
    held = hold(mailbox, project, "src/auth/**", reason="the login")
    code, said = commit(repo, "src/auth/login.py")
    assert code == 1
    assert "src/auth/login.py  BlueLake (Agent Mail)  exclusive  src/auth/**  for" in said
    assert '"the login"' in said
    assert "see:  agentlock list" in said
    (event,) = repo.agentlock("log", "--json").json[-1:]
    assert (event["kind"], event["reservation"]) == ("refused", None)  # its number is not ours
    mailbox.release(held)
    assert commit(repo, "src/auth/login.py")[0] == 0


def test_a_namesake_is_the_same_agent(repo: Repo, mailbox: Mailbox, project: int) -> None:
    hold(mailbox, project, "src/**")
    assert commit(repo, "src/a.py", agent="bluelake")[0] == 0
    assert commit(repo, "src/b.py", agent=None)[0] == 1
    repo.agentlock("policy", "set", "require_reservation", "on", "--reason", "test")
    assert commit(repo, "src/b.py", agent="bluelake")[0] == 0


@pytest.mark.parametrize(
    ("pattern", "options"),
    [
        ("src/a.py", {"expires": -1.0}),
        ("src/a.py", {"exclusive": False}),
        ("src/b.py", {}),
        ("resource://src/a.py", {}),
    ],
)
def test_what_is_not_live_or_not_there_refuses_nothing(
    repo: Repo, mailbox: Mailbox, project: int, pattern: str, options: dict[str, float]
) -> None:
    hold(mailbox, project, pattern, **options)
    assert commit(repo, "src/a.py")[0] == 0


def test_only_the_project_of_a_worktree_of_ours_counts(
    repo: Repo, mailbox: Mailbox, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    hold(mailbox, mailbox.project(elsewhere), "**")
    assert commit(repo, "src/a.py")[0] == 0
    link, second = tmp_path / "link", tmp_path / "second"
    link.symlink_to(repo.path)
    repo.must("worktree", "add", "-q", str(second))
    hold(mailbox, mailbox.project(link), "src/b.py")
    hold(mailbox, mailbox.project(second), "src/c.py")
    for path in ("src/b.py", "src/c.py"):
        assert commit(Repo(second), path)[0] == 1


def test_a_push_is_refused_too(repo: Repo, mailbox: Mailbox, project: int, tmp_path: Path) -> None:
    repo.must("init", "-q", "--bare", str(tmp_path / "remote.git"))
    repo.must("remote", "add", "origin", str(tmp_path / "remote.git"))
    repo.write("src/a.py")
    repo.commit_unguarded("before")
    hold(mailbox, project, "src/a.py")
    pushed = repo.git("push", "-q", "origin", "HEAD", agent=OTHER)
    assert pushed.code == 1
    assert "BlueLake (Agent Mail)" in pushed.err


def test_check_says_the_same_of_files_and_folders(
    repo: Repo, mailbox: Mailbox, project: int
) -> None:
    hold(mailbox, project, "src/*.py")
    found = repo.agentlock("check", "--json", "src/a.py", "docs", agent=OTHER)
    assert found.code == 1
    held = found.json["conflicts"][0]["reservation"]
    assert (held["agent"], held["source"]) == ("BlueLake (Agent Mail)", "Agent Mail")
    assert [one["state"] for one in found.json["paths"]] == ["free", "held"]
    folder = repo.agentlock("check", "--json", "src/", agent=OTHER)
    assert folder.code == 1, folder
    assert folder.json["paths"][0]["reservation"]["agent"] == "BlueLake (Agent Mail)"
    assert repo.agentlock("check", "src/a.py", agent=HOLDER).code == 0
    mine = repo.agentlock("check", "--json", "src/a.py", agent=HOLDER).json["paths"]
    assert mine[0]["state"] == "mine"


def test_an_edit_is_denied_before_it_is_made(repo: Repo, mailbox: Mailbox, project: int) -> None:
    hold(mailbox, project, "src/*.py", reason="the parser")
    asked: dict[str, Any] = {
        "session_id": "S",
        "cwd": str(repo.path),
        "hook_event_name": "PreToolUse",
    }
    asked |= {"tool_name": "Edit", "tool_input": {"file_path": str(repo.path / "src" / "a.py")}}
    hook = ("hook", "edit", "claude", "PreToolUse")
    denied = repo.agentlock(*hook, agent=OTHER, stdin=json.dumps(asked).encode())
    told = denied.json["hookSpecificOutput"]
    assert told["permissionDecision"] == "deny"
    assert "BlueLake (Agent Mail)" in told["permissionDecisionReason"]
    assert not repo.agentlock(*hook, agent=HOLDER, stdin=json.dumps(asked).encode()).out


def test_list_explain_and_doctor_show_what_its_agents_hold(
    repo: Repo, mailbox: Mailbox, project: int
) -> None:
    hold(mailbox, project, "src/*.py", reason="the parser")
    listed = repo.agentlock("list", agent=OTHER).out.splitlines()
    assert len(listed) == 1  # though it means two patterns of ours
    assert listed[0].split("\t")[:4] == ["-", "BlueLake (Agent Mail)", "exclusive", "src/*.py"]
    assert repo.agentlock("list", "--json", "--path", "docs/a.md").json == []
    assert len(repo.agentlock("list", "--json", "--path", "src/a.py").json) == 1
    assert len(repo.agentlock("list", "--mine", "--json", agent=HOLDER).json) == 1
    explained = repo.agentlock("explain", "src/a.py", agent=OTHER).out
    assert "meets      src/*.py  BlueLake (Agent Mail)  exclusive" in explained
    assert f"the Agent Mail at {mailbox.path} answers: 1 live" in repo.agentlock("doctor").out
    mailbox.path.rename(mailbox.path.with_suffix(".away"))
    said = repo.agentlock("doctor")
    assert said.code != 0
    assert "storage.sqlite3 is missing" in said.out + said.err
    for command in (("list",), ("status",), ("check", "src/a.py")):
        result = repo.agentlock(*command, agent=OTHER)
        assert result.code == 3
        assert "storage.sqlite3 is missing" in result.err


def _locked(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.execute("BEGIN EXCLUSIVE")
    return connection


def test_an_agent_mail_that_cannot_be_read_lets_nothing_through(
    repo: Repo, mailbox: Mailbox, project: int
) -> None:
    def refused() -> str:
        code, said = commit(repo, "src/a.py")
        assert code == 1, said
        assert "agentlock: commit refused: " in said
        return said

    assert project
    with closing(_locked(mailbox.path)):
        assert "stayed locked" in refused()
    away = mailbox.path.rename(mailbox.path.with_suffix(".away"))
    assert "storage.sqlite3 is missing" in refused()
    mailbox.path.write_text("no database", encoding="utf-8")
    assert "is not an SQLite database" in refused()
    away.replace(mailbox.path)
    mailbox.run("ALTER TABLE file_reservations RENAME COLUMN expires_ts TO ends")
    assert "is not a database of an MCP Agent Mail that this version" in refused()
    mailbox.run("ALTER TABLE file_reservations RENAME COLUMN ends TO expires_ts")
    (mailbox.path.parent / "storage.sqlite3-wal-cert").touch()
    assert "live database of Agent Mail's Rust version" in refused()
    (mailbox.path.parent / "storage.sqlite3-wal-cert").unlink()
    hold(mailbox, project, "src/*.py")
    mailbox.run("UPDATE file_reservations SET expires_ts = 1999999999000000")
    assert "the end of reservation 1" in refused()
    mailbox.run("UPDATE file_reservations SET expires_ts = ?", kept(-1))
    assert commit(repo, "src/a.py")[0] == 0


@pytest.mark.parametrize("generation", ["", "ab12cd34"])
def test_the_archive_of_either_version_counts(repo: Repo, tmp_path: Path, generation: str) -> None:
    archive = Archive(tmp_path / "mailbox", repo.path, generation=generation)
    archive.reserve(1, HOLDER, "src/*")
    assert repo.agentlock("init", "--agent-mail", str(archive.root)).code == 0
    code, said = commit(repo, "src/a.py")
    assert code == 1
    assert "BlueLake (Agent Mail)" in said
    assert commit(repo, "src/deep/a.py")[0] == (0 if generation else 1)
    archive.reserve(1, HOLDER, "src/*", **over())
    assert commit(repo, "src/a.py")[0] == 0


def test_of_two_files_of_one_reservation_its_own_counts(repo: Repo, tmp_path: Path) -> None:
    """The one that is named by the pattern may be older, and tell of a lease that was released."""
    archive = Archive(tmp_path / "mailbox", repo.path, generation="ab12")
    own = archive.reserve(1, HOLDER, "src/*")
    before = own.read_bytes()
    archive.reserve(1, HOLDER, "src/*", **over())
    named_by_pattern = next(one for one in archive.reservations.iterdir() if one != own)
    named_by_pattern.write_bytes(before)
    assert repo.agentlock("init", "--agent-mail", str(archive.root)).code == 0
    assert commit(repo, "src/a.py")[0] == 0
    own.unlink()
    assert commit(repo, "src/b.py")[0] == 1


def test_an_archive_that_cannot_be_read_lets_nothing_through(repo: Repo, tmp_path: Path) -> None:
    archive = Archive(tmp_path / "mailbox", repo.path)
    torn = archive.reserve(1, HOLDER, "src/a.py")
    assert repo.agentlock("init", "--agent-mail", str(archive.root)).code == 0
    torn.write_text(torn.read_text(encoding="utf-8")[:40], encoding="utf-8")
    code, said = commit(repo, "docs/a.md")
    assert code == 1
    assert str(torn) in said
    archive.root.rename(archive.root.with_name("away"))
    assert "mailbox is missing, so nobody knows" in commit(repo, "docs/a.md")[1]
