"""The guard sees every path that a commit, a merge or a push really changes, and no other."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import pytest
from support import (
    HOLDER,
    NO_HOOKS,
    OTHER,
    Repo,
    Result,
    assert_passed,
    assert_refused,
    copy_repository,
    make_plain,
    publish,
    run,
)

from agentlock.git.changes import difference, digest, merged_by_hand, parse, staged
from agentlock.git.repository import discover

if TYPE_CHECKING:
    from pathlib import Path

    from support.repositories import MadeOnce


def _scene(folder: Path) -> None:
    made = make_plain(folder)
    for name in ("src/x.py", "src/y.py", "docs/y.md", "outside.py"):
        made.write(name, f"start of {name}\n" * 5)
    made.commit_unguarded("files")
    assert_passed(made.agentlock("init"))
    made.reserve(HOLDER, "src/")


@pytest.fixture
def scene(made_once: MadeOnce, tmp_path: Path) -> Repo:
    """BlueLake holds src/; GreenHill works."""
    return copy_repository(made_once(_scene), tmp_path / "repo")


@pytest.fixture
def remote(scene: Repo, tmp_path: Path) -> Path:
    """A remote that has what is committed so far."""
    return publish(scene, tmp_path)


def sneak(repo: Repo, name: str, text: str = "behind the guard's back\n") -> None:
    repo.write(name, text)
    repo.commit_unguarded(f"change {name}")


def staged_paths(repo: Repo) -> list[str]:
    """The paths that are refused when GreenHill checks what is staged."""
    result = repo.agentlock("check", "--staged", "--json", agent=OTHER)
    return sorted({conflict["path"] for conflict in json.loads(result.out)["conflicts"]})


# Commits


def test_an_addition_a_change_and_a_deletion_count(scene: Repo) -> None:
    scene.write("src/new.py")
    scene.write("src/x.py", "changed\n")
    (scene.path / "src" / "y.py").unlink()
    scene.must("add", "-A")
    assert staged_paths(scene) == ["src/new.py", "src/x.py", "src/y.py"]
    assert_refused(scene.git("commit", "-qm", "all", agent=OTHER), *staged_paths(scene))


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("src/x.py", "elsewhere.py", "src/x.py"),
        ("outside.py", "src/in.py", "src/in.py"),
        ("src", "moved", "src/y.py"),
    ],
)
@pytest.mark.parametrize("renames", ["false", "true", "copies"])
def test_both_ends_of_a_rename_count_whatever_diff_renames_says(
    scene: Repo, old: str, new: str, path: str, renames: str
) -> None:
    scene.must("config", "diff.renames", renames)
    scene.must("config", "status.renames", renames)
    scene.must("mv", old, new)
    assert_refused(scene.git("commit", "-qm", "move", agent=OTHER), path)


def test_a_change_of_type_or_of_the_run_bit_counts(scene: Repo) -> None:
    (scene.path / "src" / "x.py").unlink()
    (scene.path / "src" / "x.py").symlink_to("y.py")
    (scene.path / "src" / "y.py").chmod(0o755)
    scene.must("add", "-A")
    assert staged_paths(scene) == ["src/x.py", "src/y.py"]
    assert_refused(scene.git("commit", "-qm", "types", agent=OTHER))


@pytest.mark.parametrize("ignore", ["none", "all"])
def test_a_submodule_bump_counts_even_where_gitmodules_hides_it(scene: Repo, ignore: str) -> None:
    scene.must("update-index", "--add", "--cacheinfo", f"160000,{scene.head},lib")
    scene.write(
        ".gitmodules", f'[submodule "lib"]\n\tpath = lib\n\turl = ./lib\n\tignore = {ignore}\n'
    )
    scene.must(*NO_HOOKS, "commit", "-qm", "add a submodule")
    scene.must("config", "diff.ignoreSubmodules", ignore)
    scene.must("config", "submodule.lib.ignore", ignore)
    scene.reserve(HOLDER, "lib/")
    scene.must("update-index", "--cacheinfo", f"160000,{scene.head},lib")
    assert_refused(scene.git("commit", "-qm", "bump", agent=OTHER), "lib")
    scene.must("update-index", "--force-remove", "lib")
    assert_refused(scene.git("commit", "-qm", "remove", agent=OTHER), "lib")


def test_an_intention_to_add_is_no_change_until_it_is_added(scene: Repo) -> None:
    scene.write("src/later.py")
    scene.write("docs/y.md", "mine\n")
    scene.must("add", "docs/y.md")
    scene.must("add", "--intent-to-add", "src/later.py")
    assert staged_paths(scene) == []
    assert_passed(scene.git("commit", "-qm", "docs", agent=OTHER))
    assert_refused(scene.git("commit", "-qam", "now really", agent=OTHER), "src/later.py")


def test_the_first_commit_is_compared_with_nothing(tmp_path: Path, home: Path) -> None:
    assert home.exists()
    repo = Repo(tmp_path / "fresh")
    repo.path.mkdir()
    repo.must("init", "-q")
    assert repo.agentlock("init").code == 0
    repo.reserve(HOLDER, "src/")
    repo.write("src/first.py")
    assert_refused(repo.commit_all("first", agent=OTHER), "src/first.py")
    repo.must("rm", "-q", "--cached", "src/first.py")
    repo.write("docs/first.md")
    repo.must("add", "docs")
    assert_passed(repo.git("commit", "-qm", "first", agent=OTHER))


def test_only_what_the_commit_takes_is_judged(scene: Repo) -> None:
    scene.write("src/x.py", "staged\n")
    scene.must("add", "src/x.py")
    scene.write("docs/y.md", "not staged\n")
    assert_refused(scene.git("commit", "-qam", "all", agent=OTHER), "1 of 2 paths", "src/x.py")
    assert_refused(scene.git("commit", "-qi", "-m", "with", "docs/y.md", agent=OTHER), "src/x.py")
    assert_passed(scene.git("commit", "-qo", "-m", "only", "docs/y.md", agent=OTHER))
    assert scene.must("diff", "--cached", "--name-only") == "src/x.py"
    scene.must("reset", "-q", "--hard")
    scene.write("src/x.py", "not staged\n")
    scene.write("outside.py", "staged\n")
    scene.must("add", "outside.py")
    assert_refused(scene.git("commit", "-qm", "part", "--", "src/x.py", agent=OTHER), "src/x.py")
    assert_passed(scene.git("commit", "-qm", "part", "--", "outside.py", agent=OTHER))


def test_another_index_named_by_the_environment_is_the_one_judged(
    scene: Repo, tmp_path: Path
) -> None:
    environment = {"GIT_INDEX_FILE": str(tmp_path / "index")}
    scene.must("read-tree", "HEAD", env=environment)
    scene.write("src/x.py", "in the other index\n")
    scene.must("add", "src/x.py", env=environment)
    refused = scene.git("commit", "-qm", "other index", agent=OTHER, env=environment)
    assert_refused(refused, "src/x.py")
    scene.must("checkout", "-q", "src/x.py")
    scene.write("src/y.py", "staged here\n")
    scene.must("add", "src/y.py")
    scene.must("read-tree", "HEAD", env=environment)
    scene.write("docs/y.md", "staged there\n")
    scene.must("add", "docs/y.md", env=environment)
    assert_passed(scene.git("commit", "-qm", "other index", agent=OTHER, env=environment))


def test_an_amended_commit_is_judged_by_what_it_adds(scene: Repo) -> None:
    scene.write("docs/y.md", "mine\n")
    assert_passed(scene.commit_all(agent=OTHER))
    scene.write("src/x.py", "changed\n")
    scene.must("add", "src/x.py")
    refused = scene.git("commit", "-q", "--amend", "--no-edit", agent=OTHER)
    assert_refused(refused, "1 of 1 path", "src/x.py")
    scene.must("reset", "-q", "--hard")
    assert_passed(scene.git("commit", "-q", "--amend", "-m", "new words", agent=OTHER))


@pytest.mark.parametrize("folder", ["", "docs", "src"])
def test_the_folder_that_git_is_called_in_makes_no_difference(scene: Repo, folder: str) -> None:
    scene.must("config", "diff.relative", "true")
    scene.must("config", "status.relativePaths", "true")
    scene.write("src/x.py", "changed\n")
    scene.write("docs/y.md", "changed\n")
    where = scene.path / folder
    refused = scene.git("commit", "-qam", "from here", agent=OTHER, cwd=where)
    assert_refused(refused, "1 of 2 paths", "src/x.py")
    offered = refused.err.partition("commit the rest: ")[2].partition("\n")[0]
    done = run("sh", "-c", offered, cwd=where, agent=OTHER)
    assert done.code == 0, (offered, done)
    assert scene.must("status", "--porcelain") == " M src/x.py"


@pytest.mark.parametrize(
    "name",
    [
        b"new\nline",
        b"tab\there",
        b'double"quote',
        b"single'quote",
        b"back\\slash",
        b"-rf",
        b"\xff\xfe",
        "äö日本".encode(),
        b"\x1b[31mred",
        b"a b",
        b":(top)x",
        b"[id]*?.py",
    ],
)
@pytest.mark.parametrize("quote", ["true", "false"])
def test_any_name_that_git_takes_can_be_reserved_refused_and_committed(
    scene: Repo, name: bytes, quote: str
) -> None:
    repo = scene
    repo.must("config", "core.quotePath", quote)
    path = os.path.join(os.fsencode(repo.path), name)
    with open(path, "wb") as file:
        file.write(b"text\n")
    (held,) = repo.reserve(HOLDER, "--", b"./" + name if name[:1] == b":" else name)
    repo.write("free.txt")
    refused = repo.commit_all(agent=OTHER)
    assert_refused(refused, "1 of 2 paths")
    assert "\x1b" not in refused.err
    assert f"agentlock show {held['id']}" in refused.err
    assert_passed(repo.commit_all(agent=HOLDER))


@pytest.mark.parametrize("name", [b"new\nline", b"-rf", b"\xff\xfe", b":(top)x", b"[id]*?'.py"])
@pytest.mark.parametrize("folder", [".", "docs"])
def test_the_command_for_the_rest_commits_exactly_the_rest(
    scene: Repo, name: bytes, folder: str
) -> None:
    with open(os.path.join(os.fsencode(scene.path), name), "wb") as file:
        file.write(b"text\n")
    scene.write("src/x.py", "changed\n")
    scene.must("add", "-A")
    where = scene.path / folder
    refused = scene.git("commit", "-qm", "both", agent=OTHER, cwd=where)
    assert_refused(refused, "src/x.py")
    offered = refused.err.partition("commit the rest: ")[2].partition("\n")[0]
    done = run("bash", "-c", offered, cwd=where, agent=OTHER)
    assert done.code == 0, (offered, done)
    assert scene.must("diff", "--cached", "--name-only") == "src/x.py"


def test_a_linked_worktree_is_judged_by_its_own_index(scene: Repo, tmp_path: Path) -> None:
    scene.write("src/x.py", "staged in the main worktree\n")
    scene.must("add", "-A")
    scene.must("worktree", "add", "-q", "-b", "side", str(tmp_path / "side dir"))
    side = Repo(tmp_path / "side dir")
    side.write("docs/y.md", "mine\n")
    assert_passed(side.git("commit", "-qam", "docs", agent=OTHER, cwd=side.path / "src"))
    side.write("src/y.py", "mine\n")
    assert_refused(side.git("commit", "-qam", "src", agent=OTHER), "src/y.py")
    side.must("checkout", "-q", "--detach")
    assert_refused(side.git("commit", "-qam", "src", agent=OTHER), "src/y.py")


def test_no_setting_of_one_command_leads_the_guard_to_another_table(
    scene: Repo, tmp_path: Path
) -> None:
    scene.write("src/x.py", "changed\n")
    for setting in (
        f"agentlock.database={tmp_path / 'other.sqlite3'}",
        "agentlock.databaseId=other",
        "agentlock.project=other",
    ):
        refused = scene.git("-c", setting, "commit", "-qam", "all", agent=OTHER)
        assert_refused(refused, "src/x.py")


def test_names_that_differ_in_case_are_one_file_where_git_says_so(scene: Repo) -> None:
    scene.must("config", "core.ignoreCase", "true")
    scene.reserve(HOLDER, "Docs/Y.MD")
    scene.write("docs/y.md", "changed\n")
    assert_refused(scene.git("commit", "-qam", "all", agent=OTHER), "docs/y.md")
    scene.must("config", "core.ignoreCase", "false")
    assert_passed(scene.git("commit", "-qam", "all", agent=OTHER))


def test_what_a_sparse_checkout_leaves_out_is_no_deletion(scene: Repo) -> None:
    scene.must("update-index", "-q", "--refresh")
    scene.must("sparse-checkout", "set", "docs")
    assert not (scene.path / "src" / "x.py").exists()
    scene.write("docs/y.md", "changed\n")
    assert_passed(scene.git("commit", "-qam", "docs", agent=OTHER))


def test_a_repository_of_sha256_is_guarded(tmp_path: Path, home: Path) -> None:
    assert home.exists()
    repo = Repo(tmp_path / "sha256")
    repo.path.mkdir()
    repo.must("init", "-q", "--object-format=sha256")
    assert repo.agentlock("init").code == 0
    repo.reserve(HOLDER, "a.py")
    repo.write("a.py")
    assert_refused(repo.commit_all("first", agent=OTHER), "a.py")
    assert_passed(repo.commit_all("first", agent=HOLDER))
    run("git", "init", "-q", "--bare", "--object-format=sha256", "remote.git", cwd=tmp_path)
    repo.must("remote", "add", "origin", str(tmp_path / "remote.git"))
    repo.write("a.py", "behind the guard's back\n")
    repo.commit_unguarded("sneaky")
    assert_refused(push(repo, "origin", "main"), "a.py", what="push")
    assert_passed(push(repo, "origin", "main", agent=HOLDER))
    repo.must(*NO_HOOKS, "push", "-q", "origin", "main:refs/heads/gone")
    assert_passed(push(repo, "origin", ":gone"))


# Merges


def branch_with(repo: Repo, name: str, path: str, text: str) -> None:
    """A branch off main with one change, made behind the guard's back; main stays checked out."""
    repo.must("checkout", "-q", "-b", name)
    sneak(repo, path, text)
    repo.must("checkout", "-q", "main")


