"""`tool:NAME` reserves a thing that is not a file, which no git hook ever matches."""

from __future__ import annotations

import pytest
from support import HOLDER, OTHER, Repo, assert_passed


@pytest.mark.parametrize("typed", ["tool:browser", "tool://browser", "TOOL:Browser"])
def test_a_tool_is_held_by_one_agent_at_a_time(repo: Repo, typed: str) -> None:
    (held,) = repo.reserve(HOLDER, typed, "--reason", "screenshots")
    assert held["pattern"] == "tool://browser"
    for again in ("tool:browser", "tool://browser"):
        refused = repo.agentlock("reserve", again, agent=OTHER)
        assert refused.code == 1
        assert f"tool://browser meets tool://browser  {HOLDER}" in refused.err
        (checked,) = repo.agentlock("check", again, "--json", agent=OTHER).json["paths"]
        assert (checked["path"], checked["state"]) == ("tool://browser", "held")
        (mine,) = repo.agentlock("check", again, "--json", agent=HOLDER).json["paths"]
        assert mine["state"] == "mine"
    repo.reserve(OTHER, "tool:test-db", "tool:port.8080")
    (listed,) = repo.agentlock("list", "--path", "tool:browser", "--json").json
    assert listed["id"] == held["id"]
    assert repo.agentlock("renew", "tool:browser", agent=HOLDER).code == 0
    assert repo.agentlock("release", "tool:browser", agent=HOLDER).code == 0
    repo.reserve(OTHER, "tool:browser")
    assert repo.agentlock("db", "check").code == 0


def test_no_file_and_no_pattern_of_files_meets_a_tool(repo: Repo) -> None:
    repo.reserve(HOLDER, "tool:browser")
    repo.reserve(OTHER, "**", "--whole-repo")
    repo.reserve(OTHER, "--literal", "tool:browser")
    repo.write("tool:browser")
    repo.write("tool:/browser")
    assert_passed(repo.commit_all(agent=OTHER))
    assert repo.agentlock("reserve", "tool:browser", agent=OTHER).code == 1
    assert repo.agentlock("explain", "tool:browser", agent=OTHER).code == 0


@pytest.mark.parametrize("typed", ["tool:", "tool://", "tool:a/b", "tool:*", "tool:a b"])
def test_a_tool_needs_a_name(repo: Repo, typed: str) -> None:
    refused = repo.agentlock("reserve", typed, agent=OTHER)
    assert refused.code == 2
    assert "is not the name of a tool" in refused.err


def test_a_file_of_that_name_is_written_as_a_path(repo: Repo) -> None:
    (held,) = repo.reserve(HOLDER, "./tool:browser")
    assert held["pattern"] == "/tool:browser"
    repo.write("tool:browser")
    assert repo.commit_all(agent=OTHER).code == 1
