"""No name is a file and a folder: who holds one of them holds the place of the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support import HOLDER, NO_HOOKS, OTHER, Repo, assert_passed, assert_refused, publish

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def add_file(repo: Repo, path: str) -> None:
    repo.write(path)


def add_link(repo: Repo, path: str) -> None:
    place = repo.path / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to("elsewhere")


def add_submodule(repo: Repo, path: str) -> None:
    repo.must("update-index", "--add", "--cacheinfo", f"160000,{repo.head},{path}")


@pytest.fixture(params=["sqlite", "postgresql"])
def holding(request: pytest.FixtureRequest, new_repo: Callable[..., Repo]) -> Repo:
    """HOLDER holds things below folders that do not exist yet, and a plain path."""
    repo = new_repo("repo")
    where = ("--database", request.getfixturevalue("postgresql").database())
    assert repo.agentlock("init", *(where if request.param == "postgresql" else ())).code == 0
    repo.write("base")
    repo.commit_unguarded()
    repo.reserve(HOLDER, "docs/api/new.md", "new/**", "lib/*/x[ab].py", "plain")
    return repo


def test_what_takes_the_place_of_a_reserved_folder_is_refused(holding: Repo) -> None:
    repo = holding
    for add, path in (
        (add_file, "docs/api"),
        (add_link, "docs"),
        (add_submodule, "docs/api"),
        (add_link, "new"),
        (add_file, "lib"),
        (add_file, "plain/below.py"),
        (add_submodule, "plain/below/deep"),
    ):
        add(repo, path)
        if add is not add_submodule:
            repo.must("add", "--", path)
        assert_refused(repo.git("commit", "-qm", "x", agent=OTHER), path)
        repo.must("reset", "-q", "--hard")


def test_what_leaves_the_folder_its_place_passes(holding: Repo) -> None:
    repo = holding
    for path in ("docs/apiary", "docs/api.md", "docs/api/newer", "news", "lib/x.py", "plain.md"):
        repo.write(path)
    assert_passed(repo.commit_all(agent=OTHER))
    repo.must("rm", "-rqf", "docs/api")
    assert_passed(repo.commit_all(agent=OTHER))
    repo.write("docs/api")
    repo.write("plain/mine")
    assert_passed(repo.commit_all(agent=HOLDER))
    # From here on a file stands there: to change it takes nobody's folder.
    repo.write("docs/api", "changed\n")
    assert_passed(repo.commit_all(agent=OTHER))


def test_a_refusal_says_which_folder_is_needed(holding: Repo) -> None:
    holding.write("docs/api")
    refused = holding.commit_all(agent=OTHER)
    assert_refused(refused, "docs/api/new.md needs a folder where docs/api would be")
    holding.must("reset", "-q", "--hard")
    holding.write("plain/below")
    assert "needs a folder" not in holding.commit_all(agent=OTHER).err


def test_a_push_of_what_takes_the_place_is_refused(holding: Repo, tmp_path: Path) -> None:
    publish(holding, tmp_path)
    for number, path in enumerate(("docs/api", "new", "plain/below")):
        holding.must("switch", "-qc", f"b{number}", "main")
        holding.write(path)
        holding.must("add", "-A")
        holding.must(*NO_HOOKS, "commit", "-qm", "x")
        pushed = holding.git("push", "origin", f"b{number}", agent=OTHER)
        assert_refused(pushed, path, what="push")


def test_reserve_check_and_explain_answer_as_the_commit_does(holding: Repo) -> None:
    taken = ["docs/api", "docs", "new", "lib", "plain/below"]
    asked = [*taken, "plain/deep/", "plain/*.py"]
    refused = holding.agentlock("reserve", "--json", *asked, agent=OTHER)
    assert {one["pattern"].lstrip("/") for one in refused.json["conflicts"]} == set(asked)
    checked = holding.agentlock("check", "--json", *taken, agent=OTHER).json
    assert {one["path"] for one in checked["conflicts"]} == set(taken)
    (explained,) = holding.agentlock("explain", "--json", "docs", agent=OTHER).json
    assert [one["witness"] for one in explained["meets"]] == ["docs/api/new.md"]
    (explained,) = holding.agentlock("explain", "--json", "plain", "plain/below").json
    assert explained["paths"] == [{"path": "plain/below", "matches": True}]
    free = ["docs/ap", "docs/api/newer.md", "lib/y", "plainly"]
    assert holding.agentlock("reserve", *free, agent=OTHER).code == 0
    assert holding.agentlock("db", "check").code == 0


def test_a_thousand_new_files_are_looked_at_together(holding: Repo) -> None:
    for number in range(2_500):  # more than are asked for one by one
        holding.write(f"many/{number}")
    holding.write("docs/api")
    assert_refused(holding.commit_all(agent=OTHER), "1 of 2501 paths is reserved by others")