def test_a_clean_merge_of_what_others_did_to_a_reserved_file_is_allowed(scene: Repo) -> None:
    branch_with(scene, "upstream", "src/x.py", "by the holder\n")
    sneak(scene, "docs/y.md")
    assert_passed(scene.git("merge", "-q", "--no-edit", "upstream", agent=OTHER))
    branch_with(scene, "more", "src/y.py", "by the holder\n")
    assert_passed(scene.git("merge", "-q", "--no-ff", "--no-edit", "more", agent=OTHER))


def test_a_clean_merge_whose_commit_is_made_by_hand_is_allowed(scene: Repo) -> None:
    branch_with(scene, "upstream", "src/x.py", "by the holder\n")
    sneak(scene, "docs/y.md")
    scene.must("merge", "-q", "--no-commit", "upstream")
    assert_passed(scene.git("commit", "-q", "--no-edit", agent=OTHER))


def test_resolving_a_conflict_in_a_reserved_file_is_refused(scene: Repo) -> None:
    branch_with(scene, "upstream", "src/x.py", "theirs\n")
    sneak(scene, "src/x.py", "ours\n")
    assert scene.git("merge", "-q", "upstream", agent=OTHER).code == 1
    scene.write("src/x.py", "resolved\n")
    scene.must("add", "src/x.py")
    for command in (("commit", "-q", "--no-edit"), ("merge", "--continue")):
        refused = scene.git(*command, agent=OTHER, env={"GIT_EDITOR": "true"})
        assert_refused(refused, "1 of 1 path", "src/x.py")
    assert_passed(scene.git("commit", "-q", "--no-edit", agent=HOLDER))


