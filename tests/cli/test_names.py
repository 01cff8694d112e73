"""Names of agents: which are refused, which are taken, and who may act under another one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from support import HOLDER, OTHER, Repo, assert_refused

if TYPE_CHECKING:
    from pathlib import Path

PLACEHOLDERS = (
    *("YourName", "your-name", "agent", "claude", "codex", "gemini", "cursor", "copilot"),
    *("assistant", "Claude"),
)
FORCED = ("--force", "--reason", "it has crashed")


@pytest.fixture
def linked(table: Repo, tmp_path: Path) -> Repo:
    table.must("worktree", "add", "-q", "-b", "feat/blue", str(tmp_path / "w1"))
    return Repo(tmp_path / "w1")


@pytest.mark.parametrize("name", PLACEHOLDERS)
def test_a_placeholder_is_refused_as_a_name(table: Repo, name: str) -> None:
    refused = table.agentlock("reserve", "docs/", "--agent", name)
    assert refused.code == 2
    assert f"'{name}' (--agent) is a placeholder, which several agents would share" in refused.err
    assert table.agentlock("status", agent=name).code == 2
    assert table.agentlock("status", env={"AGENT_NAME": name}).code == 0
    table.write("free.txt")
    assert_refused(table.commit_all(agent=name), "(AGENTLOCK_AGENT) is a placeholder")
    assert table.live() == []


@pytest.mark.parametrize("name", ["claude-2", "agent7", "my-agent", "Assist"])
def test_a_name_that_only_contains_a_placeholder_is_a_name(table: Repo, name: str) -> None:
    assert table.agentlock("reserve", "docs/", agent=name).code == 0


def test_a_name_that_differs_from_anothers_only_in_case_is_refused(table: Repo) -> None:
    table.reserve("BlueLake", "src/")
    refused = table.agentlock("reserve", "docs/", agent="bluelake")
    assert refused.code == 2
    assert (
        "'bluelake' differs from 'BlueLake', an agent of this project, only in case" in refused.err
    )
    assert table.agentlock("status", agent="bluelake").code == 0
    assert [one["name"] for one in table.agentlock("agent", "list", "--json").json] == ["BlueLake"]
    table.reserve("BlueLake2", "docs/")


def test_git_config_is_asked_before_agent_name(table: Repo) -> None:
    table.must("config", "agentlock.agent", "Blue")
    for env in ({}, {"AGENT_NAME": "Ci"}):
        assert table.agentlock("whoami", env=env).out == "Blue (git config agentlock.agent)\n"
    assert table.agentlock("whoami", agent="Green").out == "Green (AGENTLOCK_AGENT)\n"


def test_a_name_that_is_live_in_another_worktree_is_told_since_when(
    table: Repo, linked: Repo
) -> None:
    assert linked.agentlock("reserve", "src/", agent=HOLDER).code == 0
    assert "already yours" not in linked.agentlock("reserve", "src/", agent=HOLDER).err
    for pattern in ("src/", "docs/"):
        told = table.agentlock("reserve", pattern, agent=HOLDER)
        assert told.code == 0
        since = r"note: src/ is already yours since [-: \d]+, from worktree w1\n"
        assert re.search(since, told.err), told
        assert "choose a name that nobody else has" in told.err
    assert table.agentlock("reserve", "docs/", "--json", agent=HOLDER).err == ""
    assert linked.agentlock("release", "src/", agent=HOLDER).code == 0
    assert "already yours" not in table.agentlock("reserve", "docs/", agent=HOLDER).err


@pytest.mark.parametrize("command", ["release --all", "release src/a.py", "release --id 1"])
def test_another_agents_reservations_are_ended_only_by_force_whatever_agent_says(
    table: Repo, command: str
) -> None:
    table.reserve(HOLDER, "src/a.py")
    table.reserve("RedStone", "docs/")
    words = (*command.split(), "--agent", HOLDER)
    for env in ({"AGENTLOCK_AGENT": OTHER}, {"AGENT_NAME": OTHER}):
        refused = table.agentlock(*words, env=env)
        assert (refused.code, len(table.live())) == (1, 2)
        assert f"you are {OTHER} here, and what {HOLDER} holds is not yours" in refused.err
        assert "--force" not in refused.err
    assert table.agentlock(*words, "--force", agent=OTHER).code == 2
    assert table.agentlock(*words, *FORCED, agent=OTHER).code == 0
    assert table.live() == [("RedStone", "/docs/", True)]
    event = table.agentlock("log", "--json").json[-1]
    assert (event["kind"], event["agent"]) == ("force-released", OTHER)
    assert f"{OTHER} ended your reservation 1" in table.agentlock("list", agent=HOLDER).err


def test_another_agents_leases_are_renewed_only_by_force(table: Repo) -> None:
    table.reserve(HOLDER, "src/a.py", "--ttl", "5m")
    renew = ("renew", "--all", "--agent", HOLDER)
    assert table.agentlock(*renew, agent=OTHER).code == 1
    assert table.agentlock(*renew, *FORCED, agent=OTHER).code == 0
    event = table.agentlock("log", "--json").json[-1]
    assert (event["kind"], event["detail"]) == ("renewed", f"by {OTHER}: it has crashed")


def test_reserving_for_another_agent_changes_nothing_that_it_holds(table: Repo) -> None:
    table.reserve(HOLDER, "src/a.py", "--ttl", "5m")
    before = table.live()
    for mode in ((), ("--shared",)):
        again = table.agentlock("reserve", "src/a.py", "--agent", HOLDER, *mode, agent=OTHER)
        assert again.code == 1
        assert "another agent cannot change that" in again.err
    assert table.live() == before
    assert table.agentlock("reserve", "docs/", "--agent", HOLDER, agent=OTHER).code == 0


def test_the_same_name_twice_or_no_name_here_needs_no_force(table: Repo) -> None:
    for who in (HOLDER, None):
        table.reserve(HOLDER, "src/a.py")
        assert table.agentlock("release", "--all", "--agent", HOLDER, agent=who).code == 0


def test_acting_under_another_name_is_no_way_past_the_owners_key(table: Repo) -> None:
    assert table.agentlock("init", "--owner-key").code == 0
    table.reserve(HOLDER, "src/a.py")
    for command in ("release", "renew"):
        words = (command, "--all", "--agent", HOLDER, *FORCED)
        refused = table.agentlock(*words, "--json", agent=OTHER)
        assert (refused.code, refused.json["error"]["kind"]) == (1, "owner-key")
    assert len(table.live()) == 1


def test_the_news_of_another_agent_wait_for_it(table: Repo) -> None:
    table.reserve(HOLDER, "src/a.py")
    table.expire()
    assert table.agentlock("status", "--agent", HOLDER, agent=OTHER).err == ""
    assert "your reservation 1" in table.agentlock("status", agent=HOLDER).err


def test_a_person_who_forces_has_gits_name(table: Repo) -> None:
    table.must("config", "user.name", "Ada L\u00f6velace (boss)")
    table.reserve(HOLDER, "src/a.py")
    assert table.agentlock("release", "--id", "1").code == 2
    forced = table.agentlock("release", "--id", "1", *FORCED)
    assert forced.code == 0, forced
    assert table.agentlock("log", "--json").json[-1]["agent"] == "Ada-L-velace-boss"
    assert "Ada-L-velace-boss ended your" in table.agentlock("list", agent=HOLDER).err
    assert [one["name"] for one in table.agentlock("agent", "list", "--json").json] == [HOLDER]
    table.reserve(HOLDER, "src/a.py")
    table.reserve(OTHER, "docs/")
    assert table.agentlock("release", "--all", "--agent", HOLDER, *FORCED).code == 0
    assert table.live() == [(OTHER, "/docs/", True)]
    last = table.agentlock("log", "--json").json[-1]
    assert (last["kind"], last["agent"]) == ("force-released", "Ada-L-velace-boss")
    table.must("config", "user.name", "!!")
    table.reserve(HOLDER, "src/a.py")
    assert table.agentlock("release", "src/a.py", *FORCED).code == 2
