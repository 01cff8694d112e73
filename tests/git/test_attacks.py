"""Ways round the guard that somebody once found. Each was open; each stays shut."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING, Any

import pytest
from support import HOLDER, NO_HOOKS, OTHER, Repo, assert_refused, run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    path = tmp_path / "remote.git"
    assert run("git", "init", "-q", "--bare", str(path), cwd=tmp_path).code == 0
    return path


@pytest.fixture
def scene(repo: Repo, remote: Path) -> Repo:
    """Files, and a remote that has them; nothing is reserved yet."""
    for name in ("src/x.py", "docs/y.md"):
        repo.write(name, f"start of {name}\n")
    (repo.path / "src/logo.png").write_bytes(b"start\0")
    repo.commit_unguarded("files")
    repo.must("remote", "add", "origin", str(remote))
    publish(repo)
    return repo


def publish(repo: Repo, *refs: str) -> None:
    """Bring commits to the remote that nobody judges."""
    repo.must(*NO_HOOKS, "push", "-q", "origin", *(refs or ("main",)))


def sneaked(repo: Repo, path: str) -> str:
    """A commit on top of HEAD that no hook has seen, and that no branch has."""
    repo.must("checkout", "-q", "--detach")
    repo.write(path, "behind the guard's back\n")
    repo.commit_unguarded("sneaked")
    oid = repo.head
    repo.must("checkout", "-q", "main")
    return oid


def both_change(repo: Repo, path: str, one: bytes | None, other: bytes | None) -> None:
    """Two published branches that change a file (None: delete it); HEAD is on the first."""
    for branch, content in (("side", other), ("main", one)):
        repo.must("checkout", "-q", "-B", branch, "origin/main" if branch == "side" else "main")
        if content is None:
            repo.must("rm", "-q", path)
        else:
            (repo.path / path).write_bytes(content)
        repo.commit_unguarded(branch)
    publish(repo, "main", "side")


# Conflicts


@pytest.mark.parametrize("how", ["info", "settings"])
def test_a_merge_driver_of_this_machine_does_not_settle_a_conflict(scene: Repo, how: str) -> None:
    both_change(scene, "src/x.py", b"one\n", b"other\n")
    attributes = scene.path / ".git/info/attributes"
    if how == "settings":
        attributes = scene.path.parent / "attributes"
        scene.must("config", "core.attributesFile", str(attributes))
    attributes.parent.mkdir(exist_ok=True)
    attributes.write_text("src/x.py merge=own\n", encoding="utf-8")
    scene.must("config", "merge.own.driver", "echo smuggled in >%A")
    scene.reserve(HOLDER, "src/")
    merge = ("merge", "-q", "--no-edit", "side")
    assert_refused(scene.git(*merge, agent=OTHER), "src/x.py", what="merge")
    scene.must("merge", "--abort")
    scene.must(*NO_HOOKS, *merge)
    assert_refused(
        scene.git("push", "-q", "origin", "main:new", agent=OTHER), "src/x.py", what="push"
    )


def test_the_attributes_in_the_tree_and_settings_for_renames_make_gits_own_merge(
    scene: Repo,
) -> None:
    if scene.git("merge-tree", "--write-tree", "HEAD", "HEAD").code != 0:
        pytest.skip("below git 2.38 a merge cannot be redone: what both sides changed is judged")
    scene.write(".gitattributes", "*.py merge=union\n")
    scene.commit_unguarded("attributes")
    publish(scene)
    both_change(scene, "src/x.py", b"one\n", b"other\n")
    scene.must("config", "merge.directoryRenames", "true")
    scene.must("mv", "docs", "lib")
    scene.commit_unguarded("renamed")
    scene.must("checkout", "-q", "side")
    scene.write("docs/new.py", "new\n")
    scene.commit_unguarded("new")
    scene.must("checkout", "-q", "main")
    publish(scene, "main", "side")
    scene.reserve(HOLDER, "src/", "lib/")
    merged = scene.git("merge", "-q", "--no-edit", "side", agent=OTHER)
    assert merged.code == 0, merged.err
    assert (scene.path / "lib/new.py").exists()
    pushed = scene.git("push", "-q", "origin", "main:new", agent=OTHER)
    assert pushed.code == 0, pushed.err


@pytest.mark.parametrize(
    ("path", "one", "other"),
    [
        ("src/logo.png", b"one\0", b"other\0"),
        ("src/x.py", b"one\n", b"other\n"),
        ("src/x.py", None, b"other\n"),
        ("src/x.py", b"one\n", None),
    ],
    ids=["binary", "text", "deleted-here", "deleted-there"],
)
def test_a_conflict_in_a_reserved_file_is_not_settled_by_leaving_what_git_left(
    scene: Repo, path: str, one: bytes | None, other: bytes | None
) -> None:
    both_change(scene, path, one, other)
    scene.reserve(HOLDER, "src/**")
    # By its oid, so that conflict markers read as those of the guard's own merge.
    side = scene.must("rev-parse", "side")
    assert scene.git("merge", "-q", side, agent=OTHER).code == 1
    assert_refused(scene.commit_all(agent=OTHER), path)
    scene.must(*NO_HOOKS, "commit", "-q", "--no-edit")
    assert_refused(scene.git("push", "origin", "main", agent=OTHER), path, what="push")


def test_a_binary_conflict_that_x_ours_settles_is_refused(scene: Repo) -> None:
    both_change(scene, "src/logo.png", b"one\0", b"other\0")
    scene.reserve(HOLDER, "src/**")
    merge = ("merge", "-q", "--no-edit", "-X", "ours", "side")
    assert_refused(scene.git(*merge, agent=OTHER), "src/logo.png", what="merge")
    scene.must("reset", "-q", "--hard", "main")
    scene.must(*NO_HOOKS, *merge)
    assert_refused(scene.git("push", "origin", "main", agent=OTHER), "src/logo.png", what="push")


def test_a_conflicting_submodule_bump_is_a_change_of_all_that_lies_in_it(scene: Repo) -> None:
    for branch in ("side", "main"):
        scene.must("checkout", "-q", "-B", branch, "main" if branch == "main" else "origin/main")
        oid = sneaked_object(scene, branch)
        scene.must("update-index", "--add", "--cacheinfo", f"160000,{oid},lib")
        scene.must(*NO_HOOKS, "commit", "-q", "-m", branch)
    publish(scene, "main", "side")
    scene.reserve(HOLDER, "lib/**")
    assert scene.git("merge", "-q", "side", agent=OTHER).code == 1
    oid = scene.must("rev-parse", "HEAD:lib")
    scene.must("update-index", "--cacheinfo", f"160000,{oid},lib")
    assert_refused(scene.git("commit", "-q", "--no-edit", agent=OTHER), "lib")


def sneaked_object(repo: Repo, message: str) -> str:
    return repo.must("commit-tree", "-m", message, repo.must("rev-parse", "HEAD^{tree}"))


def test_a_conflict_in_a_free_file_is_settled_while_reserved_ones_merge_cleanly(
    scene: Repo,
) -> None:
    both_change(scene, "docs/y.md", b"one\n", b"other\n")
    scene.must("checkout", "-q", "side")
    scene.write("src/x.py", "upstream's own\n")
    assert scene.commit_all("upstream", agent=OTHER).code == 0  # before anybody held it
    publish(scene, "side")
    scene.must("checkout", "-q", "main")
    scene.reserve(HOLDER, "src/**")
    assert scene.git("merge", "-q", "side", agent=OTHER).code == 1
    scene.write("docs/y.md", "settled\n")
    assert scene.commit_all(agent=OTHER).code == 0
    assert scene.git("push", "-q", "origin", "main", agent=OTHER).code == 0


# Names


@pytest.mark.parametrize("name", [b"\xff.\xc3\xa9", b"\xa9.E\xcc\x81"])
def test_a_name_that_is_not_utf8_is_found_by_its_extension(scene: Repo, name: bytes) -> None:
    scene.reserve(HOLDER, b"*" + name[1:])
    (scene.path / os.fsdecode(name)).write_bytes(b"x")
    assert_refused(scene.commit_all(agent=OTHER), "1 of 1 path")


def test_one_command_cannot_say_that_case_matters_here(scene: Repo) -> None:
    scene.must("config", "core.ignorecase", "true")
    scene.reserve(HOLDER, "src/**")
    oid = scene.must("hash-object", "-w", "--stdin", stdin=b"evil\n")
    exact = ("-c", "core.ignorecase=false")
    scene.must(*exact, "update-index", "--add", "--cacheinfo", f"100644,{oid},SRC/x.py")
    assert_refused(scene.git(*exact, "commit", "-m", "x", agent=OTHER), "SRC/x.py")
    scene.must(*NO_HOOKS, "commit", "-q", "-m", "x")
    assert_refused(
        scene.git(*exact, "push", "origin", "main", agent=OTHER), "SRC/x.py", what="push"
    )


# Pushes


def no_longer_has(fork: Path) -> None:
    """Only refs/remotes vouches from here on: what the fork itself shows would be believed."""
    assert run("git", "update-ref", "-d", "refs/heads/b", cwd=fork).code == 0


@pytest.mark.parametrize("name", ["*", "fo?k", "[f]ork"])
def test_a_remote_called_like_a_glob_hides_nothing_that_another_remote_has(
    scene: Repo, remote: Path, tmp_path: Path, name: str
) -> None:
    fork = tmp_path / "fork.git"
    assert run("git", "init", "-q", "--bare", str(fork), cwd=tmp_path).code == 0
    scene.must("remote", "add", "fork", str(fork))
    commit = sneaked(scene, "src/x.py")
    scene.must(*NO_HOOKS, "push", "-q", "fork", f"{commit}:refs/heads/b")
    no_longer_has(fork)
    scene.reserve(HOLDER, "src/x.py")
    called = ("-c", f"remote.{name}.url={remote}")
    pushed = scene.git(*called, "push", name, f"{commit}:refs/heads/b", agent=OTHER)
    assert_refused(pushed, "src/x.py", what="push")


def test_a_remote_whose_name_begins_another_does_not_have_what_that_one_has(
    scene: Repo, remote: Path, tmp_path: Path
) -> None:
    fork = tmp_path / "fork.git"
    assert run("git", "init", "-q", "--bare", str(fork), cwd=tmp_path).code == 0
    scene.must("config", "remote.origin/fork.url", str(fork))
    scene.must("config", "remote.origin/fork.fetch", "+refs/heads/*:refs/remotes/origin/fork/*")
    commit = sneaked(scene, "src/x.py")
    scene.must(*NO_HOOKS, "push", "-q", "origin/fork", f"{commit}:refs/heads/b")
    scene.must("fetch", "-q", "origin/fork")
    no_longer_has(fork)
    scene.reserve(HOLDER, "src/x.py")
    pushed = scene.git("push", "origin", f"{commit}:refs/heads/b", agent=OTHER)
    assert_refused(pushed, "src/x.py", what="push")
    scene.write("docs/y.md", "free\n")
    assert scene.commit_all(agent=OTHER).code == 0
    assert scene.git("push", "-q", "origin", "main", agent=OTHER).code == 0
    assert remote.exists()


def test_no_variable_ends_history_before_what_a_push_brings(
    scene: Repo, remote: Path, tmp_path: Path
) -> None:
    run("git", "config", "receive.shallowUpdate", "true", cwd=remote)
    scene.must("rm", "-q", "src/x.py")
    scene.commit_unguarded("delete")
    scene.write("docs/y.md", "free\n")
    scene.commit_unguarded("free")
    scene.reserve(HOLDER, "src/x.py")
    shallow = tmp_path / "shallow"
    shallow.write_text(scene.head + "\n", encoding="utf-8")
    push = ("push", "origin", "main:refs/heads/new")
    pushed = scene.git(*push, agent=OTHER, env={"GIT_SHALLOW_FILE": str(shallow)})
    assert_refused(pushed, "src/x.py", what="push")


# What a refusal says


@pytest.mark.parametrize("folder", ["", "docs", "src"])
@pytest.mark.parametrize("command", [("git", "commit", "-m", "x"), ("agentlock", "check")])
def test_the_command_that_reserves_what_is_uncovered_works_where_it_is_read(
    scene: Repo, folder: str, command: tuple[str, ...]
) -> None:
    assert (
        scene.agentlock(
            "policy", "set", "require_reservation", "on", "--reason", "strict", agent=OTHER
        ).code
        == 0
    )
    for name in ("docs/y.md", "docs/-x", "docs/[id].md", "a b", "{a,b}", "!n"):
        scene.write(name)
    scene.must("rm", "-q", "--cached", "src/logo.png")
    (scene.path / "src/logo.png").unlink()
    scene.must("add", "--all")
    here: dict[str, Any] = {"cwd": scene.path / folder, "agent": OTHER}
    program = scene.git if command[0] == "git" else scene.agentlock
    refused = program(*command[1:], **here)
    assert refused.code == 1, refused
    (fix,) = (line for line in refused.err.splitlines() if "fix:" in line)
    words = shlex.split(fix.partition("fix:")[2])
    assert words[0] == "agentlock"
    assert scene.agentlock(*words[1:], **here).code == 0
    assert scene.git("commit", "-q", "-m", "x", agent=OTHER).code == 0


@pytest.mark.parametrize("command", ["merge", "cherry-pick"])
def test_no_part_of_a_merge_is_said_to_be_committable_alone(scene: Repo, command: str) -> None:
    for branch in ("side", "main"):
        scene.must("checkout", "-q", "-B", branch, "origin/main" if branch == "side" else "main")
        for name in ("src/x.py", "docs/y.md"):
            scene.write(name, f"{branch}\n")
        scene.commit_unguarded(branch)
    scene.reserve(HOLDER, "src/**")
    assert scene.git(command, "side", agent=OTHER).code == 1
    refused = scene.commit_all(agent=OTHER)
    assert_refused(refused, "src/x.py")
    assert "commit the rest" not in refused.err


def test_nobody_is_told_to_name_the_agents_of_all_worktrees_at_once(scene: Repo) -> None:
    nobody = scene.agentlock("reserve", "src/x.py")
    assert nobody.code == 2
    assert "export AGENTLOCK_AGENT=" in nobody.err
    assert "git config" not in nobody.err