def test_resolving_a_conflict_elsewhere_is_allowed(scene: Repo) -> None:
    scene.must("checkout", "-q", "-b", "upstream")
    scene.write("src/x.py", "by the holder\n")
    sneak(scene, "docs/y.md", "theirs\n")
    scene.must("checkout", "-q", "main")
    sneak(scene, "docs/y.md", "ours\n")
    assert scene.git("merge", "-q", "upstream", agent=OTHER).code == 1
    scene.write("docs/y.md", "resolved\n")
    scene.must("add", "docs/y.md")
    assert_passed(scene.git("commit", "-q", "--no-edit", agent=OTHER))


@pytest.mark.parametrize("resolution", ["keep", "delete"])
def test_a_reserved_file_that_one_side_deleted_is_not_resolved_by_others(
    scene: Repo, resolution: str
) -> None:
    scene.must("checkout", "-q", "-b", "upstream")
    scene.must("rm", "-q", "src/x.py")
    scene.commit_unguarded("delete")
    scene.must("checkout", "-q", "main")
    sneak(scene, "src/x.py", "changed\n")
    assert scene.git("merge", "-q", "upstream", agent=OTHER).code == 1
    scene.must(
        "add" if resolution == "keep" else "rm", "-q" if resolution != "keep" else "-v", "src/x.py"
    )
    # git's own tree keeps the changed side, but git stopped: to keep it is a decision too
    assert_refused(scene.git("commit", "-q", "--no-edit", agent=OTHER), "src/x.py")


