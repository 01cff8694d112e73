"""Tools that commit without git's hooks are named, with what judges their commits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support import Repo

if TYPE_CHECKING:
    from collections.abc import Callable


def test_jj_gitbutler_and_sapling_are_named_by_init_status_and_doctor(
    new_repo: Callable[..., Repo],
) -> None:
    repo = new_repo("several")
    repo.write("a")
    repo.commit_unguarded("a")
    assert "is used here" not in repo.agentlock("init").err
    side = repo.path.parent / "side"
    repo.must("worktree", "add", "-q", "-b", "side", str(side))
    for name, sign in (("jj", ".jj"), ("GitButler", ".git/gitbutler"), ("Sapling", ".sl")):
        (repo.path / sign).mkdir()
        said = f"{name} is used here ({repo.path / sign})"
        assert said in repo.agentlock("init").err
        assert said in Repo(side).agentlock("status").out
        assert "agentlock init --server --database" in repo.agentlock("status").out
        told = repo.agentlock("doctor", "--json").json["findings"]
        (finding,) = [one for one in told if one["check"] == "tools" and name in one["message"]]
        assert finding["level"] == "warning"
        (repo.path / sign).rmdir()
    assert "is used here" not in repo.agentlock("status").out


@pytest.mark.parametrize("sign", ["refs/jj", "refs/gitbutler", "refs/heads/gitbutler"])
def test_their_refs_show_them_too(new_repo: Callable[..., Repo], sign: str) -> None:
    repo = new_repo("refs")
    (repo.path / ".git" / sign).mkdir(parents=True)
    assert "is used here" in repo.agentlock("init", "--json").out
