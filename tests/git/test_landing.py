"""Which branches are judged by all that they gain, what counts as lost, and what as foreign."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support import HOLDER, NO_HOOKS, OTHER, Repo, assert_passed, assert_refused, publish, run

if TYPE_CHECKING:
    from pathlib import Path

    from support import Result

MAKER = "RedFox"


@pytest.fixture
def scene(repo: Repo, tmp_path: Path) -> Repo:
    """Files that nobody holds, and a remote that has them."""
    for name in ("src/x.py", "docs/y.md"):
        repo.write(name, f"start of {name}\n")
    repo.commit_unguarded("files")
    publish(repo, tmp_path)
    return repo


def commit(repo: Repo, text: str, name: str = "src/x.py", agent: str = MAKER) -> str:
    repo.write(name, text)
    assert_passed(repo.commit_all(text, agent=agent))
    return repo.head


def sneak(repo: Repo, text: str = "sneaked in", name: str = "src/x.py") -> str:
    repo.write(name, text)
    repo.commit_unguarded(text)
    return repo.head


def push(repo: Repo, *what: str, agent: str = OTHER, remote: str = "origin") -> Result:
    return repo.git("push", "-q", remote, *what, agent=agent)


def policy(repo: Repo, *settings: str) -> None:
    assert_passed(repo.agentlock("policy", "set", *settings, "--reason", "test"))


# Protected branches


def test_main_is_judged_by_what_it_gains_although_another_branch_has_it(scene: Repo) -> None:
    made = sneak(scene)
    scene.must(*NO_HOOKS, "push", "-q", "origin", "HEAD:refs/heads/old")
    scene.must("fetch", "-q", "origin")
    scene.reserve(HOLDER, "src/")
    assert_refused(push(scene, f"{made}:refs/heads/main"), "src/x.py", what="push")
    assert_passed(push(scene, f"{made}:refs/heads/new"))


def test_the_policy_names_other_branches_and_makes_exceptions(scene: Repo) -> None:
    policy(scene, "protected", "release/*", "!release/old")
    start = scene.head
    for branch in ("release/one", "release/old"):
        scene.must(*NO_HOOKS, "push", "-q", "origin", f"{start}:refs/heads/{branch}")
    made = sneak(scene)
    scene.must(*NO_HOOKS, "push", "-q", "origin", "HEAD:refs/heads/seen")
    scene.must("fetch", "-q", "origin")
    scene.reserve(HOLDER, "src/")
    assert_refused(push(scene, f"{made}:refs/heads/release/one"), "src/x.py", what="push")
    assert_passed(push(scene, f"{made}:refs/heads/release/old"))
    assert_passed(push(scene, f"{made}:refs/heads/release/new"))  # the remote has no such branch
    assert_passed(push(scene, f"{made}:refs/heads/main"))


def test_landing_over_a_live_lease_is_told_to_the_pusher_and_the_holder(scene: Repo) -> None:
    commit(scene, "made earlier")
    scene.reserve(HOLDER, "src/")
    assert_passed(landed := push(scene, "HEAD:refs/heads/main"))
    assert f"note: this push lands earlier changes of 1 path that {HOLDER} holds now" in landed.err
    assert "fetch it before you go on" in str(scene.sql("SELECT subject FROM messages"))


def test_with_landing_now_only_the_holder_lands_what_is_held(scene: Repo) -> None:
    policy(scene, "landing", "now")
    made, more = commit(scene, "made earlier"), commit(scene, "and more")
    scene.reserve(HOLDER, "src/")
    assert_refused(push(scene, f"{made}:refs/heads/main"), "src/x.py", what="push")
    for tip in (made, more):  # first to a branch that is new there
        assert_passed(push(scene, f"{tip}:refs/heads/backup"))
    assert_passed(push(scene, f"{made}:refs/heads/main", agent=HOLDER))


def test_with_landing_now_the_holders_own_commit_is_landed_by_anyone(scene: Repo) -> None:
    policy(scene, "landing", "now")
    scene.reserve(HOLDER, "src/")
    commit(scene, "the holder's", agent=HOLDER)
    assert_passed(push(scene, "HEAD:refs/heads/main"))


# What is dropped


def test_a_rebased_branch_is_forced_by_anyone_since_nothing_is_lost(scene: Repo) -> None:
    scene.must("switch", "-q", "-c", "side")
    commit(scene, "the holder's", agent=HOLDER)
    assert_passed(push(scene, "side", agent=HOLDER))
    scene.must("switch", "-q", "main")
    commit(scene, "moved on", "docs/y.md")
    scene.must("switch", "-q", "side")
    assert_passed(scene.git("rebase", "-q", "main", agent=OTHER))
    scene.reserve(HOLDER, "src/")
    assert_passed(push(scene, "+side"))


def test_what_the_pusher_made_is_dropped_from_a_side_branch_and_not_from_main(
    scene: Repo,
) -> None:
    before = scene.head
    commit(scene, "mine", agent=OTHER)
    assert_passed(push(scene, "HEAD:refs/heads/main", "HEAD:refs/heads/side"))
    scene.reserve(HOLDER, "src/")
    forced = push(scene, f"+{before}:refs/heads/main", f"+{before}:refs/heads/side")
    assert_refused(forced, "src/x.py", what="push")
    scene.must(*NO_HOOKS, "push", "-q", "origin", f"+{before}:refs/heads/main")
    assert_passed(push(scene, f"+{before}:refs/heads/side"))


def test_what_the_holder_made_or_nobody_entered_is_not_dropped(scene: Repo) -> None:
    before = scene.head
    made = commit(scene, "the holder's", agent=HOLDER)
    assert_passed(push(scene, f"{made}:refs/heads/one", agent=HOLDER))
    scene.must("reset", "-q", "--hard", before)
    unknown = sneak(scene)
    scene.must(*NO_HOOKS, "push", "-q", "origin", f"{unknown}:refs/heads/two")
    scene.must("fetch", "-q", "origin")
    scene.reserve(HOLDER, "src/")
    for branch in ("one", "two"):
        forced = push(scene, f"+{before}:refs/heads/{branch}")
        assert_refused(forced, "src/x.py", what="push")


def test_a_branch_is_deleted_unless_that_loses_what_the_holder_made_or_nobody_entered(
    scene: Repo,
) -> None:
    before = scene.head
    made = commit(scene, "the holder's", agent=HOLDER)
    mine = commit(scene, "mine", "docs/y.md", agent=OTHER)
    assert_passed(push(scene, f"{made}:refs/heads/one", f"{mine}:refs/heads/two", agent=HOLDER))
    scene.must("reset", "-q", "--hard", before)
    unknown = sneak(scene)
    scene.must(*NO_HOOKS, "push", "-q", "origin", f"{unknown}:refs/heads/three")
    scene.must("tag", "one", unknown)
    scene.must(*NO_HOOKS, "push", "-q", "origin", "refs/tags/one")
    scene.must("update-ref", "refs/remotes/origin/copy", unknown)  # the remote knows nothing of it
    scene.reserve(HOLDER, "src/", "docs/")
    refused = push(scene, ":refs/heads/three")
    assert_refused(refused, f"{unknown[:12]}  no record", "src/x.py", what="push")
    assert "push it to another branch before this one is deleted" in refused.err
    assert_passed(push(scene, ":refs/heads/one", ":refs/tags/one"))  # `two` has the commit too
    assert_refused(push(scene, ":refs/heads/two"), f"{made[:12]}  {HOLDER}", what="push")
    assert_passed(push(scene, ":refs/heads/two", f"{made}:refs/heads/kept"))
    assert_refused(push(scene, ":refs/heads/kept"), "src/x.py", what="push")
    scene.agentlock("release", "--all", agent=HOLDER)
    assert_passed(push(scene, ":refs/heads/kept", ":refs/heads/three"))


def test_before_a_branch_is_deleted_its_commits_are_fetched_and_copies_elsewhere_are_found(
    scene: Repo, tmp_path: Path
) -> None:
    commit(scene, "the holder's", agent=HOLDER)
    assert_passed(push(scene, "HEAD:refs/heads/one", agent=HOLDER))
    run("git", "clone", "-q", str(tmp_path / "remote.git"), "other", cwd=tmp_path)
    other = Repo(tmp_path / "other")
    other.must("checkout", "-q", "one")
    other.write("src/x.py", "made elsewhere\n")
    other.commit_unguarded("elsewhere")
    other.must("push", "-q", "origin", "HEAD:refs/heads/two")
    scene.reserve(HOLDER, "src/")
    assert_refused(push(scene, ":refs/heads/two"), "no record", "src/x.py", what="push")
    scene.must("reset", "-q", "--hard", "HEAD~1")
    commit(scene, "moved on", "docs/y.md", agent=OTHER)
    assert_passed(scene.git("cherry-pick", "origin/one", agent=HOLDER))
    assert_passed(push(scene, "HEAD:refs/heads/three", agent=HOLDER))
    assert_passed(push(scene, ":refs/heads/one"))  # `three` has it by another oid


# What others have, and what belongs to another history


def test_what_another_remote_has_on_a_branch_is_not_judged(scene: Repo, tmp_path: Path) -> None:
    sneak(scene)
    run("git", "clone", "-q", "--bare", str(scene.path), "upstream.git", cwd=tmp_path)
    run("git", "clone", "-q", str(scene.path), "clone", cwd=tmp_path)
    scene.reserve(HOLDER, "src/")
    scene.must("remote", "add", "copy", str(scene.path))
    assert_refused(push(scene, "HEAD:refs/heads/new"), "src/x.py", what="push")
    scene.must("remote", "add", "upstream", str(tmp_path / "upstream.git"))
    assert_passed(push(scene, "HEAD:refs/heads/new"))


def test_a_clone_that_shares_the_table_vouches_for_nothing(scene: Repo, tmp_path: Path) -> None:
    sneak(scene)
    run("git", "clone", "-q", str(scene.path), "clone", cwd=tmp_path)
    clone = Repo(tmp_path / "clone")
    table = ("--database", str(scene.database), "--project", "shared")
    assert clone.agentlock("init", *table).code == 0
    scene.must("remote", "add", "clone", str(clone.path))
    scene.reserve(HOLDER, "src/")
    assert_refused(push(scene, "HEAD:refs/heads/new"), "src/x.py", what="push")


def test_where_no_tracking_ref_knows_the_remote_it_is_asked_before_a_refusal(
    scene: Repo, tmp_path: Path
) -> None:
    """Git writes no fetch refspec in a bare clone with worktrees."""
    commit(scene, "free", "docs/y.md")
    scene.reserve(HOLDER, "src/")
    assert_passed(push(scene, "HEAD:refs/heads/new", remote=str(tmp_path / "remote.git")))


def orphan(repo: Repo, name: str = "src/x.py") -> str:
    blob = repo.must("hash-object", "-w", "--stdin", stdin=b"of another history\n")
    index = {"GIT_INDEX_FILE": str(repo.path / ".git" / "other-index")}
    repo.must("update-index", "--add", "--cacheinfo", f"100644,{blob},{name}", env=index)
    return repo.must("commit-tree", "-m", "other", repo.must("write-tree", env=index))


def test_another_history_is_free_until_a_merge_brings_it_in(scene: Repo) -> None:
    other = orphan(scene)
    scene.reserve(HOLDER, "src/")
    assert_passed(push(scene, f"{other}:refs/notes/metadata", f"{other}:refs/heads/pages"))
    scene.must("fetch", "-q", "origin")
    merge = ("merge", "-q", "--allow-unrelated-histories", "-X", "theirs", "--no-edit", other)
    scene.must(*NO_HOOKS, *merge)
    for target in ("main", "new"):
        assert_refused(push(scene, f"HEAD:refs/heads/{target}"), "src/x.py", what="push")


def test_a_history_that_is_merged_into_a_folder_touches_that_folder(scene: Repo) -> None:
    other = orphan(scene)
    scene.reserve(HOLDER, "src/")
    scene.must(
        *NO_HOOKS, "merge", "-q", "-s", "ours", "--no-commit", "--allow-unrelated-histories", other
    )
    scene.must("read-tree", "--prefix=vendor/", "-u", other)
    scene.commit_unguarded("vendor")
    assert_passed(push(scene, "HEAD:refs/heads/main"))
    scene.reserve(HOLDER, "vendor/")
    sneak(scene, "more", "docs/y.md")
    scene.must(*NO_HOOKS, "merge", "-q", "-s", "ours", "--no-edit", other)
    assert_passed(push(scene, "HEAD:refs/heads/main"))


@pytest.mark.parametrize("way", ["in its root", "on top", "beside"])
def test_a_history_that_takes_the_project_in_is_judged_by_path(scene: Repo, way: str) -> None:
    """Also if the project is the second parent of that merge."""
    main = scene.head
    scene.write("src/x.py", "smuggled in")
    scene.must("add", "-A")
    theirs, evil = scene.must("rev-parse", "HEAD^{tree}"), scene.must("write-tree")

    def made(tree: str, *parents: str) -> str:
        of_it = [word for parent in parents for word in ("-p", parent)]
        return scene.must(*NO_HOOKS, "commit-tree", "-m", "made", *of_it, tree)

    if way == "in its root":
        tip = made(evil, made(evil), main)
    elif way == "on top":
        tip = made(evil, made(theirs, made(theirs), main))
    else:
        root = made(theirs)
        tip = made(evil, made(theirs, root, main), made(evil, root))
    scene.reserve(HOLDER, "src/")
    for target in ("main", "new"):
        assert_refused(push(scene, f"{tip}:refs/heads/{target}"), "src/x.py", what="push")


def test_a_merge_with_another_history_that_changes_nothing_passes(scene: Repo) -> None:
    merge = ("merge", "-q", "-s", "ours", "--no-edit", "--allow-unrelated-histories")
    scene.must(*NO_HOOKS, *merge, orphan(scene))
    scene.reserve(HOLDER, "src/")
    assert_passed(push(scene, "HEAD:refs/heads/main"))


def test_another_history_takes_the_place_of_the_project_only_where_nothing_that_differs_is_held(
    scene: Repo,
) -> None:
    other = orphan(scene, "other.txt")
    scene.must(*NO_HOOKS, "push", "-q", "origin", "main:keep", f"{other}:refs/heads/pages")
    scene.must("fetch", "-q", "origin")
    scene.reserve(HOLDER, "src/")
    refused = push(scene, f"+{other}:refs/heads/main")  # `keep` has all that this would drop
    assert_refused(refused, f"{other[:12]}  no record", "src/x.py", what="push")
    assert_passed(push(scene, f"+{orphan(scene, 'src/x.py')}:refs/heads/pages"))
    scene.agentlock("release", "--all", agent=HOLDER)
    assert_passed(push(scene, f"+{other}:refs/heads/main"))


def test_a_branch_for_review_belongs_to_the_project(scene: Repo) -> None:
    sneak(scene)
    scene.reserve(HOLDER, "src/")
    assert_refused(push(scene, "HEAD:refs/for/main"), "src/x.py", what="push")


# What was there before


def test_the_init_that_makes_a_table_enters_what_the_branches_have(
    tmp_path: Path, new_repo: object
) -> None:
    repo = new_repo("repo")  # type: ignore[operator]
    repo.write("src/x.py", "before\n")
    repo.commit_unguarded("before")
    repo.must("branch", "old")
    assert repo.agentlock("init").code == 0
    run("git", "init", "-q", "--bare", "remote.git", cwd=tmp_path)
    repo.must("remote", "add", "origin", str(tmp_path / "remote.git"))
    repo.reserve(HOLDER, "src/")
    assert_passed(push(repo, "main", "old"))
    sneak(repo)
    assert_refused(push(repo, "HEAD:refs/heads/new"), "src/x.py", what="push")


def test_joining_a_table_enters_nothing(tmp_path: Path, new_repo: object) -> None:
    first, second = new_repo("one"), new_repo("two")  # type: ignore[operator]
    assert first.agentlock("init", "--project", "p").code == 0
    second.write("src/x.py", "before\n")
    second.commit_unguarded("before")
    join = ("init", "--database", str(first.database), "--project", "p")
    assert second.agentlock(*join).code == 0
    run("git", "init", "-q", "--bare", "remote.git", cwd=tmp_path)
    second.must("remote", "add", "origin", str(tmp_path / "remote.git"))
    first.reserve(HOLDER, "src/")
    assert_refused(push(second, "main"), "src/x.py", what="push")


def test_no_ref_here_makes_the_projects_own_history_a_foreign_one(scene: Repo) -> None:
    sneak(scene)
    other = orphan(scene, "other.txt")
    for ref in ("refs/remotes/origin/main", "refs/remotes/origin/HEAD", "refs/heads/master"):
        scene.must("update-ref", ref, other)
    scene.reserve(HOLDER, "src/")
    for target in ("main", "new"):
        assert_refused(push(scene, f"HEAD:refs/heads/{target}"), "src/x.py", what="push")


def test_what_passes_unjudged_is_not_noted(scene: Repo, tmp_path: Path) -> None:
    made = sneak(scene)
    run("git", "clone", "-q", "--bare", str(scene.path), "upstream.git", cwd=tmp_path)
    scene.must("remote", "add", "upstream", str(tmp_path / "upstream.git"))
    scene.reserve(HOLDER, "src/")
    assert_passed(push(scene, "HEAD:refs/heads/new"))
    (entry,) = scene.agentlock("ledger", "show", made, "--json").json
    assert entry["how"] is None


def test_nobody_is_told_of_what_the_holder_made(scene: Repo) -> None:
    scene.reserve(HOLDER, "src/")
    commit(scene, "the holder's", agent=HOLDER)
    assert_passed(landed := push(scene, "HEAD:refs/heads/main"))
    assert landed.err == ""
    assert scene.sql("SELECT count(*) FROM messages") == [(0,)]
