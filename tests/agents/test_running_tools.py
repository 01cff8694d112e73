"""The real programs say when a command begins and when it ends, and some that it failed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from agents.failing import UNASKED
from agents.programs import PROGRAMS
from agents.stage import start

from agentlock.install import edit_hooks

if TYPE_CHECKING:
    from pathlib import Path

    from agents.programs import Program
    from support import Repo

pytestmark = pytest.mark.agents
LINE = re.compile(r"(?m)(?:^|: )([+!-])(?: \d+ \d+)?(?: [\w-]*)?$")
LOOK = "cat .git/agentlock/sessions/*.tools"
TELLS = ("claude", "opencode")  # of a command that it ended with another code than 0


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=list(PROGRAMS))
def test_a_command_counts_as_running_while_it_runs_and_a_failed_one_as_failed(
    repo: Repo, tmp_path: Path, program: Program
) -> None:
    edit_hooks.install(program.name)
    steps = [program.bash(f"{LOOK}; exit 3"), program.bash(LOOK)]
    more = UNASKED if program.name == "codex" else ()
    outcome = start(program, steps, project=repo.path, folder=tmp_path / "run", more=more).outcome()
    first, second = (LINE.findall(one) for one in outcome.told)
    ended = "!" if program.name in TELLS else "-"
    assert (first, second) == (["+"], ["+", ended, "+"]), outcome.told
