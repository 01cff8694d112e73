"""Whether an agent is still there, in every answer that names it; registering and retiring one."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

import pytest
from edit_hooks.test_sessions import event
from support import AGENTLOCK, HOLDER, OTHER, run

from agentlock.processes import boot_and_namespace

if TYPE_CHECKING:
    from support import Repo

MINUTE = 60 * 1_000_000
# A program that runs a command as its child, and ends.
PASSING = "import subprocess, sys; sys.exit(subprocess.run(sys.argv[1:]).returncode)"


def listed(repo: Repo, name: str) -> Any:
    found = repo.agentlock("agent", "list", "--json").json
    return next(one for one in found if one["name"] == name)


def age(repo: Repo, minutes: int) -> None:
    """Let everything that was seen of anybody be this old."""
    for table, column in (
        *(("agents", "last_active_ts"), ("agents", "located_ts")),
        *(("conversations", "last_active_ts"), ("conversations", "at_prompt_ts")),
    ):
        repo.sql(f"UPDATE {table} SET {column} = {column} - ?", minutes * MINUTE)  # noqa: S608


@pytest.mark.parametrize(("minutes", "status"), [(14, "working"), (16, "silent")])
def test_an_agent_that_shows_nothing_for_idle_limit_is_silent(
    repo: Repo, minutes: int, status: str
) -> None:
    repo.reserve(HOLDER, "src/**")
    age(repo, minutes)
    assert listed(repo, HOLDER)["status"] == status
    active = repo.agentlock("agent", "list", "--active", "--json").json
    assert [one["name"] for one in active] == ([HOLDER] if status == "working" else [])


def test_a_turn_that_ended_leaves_the_agent_at_its_prompt_until_the_next_one(repo: Repo) -> None:
    event("SessionStart", cwd=repo.path, agent=HOLDER)
    event("UserPromptSubmit", cwd=repo.path, prompt="go")
    assert listed(repo, HOLDER)["status"] == "working"
    event("Stop", cwd=repo.path)
    repo.reserve(HOLDER, "src/**")
    assert listed(repo, HOLDER)["status"] == "at-prompt"
    age(repo, 7)
    refused = repo.agentlock("reserve", "src/x.py", agent=OTHER)
    assert f"{HOLDER}, at its prompt for 7m, last seen 7m ago" in refused.err
    event("UserPromptSubmit", cwd=repo.path, prompt="go on")
    assert listed(repo, HOLDER)["status"] == "working"


def test_whoever_waits_is_waiting_for_the_agent_that_is_in_the_way(repo: Repo) -> None:
    repo.reserve("RedStone", "docs/")
    repo.reserve(HOLDER, "src/**")
    assert repo.agentlock("reserve", "docs/", "--queue", agent=HOLDER).code == 1
    assert listed(repo, HOLDER)["status"] == "working"  # it has a place, and goes on with its work
    age(repo, 2)
    found = listed(repo, HOLDER)
    assert (found["status"], found["why"], found["waits"]) == ("waiting", "RedStone", 1)
    refused = repo.agentlock("reserve", "src/x.py", agent=OTHER)
    assert re.search(rf"{HOLDER}, waiting \w+ for RedStone, last seen 2m ago", refused.err)


def test_a_session_that_ended_leaves_an_agent_that_is_gone(repo: Repo) -> None:
    event("SessionStart", cwd=repo.path, agent=HOLDER)
    repo.reserve(HOLDER, "src/**")
    repo.sql("UPDATE agents SET last_active_ts = last_active_ts - 1000000")
    event("SessionEnd", cwd=repo.path)
    found = listed(repo, HOLDER)
    assert (found["status"], found["why"]) == ("gone", "its session has ended")
    repo.reserve(HOLDER, "docs/")
    assert listed(repo, HOLDER)["status"] == "working"  # it was seen after that


@pytest.mark.usefixtures("fresh")
def test_a_program_whose_process_ended_without_a_word_is_gone_and_every_refusal_says_so(
    repo: Repo,
) -> None:
    program = (sys.executable, "-c", PASSING)
    reserved = run(*program, *AGENTLOCK, "reserve", "src/**", cwd=repo.path, agent=HOLDER)
    assert reserved.code == 0, reserved
    gone = rf"{HOLDER}, gone \(its process \d+ has ended\), last seen \d+s ago in repo \(main\)"
    repo.write("src/x.py", "theirs\n")
    assert re.search(gone, repo.agentlock("reserve", "src/x.py", agent=OTHER).err)
    assert re.search(gone, repo.commit_all(agent=OTHER).err)
    status = repo.agentlock("status", agent=OTHER).out
    assert re.search(rf"{HOLDER} is gone \(its process \d+ has ended\)", status)
    assert repo.agentlock("agent", "list", "--active", "--json").json[0]["name"] == OTHER
    repo.sql("UPDATE agents SET process_place = 'another machine'")
    assert listed(repo, HOLDER)["status"] == "working"  # nobody here can tell


def test_whoever_goes_on_with_another_process_is_not_gone(repo: Repo) -> None:
    """What was seen long after the process was recorded may come from another one."""
    repo.reserve(HOLDER, "src/**")
    repo.sql(
        "UPDATE agents SET process = 1, process_started = 1, process_place = ?",
        boot_and_namespace(),
    )
    repo.sql("UPDATE agents SET located_ts = last_active_ts")
    assert listed(repo, HOLDER)["status"] == "gone"
    repo.sql("UPDATE agents SET located_ts = last_active_ts - 61000000")
    assert listed(repo, HOLDER)["status"] == "working"


def test_an_agent_is_registered_once_and_shown(repo: Repo) -> None:
    done = repo.agentlock("agent", "register", HOLDER, "--program", "claude", agent=OTHER)
    assert done.out == f"registered {HOLDER}\n"
    again = repo.agentlock("agent", "register", HOLDER)
    assert again.out == f"{HOLDER} is registered already\n"
    alike = repo.agentlock("agent", "register", HOLDER.lower())
    assert alike.code == 2, alike
    repo.reserve(HOLDER, "src/**")
    shown = repo.agentlock("agent", "show", HOLDER)
    assert re.match(rf"{HOLDER}, working, last seen \d+s ago in .*, claude", shown.out)
    assert "holds     1  src/**" in shown.out
    assert repo.agentlock("agent", "show", HOLDER, "--json").json == listed(repo, HOLDER)
    unknown = repo.agentlock("agent", "show", "Nobody")
    assert (unknown.code, "see: agentlock agent list" in unknown.err) == (2, True)


def test_an_agent_that_holds_or_waits_is_not_retired(repo: Repo) -> None:
    repo.reserve(HOLDER, "src/**")
    held = repo.agentlock("agent", "retire", HOLDER, agent=OTHER)
    assert held.code == 1
    assert f"{HOLDER} still holds 1 reservation" in held.err
    assert repo.agentlock("reserve", "src/", "--queue", agent=OTHER).code == 1
    waits = repo.agentlock("agent", "retire", OTHER, agent=HOLDER)
    assert waits.code == 1
    assert f"{OTHER} still has 1 place in the queue" in waits.err


def test_a_retired_agent_is_gone_until_it_is_active_again(repo: Repo) -> None:
    repo.agentlock("agent", "register", HOLDER)
    assert repo.agentlock("agent", "retire", HOLDER, agent=OTHER).code == 0
    found = listed(repo, HOLDER)
    assert (found["status"], found["why"]) == ("gone", "retired")
    assert f"retired  {OTHER}" in re.sub(r" +", "  ", repo.agentlock("log").out)
    repo.reserve(HOLDER, "src/**")
    assert listed(repo, HOLDER)["status"] == "working"
