"""Two agents, one file: the second is stopped, waits its turn, and commits as itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from agents.failing import UNASKED
from agents.programs import NEW, OLD
from agents.stage import start
from agents.test_programs import EVERY

from agentlock.install import edit_hooks

if TYPE_CHECKING:
    from pathlib import Path

    from agents.programs import Program
    from support import Repo

LATER = "x = 3"
# The first agent commits only when the second waits.
SOMEBODY_WAITS = "until agentlock queue list --json | grep -q place; do sleep 0.2; done"


@pytest.mark.parametrize("program", EVERY)
def test_the_second_agent_is_stopped_waits_is_told_and_commits_as_itself(
    repo: Repo, tmp_path: Path, program: Program
) -> None:
    file = repo.write("src/x.py", f"{OLD}\n")
    repo.commit_unguarded()
    edit_hooks.install(program.name)
    has_edited, is_denied = str(tmp_path / "has edited"), str(tmp_path / "is denied")
    first = [
        *program.edit(str(file)),
        {**program.bash(SOMEBODY_WAITS), "signal": has_edited, "after": is_denied},
        program.bash("git commit -qam first"),
        program.bash("agentlock whoami"),
    ]
    edit = program.edit(str(file), NEW, LATER)
    second = [
        {**edit[0], "after": has_edited},
        *edit[1:],
        {**program.bash("agentlock reserve src/x.py --wait 2m"), "signal": is_denied},
        *edit,
        program.bash("git commit -qam second"),
        program.bash("agentlock release --all; agentlock whoami"),
    ]
    more = UNASKED if program.name == "codex" else ()
    runs = [
        start(program, steps, project=repo.path, folder=tmp_path / name, more=more)
        for name, steps in (("one", first), ("two", second))
    ]
    one, two = (run.outcome() for run in runs)
    assert len(one.told) == len(first), one
    assert len(two.told) == len(second), two
    denial, waited = two.told[len(edit) - 1 : len(edit) + 1]
    assert repo.must("log", "-2", "--format=%s") == "second\nfirst", (one, two)
    names = repo.must("log", "-2", "--format=%H").split()
    makers = [repo.agentlock("ledger", "show", oid).out.split("\t")[1] for oid in names]
    assert f"{makers[1]}  exclusive  src/x.py" in denial, denial
    assert "agentlock reserve src/x.py --wait" in denial
    assert "reserved src/x.py exclusive" in waited, waited
    assert repo.must("show", "HEAD~1:src/x.py") == NEW  # nothing of the second was in it
    assert repo.must("show", "HEAD:src/x.py") == LATER
    assert makers[0] != makers[1]
    assert makers[1] in one.told[-1]
    assert makers[0] in two.told[-1]
    assert repo.live() == []  # the first agent released nothing: its commit ended its lease
