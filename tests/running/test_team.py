"""`team run`: one program for each member, with its name before what it prints."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
from running.scenes import PATIENCE, Terminal, until
from support import AGENTLOCK, HOLDER, OTHER

if TYPE_CHECKING:
    from support import Repo

BOTH = (f"{HOLDER}=one", f"{OTHER}=two")


def made(repo: Repo, one: str, two: str) -> None:
    """A team of two, each with its template, which is a line of shell."""
    for name, line in (("one", one), ("two", two)):
        command = ("sh", "-c", line)
        set_it = ("template", "set", name, "--reserve", f"{name}/**", "--", *command)
        assert repo.agentlock(*set_it).code == 0
    assert repo.agentlock("team", "set", "garden", *BOTH).code == 0


def test_what_each_member_prints_has_its_name_and_the_first_failure_is_the_exit_code(
    repo: Repo,
) -> None:
    made(repo, "echo first; printf 'no newline'", "echo $AGENTLOCK_AGENT >&2; exit 3")
    done = repo.agentlock("team", "run", "garden")
    assert done.code == 3, done
    lines = done.out.splitlines()
    assert [line for line in lines if "first" in line] == [f"{HOLDER.ljust(9)} | first"]
    assert f"{HOLDER.ljust(9)} | no newline" in lines
    assert f"{OTHER} | {OTHER}" in lines
    assert f"agentlock: {OTHER} ended with 3" in done.err
    assert repo.live() == []
    shown = repo.agentlock("team", "show", "garden").out
    assert f"{HOLDER}\tone\tgone (its session has ended)" in shown
    listed = repo.agentlock("agent", "list", "--json").json
    assert [one["teams"] for one in listed if one["name"] == HOLDER] == [["garden"]]


def test_a_member_whose_files_are_not_free_does_not_start_and_the_others_run(repo: Repo) -> None:
    made(repo, "echo ran", "echo ran")
    repo.reserve("RedStone", "one/x")
    done = repo.agentlock("team", "run", "garden")
    assert done.code == 75, done
    assert f"{OTHER} | ran" in done.out
    assert f"{HOLDER.ljust(9)} | ran" not in done.out
    assert "run refused: 1 conflict" in done.out


@pytest.mark.parametrize("trap", ["", pytest.param("trap '' INT;", marks=pytest.mark.slow)])
def test_interrupting_ends_all_and_what_they_started(repo: Repo, trap: str) -> None:
    """Whoever ignores it is asked again, with SIGTERM, five seconds later."""
    made(repo, "echo $$ >a; sleep 60", f"{trap} echo $$ >b; while :; do sleep 0.1; done")
    with Terminal(repo, *AGENTLOCK, "team", "run", "garden") as terminal:
        for name in ("a", "b"):
            until(lambda name=name: (repo.path / name).exists())  # type: ignore[misc]
        terminal.type("\x03")
        code = terminal.wait()
    assert code in (130, 143)
    assert repo.live() == []


def test_whoever_ends_the_team_ends_its_members(repo: Repo) -> None:
    made(repo, "echo $$ >a; exec sleep 60", "echo $$ >b; exec sleep 60")
    team = subprocess.Popen(
        (*AGENTLOCK, "team", "run", "garden"), cwd=repo.path, stdout=subprocess.DEVNULL, stderr=-3
    )
    for name in ("a", "b"):
        until(lambda name=name: (repo.path / name).exists())  # type: ignore[misc]
    os.kill(team.pid, signal.SIGTERM)
    assert team.wait(PATIENCE) == 143
    assert repo.live() == []
