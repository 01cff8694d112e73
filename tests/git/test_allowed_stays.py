"""A commit that was allowed when it was made stays allowed, and one that was not never becomes so.

Each test tells what one agent did while nobody held the path, or behind the guard's back; then
somebody else holds it, and a third agent pushes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from support import HOLDER, NO_HOOKS, OTHER, Repo, assert_passed, assert_refused, publish, run

if TYPE_CHECKING:
    from pathlib import Path

MAKER, EDITOR = "RedFox", ("-c", "core.editor=true")
LINES = "".join(f"line {number}\n" for number in range(1, 41))


@pytest.fixture
def scene(repo: Repo, tmp_path: Path) -> Repo:
    """Files that nobody holds, and a remote that has them."""
    repo.write("src/x.py", LINES)
    repo.write("docs/y.md", LINES)
    repo.commit_unguarded("files")
    publish(repo, tmp_path)
    return repo


def edit(repo: Repo, line: int, text: str = "changed", name: str = "src/x.py") -> None:
    path = repo.path / name
    path.write_text(re.sub(rf"(?m)^line {line}\b.*$", f"line {line} {text}", path.read_text()))


def commit(repo: Repo, line: int, text: str = "changed", *options: str, agent: str = MAKER) -> str:
    """A guarded commit that changes one line of src/x.py."""
    edit(repo, line, text)
    assert_passed(repo.git("commit", "-q", "-a", "-m", f"{line} {text}", *options, agent=agent))
    return repo.head


def sneak(repo: Repo, line: int, text: str = "sneaked") -> str:
    edit(repo, line, text)
    repo.commit_unguarded(f"{line} {text}")
    return repo.head


def hold(repo: Repo) -> None:
    repo.reserve(HOLDER, "src/")


def clone_of(repo: Repo, tmp_path: Path) -> Repo:
    """A clone of the remote that shares the table."""
    clone = Repo(tmp_path / "clone")
    run("git", "clone", "-q", str(tmp_path / "remote.git"), str(clone.path), cwd=tmp_path)
    assert_passed(clone.agentlock("init", "--database", str(repo.database)))
    return clone


def void_paths(repo: Repo) -> list[str]:
    (entry,) = repo.agentlock("ledger", "show", "HEAD", "--json").json
    paths: list[str] = entry["void_paths"]
    return paths


def assert_lands(repo: Repo, what: str = "HEAD") -> None:
    """Another agent pushes it to main, and to a branch that is only a backup."""
    for target in ("main", "backup"):
        pushed = repo.git("push", "-q", "origin", f"{what}:refs/heads/{target}", agent=OTHER)
        assert_passed(pushed)


def assert_stopped(repo: Repo, what: str = "HEAD") -> None:
    for target in ("main", "backup"):
        pushed = repo.git("push", "-q", "origin", f"{what}:refs/heads/{target}", agent=OTHER)
        assert_refused(pushed, "src/x.py", what="push")


# What was allowed


def test_what_was_committed_and_released_is_pushed_by_anyone(scene: Repo) -> None:
    scene.reserve(MAKER, "src/x.py")
    made = commit(scene, 3)
    assert_passed(scene.agentlock("release", "--all", agent=MAKER))
    hold(scene)
    assert_passed(scene.git("push", "-q", "origin", f"{made}:refs/heads/mine", agent=MAKER))
    assert_lands(scene)


def test_what_was_covered_when_it_was_made_needs_no_reservation_later(scene: Repo) -> None:
    covered = ("policy", "set", "require_reservation", "on", "--reason", "strict")
    assert_passed(scene.agentlock(*covered))
    scene.reserve(MAKER, "src/x.py")
    commit(scene, 3)
    assert_passed(scene.agentlock("release", "--all", agent=MAKER))
    assert_lands(scene)


def test_what_was_committed_before_anybody_held_it_is_merged_and_pushed(scene: Repo) -> None:
    scene.must("checkout", "-q", "-b", "side")
    commit(scene, 3)
    scene.must("checkout", "-q", "main")
    scene.write("docs/y.md", "moved on\n")
    assert_passed(scene.commit_all("on", agent=OTHER))
    hold(scene)
    assert_passed(scene.git("merge", "-q", "--no-edit", "side", agent=OTHER))
    assert_lands(scene)


def test_a_commit_of_nobody_is_entered_too(scene: Repo) -> None:
    edit(scene, 3)
    assert_passed(scene.git("commit", "-q", "-a", "-m", "x"))
    hold(scene)
    assert_lands(scene)


def test_what_the_project_only_warned_of_passes_later(scene: Repo) -> None:
    hold(scene)
    warn = ("policy", "set", "enforcement", "warn", "--reason", "trial")
    assert_passed(scene.agentlock(*warn))
    commit(scene, 3)
    block = ("policy", "set", "enforcement", "block", "--reason", "over")
    assert_passed(scene.agentlock(*block))
    assert_lands(scene)
    (entry,) = scene.agentlock("ledger", "show", "HEAD", "--json").json
    assert (entry["agent"], entry["how"]) == (MAKER, "warned")


def test_a_skip_is_decided_once(scene: Repo) -> None:
    hold(scene)
    edit(scene, 3)
    skip = {"AGENTLOCK_SKIP": "the build is red"}
    assert_passed(scene.git("commit", "-q", "-a", "-m", "x", agent=MAKER, env=skip))
    (scene.path / ".git/agentlock/agentlock.sqlite3-notes").unlink(missing_ok=True)
    assert_lands(scene)
    (entry,) = scene.agentlock("ledger", "show", "HEAD", "--json").json
    assert (entry["how"], entry["reason"]) == ("skipped", "the build is red")


def test_an_amended_commit_stays_entered(scene: Repo) -> None:
    commit(scene, 3)
    edit(scene, 30)
    amend = ("commit", "-q", "-a", "--amend", "-m", "both")
    assert_passed(scene.git(*amend, agent=MAKER))
    hold(scene)
    assert_passed(scene.git("commit", "-q", "--amend", "-m", "better words", agent=OTHER))
    assert_lands(scene)


@pytest.mark.parametrize("held", [False, True])
def test_fixups_and_squashes_of_entered_commits_stay_entered(scene: Repo, held: bool) -> None:
    first = commit(scene, 3)
    commit(scene, 20)
    edit(scene, 35)
    assert_passed(scene.git("commit", "-q", "-a", "--fixup", first, agent=MAKER))
    edit(scene, 38)
    assert_passed(scene.git(*EDITOR, "commit", "-q", "-a", "--squash", first, agent=MAKER))
    if held:
        hold(scene)
    onto = scene.must("rev-parse", "HEAD~4")
    rebase = ("rebase", "-q", "-i", "--autosquash", onto)
    env = {"GIT_SEQUENCE_EDITOR": "true"}
    assert_passed(scene.git(*EDITOR, *rebase, agent=OTHER, env=env))
    assert scene.must("rev-list", "--count", f"{onto}..HEAD") == "2"
    if not held:
        hold(scene)
    assert_lands(scene)


@pytest.mark.parametrize("options", [(), ("--apply",)])
@pytest.mark.parametrize("held", [False, True])
def test_a_rebase_whose_context_drifted_stays_entered(
    scene: Repo, held: bool, options: tuple[str, ...]
) -> None:
    scene.must("checkout", "-q", "-b", "side")
    commit(scene, 10)
    commit(scene, 25)
    scene.must("checkout", "-q", "main")
    commit(scene, 12, "near")  # among the lines around the other change
    commit(scene, 1, "far")
    scene.must(*NO_HOOKS, "push", "-q", "origin", "main")
    scene.must("checkout", "-q", "side")
    if held:
        hold(scene)
    assert_passed(scene.git("rebase", "-q", *options, "main", agent=OTHER))
    if not held:
        hold(scene)
    assert_lands(scene)


def test_a_revert_of_a_revert_stays_entered_through_a_rebase(scene: Repo) -> None:
    scene.must("checkout", "-q", "-b", "side")
    commit(scene, 10)
    for _ in range(2):
        assert_passed(scene.git("revert", "--no-edit", "HEAD", agent=MAKER))
    scene.must("checkout", "-q", "main")
    commit(scene, 30, "elsewhere")
    scene.must(*NO_HOOKS, "push", "-q", "origin", "main")
    scene.must("checkout", "-q", "side")
    assert_passed(scene.git("rebase", "-q", "main", agent=OTHER))
    hold(scene)
    assert_lands(scene)


def test_a_cherry_pick_and_a_patch_of_an_entered_commit_pass_over_a_reservation(
    scene: Repo, tmp_path: Path
) -> None:
    scene.must("checkout", "-q", "-b", "side")
    picked, mailed = commit(scene, 10), commit(scene, 30)
    scene.must("format-patch", "-1", "--full-index", "-o", str(tmp_path / "patch"), mailed)
    (patch,) = (tmp_path / "patch").iterdir()
    scene.must("checkout", "-q", "main")
    commit(scene, 20, "elsewhere")
    hold(scene)
    assert_passed(scene.git("cherry-pick", picked, agent=OTHER))
    assert_passed(scene.git("am", "-q", str(patch), agent=OTHER))
    shown = scene.agentlock("ledger", "show", "HEAD", "HEAD~1", "--json").json
    assert [(one["agent"], one["origin"]) for one in shown] == [(MAKER, mailed), (MAKER, picked)]
    assert_lands(scene)


@pytest.mark.parametrize("way", ["am", "revert", "stop", "pull", "-X ours"])
def test_no_way_of_making_a_commit_is_missed(scene: Repo, tmp_path: Path, way: str) -> None:
    first = commit(scene, 3)
    if way == "am":
        scene.must("format-patch", "-1", "-o", str(tmp_path / "patch"), sneak(scene, 9))
        scene.must("reset", "-q", "--hard", "HEAD~1")
        (patch,) = (tmp_path / "patch").iterdir()
        assert_passed(scene.git("am", "-q", str(patch), agent=MAKER))
    elif way == "revert":
        assert_passed(scene.git("revert", "--no-edit", "HEAD", agent=MAKER))
    elif way == "stop":
        commit(scene, 15)
        env = {"GIT_SEQUENCE_EDITOR": "sed -i 1s/pick/edit/"}
        assert_passed(scene.git("rebase", "-q", "-i", f"{first}~1", agent=MAKER, env=env))
        commit(scene, 37, "at the stop")
        assert_passed(scene.git(*EDITOR, "rebase", "--continue", agent=MAKER))
    else:
        scene.must("checkout", "-q", "-b", "side", "HEAD~1")
        commit(scene, 3, "rival")
        scene.must("checkout", "-q", "main")
        if way == "pull":
            commit(scene, 30)
            scene.must("checkout", "-q", "side")
            scene.must("reset", "-q", "--hard", "HEAD~1")
            commit(scene, 20)
            scene.must("checkout", "-q", "main")
            pull = ("pull", "-q", "--no-rebase", "--no-edit", ".", "side")
            assert_passed(scene.git(*pull, agent=MAKER))
        else:
            merge = ("merge", "-q", "-X", "ours", "--no-edit", "side")
            assert_passed(scene.git(*merge, agent=MAKER))
    hold(scene)
    assert_lands(scene)


def test_plumbing_that_passed_our_gate_is_entered(scene: Repo) -> None:
    assert_passed(scene.agentlock("hooks", "install", "--strict"))
    edit(scene, 3)
    scene.must("add", "-A")
    made = scene.must("commit-tree", "-p", "HEAD", "-m", "x", scene.must("write-tree"))
    assert_passed(scene.git("update-ref", "refs/heads/main", made, agent=MAKER))
    hold(scene)
    assert_lands(scene)


def test_an_integrators_amend_of_the_words_of_a_merge_stays_entered(scene: Repo) -> None:
    scene.must("checkout", "-q", "-b", "side")
    commit(scene, 3, "one")
    scene.must("checkout", "-q", "main")
    commit(scene, 3, "two")
    assert scene.git("merge", "-q", "side", agent=MAKER).code == 1
    scene.must("checkout", "-q", "--ours", "src/x.py")
    edit(scene, 3, "both")
    assert_passed(scene.git("commit", "-q", "-a", "-m", "resolved", agent=MAKER))
    hold(scene)
    assert_passed(scene.git("commit", "-q", "--amend", "-m", "better words", agent=OTHER))
    assert_lands(scene)


# What was not


def test_a_commit_behind_the_guards_back_that_is_amended_is_refused(scene: Repo) -> None:
    sneak(scene, 3)
    assert_passed(scene.git("commit", "-q", "--amend", "-m", "better words", agent=MAKER))
    edit(scene, 20)
    assert_passed(scene.git("commit", "-q", "-a", "--amend", "-m", "more", agent=MAKER))
    hold(scene)
    assert_stopped(scene)


def test_what_a_gate_judged_counts_for_no_other_change_on_the_same_base(scene: Repo) -> None:
    commit(scene, 3)
    scene.must("reset", "-q", "--hard", "HEAD~")
    sneak(scene, 30)
    hold(scene)
    assert_stopped(scene)


def test_a_cherry_pick_that_is_continued_with_other_content_is_refused(scene: Repo) -> None:
    scene.must("checkout", "-q", "-b", "side")
    picked = commit(scene, 3, "one", agent=HOLDER)
    scene.must("checkout", "-q", "main")
    commit(scene, 3, "two")
    hold(scene)
    assert scene.git("cherry-pick", picked, agent=OTHER).code == 1
    scene.must("checkout", "-q", "--ours", "src/x.py")
    edit(scene, 30, "something else")
    scene.must("add", "-A")
    proceed = (*EDITOR, "cherry-pick", "--continue")
    assert_refused(scene.git(*proceed, agent=OTHER), "src/x.py")
    assert_passed(scene.git(*NO_HOOKS, *proceed))
    assert_stopped(scene)


def test_naming_a_commit_by_hand_enters_nothing(scene: Repo) -> None:
    sneak(scene, 3)
    hooks = scene.path / ".git" / "hooks"
    for hook in ("post-commit", "post-merge", "post-applypatch"):
        assert_passed(run(hooks / hook, "0", cwd=scene.path, agent=HOLDER))
    pair = f"{scene.must('rev-parse', 'HEAD~1')} {scene.head}\n".encode()
    assert_passed(run(hooks / "post-rewrite", "amend", cwd=scene.path, stdin=pair))
    hold(scene)
    assert_stopped(scene)


def test_a_fast_forward_to_an_evil_merge_is_refused(scene: Repo) -> None:
    scene.must("checkout", "-q", "-b", "side")
    commit(scene, 3)
    scene.must("checkout", "-q", "-b", "evil", "main")
    commit(scene, 30)
    scene.must(*NO_HOOKS, "merge", "-q", "--no-commit", "side")
    edit(scene, 20, "smuggled in")
    scene.commit_unguarded("merge")
    scene.must("checkout", "-q", "main")
    assert_passed(scene.git("merge", "-q", "--ff-only", "evil", agent=OTHER))
    hold(scene)
    assert_stopped(scene)


def test_a_lease_that_was_granted_while_an_editor_was_open_counts(
    scene: Repo, tmp_path: Path
) -> None:
    editor = tmp_path / "editor"
    agentlock = str(scene.path.parent / "agentlock-of-the-test")
    editor.write_text(
        f'#!/bin/sh\necho words >"$1"\nAGENTLOCK_AGENT={HOLDER} "{agentlock}" reserve src/ >&2\n',
        encoding="utf-8",
    )
    import sys

    (scene.path.parent / "agentlock-of-the-test").write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -m agentlock "$@"\n', encoding="utf-8"
    )
    for script in (editor, scene.path.parent / "agentlock-of-the-test"):
        script.chmod(0o755)
    edit(scene, 3)
    edit(scene, 3, name="docs/y.md")
    # git dates a commit when its editor opens: here as the environment says, before the lease.
    env = {"GIT_EDITOR": str(editor)}
    assert_passed(scene.git("commit", "-q", "-a", agent=MAKER, env=env))
    assert_stopped(scene)
    # The other file stays excused, and so does all of it once a push was allowed to bring it.
    scene.reserve("WhiteOwl", "docs/")
    refused = scene.git("push", "-q", "origin", "main", agent=OTHER)
    row = f'{MAKER}  "words"  main  reserved by another agent before the commit was made, '
    assert_refused(refused, f"{row}changes src/x.py\n", what="push")
    assert void_paths(scene) == ["src/x.py"]
    scene.agentlock("release", "--all", agent=HOLDER)
    assert_passed(scene.git("push", "-q", "origin", "main:backup", agent=OTHER))
    hold(scene)
    assert_lands(scene)
    assert void_paths(scene) == []


def test_a_lease_that_was_granted_in_the_second_after_a_commit_does_not_count(
    scene: Repo, tmp_path: Path
) -> None:
    clone = clone_of(scene, tmp_path)
    edit(scene, 3)
    env = {"GIT_COMMITTER_DATE": "2099-01-01T00:00:00Z"}  # as if that second were not over yet
    assert_passed(scene.git("commit", "-q", "-a", "-m", "words", agent=MAKER, env=env))
    hold(clone)
    assert_lands(scene)


def test_what_a_push_judged_is_known_again_by_its_change(scene: Repo) -> None:
    sneaked = sneak(scene, 3)
    assert_passed(scene.git("push", "-q", "origin", "HEAD:refs/heads/side", agent=OTHER))
    scene.must("checkout", "-q", "-b", "same", "HEAD~")
    hold(scene)
    edit(scene, 3, "sneaked")
    assert_passed(scene.git("commit", "-q", "-a", "-m", "by hand", agent=MAKER))
    (entry,) = scene.agentlock("ledger", "show", "HEAD", "--json").json
    assert (entry["agent"], entry["origin"]) == (OTHER, sneaked)
    # So no commit is lost that another branch has a copy of, although its holder committed it.
    assert_passed(scene.git("push", "-q", "origin", "HEAD:refs/heads/copy", agent=HOLDER))
    assert_passed(scene.git("push", "-q", "origin", ":copy", agent=OTHER))


def test_a_commit_that_a_gate_saw_only_when_it_was_replayed_elsewhere_is_entered_too(
    scene: Repo, tmp_path: Path
) -> None:
    """Such as by a rebase that was given up: the copy was judged, the branch keeps the original."""
    base = commit(scene, 3)
    original = sneak(scene, 30)
    scene.must("checkout", "-q", "--detach", f"{base}~")
    assert_passed(scene.git("cherry-pick", original, agent=MAKER))
    scene.must("checkout", "-q", "main")
    hold(clone_of(scene, tmp_path))  # which cannot read what the hooks named in the other one
    assert_lands(scene)


def test_what_the_holder_reverted_is_judged_when_it_is_picked_again(scene: Repo) -> None:
    made = commit(scene, 3, agent=HOLDER)
    assert_passed(scene.git("revert", "--no-edit", "HEAD", agent=HOLDER))
    hold(scene)
    assert_refused(scene.git("cherry-pick", made, agent=OTHER), "src/x.py", code=128)
    scene.must("cherry-pick", "--abort")
    scene.must(*NO_HOOKS, "cherry-pick", made)
    assert_stopped(scene)


@pytest.mark.parametrize("name", ["x.py", "new.py"])
def test_a_change_that_git_carries_to_a_file_it_takes_for_the_renamed_one_is_judged(
    scene: Repo, name: str
) -> None:
    scene.must("checkout", "-q", "--orphan", "side")
    scene.must("rm", "-rqf", ".")
    scene.write("free/x.py", LINES)
    scene.must("add", "-A")
    assert_passed(scene.git("commit", "-q", "-m", "a copy", agent=OTHER))
    scene.write(f"free/{name}", LINES + "one more\n")
    scene.must("add", "-A")
    assert_passed(scene.git("commit", "-q", "-m", "more", agent=OTHER))
    carried = scene.head
    scene.must("checkout", "-q", "main")
    hold(scene)
    pick = ("-c", "merge.directoryRenames=true", "cherry-pick", carried)
    assert_refused(scene.git(*pick, agent=OTHER), f"src/{name}", code=128)
    scene.must("cherry-pick", "--abort")
    assert_passed(scene.git(*NO_HOOKS, *pick))
    pair = f"{carried} {scene.head}\n".encode()
    rewritten = scene.path / ".git/hooks/post-rewrite"
    assert_passed(run(rewritten, "rebase", cwd=scene.path, stdin=pair))
    for target in ("main", "backup"):
        pushed = scene.git("push", "-q", "origin", f"HEAD:refs/heads/{target}", agent=OTHER)
        assert_refused(pushed, f"src/{name}", what="push")


def test_a_forged_or_torn_note_counts_for_nothing(scene: Repo) -> None:
    commit(scene, 3)
    notes = scene.path / ".git/agentlock/agentlock.sqlite3-notes"
    whole = notes.read_text(encoding="utf-8")
    for broken in (whole.replace(MAKER, HOLDER), whole[: len(whole) // 2], "", "\0\n1 2 3\n"):
        notes.write_text(broken, encoding="utf-8")
        hold(scene)
        assert_stopped(scene)
        assert_passed(scene.agentlock("release", "--all", agent=HOLDER))
    notes.write_text(whole, encoding="utf-8")


def test_a_note_of_another_table_counts_for_nothing(scene: Repo) -> None:
    commit(scene, 3)
    scene.sql("UPDATE database_identity SET id = 'another'")
    scene.must("config", "agentlock.databaseId", "another")
    hold(scene)
    assert_stopped(scene)


def test_a_revoked_entry_is_judged_again_and_the_person_gives_a_reason(scene: Repo) -> None:
    made = commit(scene, 3)
    assert scene.agentlock("ledger", "revoke", made).code == 2
    revoked = scene.agentlock("ledger", "revoke", made, "--reason", "by mistake", agent=MAKER)
    assert_passed(revoked)
    assert "revoked" in scene.agentlock("log").out
    hold(scene)
    assert_stopped(scene)
    assert scene.agentlock("ledger", "revoke", made, "--reason", "again").code == 1


def test_a_note_that_cannot_be_written_stops_nothing(scene: Repo) -> None:
    notes = scene.path / ".git/agentlock/agentlock.sqlite3-notes"
    notes.unlink(missing_ok=True)
    notes.mkdir()
    commit(scene, 3)
    hold(scene)
    assert_stopped(scene)
