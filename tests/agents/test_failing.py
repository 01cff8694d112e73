"""Where an edit hook does not answer, a program edits; the commit or the push is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from agents.failing import TROUBLES, Trouble, meet
from agents.programs import PROGRAMS, Program

if TYPE_CHECKING:
    from pathlib import Path

    from support import Repo

pytestmark = pytest.mark.agents
_ALL = ("claude", "codex", "gemini", "copilot", "opencode")
# Which programs edit all the same; docs/evidence/edit-hooks.md says so.
EDITS: dict[str, tuple[str, ...]] = {
    "agentlock's program is too slow": ("claude", "codex", "gemini", "copilot"),
    "an entry without our shell line, its program missing": ("claude", "codex"),
    "no entry": _ALL,
    "an entry that is not trusted": ("codex",),
    "entries in the project, which is not trusted": ("codex", "gemini", "copilot"),
    "entries in the project, started in a folder below": ("claude", "gemini", "copilot"),
    "entries in the project, in a linked worktree": _ALL,
    "hooks switched off by an option": ("claude", "codex", "gemini", "opencode"),
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
@pytest.mark.parametrize("trouble", TROUBLES, ids=[one.name for one in TROUBLES])
def test_what_a_program_lets_pass_git_refuses(
    repo: Repo, tmp_path: Path, program: Program, trouble: Trouble
) -> None:
    passed = meet(trouble, program, repo, tmp_path)
    if passed is None:
        return  # it cannot happen to this program
    assert passed.edited == (program.name in EDITS.get(trouble.name, ())), passed
    assert not passed.pushed
    # Gemini CLI's shell switches git's hooks off, and only our entry puts them back.
    assert passed.committed == (passed.edited and program.name == "gemini"), passed
