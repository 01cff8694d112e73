"""From wherever and however git is called: theirs run, ours refuse, and all is restored."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from setups.environments import ENVIRONMENTS, MORE
from setups.proof import ALL_HOLDS, prove, start
from support import OTHER, run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_theirs_run_ours_refuse_and_uninstalling_restores(name: str, tmp_path: Path) -> None:
    assert prove(ENVIRONMENTS[name](tmp_path)) == ALL_HOLDS


def test_in_a_folder_that_was_deleted_nothing_is_committed(tmp_path: Path) -> None:
    repo = start(tmp_path)
    assert repo.agentlock("init").code == 0
    repo.write("src/x.py", "changed\n")
    repo.must("add", "src/x.py")
    here = repo.path / "gone"
    commands = {
        "git commit -m change": "fatal: ",
        f"{shutil.which('git')} push origin main": "fatal: ",
    }
    for command, said in commands.items():
        here.mkdir()
        done = run("sh", "-c", f"rmdir ../gone && {command}", cwd=here, agent=OTHER)
        assert done.code == 128
        assert said in done.err
    assert repo.must("rev-list", "--count", "HEAD") == "1"


@pytest.mark.slow
@pytest.mark.parametrize("name", MORE)
def test_more_set_ups_hold_too(name: str, tmp_path: Path) -> None:
    assert prove(MORE[name](tmp_path)) == ALL_HOLDS
