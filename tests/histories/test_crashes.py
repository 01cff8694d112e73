"""Processes that die or stand still at any moment: what was granted is there, and all go on."""

from __future__ import annotations

import re
import shutil
import signal
import sys
from typing import TYPE_CHECKING

import pytest
from histories.stage import Stage, build, explained, faults, story
from histories.upgrade import age, kill_while_upgrading
from support import Repo
from support.glob_oracle import seeded
from support.racing import Call, at_the_gate, signal_once_it_writes

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")


def test_what_agents_were_told_before_they_were_killed_holds(tmp_path: Path) -> None:
    repo = build(tmp_path / "repo")
    with Stage(repo) as stage:
        for seed in range(3):
            before, events = stage.history(seed, calls=8, kills=0.4)
            assert explained(before, events), story(seed, before, events)
            assert faults(repo) == []
        assert stage.killed > 10


def test_an_upgrade_that_is_killed_is_done_by_the_next_command(tmp_path: Path) -> None:
    template = build(tmp_path / "template")
    template.reserve("BlueLake", "src/")
    held = age(template)
    chance = seeded(6)
    killed = 0
    for turn in range(12):
        repo = Repo(tmp_path / str(turn))
        shutil.copytree(template.path, repo.path, symlinks=True)
        killed += kill_while_upgrading(repo, held, chance)
    assert killed, "the test proves nothing"


@pytest.mark.parametrize("fault", ["folder removed", "table replaced"])
def test_no_grant_is_told_that_went_into_a_table_that_is_gone(repo: Repo, fault: str) -> None:
    many = tuple(f"src/{at}.py" for at in range(400))
    with at_the_gate([Call("BlueLake", ("reserve", *many))], repo.path) as runner:
        (writer,) = runner.processes
        runner.open_gate()
        assert signal_once_it_writes(writer, repo.database, signal.SIGSTOP)
        if fault == "folder removed":
            shutil.rmtree(repo.database.parent)
        else:
            copy = repo.database.with_name("copy")
            shutil.copy(repo.database, copy)
            copy.replace(repo.database)
        writer.send_signal(signal.SIGCONT)
        (ended,) = runner.results()
    assert ended.code == 3, ended
    assert "reserved" not in ended.out
    assert re.search("agentlock: .* (is missing|was replaced)", ended.err)


def test_a_writer_that_stands_still_stops_writers_for_their_time_out_and_readers_not_at_all(
    repo: Repo,
) -> None:
    many = tuple(f"src/{at}.py" for at in range(400))
    repo.write("docs/free.md")
    with at_the_gate([Call("BlueLake", ("reserve", *many))], repo.path) as runner:
        (writer,) = runner.processes
        runner.open_gate()
        assert signal_once_it_writes(writer, repo.database, signal.SIGSTOP)
        refused = repo.agentlock("reserve", "docs/free.md", "--timeout", "1s", agent="GreenHill")
        assert refused.code == 3
        assert "stayed locked by another process for 1 s" in refused.err
        assert repo.agentlock("list", "--json").json == []
        assert repo.commit_all(agent="GreenHill").code == 0
        writer.send_signal(signal.SIGCONT)
        (granted,) = runner.results()
    assert granted.code == 0
    assert repo.agentlock("reserve", "src/7.py", agent="GreenHill").code == 1
