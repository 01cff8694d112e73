"""What git lists of a push while Python loads is what it lists one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support import HOLDER, NO_HOOKS, OTHER, Repo, assert_refused, publish

from agentlock.errors import GitError
from agentlock.git.asked_commits import AskedCommits
from agentlock.git.commits import changed_by, listed, listed_in, listing_changes, oid_of
from agentlock.git.process import Running
from agentlock.git.remotes import default_branch

if TYPE_CHECKING:
    from pathlib import Path

ODD = (":000000 100644", "with\nnewline", "back\\slash", "\u00e9.txt", " A", "deep/er/file")
MANY = b"HEAD\n" * 20_000  # more than any pipe holds
NOISE = "alias.noise=!head -c 300000 /dev/zero >&2; cat"


def test_a_command_reads_another_ones_output_although_both_say_more_than_a_pipe_holds(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repo.path)
    first = Running("-c", NOISE, "noise", stdin=MANY)
    found = Running("cat-file", "--batch-check=%(objecttype)", source=first).output()
    assert found == b"commit\n" * 20_000


def test_what_fails_in_either_of_two_commands_is_told(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repo.path)
    lacking = Running("rev-list", "1" * 40)
    with pytest.raises(GitError, match=r"rev-list.*bad object 1111"):
        Running("diff-tree", "--stdin", source=lacking).output()
    interrupted = Running("cat-file", "--batch-check", stdin=MANY)
    with pytest.raises(GitError, match="diff-tree"):
        Running("diff-tree", "--no-such-option", source=interrupted).output()


def test_commits_and_their_changes_are_listed_at_once_as_one_after_the_other(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repo.path)
    for name in ODD:
        repo.write(name)
        repo.commit_unguarded("one more")
    (repo.path / ODD[0]).unlink()
    repo.commit_unguarded("a removal")
    repo.must(*NO_HOOKS, "commit", "-q", "--allow-empty", "-m", "nothing")
    repo.must("update-index", "--add", "--cacheinfo", f"160000,{repo.head},module")
    repo.must(*NO_HOOKS, "commit", "-qm", "a submodule")
    for branch in ("one", "two", "three"):
        repo.must("checkout", "-q", "-b", branch, "main~2")
        repo.write(f"{branch}.txt")
        repo.commit_unguarded(branch)
    repo.must("checkout", "-q", "main")
    repo.must(*NO_HOOKS, "merge", "-q", "--no-ff", "-m", "a merge", "one")
    repo.must(*NO_HOOKS, "merge", "-q", "-m", "an octopus", "two", "three")
    for revisions in ([b"main"], [b"main", b"^main~3"], [b"two", b"^main"], []):
        lines = listed(revisions) if revisions else []
        answer = listing_changes(revisions).output() if revisions else b""
        assert listed_in(answer) == lines
        assert changed_by(lines, answer=answer) == changed_by(lines)
        assert_same_commits(answer, lines)
    assert changed_by(listed([b"main"])).touched.keys() >= {name.encode() for name in ODD}


def assert_same_commits(answer: bytes, lines: list[bytes]) -> None:
    """What is taken from a listing is what git says if it is asked again."""
    listing, asking = AskedCommits(answer), AskedCommits()
    oids = list(map(oid_of, lines))
    commits = asking.whole(oids)
    assert listing.whole(oids) == commits
    assert [one.oid for one in commits] == oids
    assert listing.diffs(commits) == asking.diffs(commits)


def test_where_history_is_cut_off_a_listing_does_not_tell_what_a_commit_changes(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repo.path)
    for name in ("one", "two"):
        repo.write(name)
        repo.commit_unguarded(name)
    (repo.path / ".git" / "shallow").write_text(f"{repo.head}\n", encoding="ascii")
    answer = listing_changes([b"main"]).output()
    assert b"\0one\0" in answer
    assert_same_commits(answer, listed([b"main"]))


@pytest.mark.parametrize(
    "head",
    [
        (),
        ("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main"),
        ("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/not/there"),
        ("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/other/main"),
        ("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/alias"),
        ("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/\u00e9"),
        ("update-ref", "refs/remotes/origin/HEAD", "main"),
    ],
)
def test_the_default_branch_is_read_from_its_file_as_git_names_it(
    repo: Repo, monkeypatch: pytest.MonkeyPatch, head: tuple[str, ...]
) -> None:
    monkeypatch.chdir(repo.path)
    repo.must("update-ref", "refs/remotes/origin/main", "main")
    repo.must("symbolic-ref", "refs/remotes/origin/alias", "refs/remotes/origin/main")
    if head:
        repo.must(*head)
    repo.must("pack-refs", "--all")
    named = repo.git("symbolic-ref", "--quiet", "refs/remotes/origin/HEAD").out.strip()
    start = "refs/remotes/origin/"
    expected = f"refs/heads/{named[len(start) :]}" if named.startswith(start) else ""
    common = str(repo.path / ".git").encode()
    assert default_branch("origin", common) == expected.encode()
    for other in ("../origin", str(repo.path), "https://host/x"):
        assert default_branch(other, common) == b""


def test_a_remotes_name_below_another_ones_is_found_out_before_anything_counts(
    repo: Repo, tmp_path: Path
) -> None:
    """refs/remotes/origin/b/* tells of the remote origin/b, and nothing of origin."""
    publish(repo, tmp_path)
    repo.must("init", "-q", "--bare", str(tmp_path / "other.git"))
    repo.must("remote", "add", "origin/b", str(tmp_path / "other.git"))
    repo.write("held.txt")
    repo.commit_unguarded("held")
    repo.must("update-ref", "refs/remotes/origin/b/main", "HEAD")
    repo.reserve(HOLDER, "held.txt")
    refused = repo.git("push", "-q", "origin", "HEAD:refs/heads/new", agent=OTHER)
    assert_refused(refused, "held.txt", what="push")
    assert "origin does not show" not in refused.err
