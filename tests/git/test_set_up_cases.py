"""Cases that others reported of their set-ups, each played once from its beginning to its end."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from support import HOLDER, OTHER, Repo, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SOURCE = b"def f(x):\n    if x:\n        y(x)\n        z(x)\n"
IN_CONTAINER = ("unshare", "--pid", "--fork", "--kill-child")


@pytest.fixture
def scene(new_repo: Callable[..., Repo], tmp_path: Path) -> Repo:
    """A guarded repository with src/x.py, docs/y.md and the remote ``remote.git``."""
    repo = new_repo("scene")
    repo.write("src/x.py", SOURCE.decode())
    (repo.path / "src" / "logo.png").write_bytes(b"\0\1")
    repo.write("docs/y.md")
    repo.commit_unguarded("files")
    assert run("git", "init", "-q", "--bare", "remote.git", cwd=tmp_path).code == 0
    repo.must("remote", "add", "origin", str(tmp_path / "remote.git"))
    repo.must("push", "-q", "-u", "origin", "main")
    assert repo.agentlock("init").code == 0
    return repo


@pytest.fixture
def server(scene: Repo, tmp_path: Path) -> Repo:
    """The remote, guarded with the same table."""
    guarded = Repo(tmp_path / "remote.git")
    told = ("--identity-variable", "AGENTLOCK_AGENT")
    made = guarded.agentlock("init", "--server", "--database", str(scene.database), *told)
    assert made.code == 0, made
    return guarded


def clone_of(server: Repo) -> Repo:
    """Somebody's clone, in which nobody ran `agentlock init`."""
    path = server.path.parent / "clone"
    run("git", "clone", "-q", str(server.path), str(path), cwd=server.path.parent)
    return Repo(path)


@pytest.mark.parametrize(
    ("name", "theirs", "other"),
    [
        ("src/x.py", SOURCE.replace(b"        z", b"    z"), SOURCE.replace(b"        z", b"  z")),
        ("src/logo.png", b"\0the holder's", b"\0somebody else's"),
    ],
    ids=["indentation", "binary"],
)
def test_another_indentation_or_other_bytes_are_not_the_holders_change(
    scene: Repo, server: Repo, name: str, theirs: bytes, other: bytes
) -> None:
    """`git patch-id` ignores white space, and below git 2.39 what a binary file holds."""
    scene.reserve(HOLDER, "src/")
    (scene.path / name).write_bytes(theirs)
    assert scene.commit_all(agent=HOLDER).code == 0
    assert scene.git("push", "-q", agent=HOLDER).code == 0
    clone = clone_of(server)
    clone.must("reset", "-q", "--hard", "HEAD~")
    (clone.path / name).write_bytes(other)
    clone.commit_unguarded("again")
    refused = clone.git("push", "-q", "origin", "HEAD:refs/heads/again", agent=OTHER)
    assert (refused.code, name in refused.err) == (1, True), refused
    patch = clone.must("format-patch", "--binary", "-1", "--stdout")
    scene.must("checkout", "-q", "--detach", "HEAD~")
    applied = scene.git("am", agent=OTHER, stdin=f"{patch}\n".encode())
    assert applied.code != 0
    assert name in applied.err


def test_a_server_takes_the_attributes_of_a_merge_from_its_tree(scene: Repo, server: Repo) -> None:
    scene.write(".gitattributes", "CHANGES.md merge=union\n")
    scene.write("CHANGES.md", "top\n")
    assert scene.commit_all(agent=OTHER).code == 0
    for branch in ("side", "main"):
        scene.must("checkout", "-q", "-B", branch, "main")
        scene.write("CHANGES.md", f"top\n{branch}\n")
        scene.must("add", "CHANGES.md")
        if branch == "side":
            assert scene.commit_all(agent=OTHER).code == 0
            scene.must("checkout", "-q", "-f", "main")
    assert scene.commit_all(agent=OTHER).code == 0
    merged = scene.git("merge", "-q", "--no-edit", "side", agent=OTHER)
    assert merged.code == 0, merged
    scene.reserve(HOLDER, "CHANGES.md")
    pushed = scene.git("push", "-q", agent=OTHER)
    assert pushed.code == 0, pushed
    assert server.must("rev-parse", "main") == scene.head


@pytest.mark.skipif(not shutil.which("unshare"), reason="there is no unshare")
def test_a_commit_in_a_container_that_ends_with_it_is_recorded(scene: Repo) -> None:
    if run(*IN_CONTAINER, "true", cwd=scene.path).code != 0:
        pytest.skip("only root can make a namespace of processes")
    scene.reserve(HOLDER, "src/")
    scene.write("src/x.py", "mine\n")
    commit = (*IN_CONTAINER, "git", "commit", "-q", "-a", "-m", "mine")
    assert run(*commit, cwd=scene.path, agent=HOLDER).code == 0
    pushed = scene.git("push", "-q", "origin", "main", agent=OTHER)
    assert pushed.code == 0, pushed


def test_notes_and_metadata_branches_need_no_reservation(scene: Repo) -> None:
    policy = ("policy", "set", "require_reservation", "on", "--reason", "try")
    assert scene.agentlock(*policy).code == 0
    scene.must("notes", "add", "-m", "a note")
    scene.must("checkout", "-q", "--orphan", "meta")
    scene.must("rm", "-rfq", "--cached", ".")
    scene.write("state.json")
    scene.must("add", "state.json")
    assert scene.git("commit", "-q", "-m", "meta", agent=OTHER).code == 0
    refs = ("refs/notes/commits", "meta", "meta:refs/meta/x")
    assert scene.git("push", "-q", "origin", *refs, agent=OTHER).code == 0
    scene.must("checkout", "-q", "-f", "main")
    scene.write("docs/y.md", "not covered\n")
    scene.commit_unguarded()
    review = scene.git("push", "-q", "origin", "HEAD:refs/for/main", agent=OTHER)
    assert review.code == 1
    assert "docs/y.md" in review.err


def test_a_new_branch_of_a_bare_hub_or_on_top_of_upstream_is_free(
    scene: Repo, tmp_path: Path
) -> None:
    """Neither has a tracking ref of what it pushes to."""
    scene.reserve(HOLDER, "src/")
    hub = tmp_path / "hub"
    run(
        "git",
        "clone",
        "-q",
        "--bare",
        str(tmp_path / "remote.git"),
        str(hub / ".bare"),
        cwd=hub.parent,
    )
    (hub / ".git").write_text("gitdir: ./.bare\n", encoding="utf-8")
    run("git", "worktree", "add", "-q", "main", cwd=hub)
    upstream = clone_of(Repo(tmp_path / "remote.git"))
    upstream.write("src/x.py", "upstream's\n")
    upstream.commit_unguarded("upstream's")
    fork = Repo(hub / "main")
    assert fork.agentlock("init", "--database", str(scene.database)).code == 0
    for start in ("main", "FETCH_HEAD"):
        if start == "FETCH_HEAD":
            fork.must("remote", "add", "upstream", str(upstream.path))
            fork.must("fetch", "-q", "upstream", "main")
        fork.must("checkout", "-q", "-b", f"feature-{start}", start)
        fork.write("docs/new.md", f"{start}\n")
        assert fork.commit_all(agent=OTHER).code == 0
        pushed = fork.git("push", "-q", "origin", "HEAD", agent=OTHER)
        assert pushed.code == 0, pushed
