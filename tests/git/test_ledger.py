"""Whose commit is it? And the gate that --no-verify, cherry-pick, revert and rebase cannot skip."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from support import HOLDER, NO_HOOKS, OTHER, Repo, run

if TYPE_CHECKING:
    from pathlib import Path

    from support import Result


@pytest.fixture
def scene(repo: Repo, tmp_path: Path) -> Repo:
    """Files, a remote that has them, and src/ reserved by the holder."""
    for name in ("src/x.py", "src/y.py", "docs/y.md"):
        repo.write(name, f"start of {name}\n")
    repo.commit_unguarded("files")
    run("git", "init", "-q", "--bare", "remote.git", cwd=tmp_path)
    repo.must("remote", "add", "origin", str(tmp_path / "remote.git"))
    repo.must(*NO_HOOKS, "push", "-q", "origin", "HEAD:refs/heads/main")
    repo.must("fetch", "-q", "origin")
    repo.reserve(HOLDER, "src/")
    return repo


def assert_refused(result: Result, path: str, what: str = "commit") -> None:
    assert result.code in (1, 128), result  # cherry-pick and revert end with 128
    assert f"agentlock: {what} refused: " in result.err
    assert path in result.err


def commit(repo: Repo, agent: str, name: str, text: str) -> str:
    """An ordinary guarded commit."""
    repo.write(name, text)
    made = repo.commit_all(f"{agent}: {name}", agent=agent)
    assert made.code == 0, made
    return repo.head


def maker(repo: Repo, oid: str) -> str | None:
    shown = repo.agentlock("ledger", "show", oid, "--json")
    (entry,) = shown.json
    agent: str | None = entry["agent"]
    return agent


def test_no_verify_does_not_get_a_commit_through(scene: Repo) -> None:
    scene.write("src/x.py", "sneaky\n")
    scene.must("add", "-A")
    before = scene.head
    refused = scene.git("commit", "-q", "--no-verify", "-m", "sneaky", agent=OTHER)
    assert_refused(refused, "src/x.py")
    assert scene.head == before
    assert scene.git("commit", "-q", "-n", "-m", "mine", agent=HOLDER).code == 0


def test_a_merge_without_verification_is_judged_too(scene: Repo) -> None:
    scene.must("checkout", "-q", "-b", "side")
    scene.write("src/x.py", "theirs\n")
    scene.commit_unguarded("side")
    scene.must("checkout", "-q", "main")
    scene.write("src/x.py", "ours\n")
    scene.commit_unguarded("main")
    assert scene.git("merge", "-q", "side", agent=OTHER).code == 1
    scene.write("src/x.py", "resolved\n")
    scene.must("add", "-A")
    refused = scene.git("commit", "-q", "--no-verify", "--no-edit", agent=OTHER)
    assert_refused(refused, "src/x.py")


def test_what_pre_commit_cleared_is_not_judged_twice(scene: Repo, tmp_path: Path) -> None:
    counter = tmp_path / "runs"
    for hook in ("pre-commit", "prepare-commit-msg"):
        path = scene.path / ".git" / "hooks" / hook
        text = path.read_text(encoding="utf-8")
        counting = text.replace('    "$python" -', f'    echo {hook} >> {counter}; "$python" -', 1)
        assert counting != text
        path.write_text(counting, encoding="utf-8")
    for arguments in (("-a",), ("-o", "docs/y.md"), ("--amend", "-a")):
        counter.write_text("", encoding="utf-8")
        scene.write("docs/y.md", f"{arguments}\n")
        assert scene.git("commit", "-q", "-m", "x", *arguments, agent=OTHER).code == 0
        assert counter.read_text(encoding="utf-8") == "pre-commit\n", arguments
    counter.write_text("", encoding="utf-8")
    scene.write("docs/y.md", "unverified\n")
    assert scene.git("commit", "-q", "-n", "-a", "-m", "x", agent=OTHER).code == 0
    assert counter.read_text(encoding="utf-8") == "prepare-commit-msg\n"


def test_an_index_that_changed_after_pre_commit_is_judged_again(scene: Repo) -> None:
    hook = scene.path / ".git" / "hooks.before-agentlock" / "prepare-commit-msg"
    hook.parent.mkdir()
    hook.write_text("#!/bin/sh\necho evil > src/x.py; git add src/x.py\n", encoding="utf-8")
    hook.chmod(0o755)
    scene.write("docs/y.md", "harmless\n")
    assert_refused(scene.commit_all(agent=OTHER), "src/x.py")


# What hooks/process.sh calls a process; but for the stack, exec would keep it.
NAME = "read -r stat <'/proc/self/stat'; set -- ${stat##*) }; name=$$.${20}.${26}"


def clear_index(repo: Repo) -> Path:
    """Leave what a commit leaves that was stopped after its index had been cleared."""
    repo.write("docs/y.md", "harmless\n")
    repo.must("add", "-A")
    hook = repo.path / ".git" / "hooks" / "commit-msg"
    hook.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    hook.chmod(0o755)
    assert repo.git("commit", "-q", "-m", "stopped", agent=OTHER).code == 1
    hook.unlink()
    (link,) = (repo.path / ".git").glob("agentlock-cleared-*")
    return link


def test_a_cleared_index_is_for_the_process_that_was_told_so(scene: Repo) -> None:
    """Neither another process nor another index, of the same content or not, is recognised."""
    link = clear_index(scene)
    index = scene.path / ".git" / "index"
    assert link.samefile(index)
    commit = "exec git commit -q -n -m x"
    # exec keeps the shell's process for git, with its number and its start.
    word = f'{NAME}; echo "$name prepare-commit-msg" > .git/agentlock-cleared; '
    rename = f'{word} mv "{link}" ".git/agentlock-cleared-$name"; '
    scene.write("src/x.py", "evil\n")
    scene.must("add", "-A")
    assert not link.samefile(index)
    refused = run("sh", "-c", rename + commit, cwd=scene.path, agent=OTHER)
    assert_refused(refused, "src/x.py")
    forged = f'{word} ln .git/index ".git/agentlock-cleared-$name"; '
    assert_refused(run("sh", "-c", forged + commit, cwd=scene.path, agent=OTHER), "src/x.py")


def test_a_clearance_is_used_up_by_the_commit_that_was_stopped(scene: Repo) -> None:
    """In a new container the next commit may have the same process id."""
    link = clear_index(scene)
    assert link.samefile(scene.path / ".git" / "index")
    scene.reserve(HOLDER, "docs/")
    again = f'{NAME}; mv "{link}" ".git/agentlock-cleared-$name"; '
    again += 'sed -i "s/^[^ ]*/$name/" .git/agentlock-cleared; exec git commit -q -n -m x'
    assert_refused(run("sh", "-c", again, cwd=scene.path, agent=OTHER), "docs/y.md")


def test_where_the_index_is_reached_by_a_link_nothing_is_kept_of_it(scene: Repo) -> None:
    """The same link leads to another index later."""
    index = scene.path / ".git" / "index"
    index.rename(scene.path / "elsewhere")
    index.symlink_to(scene.path / "elsewhere")
    scene.write("docs/y.md", "harmless\n")
    scene.must("add", "docs/y.md")
    assert scene.git("commit", "-q", "-m", "x", agent=OTHER).code == 0
    assert not list((scene.path / ".git").glob("agentlock-cleared-*"))


def test_a_commit_forgets_the_indexes_of_others_and_a_refused_one_clears_none(scene: Repo) -> None:
    link = clear_index(scene)
    scene.write("src/x.py", "evil\n")
    assert_refused(scene.commit_all(agent=OTHER), "src/x.py")
    assert not link.exists()
    assert not list((scene.path / ".git").glob("agentlock-cleared-*"))


def test_a_cherry_pick_of_ones_own_work_into_a_reservation_is_refused(scene: Repo) -> None:
    scene.must("checkout", "-q", "-b", "side")
    scene.write("src/x.py", "mine\n")
    scene.commit_unguarded("side")
    scene.must("checkout", "-q", "main")
    picked = scene.git("cherry-pick", "side", agent=OTHER)
    assert_refused(picked, "src/x.py")
    assert scene.git("cherry-pick", "--abort").code == 0
    assert scene.must("status", "--porcelain") == ""


def test_a_cherry_pick_of_the_holders_commit_passes(scene: Repo) -> None:
    scene.must("checkout", "-q", "-b", "side")
    theirs = commit(scene, HOLDER, "src/x.py", "the holder's\n")
    scene.must("checkout", "-q", "main")
    scene.write("docs/y.md", "another parent\n")
    scene.commit_unguarded("other")
    picked = scene.git("cherry-pick", theirs, agent=OTHER)
    assert picked.code == 0, picked
    assert maker(scene, scene.head) == HOLDER


@pytest.mark.parametrize("known", ["named", "entered", "entered by an earlier version"])
def test_a_replay_that_git_names_nowhere_is_known_by_its_exact_change(
    scene: Repo, known: str
) -> None:
    scene.must("checkout", "-q", "-b", "side")
    picked = commit(scene, HOLDER, "src/x.py", "theirs\n")
    scene.must("checkout", "-q", "main")
    commit(scene, OTHER, "docs/y.md", "another base\n")
    if known != "named":
        assert maker(scene, picked) == HOLDER  # who asks for it enters it
    if known == "entered by an earlier version":
        with closing(sqlite3.connect(scene.database)) as table, table:
            table.execute("UPDATE commits SET patch = substr(patch, 10)")
    scene.must("cherry-pick", "--no-commit", picked)
    scene.write("src/x.py", "not theirs\n")
    assert_refused(scene.commit_all(agent=OTHER), "src/x.py")
    scene.write("src/x.py", "theirs\n")
    assert scene.commit_all(agent=OTHER).code == 0
    assert maker(scene, scene.head) == HOLDER


def test_a_revert_of_the_holders_commit_by_another_is_refused(scene: Repo) -> None:
    theirs = commit(scene, HOLDER, "src/x.py", "the holder's\n")
    reverted = scene.git("revert", "--no-edit", theirs, agent=OTHER)
    assert_refused(reverted, "src/x.py")
    scene.must("reset", "-q", "--hard")
    assert scene.git("revert", "--no-edit", theirs, agent=HOLDER).code == 0


def test_a_rebase_carries_the_holders_commits_and_stops_at_ones_own(scene: Repo) -> None:
    start = scene.head
    scene.must("checkout", "-q", "-b", "side")
    commit(scene, HOLDER, "src/x.py", "the holder's\n")
    commit(scene, OTHER, "docs/y.md", "the other's\n")
    side = scene.head
    scene.must("checkout", "-q", "main")
    scene.write("README.md", "moved on\n")
    scene.commit_unguarded("main")
    scene.must("checkout", "-q", "side")
    rebased = scene.git("rebase", "-q", "main", agent=OTHER)
    assert rebased.code == 0, rebased
    assert maker(scene, scene.must("rev-parse", "HEAD~1")) == HOLDER
    assert maker(scene, scene.head) == OTHER

    scene.must("checkout", "-q", "-b", "sneaky", start)
    scene.write("src/y.py", "behind the guard's back\n")
    scene.commit_unguarded("sneaky")
    sneaky = scene.head
    stopped = scene.git("rebase", "-q", "main", agent=OTHER)
    assert_refused(stopped, "src/y.py")
    assert scene.git("rebase", "--abort").code == 0
    assert scene.head == sneaky
    assert scene.must("branch", "--show-current") == "sneaky"
    assert side != scene.head


def test_an_integrator_pushes_what_the_holders_committed(scene: Repo) -> None:
    for agent, folder in (("Agent1", "one"), ("Agent2", "two")):
        scene.reserve(agent, f"{folder}/")
        scene.must("checkout", "-q", "-b", folder, "main")
        commit(scene, agent, f"{folder}/a.py", f"by {agent}\n")
    scene.must("checkout", "-q", "main")
    merged = scene.git("merge", "-q", "--no-edit", "one", "two", agent=OTHER)
    assert merged.code == 0, merged
    pushed = scene.git("push", "-q", "origin", "main", agent=OTHER)
    assert pushed.code == 0, pushed


def test_a_push_is_refused_where_one_commit_of_many_is_not_the_holders(scene: Repo) -> None:
    commit(scene, HOLDER, "src/x.py", "the holder's\n")
    assert scene.git("push", "-q", "--dry-run", "origin", "main", agent=OTHER).code == 0
    scene.write("src/x.py", "and then the other's\n")
    scene.commit_unguarded("sneaky")
    assert_refused(scene.git("push", "-q", "origin", "main", agent=OTHER), "src/x.py", "push")


def test_a_commit_in_no_ledger_is_the_pushers(scene: Repo) -> None:
    scene.write("src/x.py", "made where nobody looked\n")
    scene.commit_unguarded("unknown")
    assert_refused(scene.git("push", "-q", "origin", "main", agent=OTHER), "src/x.py", "push")
    assert scene.git("push", "-q", "origin", "main", agent=HOLDER).code == 0


def test_authors_and_trailers_prove_nothing(scene: Repo) -> None:
    scene.write("src/x.py", "forged\n")
    scene.must("add", "-A")
    forged = ("--author", f"{HOLDER} <{HOLDER}@example.invalid>", "-m", f"x\n\nAgent: {HOLDER}")
    scene.must(*NO_HOOKS, "commit", "-q", *forged)
    assert_refused(scene.git("push", "-q", "origin", "main", agent=OTHER), "src/x.py", "push")


def test_what_a_conflict_was_resolved_to_is_ones_own(scene: Repo) -> None:
    scene.must("checkout", "-q", "-b", "side")
    theirs = commit(scene, HOLDER, "src/x.py", "the holder's\n")
    scene.must("checkout", "-q", "main")
    scene.write("src/x.py", "something else\n")
    scene.commit_unguarded("main")
    scene.must(*NO_HOOKS, "push", "-q", "origin", "main")
    assert scene.git("cherry-pick", theirs, agent=OTHER).code == 1
    scene.write("src/x.py", "not what the holder wrote\n")
    scene.must("add", "-A")
    scene.git("-c", "core.editor=true", "cherry-pick", "--continue", agent=OTHER)
    if scene.must("log", "-1", "--format=%s") != "main":
        assert maker(scene, scene.head) == OTHER
        assert_refused(scene.git("push", "-q", "origin", "main", agent=OTHER), "src/x.py", "push")


def test_a_forced_push_that_drops_the_holders_commit_is_refused(scene: Repo) -> None:
    commit(scene, HOLDER, "src/x.py", "the holder's\n")
    assert scene.git("push", "-q", "origin", "main", agent=HOLDER).code == 0
    scene.must("reset", "-q", "--hard", "HEAD~1")
    forced = scene.git("push", "-q", "--force", "origin", "main", agent=OTHER)
    assert_refused(forced, "src/x.py", "push")


def test_a_commit_never_waits_for_the_ledger(scene: Repo) -> None:
    with_lock = scene.path / ".git" / "agentlock" / "agentlock.sqlite3"
    assert with_lock.exists()
    scene.write("docs/y.md", "x\n")
    done = scene.commit_all(agent=OTHER)
    assert done.code == 0
    assert done.err == ""


def test_commits_on_a_detached_head_and_in_a_linked_worktree_are_recorded(
    scene: Repo, tmp_path: Path
) -> None:
    scene.must("checkout", "-q", "--detach")
    commit(scene, OTHER, "docs/y.md", "detached\n")
    assert maker(scene, scene.head) == OTHER
    scene.must("worktree", "add", "-q", "-b", "side/ways", str(tmp_path / "linked"))
    linked = Repo(tmp_path / "linked")
    linked.write("docs/y.md", "linked\n")
    assert linked.commit_all(agent=HOLDER).code == 0
    assert maker(scene, linked.head) == HOLDER
    scene.must("pack-refs", "--all")
    scene.must("checkout", "-q", "main")
    commit(scene, OTHER, "docs/y.md", "after packing\n")
    assert maker(scene, scene.head) == OTHER


def patch_of(repo: Repo, tmp_path: Path) -> str:
    """The last commit as a file for `git am`."""
    return repo.must("format-patch", "-1", "--full-index", "-o", str(tmp_path / "patches"))


@pytest.mark.parametrize("options", [(), ("--3way",)])
def test_am_of_ones_own_patch_into_a_reservation_is_refused_and_can_be_aborted(
    scene: Repo, tmp_path: Path, options: tuple[str, ...]
) -> None:
    scene.must("checkout", "-q", "-b", "side")
    scene.write("src/x.py", "mine\n")
    scene.commit_unguarded("side")
    patch = patch_of(scene, tmp_path)
    scene.must("checkout", "-q", "main")
    before = scene.head
    assert_refused(scene.git("am", "-q", *options, patch, agent=OTHER), "src/x.py", "patch")
    assert scene.git("am", "--abort").code == 0
    assert scene.head == before
    assert scene.must("status", "--porcelain") == ""
    assert scene.git("am", "-q", *options, patch, agent=HOLDER).code == 0


def test_am_of_the_holders_own_commit_passes_and_stays_the_holders(
    scene: Repo, tmp_path: Path
) -> None:
    scene.must("checkout", "-q", "-b", "side")
    commit(scene, HOLDER, "src/x.py", "the holder's\n")
    patch = patch_of(scene, tmp_path)
    scene.must("checkout", "-q", "main")
    scene.write("docs/y.md", "another parent\n")
    scene.commit_unguarded("other")
    scene.must(*NO_HOOKS, "push", "-q", "origin", "main")
    applied = scene.git("am", "-q", patch, agent=OTHER)
    assert applied.code == 0, applied
    assert scene.git("push", "-q", "origin", "main", agent=OTHER).code == 0


def test_a_rebase_by_patches_carries_the_holders_commit_and_stops_at_ones_own(
    scene: Repo,
) -> None:
    scene.must("checkout", "-q", "-b", "side")
    commit(scene, HOLDER, "src/x.py", "the holder's\n")
    scene.must("checkout", "-q", "main")
    scene.write("README.md", "moved on\n")
    scene.commit_unguarded("main")
    scene.must("checkout", "-q", "side")
    rebased = scene.git("rebase", "-q", "--apply", "main", agent=OTHER)
    assert rebased.code == 0, rebased
    scene.write("src/y.py", "behind the guard's back\n")
    scene.commit_unguarded("sneaky")
    sneaky = scene.head
    stopped = scene.git("rebase", "-q", "--apply", "--force-rebase", "main", agent=OTHER)
    assert_refused(stopped, "src/y.py", "patch")
    assert scene.git("rebase", "--abort").code == 0
    assert scene.head == sneaky
    assert scene.must("branch", "--show-current") == "side"


def test_a_conflict_in_the_holders_commit_is_resolved_by_the_holder(scene: Repo) -> None:
    """A resolution is a new change; the rebase then ends in strict mode too."""
    assert scene.agentlock("hooks", "install", "--strict").code == 0
    scene.must("checkout", "-q", "-b", "side")
    commit(scene, HOLDER, "src/x.py", "the holder's\n")
    scene.must("checkout", "-q", "main")
    scene.write("src/x.py", "something else\n")
    scene.must("add", "-A")
    assert scene.git("commit", "-q", "-m", "main", agent=HOLDER).code == 0
    scene.must("checkout", "-q", "side")
    assert scene.git("rebase", "-q", "main", agent=OTHER).code == 1
    scene.write("src/x.py", "of both\n")
    scene.must("add", "-A")
    proceed = ("-c", "core.editor=true", "rebase", "--continue")
    assert_refused(scene.git(*proceed, agent=OTHER), "src/x.py")
    ended = scene.git(*proceed, agent=HOLDER)
    assert ended.code == 0, ended
    assert scene.must("branch", "--show-current") == "side"
    assert scene.must("show", "side:src/x.py") == "of both"