def test_an_evil_merge_is_refused(scene: Repo) -> None:
    branch_with(scene, "upstream", "docs/y.md", "theirs\n")
    sneak(scene, "outside.py", "ours\n")
    scene.must("merge", "-q", "--no-commit", "upstream")
    scene.write("src/x.py", "slipped in\n")
    scene.must("add", "src/x.py")
    assert_refused(scene.git("commit", "-q", "--no-edit", agent=OTHER), "1 of 1 path", "src/x.py")


def test_dropping_the_other_side_with_s_ours_is_refused(scene: Repo) -> None:
    branch_with(scene, "upstream", "src/x.py", "by the holder\n")
    sneak(scene, "docs/y.md")
    refused = scene.git("merge", "-q", "-s", "ours", "--no-edit", "upstream", agent=OTHER)
    assert_refused(refused, "src/x.py", what="merge")


def test_a_clean_octopus_merge_touches_nothing_and_an_evil_one_does(scene: Repo) -> None:
    branch_with(scene, "one", "src/x.py", "by the holder\n")
    branch_with(scene, "two", "outside.py", "by another\n")
    branch_with(scene, "three", "docs/y.md", "by another\n")
    sneak(scene, "LICENSE")
    start = scene.head
    assert_passed(scene.git("merge", "-q", "--no-edit", "one", "two", "three", agent=OTHER))
    assert_passed(scene.agentlock("check", "--range", "HEAD^!", agent=OTHER))
    scene.must("reset", "-q", "--hard", start)
    scene.must("merge", "-q", "--no-commit", "two", "three")
    scene.write("src/x.py", "slipped in\n")
    assert_refused(scene.commit_all(agent=OTHER), "src/x.py")
    scene.commit_unguarded("evil")
    judged = scene.agentlock("check", "--range", "HEAD^!", agent=OTHER)
    assert_refused(judged, "src/x.py", what="check")
    scene.must("reset", "-q", "--hard", start)
    scene.must(*NO_HOOKS, "merge", "-q", "-s", "ours", "one", "two", "three")
    assert_refused(
        scene.agentlock("check", "--range", "HEAD^!", agent=OTHER), "src/x.py", what="check"
    )


