"""One project has one table: a second clone joins the table that is there, or is told."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from support import HOLDER, OTHER, Repo, Result, copy_repository, make_guarded, make_plain, run

from agentlock.install import registry

SAME_PROJECT = "is the same project"


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """Guarded, with a bare repository as its origin."""
    repo = make_plain(tmp_path / "repo", "README.md")
    bare(repo, tmp_path / "origin.git")
    repo.must("remote", "add", "origin", str(tmp_path / "origin.git"))
    return initialised(repo)


def bare(repo: Repo, path: Path) -> None:
    repo.must("clone", "-q", "--bare", str(repo.path), str(path))


def clone(source: Path, path: Path) -> Repo:
    run("git", "clone", "-q", str(source), str(path), cwd=source.parent)
    return Repo(path)


def initialised(repo: Repo, *options: str) -> Repo:
    done = repo.agentlock("init", *options)
    assert done.code == 0, done
    return repo


def pasted(repo: Repo, told: Result) -> Result:
    """What the command does that the message names."""
    (command,) = re.findall(r"fix: +agentlock (.*)", told.err)
    return repo.agentlock(*shlex.split(command))


def assert_joined(repo: Repo, other: Repo) -> None:
    repo.reserve(HOLDER, "README.md")
    assert other.agentlock("check", "README.md", agent=OTHER).code == 1


def assert_told_to_join(repo: Repo, other: Repo) -> None:
    """`init` is refused in the other one, and the command that it names joins the table."""
    told = other.agentlock("init")
    assert_refused(told, other)
    assert pasted(other, told).code == 0
    assert_joined(repo, other)


def troubles(repo: Repo) -> list[str]:
    """What `status` warns of; `doctor` warns of the same."""
    told = repo.agentlock("status", "--json").json.get("warnings", [])
    found = repo.agentlock("doctor", "--json").json
    findings = found["findings"] if isinstance(found, dict) else found
    assert [one["message"] for one in findings if one["check"] == "project"] == [
        one["message"] for one in told
    ]
    shown = repo.agentlock("status").out
    for one in told:
        assert f"warning   {one['message']}; fix: {one['fix']}" in shown
    return [f"{one['message']}; fix: {one['fix']}" for one in told]


def assert_refused(told: Result, repo: Repo) -> None:
    assert told.code == 1, told
    assert SAME_PROJECT in told.err
    assert "--separate" in told.err
    assert not repo.database.exists()
    assert repo.git("config", "--get-regexp", "^agentlock").out == ""


# init


def test_init_in_a_second_clone_names_the_command_that_joins_and_changes_nothing(
    repo: Repo, tmp_path: Path
) -> None:
    second = clone(tmp_path / "origin.git", tmp_path / "second")
    assert_told_to_join(repo, second)
    assert troubles(second) == []


def test_two_spellings_of_one_origin_are_one_project(repo: Repo, tmp_path: Path) -> None:
    repo.must("remote", "set-url", "origin", "https://example.com/Org/Repo.git")
    second = make_plain(tmp_path / "second", "README.md")
    second.must("remote", "add", "origin", "git@example.com:Org/Repo")
    assert_refused(second.agentlock("init"), second)
    second.must("remote", "set-url", "origin", "git@example.com:Org/Another")
    initialised(second)


@pytest.mark.parametrize("spelling", ["{}", "{}/.git", "file://{}", "../repo"])
def test_a_clone_of_the_guarded_repository_itself_is_the_same_project(
    tmp_path: Path, spelling: str
) -> None:
    repo = make_guarded(tmp_path / "repo", "README.md")
    second = clone(repo.path, tmp_path / "second")
    second.must("remote", "set-url", "origin", spelling.format(repo.path))
    assert_told_to_join(repo, second)


def test_the_origin_of_a_guarded_clone_is_the_same_project(tmp_path: Path) -> None:
    source = make_plain(tmp_path / "source", "README.md")
    repo = initialised(clone(source.path, tmp_path / "repo"))
    assert_told_to_join(repo, source)


def test_a_clone_of_a_linked_worktree_is_the_same_project(tmp_path: Path) -> None:
    repo = make_guarded(tmp_path / "repo", "README.md")
    repo.must("worktree", "add", "-q", str(tmp_path / "linked"))
    second = clone(tmp_path / "linked", tmp_path / "second")
    assert_refused(second.agentlock("init"), second)


def test_a_clone_of_a_guarded_server_joins_its_table(tmp_path: Path) -> None:
    repo = make_plain(tmp_path / "repo", "README.md")
    bare(repo, tmp_path / "origin.git")
    server = Repo(tmp_path / "origin.git")
    initialised(server, "--server", "--database", str(tmp_path / "table.sqlite3"))
    second = clone(server.path, tmp_path / "second")
    told = second.agentlock("init")
    assert_refused(told, second)
    assert pasted(second, told).code == 0
    assert (
        second.agentlock("status", "--json").json["project"]
        == (server.agentlock("status", "--json").json["project"])
    )


def test_with_separate_it_makes_a_table_of_its_own_and_both_are_warned_of_it(
    repo: Repo, tmp_path: Path
) -> None:
    second = initialised(clone(tmp_path / "origin.git", tmp_path / "second"), "--separate")
    assert second.database.exists()
    (told,) = troubles(second)
    assert f"{repo.path}/.git {SAME_PROJECT} with another table" in told
    assert len(troubles(repo)) == 1
    fix = shlex.split(told.partition("fix: agentlock ")[2])
    assert second.agentlock(*fix).code == 0
    assert troubles(second) == []
    assert_joined(repo, second)


def test_what_is_gone_does_not_count(repo: Repo, tmp_path: Path) -> None:
    second = clone(tmp_path / "origin.git", tmp_path / "second")
    repo.database.rename(tmp_path / "lost")
    initialised(second)
    third = clone(tmp_path / "origin.git", tmp_path / "third")
    assert str(second.path) in third.agentlock("init").err
    shutil.rmtree(second.path)
    initialised(third)


def test_init_is_safe_to_repeat_in_each_of_two_clones(repo: Repo, tmp_path: Path) -> None:
    second = initialised(clone(tmp_path / "origin.git", tmp_path / "second"), "--separate")
    initialised(second)
    initialised(repo)


def test_a_damaged_list_of_repositories_is_no_reason_not_to_answer(repo: Repo) -> None:
    Path(registry.path()).write_text("{", encoding="utf-8")
    assert repo.agentlock("status").code == 0


def test_init_with_another_database_than_the_recorded_one_names_db_use(
    repo: Repo, tmp_path: Path
) -> None:
    other = tmp_path / "other.sqlite3"
    told = repo.agentlock("init", "--database", str(other))
    copying = f"agentlock db copy {repo.database} {other} && agentlock db use {other}"
    assert (told.code, f"fix: {copying}\n" in told.err) == (2, True)
    assert repo.agentlock("db", "copy", str(repo.database), str(other)).code == 0
    told = repo.agentlock("init", "--database", str(other))
    assert (told.code, f"fix: agentlock db use {other}\n" in told.err) == (2, True)
    assert pasted(repo, told).code == 0
    assert repo.agentlock("db", "path").out.strip() == str(other)


def test_the_command_that_switches_to_a_table_names_what_the_project_is_called_there(
    tmp_path: Path,
) -> None:
    first = initialised(make_plain(tmp_path / "a" / "first", "README.md"))
    second = clone(first.path, tmp_path / "second")
    second.must("remote", "set-url", "origin", f"{tmp_path}/a/../a/first")
    initialised(second, "--separate")
    told = second.agentlock("init", "--database", str(first.database))
    assert "--project" in told.err
    assert pasted(second, told).code == 0
    assert_joined(first, second)


def test_the_name_of_a_project_has_no_dots_in_its_path(tmp_path: Path) -> None:
    repo = make_plain(tmp_path / "repo", "README.md")
    repo.must("remote", "add", "origin", f"file://{tmp_path}/repo/../hub.git/")
    initialised(repo)
    assert repo.must("config", "agentlock.project") == f"{tmp_path}/hub"


# what status and doctor warn of


def test_a_copied_repository_is_warned_of_and_the_command_joins_the_original(
    tmp_path: Path,
) -> None:
    repo = make_guarded(tmp_path / "repo", "README.md")
    assert troubles(repo) == []
    joined = clone(repo.path, tmp_path / "joined")
    initialised(joined, "--database", str(repo.database))
    copied = copy_repository(repo.path, tmp_path / "copied")
    (told,) = troubles(copied)  # of the one that has the table, not of each that uses it
    assert f"this repository is a copy of {repo.path}/.git, and its table is a copy too" in told
    fix = shlex.split(told.partition("fix: agentlock ")[2])
    assert copied.agentlock(*fix).code == 0
    assert troubles(copied) == []
    assert_joined(repo, copied)


def test_a_repository_that_was_moved_is_no_copy(tmp_path: Path) -> None:
    repo = make_guarded(tmp_path / "repo", "README.md")
    repo.path.rename(tmp_path / "moved")
    assert troubles(Repo(tmp_path / "moved")) == []


def test_a_project_that_is_called_by_a_relative_path_is_warned_of(
    tmp_path: Path,
) -> None:
    repo = make_plain(tmp_path / "repo", "README.md")
    bare(repo, tmp_path / "origin.git")
    repo.must("remote", "add", "origin", "../origin.git")
    initialised(repo)
    (told,) = troubles(repo)
    assert "the project is called ../origin, a relative path" in told
    fix = shlex.split(told.partition("fix: agentlock ")[2])
    assert repo.agentlock(*fix).code == 0
    assert troubles(repo) == []
    assert repo.agentlock("status", "--json").json["project"] == f"{tmp_path}/origin"


def test_two_names_for_one_project_in_one_table_are_warned_of(repo: Repo, tmp_path: Path) -> None:
    second = clone(tmp_path / "origin.git", tmp_path / "second")
    initialised(second, "--database", str(repo.database), "--project", "another")
    (told,) = troubles(second)
    assert f"is called {tmp_path}/origin in this table" in told
    fix = shlex.split(told.partition("fix: agentlock ")[2])
    assert second.agentlock(*fix).code == 0
    assert_joined(repo, second)
