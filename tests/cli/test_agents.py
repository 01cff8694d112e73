"""Whether an agent is still there, in every answer that names it; registering and retiring one."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest
from edit_hooks.test_denying import edit, why
from edit_hooks.test_sessions import event
from support import AGENTLOCK, HOLDER, OTHER, run

import agentlock.__main__ as door

if TYPE_CHECKING:
    from support import Repo

MINUTE = 60 * 1_000_000
# A program that runs one command or two as its children, the first with this input, and ends.
PASSING = """
import subprocess, sys
given, *words = sys.argv[1:]
at = words.index(";") if ";" in words else len(words)
for command in filter(None, (words[:at], words[at + 1 :])):
    subprocess.run(command, input=given.encode())
"""


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


@pytest.mark.parametrize(("minutes", "status"), [(1, "working"), (3, "silent")])
def test_an_agent_that_did_nothing_for_two_minutes_is_silent(
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
    age(repo, 3)
    found = listed(repo, HOLDER)
    assert (found["status"], found["why"], found["waits"]) == ("waiting", "RedStone", 1)
    refused = repo.agentlock("reserve", "src/x.py", agent=OTHER)
    assert re.search(rf"{HOLDER}, waiting \w+ for RedStone, last seen 3m ago", refused.err)


def test_a_session_that_ended_leaves_an_agent_that_is_gone(repo: Repo) -> None:
    event("SessionStart", cwd=repo.path, agent=HOLDER)
    repo.reserve(HOLDER, "src/**")
    repo.sql("UPDATE agents SET last_active_ts = last_active_ts - 1000000")
    event("SessionEnd", cwd=repo.path)
    found = listed(repo, HOLDER)
    assert (found["status"], found["why"]) == ("gone", "its session has ended")


@pytest.mark.usefixtures("fresh")
def test_a_session_whose_process_ended_without_a_word_is_over_and_every_refusal_says_so(
    repo: Repo,
) -> None:
    """The program that starts the hook, and reserves in its shell, ends without SessionEnd."""
    given = json.dumps({"session_id": "S", "cwd": str(repo.path), "source": "startup"})
    hook = (sys.executable, "-I", "-S", door.__file__, "hook", "edit", "claude", "SessionStart")
    program = (sys.executable, "-c", PASSING, given, *hook, ";", *AGENTLOCK, "reserve", "src/**")
    started = run(*program, cwd=repo.path, agent=HOLDER)
    assert started.code == 0, started
    gone = rf"{HOLDER}, gone \(its process \d+ has ended\), last seen \d+s ago in repo \(main\)"
    assert re.search(gone, repo.agentlock("reserve", "src/x.py", agent=OTHER).err)
    repo.write("src/x.py", "theirs\n")
    assert re.search(gone, repo.commit_all(agent=OTHER).err)
    denied = edit("src/x.py", cwd=repo.path, agent=OTHER)
    assert re.search(gone, why(denied))
    status = repo.agentlock("status", agent=OTHER).out
    assert re.search(rf"{HOLDER} is gone \(its process \d+ has ended\)", status)
    active = repo.agentlock("agent", "list", "--active", "--json").json
    assert HOLDER not in [one["name"] for one in active]
    repo.sql("UPDATE conversations SET process_place = 'another machine'")
    assert listed(repo, HOLDER)["status"] == "working"  # nobody here can tell


@pytest.mark.usefixtures("fresh")
def test_the_end_of_the_process_that_a_command_came_from_proves_nothing(repo: Repo) -> None:
    program = (sys.executable, "-c", PASSING, "", *AGENTLOCK, "reserve", "src/**")
    assert run(*program, cwd=repo.path, agent=HOLDER).code == 0
    assert listed(repo, HOLDER)["status"] == "working"
    age(repo, 3)
    found = listed(repo, HOLDER)
    assert found["status"] == "silent"
    assert re.fullmatch(r"process \d+, which it last worked from, has ended", found["why"])


def test_whoever_goes_on_after_its_session_is_not_gone(repo: Repo) -> None:
    event("SessionStart", cwd=repo.path, agent=HOLDER)
    event("SessionEnd", cwd=repo.path)
    assert listed(repo, HOLDER)["status"] == "gone"
    repo.reserve(HOLDER, "src/**")
    assert listed(repo, HOLDER)["status"] == "working"


def test_a_session_that_is_found_ended_later_ends_when_it_was_last_seen(repo: Repo) -> None:
    event("SessionStart", cwd=repo.path, agent=HOLDER)
    (file,) = (repo.path / ".git" / "agentlock" / "sessions").iterdir()
    lines = file.read_text(encoding="utf-8").splitlines()
    file.write_text("\n".join([*lines[:4], "1", *lines[5:]]), encoding="utf-8")  # another process
    repo.reserve(HOLDER, "src/**")
    event("SessionStart", cwd=repo.path, session="T", agent=OTHER)
    (ended, _) = repo.agentlock("session", "list", "--json").json
    assert ended["ended_ts"] == ended["started_ts"]
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