def test_a_side_that_an_octopus_merge_drops_counts_although_git_could_not_merge_it(
    scene: Repo,
) -> None:
    branch_with(scene, "one", "src/x.py", "by the holder\n")
    branch_with(scene, "two", "docs/y.md", "by another\n")
    sneak(scene, "src/x.py", "here too\n")
    merge = ("merge", "-q", "-s", "ours", "--no-edit", "one", "two")
    assert_refused(scene.git(*merge, agent=OTHER), "src/x.py", what="merge")
    scene.must("reset", "-q", "--merge")
    scene.must(*NO_HOOKS, *merge)
    judged = scene.agentlock("check", "--range", "HEAD^!", agent=OTHER)
    assert_refused(judged, "src/x.py", what="check")


# Pushes


def push(repo: Repo, *arguments: str, agent: str = OTHER) -> Result:
    return repo.git("push", "-q", *arguments, agent=agent)


def test_every_ref_of_a_push_is_looked_at(scene: Repo, remote: Path) -> None:
    assert remote.exists()
    scene.must("branch", "clean")
    scene.must("checkout", "-q", "-b", "dirty")
    sneak(scene, "src/x.py")
    assert_refused(push(scene, "origin", "clean", "dirty"), "src/x.py", what="push")
    assert_refused(push(scene, "origin", "dirty", "clean"), "src/x.py", what="push")
    assert_passed(push(scene, "origin", "clean"))
    assert_passed(push(scene, "origin", "clean", "dirty", agent=HOLDER))


