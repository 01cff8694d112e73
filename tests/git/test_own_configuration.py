"""Only the repository's own configuration files name the table and the agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support import HOLDER, OTHER, Repo, assert_passed, assert_refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def elsewhere(new_repo: Callable[..., Repo], tmp_path: Path) -> str:
    """The lines of a configuration that leads to a table in which nobody holds anything."""
    other = new_repo("elsewhere")
    database = tmp_path / "elsewhere.db"
    assert_passed(
        other.agentlock("init", "--no-hooks", "--project", "P", "--database", str(database))
    )
    number = other.must("config", "agentlock.databaseId")
    return (
        f"[agentlock]\n\tdatabase = {database}\n\tdatabaseId = {number}\n\tproject = P\n"
        f"\tagent = {HOLDER}\n"
    )


def _include(repo: Repo, text: str) -> None:
    """As teams share their settings: a tracked file, included by the repository's own."""
    repo.write(".gitconfig", text)
    repo.must("config", "include.path", "../.gitconfig")


def _include_if(repo: Repo, text: str) -> None:
    repo.write(".gitconfig", text)
    repo.must("config", f"includeIf.gitdir:{repo.path}/.path", str(repo.path / ".gitconfig"))


def _include_first(repo: Repo, text: str) -> None:
    repo.write(".gitconfig", text)
    own = repo.path / ".git" / "config"
    own.write_text("[include]\n\tpath = ../.gitconfig\n" + own.read_text())


def _include_for_worktree(repo: Repo, text: str) -> None:
    repo.write(".gitconfig", text)
    repo.must("config", "extensions.worktreeConfig", "true")
    repo.must("config", "--worktree", "include.path", "../.gitconfig")


def _global(repo: Repo, text: str) -> None:
    (repo.path.parent / "home" / ".gitconfig").write_text(text)


@pytest.mark.parametrize(
    "put", [_include, _include_if, _include_first, _include_for_worktree, _global]
)
def test_no_other_file_names_the_table_or_the_agent(
    repo: Repo, elsewhere: str, put: Callable[[Repo, str], None]
) -> None:
    repo.reserve(HOLDER, "src/**")
    put(repo, elsewhere)
    repo.write("src/x.py")
    assert_refused(repo.commit_all(), "src/x.py", HOLDER)
    assert "no agent name is set" in repo.agentlock("whoami").err
    assert repo.live() == [(HOLDER, "/src/**", True)]
    told = repo.agentlock("doctor").out
    assert "agentlock.agent is ignored where it stands" in told
    assert "gitconfig" in told


def test_a_setting_of_one_command_names_neither_the_table_nor_the_agent(repo: Repo) -> None:
    repo.reserve(HOLDER, "src/**")
    repo.write("src/x.py")
    repo.must("add", "src")
    for setting in (f"agentlock.agent={HOLDER}", "agentlock.database=/nowhere"):
        assert_refused(repo.git("-c", setting, "commit", "-qm", "theirs"), "src/x.py")


def test_the_configuration_of_a_worktree_counts_as_the_repositorys_own(
    repo: Repo, elsewhere: str, tmp_path: Path
) -> None:
    repo.reserve(HOLDER, "src/**")
    repo.must("config", "extensions.worktreeConfig", "true")
    for name in ("a", "b"):
        repo.must("worktree", "add", "-q", str(tmp_path / name))
    a, b = Repo(tmp_path / "a"), Repo(tmp_path / "b")
    a.must("config", "--worktree", "agentlock.agent", HOLDER)
    own = Repo(tmp_path / "b").must("rev-parse", "--path-format=absolute", "--git-dir")
    with open(f"{own}/config.worktree", "w", encoding="utf-8") as file:
        file.write(elsewhere.replace(HOLDER, OTHER))
    assert a.agentlock("whoami").out == f"{HOLDER} (git config agentlock.agent)\n"
    assert b.agentlock("whoami").out == f"{OTHER} (git config agentlock.agent)\n"
    assert a.live() == [(HOLDER, "/src/**", True)]
    assert b.live() == []


def test_the_own_configuration_is_recognised_however_git_is_led_to_it(repo: Repo) -> None:
    repo.reserve(HOLDER, "src/**")
    (repo.path / "src").mkdir()
    above, below = repo.path.parent, repo.path / "src"
    places = [
        (above, {"GIT_DIR": "repo/.git", "GIT_WORK_TREE": "repo"}),
        (below, {"GIT_DIR": "../.git", "GIT_WORK_TREE": ".."}),
        (repo.path, {"GIT_DIR": ".git"}),
        (repo.path, {"GIT_DIR": f"{repo.path}/./.git/"}),
        (below, {}),
    ]
    (above / "link").symlink_to(repo.path)
    places.append((above / "link" / "src", {}))
    for cwd, env in places:
        listed = repo.agentlock("list", "--json", cwd=cwd, env=env)
        assert listed.code == 0, (cwd, env, listed)
        assert [held["pattern"] for held in listed.json] == ["/src/**"]


def test_a_name_that_all_worktrees_share_is_said(repo: Repo, tmp_path: Path) -> None:
    repo.must("config", "agentlock.agent", HOLDER)
    said = f"every worktree of this repository is {HOLDER}"
    assert said not in repo.agentlock("reserve", "README.md").err
    repo.must("worktree", "add", "-q", str(tmp_path / "side"))
    side = Repo(tmp_path / "side")
    for command in (("whoami",), ("reserve", "docs/")):
        told = side.agentlock(*command)
        assert told.code == 0
        assert said in told.err
    assert said in side.agentlock("doctor").out
    assert said not in side.agentlock("whoami", agent=OTHER).err
    fix = told.err.partition("fix: ")[2].strip().replace("NAME", OTHER)
    assert_passed(side.git("-c", f"alias.paste=!{fix}", "paste"))
    assert side.agentlock("whoami").out == f"{OTHER} (git config agentlock.agent)\n"
    assert said not in side.agentlock("whoami").err
    assert repo.agentlock("whoami").out == f"{HOLDER} (git config agentlock.agent)\n"


def test_with_json_a_shared_name_is_not_said(repo: Repo, tmp_path: Path) -> None:
    repo.must("config", "agentlock.agent", HOLDER)
    repo.must("worktree", "add", "-q", str(tmp_path / "side"))
    assert repo.agentlock("reserve", "docs/", "--json").err == ""
