"""At a commit: what does not descend from the project's first root is not judged by path.

A merge that joins another history to the project touches what differs from its first parent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support import (
    HOLDER,
    NO_HOOKS,
    OTHER,
    Repo,
    assert_passed,
    assert_refused,
    make_plain,
    publish,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support import Result

NAMES = ("src/x.py", "README.md", "docs/y.md")


@pytest.fixture
def scene(repo: Repo) -> Repo:
    """The holder has src/ and README.md."""
    for name in NAMES:
        repo.write(name, f"start of {name}\n")
    repo.commit_unguarded("files")
    repo.reserve(HOLDER, "src/", "README.md")
    return repo


def commit(repo: Repo, name: str, text: str) -> Result:
    repo.write(name, text)
    return repo.commit_all(text, agent=OTHER)


def entry_of(repo: Repo, commit: str) -> str | None:
    (entry,) = repo.agentlock("ledger", "show", commit, "--json").json
    how: str | None = entry["how"]
    return how


def test_a_branch_of_another_history_is_free_and_what_comes_from_it_is_judged(scene: Repo) -> None:
    scene.must("checkout", "-q", "--orphan", "pages")
    assert_passed(commit(scene, "src/x.py", "of the pages"))
    assert_passed(commit(scene, "src/x.py", "of the pages, once more"))
    assert entry_of(scene, "HEAD") is None  # nothing was judged
    scene.must("checkout", "-q", "main")
    picked = scene.git("cherry-pick", "-X", "theirs", "pages", agent=OTHER)
    assert_refused(picked, "src/x.py", code=128)
    scene.must("reset", "-q", "--hard")
    join = ("merge", "-q", "--allow-unrelated-histories", "--no-edit")
    assert_refused(scene.git(*join, "-X", "theirs", "pages", agent=OTHER), "src/x.py", what="merge")
    scene.must("merge", "--abort")
    assert_passed(scene.git(*join, "-s", "ours", "pages", agent=OTHER))


def test_a_history_that_takes_the_project_in_is_judged_by_path(scene: Repo) -> None:
    scene.must("checkout", "-q", "--orphan", "pages")
    assert_passed(commit(scene, "src/x.py", "of the pages"))
    join = ("merge", "-q", "--allow-unrelated-histories", "-s", "ours", "--no-edit", "main")
    assert_refused(scene.git(*join, agent=OTHER), "src/x.py", what="merge")


@pytest.mark.parametrize("strict", ["--strict", "--no-strict"])
def test_a_subtree_touches_the_folder_that_it_is_put_into(
    scene: Repo, tmp_path: Path, strict: str
) -> None:
    assert_passed(scene.agentlock("hooks", "install", strict))
    library = make_plain(tmp_path / "library", "README.md", "src/x.py")
    subtree = ("--prefix=vendor/lib", str(library.path), "main", "-m", "take it in")
    assert_passed(scene.git("subtree", "add", "-q", *subtree, agent=OTHER))
    library.write("README.md", "more\n")
    library.commit_unguarded("more")
    assert_passed(scene.git("subtree", "pull", "-q", *subtree, agent=OTHER))
    assert (scene.path / "vendor/lib/README.md").read_text(encoding="utf-8") == "more\n"
    library.write("README.md", "still more\n")
    library.commit_unguarded("still more")
    scene.reserve(HOLDER, "vendor/")
    pulled = scene.git("subtree", "pull", "-q", *subtree, agent=OTHER)
    assert_refused(pulled, "vendor/lib/README.md", what="merge")


def test_a_merge_that_takes_a_library_in_is_noted_at_the_push_and_may_be_dropped(
    scene: Repo, tmp_path: Path
) -> None:
    publish(scene, tmp_path)
    library = make_plain(tmp_path / "library", "README.md", "src/x.py")
    subtree = ("--prefix=vendor/lib", str(library.path), "main", "-m", "take it in")
    assert_passed(scene.git("subtree", "add", "-q", *subtree, agent=OTHER))
    assert_passed(scene.git("push", "-q", "origin", "HEAD:refs/heads/side", agent=OTHER))
    assert entry_of(scene, "HEAD") == "allowed"
    scene.reserve(HOLDER, "vendor/")
    assert_passed(scene.git("push", "-q", "origin", ":side", agent="RedFox"))


def test_a_strict_project_judges_a_subtree_that_is_added_and_takes_no_other_history_for_its_own(
    scene: Repo, tmp_path: Path
) -> None:
    assert_passed(scene.agentlock("hooks", "install", "--strict"))
    library = make_plain(tmp_path / "library", "README.md")
    scene.reserve(HOLDER, "vendor/")
    subtree = ("--prefix=vendor/lib", str(library.path), "main", "-m", "take it in")
    added = scene.git("subtree", "add", "-q", *subtree, agent=OTHER)
    assert "vendor/lib/README.md" in added.err, added
    scene.must("reset", "-q", "--hard")
    scene.write("src/x.py", "smuggled in\n")
    scene.must("add", "src/x.py")
    made = scene.must("commit-tree", "-m", "another root", scene.must("write-tree"))
    scene.must("reset", "-q", "--hard")
    assert_passed(scene.git("update-ref", "refs/heads/pages", made, agent=OTHER))
    scene.must("update-ref", "-d", "refs/heads/pages")
    replaced = scene.git("update-ref", "refs/heads/main", made, agent=OTHER)
    assert "src/x.py" in replaced.err, replaced


def test_where_no_default_branch_is_known_every_history_is_the_projects(
    new_repo: Callable[..., Repo],
) -> None:
    repo = new_repo("trunk")
    repo.must("branch", "-m", "main", "trunk")
    assert_passed(repo.agentlock("init"))
    repo.reserve(HOLDER, "src/")
    repo.must("checkout", "-q", "--orphan", "pages")
    assert_refused(commit(repo, "src/x.py", "of the pages"), "src/x.py")
    repo.must(*NO_HOOKS, "update-ref", "refs/remotes/origin/trunk", "trunk")
    repo.must("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/trunk")
    assert_passed(commit(repo, "src/x.py", "of the pages"))