def test_only_what_the_remote_lacks_is_judged(scene: Repo, remote: Path) -> None:
    assert remote.exists()
    sneak(scene, "src/x.py")
    assert_passed(push(scene, "origin", "main", agent=HOLDER))
    sneak(scene, "docs/y.md")
    assert_passed(push(scene, "origin", "main"))
    assert_passed(push(scene, "origin", "main:refs/heads/copy"))
    scene.must("branch", "old", "HEAD~1")
    assert_passed(push(scene, "origin", "old"))


def test_a_change_that_a_later_commit_takes_back_is_still_pushed(scene: Repo, remote: Path) -> None:
    assert remote.exists()
    sneak(scene, "src/x.py")
    scene.must(*NO_HOOKS, "revert", "--no-edit", "HEAD")
    assert_refused(push(scene, "origin", "main"), "src/x.py", what="push")


def test_a_first_push_is_judged_by_all_that_no_gate_has_judged(scene: Repo, tmp_path: Path) -> None:
    run("git", "init", "-q", "--bare", "first.git", cwd=tmp_path)
    scene.must("remote", "add", "first", str(tmp_path / "first.git"))
    sneak(scene, "src/x.py")
    sneak(scene, "src/y.py")
    assert_refused(push(scene, "first", "main"), "src/x.py", "src/y.py", what="push")
    assert_passed(push(scene, "first", "main", agent=HOLDER))


def test_a_forced_push_is_judged_by_what_it_drops_too(scene: Repo, remote: Path) -> None:
    assert remote.exists()
    sneak(scene, "src/x.py", "the holder's work\n")
    assert_passed(push(scene, "origin", "main", agent=HOLDER))
    scene.must("reset", "-q", "--hard", "HEAD~1")
    assert_refused(push(scene, "-f", "origin", "main"), "src/x.py", what="push")
    sneak(scene, "docs/y.md")
    assert_refused(push(scene, "-f", "origin", "main"), "src/x.py", what="push")
    assert_refused(push(scene, "origin", "+HEAD:main"), "src/x.py", what="push")
    assert_passed(push(scene, "-f", "origin", "main", agent=HOLDER))


@pytest.mark.parametrize("dirty", [0, 8, 18])
def test_of_many_branches_that_are_forced_at_once_each_is_judged(
    scene: Repo, remote: Path, dirty: int
) -> None:
    assert remote.exists()
    names = [f"b{at:02}" for at in range(19)]
    for at, name in enumerate(names):
        scene.must("checkout", "-q", "-B", name, "main")
        sneak(scene, "src/x.py" if at == dirty else "docs/y.md", f"{name}\n")
    assert_passed(push(scene, "origin", *names, agent=HOLDER))
    for name in names:
        scene.must("update-ref", f"refs/heads/{name}", "main")
    scene.must("checkout", "-q", "-f", "main")
    assert_refused(push(scene, "-f", "origin", *names), "src/x.py", what="push")
    assert_passed(push(scene, "-f", "origin", *(one for one in names if one != names[dirty])))


def test_a_forced_push_that_drops_only_free_files_passes(scene: Repo, remote: Path) -> None:
    assert remote.exists()
    sneak(scene, "docs/y.md")
    assert_passed(push(scene, "origin", "main"))
    scene.must("reset", "-q", "--hard", "HEAD~1")
    assert_passed(push(scene, "-f", "origin", "main"))


@pytest.mark.parametrize("annotated", [(), ("-a", "-m", "words")])
def test_a_tag_brings_its_commits(scene: Repo, remote: Path, annotated: tuple[str, ...]) -> None:
    assert remote.exists()
    scene.must("tag", *annotated, "fine")
    scene.must("checkout", "-q", "--detach")
    sneak(scene, "src/x.py")
    scene.must("tag", *annotated, "dirty")
    assert_refused(push(scene, "origin", "dirty"), "src/x.py", what="push")
    assert_refused(push(scene, "origin", "--tags"), "src/x.py", what="push")
    assert_passed(push(scene, "origin", "fine"))
    scene.must("tag", "-f", *annotated, "fine", "HEAD~2")
    assert_passed(push(scene, "-f", "origin", "fine"))


