"""Who reserves a file is told if another branch has changed it and HEAD lacks the change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support import NO_HOOKS, copy_repository, make_guarded

from agentlock.cli.stale import say_stale
from agentlock.git.branches import changed_elsewhere
from agentlock.git.repository import discover
from agentlock.reservations.stale import StaleCopies

if TYPE_CHECKING:
    from pathlib import Path

    from support import Repo
    from support.repositories import MadeOnce

TOKEN = "src/auth/token.py"


def _project(folder: Path) -> None:
    repo = make_guarded(folder, TOKEN, "docs/guide.md")
    repo.must("branch", "feat/blue")


@pytest.fixture
def repo(made_once: MadeOnce, tmp_path: Path) -> Repo:
    """On main; feat/blue is a branch at the same commit."""
    return copy_repository(made_once(_project), tmp_path / "repo")


def change_on(
    repo: Repo, branch: str, *names: str, agent: str | None = "blue", text: str = "blue\n"
) -> str:
    """Change files on a branch as an agent does (None: unguarded), return to main; the commit."""
    repo.must("switch", "-q", branch)
    for name in names:
        repo.write(name, text)
    repo.must("add", "--all")
    repo.must(*(NO_HOOKS if agent is None else ()), "commit", "-qm", "change", agent=agent)
    commit = repo.head
    repo.must("switch", "-q", "main")
    return commit


def stale(repo: Repo, *patterns: str, command: str = "reserve") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = repo.agentlock(command, "--json", *patterns, agent="green").json[
        "stale"
    ]
    return found


def the_note(commit: str, by: str = " by blue", branch: str = "feat/blue") -> str:
    return (
        f"agentlock: note: {TOKEN} was changed{by} in {commit[:7]} ({branch}), which HEAD does "
        f"not contain: git merge {branch}\n"
    )


@pytest.mark.parametrize("command", ["reserve", "check", "explain"])
def test_reserve_check_and_explain_say_who_changed_the_file_on_which_branch(
    repo: Repo, command: str
) -> None:
    commit = change_on(repo, "feat/blue", TOKEN)
    told = repo.agentlock(command, TOKEN, agent="green")
    assert (told.code, told.err) == (0, the_note(commit))
    assert repo.agentlock(command, "docs/", agent="green").err == ""


@pytest.mark.parametrize("pattern", [TOKEN, "src/", "src/**/*.py", "**/token.*"])
def test_the_json_has_path_commit_agent_and_branch_for_every_kind_of_pattern(
    repo: Repo, pattern: str
) -> None:
    commit = change_on(repo, "feat/blue", TOKEN)
    told = {"path": TOKEN, "commit": commit, "agent": "blue", "branch": "feat/blue"}
    assert stale(repo, pattern) == [told]
    (explained,) = repo.agentlock("explain", "--json", pattern).json
    assert explained["stale"] == [told]


def test_the_command_of_the_note_ends_it(repo: Repo) -> None:
    change_on(repo, "feat/blue", TOKEN)
    repo.write("docs/guide.md", "of main\n")
    repo.commit_unguarded()
    repo.must("merge", "-q", "--no-edit", "feat/blue", agent="green")
    assert stale(repo, TOKEN) == []


def test_a_remote_branch_counts_and_a_local_branch_of_that_name_is_told_instead(
    repo: Repo,
) -> None:
    commit = change_on(repo, "feat/blue", TOKEN, agent=None)
    repo.must("update-ref", "refs/remotes/origin/feat/blue", commit)
    repo.must("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/feat/blue")
    newer = change_on(repo, "feat/blue", TOKEN, agent=None, text="more\n")
    assert [one["commit"] for one in stale(repo, TOKEN)] == [newer]
    repo.must("branch", "-qD", "feat/blue")
    told = repo.agentlock("reserve", TOKEN, agent="green").err
    assert told == the_note(commit, "", "origin/feat/blue")


def test_what_came_by_a_squash_merge_is_not_stale_even_after_main_has_gone_on(repo: Repo) -> None:
    change_on(repo, "feat/blue", TOKEN, agent=None)
    repo.must("merge", "-q", "--squash", "feat/blue")
    repo.commit_unguarded("squashed: in these tests the same change would be the same commit")
    assert stale(repo, TOKEN) == []
    repo.write(TOKEN, "main has gone on\n")
    repo.commit_unguarded()
    assert stale(repo, TOKEN) == []
    change_on(repo, "feat/blue", TOKEN, agent=None, text="and so has the branch\n")
    assert len(stale(repo, TOKEN)) == 1


def test_a_branch_that_only_lacks_what_main_did_is_not_stale(repo: Repo) -> None:
    change_on(repo, "feat/blue", "docs/guide.md", agent=None)
    repo.write(TOKEN, "only main\n")
    repo.commit_unguarded()
    assert stale(repo, "src/") == []


def test_a_file_that_a_branch_deletes_is_stale(repo: Repo) -> None:
    repo.must("switch", "-q", "feat/blue")
    repo.must("rm", "-q", TOKEN)
    repo.commit_unguarded()
    repo.must("switch", "-q", "main")
    assert [one["path"] for one in stale(repo, "src/")] == [TOKEN]


def test_what_only_a_merge_on_the_branch_did_is_stale(repo: Repo) -> None:
    change_on(repo, "feat/blue", "docs/guide.md", agent=None)
    repo.must("switch", "-qc", "side", "feat/blue~1")
    repo.write("docs/side.md")
    repo.commit_unguarded()
    repo.must("switch", "-q", "feat/blue")
    repo.must("merge", "-q", "--no-commit", "side")
    repo.write(TOKEN, "slipped in\n")
    repo.commit_unguarded()
    merge = repo.head
    repo.must("switch", "-q", "main")
    assert [one["commit"] for one in stale(repo, TOKEN)] == [merge]


def test_while_a_branch_is_merged_its_changes_are_not_stale(repo: Repo) -> None:
    change_on(repo, "feat/blue", TOKEN, agent=None)
    repo.must("merge", "-q", "--no-ff", "--no-commit", "feat/blue")
    assert stale(repo, TOKEN) == []


def test_letters_of_another_case_are_the_same_file_where_the_repository_folds_case(
    repo: Repo,
) -> None:
    repo.must("config", "core.ignorecase", "true")
    change_on(repo, "feat/blue", TOKEN, agent=None)
    assert [one["path"] for one in stale(repo, "SRC/auth/", command="check")] == [TOKEN]


def test_no_setting_and_no_variable_of_git_changes_the_answer(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = change_on(repo, "feat/blue", TOKEN, agent=None)
    for setting in ("log.follow", "log.showSignature", "diff.relative", "color.ui=always"):
        name, _, value = setting.partition("=")
        repo.must("config", name, value or "true")
    monkeypatch.setenv("GIT_LITERAL_PATHSPECS", "1")
    (repo.path / "src").mkdir(exist_ok=True)
    told = repo.agentlock("check", "--json", "auth/token.py", cwd=repo.path / "src").json["stale"]
    assert [one["commit"] for one in told] == [commit]


def test_a_shallow_clone_does_not_take_its_oldest_commits_for_changes(
    repo: Repo, tmp_path: Path
) -> None:
    change_on(repo, "feat/blue", "docs/guide.md", agent=None)
    repo.write(TOKEN, "main has gone on\n")
    repo.commit_unguarded()
    clone = tmp_path / "clone"
    url = f"file://{repo.path}"
    repo.must("clone", "-q", "--depth=1", "--no-single-branch", url, str(clone))
    assert repo.agentlock("init", "--separate", cwd=clone).code == 0
    told = repo.agentlock("check", "--json", TOKEN, cwd=clone)
    assert told.json["stale"] == []


def test_five_are_shown_and_the_others_counted(repo: Repo) -> None:
    change_on(repo, "feat/blue", *(f"src/{number}.py" for number in range(7)), agent=None)
    told = repo.agentlock("reserve", "src/", agent="green").err.splitlines()
    assert len(told) == 6
    assert told[-1] == "agentlock: note: 2 more changes like that on other branches"
    assert len(stale(repo, "src/")) == 7


# the policy


def set_stale(repo: Repo, value: str) -> None:
    result = repo.agentlock("policy", "set", "stale", value, "--reason", "because")
    assert result.code == 0, result


def test_with_refuse_what_another_agent_is_on_record_for_cannot_be_reserved(repo: Repo) -> None:
    commit = change_on(repo, "feat/blue", TOKEN)
    set_stale(repo, "refuse")
    told = repo.agentlock("reserve", "src/", agent="green")
    assert (told.code, told.out) == (1, "")
    assert told.err == (
        "agentlock: reserve refused: HEAD lacks what others changed, nothing was reserved\n"
        f"  {TOKEN} was changed by blue in {commit[:7]} (feat/blue), which HEAD does not contain\n"
        "  fix: git merge feat/blue\n"
    )
    assert repo.live() == []
    refused = [one for one in repo.agentlock("log", "--json").json if one["kind"] == "refused"]
    assert [one["pattern"] for one in refused] == [TOKEN]
    as_json = repo.agentlock("reserve", "--json", "src/", agent="green")
    assert (as_json.code, as_json.json["granted"]) == (1, [])
    assert len(as_json.json["stale"]) == 1
    repo.must("merge", "-q", "feat/blue")
    assert repo.agentlock("reserve", "src/", agent="green").code == 0


def test_with_refuse_ones_own_commits_and_commits_without_a_record_are_only_noted(
    repo: Repo,
) -> None:
    set_stale(repo, "refuse")
    change_on(repo, "feat/blue", TOKEN, agent="green")
    change_on(repo, "feat/blue", "docs/guide.md", agent=None)
    assert len(stale(repo, "src/", "docs/")) == 2
    assert len(repo.live()) == 2


def test_with_off_nothing_is_said(repo: Repo) -> None:
    change_on(repo, "feat/blue", TOKEN, agent=None)
    set_stale(repo, "off")
    assert repo.agentlock("reserve", TOKEN, agent="green").err == ""
    assert stale(repo, TOKEN) == []


# the limit of time


def test_when_the_time_is_over_it_says_that_not_all_branches_were_looked_at(
    repo: Repo, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    change_on(repo, "feat/blue", TOKEN, agent=None)
    monkeypatch.chdir(repo.path)
    found = changed_elsewhere(discover(), [b"src"], lambda _path: True, seconds=0)
    assert not found.complete
    say_stale(StaleCopies(complete=found.complete))
    assert "not all branches were looked at" in capfd.readouterr().err


def test_what_was_found_before_the_time_was_over_is_told(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = change_on(repo, "feat/blue", TOKEN, agent=None)
    monkeypatch.chdir(repo.path)
    found = changed_elsewhere(discover(), [b"src"], lambda _path: True, seconds=30)
    assert found.complete
    assert [one.commit for one in found.changes] == [commit]
