"""`init --agent-mail`: which Agent Mail counts, told apart without opening either wrongly."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from support import HOLDER, OTHER, Repo
from support.agent_mail import Archive, Mailbox

if TYPE_CHECKING:
    from pathlib import Path


def recorded(repo: Repo) -> str:
    return repo.git("config", "--local", "agentlock.agentMail").out.strip()


def init(repo: Repo, *options: str) -> str:
    result = repo.agentlock("init", *options)
    assert result.code == 0, result
    return result.out + result.err


def refused(repo: Repo, *options: str) -> str:
    result = repo.agentlock("init", *options)
    assert result.code in (2, 3), result
    assert recorded(repo) == ""
    return result.err


def test_the_database_of_the_python_version_is_found_in_its_checkout(
    repo: Repo, home: Path
) -> None:
    mailbox = Mailbox(home / "mcp_agent_mail" / "storage.sqlite3")
    Archive(home / ".mcp_agent_mail_git_mailbox_repo", repo.path)
    said = init(repo, "--agent-mail")
    assert recorded(repo) == str(mailbox.path)
    assert f"Agent Mail at {mailbox.path}" in said
    assert f"ensure_project, human_key {repo.path}" in said
    mailbox.project(repo.path)
    assert "ensure_project" not in init(repo, "--agent-mail", str(mailbox.path.parent))
    assert f"beside    Agent Mail at {mailbox.path}" in repo.agentlock("status").out
    assert repo.agentlock("status", "--json").json["agent_mail"] == str(mailbox.path)


def test_the_archive_of_the_rust_version_is_found_and_its_database_never_opened(
    repo: Repo, home: Path
) -> None:
    root = home / ".local" / "share" / "mcp-agent-mail" / "git_mailbox_repo"
    Archive(root, repo.path, generation="ab12")
    database = root / "storage.sqlite3"
    database.write_bytes(b"whatever it is, nobody looks")
    init(repo, "--agent-mail")
    assert recorded(repo) == str(root)
    init(repo, "--no-agent-mail")
    assert recorded(repo) == ""
    init(repo, "--agent-mail", str(database))
    assert recorded(repo) == str(root)


def test_a_database_with_the_marks_or_the_tables_of_the_rust_version_is_refused(
    repo: Repo, tmp_path: Path
) -> None:
    mailbox = Mailbox(tmp_path / "mail" / "elsewhere.sqlite3")
    lock = mailbox.path.parent / ".mailbox.activity.lock"
    lock.touch()
    assert "no other program may open" in refused(repo, "--agent-mail", str(mailbox.path))
    lock.unlink()
    mailbox.run("CREATE TABLE db_identity (singleton INTEGER, generation_id TEXT)")
    with closing(sqlite3.connect(mailbox.path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    said = refused(repo, "--agent-mail", str(mailbox.path))
    assert "a database of Agent Mail's Rust version" in said
    assert "fix: agentlock init --agent-mail PATH" in said


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nothing", "nothing is missing"),
        ("empty", "empty has no Agent Mail in it"),
        ("notes.txt", "notes.txt is not an SQLite database"),
        ("other.sqlite3", "it lacks agents, file_reservations"),
    ],
)
def test_what_is_no_agent_mail_is_refused(repo: Repo, tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("some notes, and no database", encoding="utf-8")
    with closing(sqlite3.connect(tmp_path / "other.sqlite3")) as connection:
        connection.execute("CREATE TABLE things (id INTEGER)")
    assert why in refused(repo, "--agent-mail", str(tmp_path / name))


def test_none_and_two_in_the_default_places_are_refused(repo: Repo, home: Path) -> None:
    assert "there is no Agent Mail in its default places" in refused(repo, "--agent-mail")
    Mailbox(home / "mcp_agent_mail" / "storage.sqlite3")
    rust = Archive(home / ".mcp_agent_mail_git_mailbox_repo", repo.path, generation="ab12")
    (rust.root / ".mailbox.activity.lock").touch()
    said = refused(repo, "--agent-mail")
    assert "there are several Agent Mails" in said
    assert "fix: name one of them: agentlock init --agent-mail /" in said


def test_only_the_repositorys_own_configuration_names_it(repo: Repo, tmp_path: Path) -> None:
    mailbox = Mailbox(tmp_path / "mail" / "storage.sqlite3")
    init(repo, "--agent-mail", str(mailbox.path))
    project = mailbox.project(repo.path)
    mailbox.reserve(project, mailbox.agent(project, HOLDER), "src/**")
    empty = Mailbox(tmp_path / "empty" / "storage.sqlite3")
    repo.must("config", "--global", "agentlock.agentMail", str(empty.path))
    repo.write("src/a.py")
    repo.must("add", ".")
    elsewhere = ("-c", f"agentlock.agentMail={empty.path}", "-c", "agentlock.agentMail=")
    assert repo.git(*elsewhere, "commit", "-qm", "x", agent=OTHER).code == 1


def test_the_owner_decides_that_an_agent_mail_counts_no_more(repo: Repo, tmp_path: Path) -> None:
    mailbox = Mailbox(tmp_path / "mail" / "storage.sqlite3")
    other = Mailbox(tmp_path / "other" / "storage.sqlite3")
    init(repo, "--agent-mail", str(mailbox.path))
    init(repo, "--owner-key")
    for options in (("--no-agent-mail",), ("--agent-mail", str(other.path))):
        result = repo.agentlock("init", *options)
        assert result.code == 1
        assert "the key of this project's owner" in result.err
    assert recorded(repo) == str(mailbox.path)
    init(repo, "--agent-mail", str(mailbox.path))


def test_a_server_has_no_worktree_and_so_no_agent_mail(tmp_path: Path, repo: Repo) -> None:
    repo.must("init", "-q", "--bare", str(tmp_path / "server.git"))
    result = repo.agentlock("init", "--server", "--agent-mail", "x", cwd=tmp_path / "server.git")
    assert result.code == 2
    assert "--agent-mail is for a repository with a worktree" in result.err


def test_an_agent_mail_that_is_gone_for_good_can_be_given_up(repo: Repo, tmp_path: Path) -> None:
    mailbox = Mailbox(tmp_path / "mail" / "storage.sqlite3")
    init(repo, "--agent-mail", str(mailbox.path))
    mailbox.path.unlink()
    repo.write("src/a.py")
    assert repo.commit_all(agent=OTHER).code == 1
    init(repo, "--no-agent-mail")
    assert repo.commit_all(agent=OTHER).code == 0