def test_tags_of_trees_blobs_and_tags_change_no_path(scene: Repo, remote: Path) -> None:
    assert remote.exists()
    scene.must("tag", "tree", "HEAD^{tree}")
    scene.must("tag", "blob", "HEAD:outside.py")
    scene.must("tag", "-a", "-m", "words", "inner")
    scene.must("tag", "-a", "-m", "words", "outer", "inner")
    assert_passed(push(scene, "origin", "--tags"))


def test_deleting_a_branch_passes_and_does_not_hide_the_rest(scene: Repo, remote: Path) -> None:
    assert remote.exists()
    assert_passed(push(scene, "origin", "main:refs/heads/gone", "main:refs/heads/gone2"))
    assert_passed(push(scene, "origin", ":gone"))
    sneak(scene, "src/x.py")
    assert_refused(push(scene, "origin", ":gone2", "main"), "src/x.py", what="push")
    assert_passed(push(scene, "origin", "--delete", "gone2"))


def test_a_push_by_url_is_judged(scene: Repo, remote: Path) -> None:
    sneak(scene, "src/x.py")
    assert_refused(push(scene, str(remote), "main"), "src/x.py", what="push")
    assert_passed(push(scene, str(remote), "main", agent=HOLDER))
    sneak(scene, "docs/y.md")
    assert_passed(push(scene, str(remote), "main"))


@pytest.mark.parametrize("source", ["HEAD", "HEAD~0", "@", "main^{commit}"])
def test_a_push_of_any_revision_is_judged(scene: Repo, remote: Path, source: str) -> None:
    assert remote.exists()
    sneak(scene, "src/x.py")
    refused = push(scene, "origin", f"{source}:refs/heads/x")
    assert_refused(refused, "src/x.py", what="push")
    assert_passed(push(scene, "origin", f"{source}~1:refs/heads/y".replace("^{commit}~1", "~1")))


def test_a_remote_that_is_ahead_of_what_is_known_here_is_refused(
    scene: Repo, remote: Path, tmp_path: Path
) -> None:
    run("git", "clone", "-q", str(remote), "clone", cwd=tmp_path)
    clone = Repo(tmp_path / "clone")
    sneak(clone, "src/x.py")
    clone.must("push", "-q", "origin", "main")
    sneak(scene, "docs/y.md")
    refused = push(scene, "-f", "origin", "main")
    assert_refused(refused, "src/x.py", what="push")  # what the clone pushed would be dropped
    assert run("git", "rev-parse", "main", cwd=remote).out.strip() == clone.head
    shim = str(scene.path / ".git" / "hooks" / "pre-push")
    line = f"refs/heads/main {scene.head} refs/heads/main {'1' * 40}\n".encode()
    assert run(shim, "origin", "url", cwd=scene.path, agent=OTHER, stdin=line).code == 3


@pytest.mark.parametrize(
    "line", [b"garbage\n", b"a b c\n", b"refs/heads/x ZZ refs/heads/x 00\n", b"\n", b"a  b  \n"]
)
def test_a_line_that_git_would_not_write_is_refused(scene: Repo, line: bytes) -> None:
    shim = str(scene.path / ".git" / "hooks" / "pre-push")
    result = run(shim, "origin", "url", cwd=scene.path, agent=OTHER, stdin=line)
    assert result.code == 3
    assert "no ref update" in result.err


