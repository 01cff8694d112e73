"""The agents' real programs: what they may do to what another agent holds, and what they are told.

`make test` runs Claude Code, the lightest that serves; `make test-agents` runs them all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from agents import matrix
from agents.programs import PROGRAMS
from support import HOLDER

from agentlock.install import edit_hooks

if TYPE_CHECKING:
    from pathlib import Path

    from agents.programs import Program
    from support import Repo

LIGHTEST = "claude"
EVERY = [
    pytest.param(one, id=name, marks=[] if name == LIGHTEST else [pytest.mark.agents])
    for name, one in PROGRAMS.items()
]
# Until its entries are trusted, Codex runs none: test_codex.py
TRUSTED = {"codex": ("--dangerously-bypass-hook-trust",)}


@pytest.mark.parametrize("program", EVERY)
def test_nothing_that_another_agent_holds_is_changed_and_the_model_reads_why(
    repo: Repo, tmp_path: Path, program: Program
) -> None:
    matrix.lay(repo)
    matrix.hold(repo)
    edit_hooks.install(program.name)
    more = TRUSTED.get(program.name, ())
    for number, (model, actions) in enumerate(matrix.groups(program)):
        folder = tmp_path / f"run{number}"
        tried, _ = matrix.attempt(program, repo, folder, actions, model=model, more=more)
        for name, one in tried.items():
            assert not one.done, (name, one)
            assert f"{HOLDER}  exclusive  src/**" in one.told, (name, one)
            assert "bd-42" in one.told, (name, one)


@pytest.mark.parametrize("program", EVERY)
def test_what_nobody_holds_is_changed_without_a_word(
    repo: Repo, tmp_path: Path, program: Program
) -> None:
    matrix.lay(repo)
    repo.reserve(HOLDER, "elsewhere/**")
    edit_hooks.install(program.name)
    more = TRUSTED.get(program.name, ())
    for number, (model, actions) in enumerate(matrix.groups(program)):
        folder = tmp_path / f"run{number}"
        tried, _ = matrix.attempt(program, repo, folder, actions, model=model, more=more)
        for name, one in tried.items():
            assert one.done, (name, one)
            assert "agentlock" not in one.told, (name, one)
