"""A refused push names the commits that it is refused for, and what to do about each kind."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest
from support import HOLDER, NO_HOOKS, OTHER, Repo, assert_passed, assert_refused, publish, run

if TYPE_CHECKING:
    from pathlib import Path

MAKER = "RedFox"
ASK = f"ask:        {HOLDER} to release src/, then push again\n"


@pytest.fixture
def scene(repo: Repo, tmp_path: Path) -> Repo:
    """Two files, src/x.py and docs/y.md, that a remote has too; the holder has src/."""
    for name in ("src/x.py", "docs/y.md"):
        repo.write(name, f"start of {name}\n")
    repo.commit_unguarded("files")
    publish(repo, tmp_path)
    return repo


def hold(repo: Repo) -> None:
    repo.reserve(HOLDER, "src/")


def sneak(repo: Repo, subject: str = "Sneak it in", name: str = "src/x.py") -> str:
    repo.write(name, f"{subject}\n")
    repo.commit_unguarded(subject)
    return repo.head


def refusal(repo: Repo, *what: str, agent: str = OTHER) -> str:
    pushed = repo.git("push", "-q", "origin", *what, agent=agent)
    assert_refused(pushed, "src/x.py", what="push")
    return pushed.err


def test_a_commit_that_no_gate_judged_is_named_and_the_pasted_command_drops_exactly_it(
    scene: Repo,
) -> None:
    scene.write("src/x.py", "while nobody held it\n")
    assert_passed(scene.commit_all("Allowed when made", agent=MAKER))
    hold(scene)
    sneaked = sneak(scene)
    scene.write("docs/y.md", "mine\n")
    assert_passed(scene.commit_all("Describe it", agent=OTHER))
    err = refusal(scene, "main")
    row = f'  {sneaked[:12]}  no record  "Sneak it in"  main  changes src/x.py\n'
    assert row in err
    assert ASK in err
    assert "Describe it" not in err
    assert "Allowed when made" not in err  # although it changes the same file
    command = re.search(r"or drop it: git (.*)\n", err)
    assert command is not None
    assert_passed(scene.git(*shlex.split(command[1]), agent=OTHER))
    assert scene.must("log", "--format=%s", "origin/main..HEAD") == (
        "Describe it\nAllowed when made"
    )
    assert_passed(scene.git("push", "-q", "origin", "main", agent=OTHER))


def test_no_command_is_named_where_it_would_drop_more_or_work_on_another_branch(
    scene: Repo,
) -> None:
    hold(scene)
    scene.must("checkout", "-q", "-b", "side")
    sneak(scene)
    assert "drop it" not in refusal(scene, "HEAD~0:refs/heads/side")
    scene.must(*NO_HOOKS, "checkout", "-q", "main")
    assert "drop it" not in refusal(scene, "side")
    scene.write("docs/y.md", "on\n")
    scene.commit_unguarded("on")
    scene.must(*NO_HOOKS, "merge", "-q", "--no-edit", "side")
    assert "drop it" not in refusal(scene, "main")


def test_a_commit_of_another_agent_whose_entry_was_revoked_is_named_with_its_agent(
    scene: Repo,
) -> None:
    scene.write("src/x.py", "changed\n")
    assert_passed(scene.commit_all("Change x", agent=MAKER))
    revoked = scene.agentlock("ledger", "revoke", "HEAD", "--reason", "by mistake", agent=MAKER)
    assert_passed(revoked)
    hold(scene)
    err = refusal(scene, "main")
    why = "its entry was revoked, changes src/x.py"
    assert f'  {scene.head[:12]}  {MAKER}  "Change x"  main  {why}\n' in err
    assert f"ask:    {HOLDER} to release src/, then push again\n" in err
    assert "drop it" not in err


def test_what_may_land_only_once_it_is_released_says_how_long_to_wait(scene: Repo) -> None:
    scene.write("src/x.py", "changed\n")
    assert_passed(scene.commit_all("Change x", agent=MAKER))
    now = ("policy", "set", "landing", "now", "--reason", "test")
    assert_passed(scene.agentlock(*now))
    hold(scene)
    err = refusal(scene, "main")
    why = "allowed when it was made (landing is now), changes src/x.py"
    assert f'  {scene.head[:12]}  {MAKER}  "Change x"  main  {why}\n' in err
    wait = rf"wait:   until {HOLDER} has released src/ \(it runs out in \w+\), then push\n"
    assert re.search(wait, err), err
    assert "ask:" not in err


def test_what_a_forced_push_would_drop_is_named_with_the_way_to_keep_it(scene: Repo) -> None:
    dropped = sneak(scene, "Only there")
    scene.must(*NO_HOOKS, "push", "-q", "origin", "main:refs/heads/feat")
    scene.must("reset", "-q", "--hard", "HEAD~")
    hold(scene)
    err = refusal(scene, "-f", "HEAD:feat")
    why = "this push would drop it, changes src/x.py"
    assert f'  {dropped[:12]}  no record  "Only there"  feat  {why}\n' in err
    assert "keep it: rebase onto what the branch has there, and push without --force\n" in err
    assert "ask:" not in err


def test_a_subject_with_odd_characters_is_quoted_escaped_and_cut(scene: Repo) -> None:
    hold(scene)
    sneak(scene, "\x1b[31mred\x1b[0m agentlock: fix: paste me\t" + "x" * 100)
    err = refusal(scene, "main")
    assert "\x1b" not in err
    (row,) = [line for line in err.splitlines() if scene.head[:12] in line and "red" in line]
    shown = r'"\x1b[31mred\x1b[0m agentlock: fix: paste me\t'
    assert shown in row
    assert "…" in row
    assert row.endswith('"  main  changes src/x.py')


def test_the_first_five_are_named_each_with_its_branch_and_the_rest_is_counted(
    scene: Repo,
) -> None:
    hold(scene)
    for number in range(6):
        sneak(scene, f"main {number}")
    scene.must("checkout", "-q", "-b", "side", "origin/main")
    sneak(scene, "on the side")
    err = refusal(scene, "main", "side")
    rows = [line.split() for line in err.splitlines() if "no record" in line]
    assert len(rows) == 5
    assert {row[-3] for row in rows} <= {"main", "side"}
    assert "\n  and 2 more\n" in err
    assert err.count("\n") < 24


def test_what_only_lacks_a_reservation_is_named_without_asking_anybody(scene: Repo) -> None:
    sneak(scene)
    require = ("policy", "set", "require_reservation", "on", "--reason", "test")
    assert_passed(scene.agentlock(*require))
    err = refusal(scene, "main")
    assert f'  {scene.head[:12]}  no record  "Sneak it in"  main  changes src/x.py\n' in err
    assert "fix: agentlock reserve src/x.py\n" in err
    assert "ask:" not in err
    assert "drop it" not in err


def test_a_push_over_what_was_never_fetched_is_judged_by_what_it_would_drop(
    scene: Repo, tmp_path: Path
) -> None:
    theirs = Repo(tmp_path / "theirs")
    run("git", "clone", "-q", str(tmp_path / "remote.git"), "theirs", cwd=tmp_path)
    for branch, name in (("main", "docs/y.md"), ("side", "docs/y.md"), ("held", "src/x.py")):
        theirs.must("checkout", "-q", "-B", branch, "origin/main")
        sneak(theirs, f"for {branch}", name)
        theirs.must("push", "-q", "origin", f"HEAD:{branch}")
    scene.write("docs/y.md", "mine\n")
    assert_passed(scene.commit_all(agent=OTHER))
    mine = scene.head
    trace = tmp_path / "trace"
    forced = ("push", "-q", "-f", "origin", f"{mine}:refs/heads/side")
    tracing = {"GIT_TRACE2_EVENT": str(trace)}
    plainly = ("push", "-q", "origin", f"{mine}:refs/heads/main")
    assert "agentlock" not in scene.git(*plainly, agent=OTHER, env=tracing).err
    tip = theirs.must("rev-parse", "main")
    assert_passed(scene.git("push", "-q", "-f", "origin", "main", agent=OTHER, env=tracing))
    theirs.must("push", "-q", "-f", "origin", f"{tip}:main")
    scene.must("update-ref", "-d", "refs/remotes/origin/main")
    assert_passed(scene.git(*forced, agent=OTHER, env=tracing))
    assert "ls-remote" not in trace.read_text()  # nobody holds anything, so nothing is asked
    hold(scene)
    plain = scene.git("push", "-q", "origin", f"{mine}:refs/heads/main", agent=OTHER)
    assert "fetch first" in plain.err  # git's own words
    assert "agentlock" not in plain.err
    theirs.must("push", "-q", "-f", "origin", "main:side")
    assert_passed(scene.git(*forced, agent=OTHER))
    refused = scene.git("push", "-q", "-f", "origin", f"{mine}:refs/heads/held", agent=OTHER)
    assert_refused(refused, "this push would drop it, changes src/x.py", what="push")
    assert scene.git("rev-parse", "-q", "--verify", "refs/remotes/origin/held").code != 0