@pytest.mark.parametrize("kind", ["clean", "resolved", "evil", "ours", "deleted"])
def test_a_pushed_merge_is_judged_by_what_it_did_itself(
    scene: Repo, remote: Path, kind: str
) -> None:
    assert remote.exists()
    for setting in ("log.showSignature=true", "diff.relative=true", "diff.renames=copies"):
        scene.must("config", *setting.split("="))
    upstream = {"clean": "src/x.py", "ours": "src/x.py", "resolved": "src/x.py"}.get(kind)
    scene.must("checkout", "-q", "-b", "upstream")
    if kind == "deleted":
        scene.must("rm", "-q", "src/x.py")
    sneak(scene, upstream or "outside.py", "theirs\n")
    assert_passed(push(scene, "origin", "upstream", agent=HOLDER))
    scene.must("checkout", "-q", "main")
    sneak(scene, "src/x.py" if kind in ("resolved", "deleted") else "docs/y.md", "ours\n")
    if kind in ("resolved", "deleted"):
        assert_passed(push(scene, "origin", "main", agent=HOLDER))
    scene.git("merge", "-q", "--no-commit", *(("-s", "ours") if kind == "ours" else ()), "upstream")
    if kind == "resolved":
        scene.write("src/x.py", "resolved\n")
    if kind == "evil":
        scene.write("src/y.py", "slipped in\n")
    if kind == "deleted":
        scene.must("rm", "-q", "src/x.py")
    scene.commit_unguarded("merge")
    assert len(scene.must("rev-list", "--parents", "-1", "HEAD").split()) == 3
    pushed = push(scene, "origin", "main")
    if kind == "clean":
        assert_passed(pushed)
    else:
        assert_refused(pushed, "src/y.py" if kind == "evil" else "src/x.py", what="push")
    revisions = ("--range", "origin/main..main")
    ranged = scene.agentlock("check", *revisions, agent=OTHER, cwd=scene.path / "docs")
    assert ranged.code == (0 if kind == "clean" else 1)


def test_a_push_from_a_linked_worktree_and_a_subdirectory_is_judged(
    scene: Repo, remote: Path, tmp_path: Path
) -> None:
    assert remote.exists()
    scene.must("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    side = Repo(tmp_path / "side")
    sneak(side, "src/x.py")
    refused = side.git("push", "-q", "origin", "side", agent=OTHER, cwd=side.path / "docs")
    assert_refused(refused, "src/x.py", what="push")


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS file systems take no such name")
def test_a_branch_with_an_odd_name_is_pushed_and_judged(scene: Repo, remote: Path) -> None:
    assert remote.exists()
    scene.must("checkout", "-q", "-b", "it's/ünïcode")
    assert_passed(push(scene, "origin", "it's/ünïcode"))
    sneak(scene, "src/x.py")
    assert_refused(push(scene, "origin", "it's/ünïcode"), "src/x.py", what="push")


def test_a_git_that_cannot_redo_merges_counts_no_path_that_is_as_its_only_changer_left_it(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As below git 2.38: what is asked of git there is asked here of any git."""
    monkeypatch.chdir(repo.path)
    for name in ("both", "ours", "theirs", "dropped", "gone"):
        repo.write(name, "start\n")
    repo.commit_unguarded("start")
    repo.must("checkout", "-q", "-b", "side")
    for name in ("both", "theirs", "dropped", "added"):
        repo.write(name, "theirs\n")
    repo.must("rm", "-q", "gone")
    repo.commit_unguarded("theirs")
    repo.must("checkout", "-q", "main")
    for name in ("both", "ours"):
        repo.write(name, "ours\n")
    repo.commit_unguarded("ours")
    repo.must("merge", "-q", "--no-commit", "-X", "ours", "side")
    repo.must("checkout", "main", "--", "dropped")
    repo.write("evil")
    repo.must("add", "evil")
    repo.commit_unguarded("merged")
    parents = [repo.must("rev-parse", f"HEAD^{number}").encode() for number in (1, 2)]
    diff = merged_by_hand(difference(parents[0], b"HEAD"), parents)
    assert set(diff.split(b"\0")[1::2]) == {b"both", b"dropped", b"evil"}


@pytest.mark.parametrize("files", [1, 5_000])
def test_what_git_lists_is_taken_apart_as_it_comes(
    repo: Repo, monkeypatch: pytest.MonkeyPatch, files: int
) -> None:
    monkeypatch.chdir(repo.path)
    blob = repo.must("hash-object", "-w", "--stdin", stdin=b"")
    listed = "".join(f"100644 {blob}\tnew/{at}\n" for at in range(files))
    repo.must("update-index", "--index-info", stdin=listed.encode())
    found = staged(discover())
    assert len(found.changes.paths) == files
    assert found.changes == parse([found.diff])
    assert found.digest == digest(found.diff)
