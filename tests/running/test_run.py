"""A program under `agentlock run`: its leases, its exit code, its signals, its terminal."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from typing import TYPE_CHECKING

import pytest
from agents.installing import may_skip
from running.scenes import SCENES, Seen, vim_at_a_terminal
from support import AGENTLOCK, HOLDER, OTHER

import agentlock.__main__ as door

if TYPE_CHECKING:
    from running.scenes import Scene
    from support import Repo, Result

# A program that is about to edit a file for each line of JSON, and then lists what is held.
EDITS = """
import json, subprocess, sys
door, *lines = sys.argv[1:]
for line in lines:
    hook = [sys.executable, "-I", "-S", door, "hook", "edit", "claude", "PreToolUse"]
    subprocess.run(hook, input=line.encode())
listed = [sys.executable, "-m", "agentlock", "list", "--json"]
print(json.loads(subprocess.run(listed, capture_output=True).stdout))
"""
WHOAMI = (sys.executable, "-m", "agentlock", "whoami")


def run(repo: Repo, *arguments: str, agent: str | None = None) -> Result:
    return repo.agentlock("run", *arguments, agent=agent)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.what)
def test_whatever_happens_the_leases_end_and_the_exit_code_is_the_programs(
    repo: Repo, scene: Scene
) -> None:
    if scene.play is vim_at_a_terminal and shutil.which("vim") is None and may_skip():
        pytest.skip("needs vim")
    assert scene.play(repo) == Seen(*scene.expected)


def test_the_program_is_the_agent_and_holds_its_files(repo: Repo) -> None:
    script = f"{shlex.join(WHOAMI)} && {shlex.join(AGENTLOCK)} list && git commit -qam mine"
    repo.write("README.md", "changed\n")
    done = run(repo, "--as", HOLDER, "--reserve", "README.md", "--", "sh", "-c", script)
    assert done.code == 0, done
    assert f"{HOLDER} (AGENTLOCK_AGENT)" in done.out
    assert f"\t{HOLDER} (you)\texclusive\tREADME.md\t" in done.out
    assert "run: sh" in done.out
    assert f"agentlock: {HOLDER} holds README.md as long as sh runs" in done.err
    assert repo.live() == []
    (session,) = repo.agentlock("session", "list", "--json").json
    assert (session["agent"], session["program"]) == (HOLDER, "run")
    assert session["ended_ts"] is not None


def test_a_name_is_drawn_where_none_is_set(repo: Repo) -> None:
    done = run(repo, "--", *WHOAMI)
    name = done.out.split()[0]
    assert f"agentlock: this program is {name}\n" in done.err
    named = run(repo, "--", *WHOAMI, agent=OTHER)
    assert named.out.startswith(f"{OTHER} (AGENTLOCK_AGENT)")


def test_the_program_does_not_start_if_its_files_are_not_free(repo: Repo) -> None:
    repo.reserve(OTHER, "src/**")
    started = ("--as", HOLDER, "--reserve", "src/x.py", "--reserve", "docs/")
    refused = run(repo, *started, "--", "touch", "started")
    assert refused.code == 75, refused
    assert "agentlock: run refused: 1 conflict, nothing was reserved" in refused.err
    assert run(repo, *started, "--conflict-exit-code", "9", "--", "touch", "started").code == 9
    assert not (repo.path / "started").exists()
    assert [agent for agent, _, _ in repo.live()] == [OTHER]


def test_it_waits_for_its_turn(repo: Repo) -> None:
    repo.reserve(OTHER, "src/**")
    waiting = repo.agentlock_in_background(
        "run", "--as", HOLDER, "--reserve", "src/x.py", "--wait", "--", "echo", "ran", agent=""
    )
    while not repo.agentlock("queue", "list", "--json").json:
        pass
    assert repo.agentlock("release", "--all", agent=OTHER).code == 0
    out, _ = waiting.communicate()
    assert (waiting.wait(), out) == (0, b"ran\n")
    assert repo.live() == []


def test_what_the_agent_held_before_or_reserves_itself_stays_its_own(repo: Repo) -> None:
    repo.reserve(HOLDER, "docs/")
    script = f"{shlex.join(AGENTLOCK)} reserve lib/"
    mine = ("--reserve", "docs/", "--reserve", "src/**")
    assert run(repo, "--as", HOLDER, *mine, "--", "sh", "-c", script).code == 0
    assert [pattern for _, pattern, _ in repo.live()] == ["/docs/", "/lib/"]


def test_what_its_edits_reserved_ends_with_it_where_the_file_is_as_in_head(repo: Repo) -> None:
    repo.write("src/a.py")
    repo.commit_unguarded("a")
    given = {"session_id": "S", "cwd": str(repo.path), "hook_event_name": "PreToolUse"}
    given |= {"tool_name": "Edit"}
    lines = [
        json.dumps({**given, "tool_input": {"file_path": name}}) for name in ("src/a.py", "new.py")
    ]
    program = (sys.executable, "-c", EDITS, door.__file__, *lines)
    started = run(repo, "--as", HOLDER, "--", *program)
    assert started.code == 0, started
    assert started.out.count(f"'agent': '{HOLDER}'") == 2, started
    assert repo.live() == []


def test_it_runs_in_a_worktree_of_its_own(repo: Repo) -> None:
    place = repo.path.parent / f"{repo.path.name}-{HOLDER}"
    script = "pwd; git branch --show-current; git commit -q --allow-empty -m mine"
    first = run(repo, "--as", HOLDER, "--worktree", "--", "sh", "-c", script)
    assert (first.code, first.out.split()) == (0, [str(place), HOLDER])
    again = run(repo, "--as", HOLDER, "--worktree", HOLDER, "--", "git", "log", "-1", "--format=%s")
    assert (again.code, again.out) == (0, "mine\n")
    other = run(repo, "--as", HOLDER, "--worktree", "topic", "--reserve", "a", "--", "true")
    assert other.code == 2
    assert "is a worktree with another branch than topic" in other.err
    assert repo.live() == []


def test_wrong_use_is_a_sentence_and_the_programs_own_options_are_its_own(repo: Repo) -> None:
    assert "the program is not named" in run(repo, "--as", HOLDER).err
    assert "there is nothing to wait for" in run(repo, "--wait", "--", "true").err
    assert run(repo, "--as", "-", "--", "true").code == 2
    assert run(repo, "--as", HOLDER, "--", "echo", "--wait", "--worktree").out == (
        "--wait --worktree\n"
    )
