"""`init --new-database`: nothing is thrown away by a hint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support import HOLDER, OTHER, Repo
from support.terminal import in_a_terminal

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_new_table_wants_a_reason(repo: Repo) -> None:
    repo.database.unlink()
    for options in ([], ["--reason", " "]):
        refused = repo.agentlock("init", "--new-database", *options)
        assert refused.code == 2
        assert "needs a reason" in refused.err
    assert not repo.database.exists()


def test_a_table_that_can_be_read_is_given_up_only_by_force(repo: Repo) -> None:
    repo.reserve(HOLDER, "src/")
    asked = ("init", "--new-database", "--reason", "I want to commit")
    refused = repo.agentlock(*asked, agent=OTHER)
    assert refused.code == 1
    assert f"would lose 1 live reservation of {HOLDER}" in refused.err
    assert "--force" not in refused.err
    assert repo.live() == [(HOLDER, "/src/", True)]
    forced = repo.agentlock(*asked, "--force", agent=OTHER)
    assert forced.code == 0, forced
    assert f"1 live reservation of {HOLDER} is lost" in forced.err
    assert repo.live() == []
    event = next(
        one for one in repo.agentlock("log", "--json").json if one["kind"] == "started-afresh"
    )
    assert event["agent"] == OTHER
    assert "(I want to commit)" in event["detail"]


def test_the_table_of_others_is_not_put_aside_by_who_joins(
    repo: Repo, new_repo: Callable[..., Repo]
) -> None:
    repo.reserve(HOLDER, "src/")
    clone = new_repo("clone")
    options = ("--database", str(repo.database), "--new-database", "--reason", "mine")
    refused = clone.agentlock("init", *options)
    assert refused.code == 1
    assert "all reservations of whoever uses it" in refused.err
    assert repo.live() == [(HOLDER, "/src/", True)]


def test_force_and_reason_are_for_a_new_table_only(repo: Repo) -> None:
    for option in (["--force"], ["--reason", "x"]):
        assert repo.agentlock("init", *option).code == 2


def test_only_a_person_at_a_terminal_is_told_how_to_start_afresh(repo: Repo) -> None:
    repo.database.unlink()
    for command in ("init", "doctor"):
        _, shown = in_a_terminal(repo, command, answers={})
        assert "without a backup: agentlock init --new-database --reason TEXT" in shown, shown
        told = repo.agentlock(command)
        assert "new-database" not in told.out + told.err
    repo.must("config", "agentlock.agent", HOLDER)
    _, shown = in_a_terminal(repo, "init", answers={})
    assert "new-database" not in shown
