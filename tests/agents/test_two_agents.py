"""Two or three agents, one file: who comes later is stopped, waits its turn, and commits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from agents.failing import UNASKED
from agents.programs import NEW, OLD, PROGRAMS
from agents.stage import start
from agents.test_programs import EVERY

from agentlock.install import edit_hooks

if TYPE_CHECKING:
    from pathlib import Path

    from agents.formats import Step
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


def wait_for_places(program: Program, number: int) -> Step:
    """Wait until the queue has so many; Gemini CLI takes no command with ``$(…)``."""
    if not number:
        return program.bash("true")
    places = "agentlock queue list --json | tr , '\\n' | grep '\"place\"'"
    return program.bash(f"until {places} | sed -n {number}p | grep -q .; do sleep 0.3; done")


@pytest.mark.agents
def test_three_agents_of_two_programs_edit_one_file_in_the_order_in_which_they_asked(
    repo: Repo, tmp_path: Path
) -> None:
    gemini, claude = PROGRAMS["gemini"], PROGRAMS["claude"]
    file = repo.write("src/x.py", "x = 0\n")
    repo.commit_unguarded()
    for program in (gemini, claude):
        edit_hooks.install(program.name)
    has_edited, second_asks = str(tmp_path / "has edited"), str(tmp_path / "second asks")

    def later(program: Program, number: int, after: str) -> list[Step]:
        edit = program.edit(str(file), f"x = {number - 1}", f"x = {number}")
        refused = program.edit(str(file), "x = 1", f"x = {number}")
        return [
            {**wait_for_places(program, number - 2), "after": after},
            *refused,
            {
                **program.bash("agentlock reserve src/x.py --wait 2m"),
                "signal": second_asks if number == 2 else str(tmp_path / "third asks"),
            },
            *edit,
            program.bash(f"git commit -qam {number}; agentlock release --all"),
        ]

    first = [
        *gemini.edit(str(file), "x = 0", "x = 1"),
        {**wait_for_places(gemini, 2), "signal": has_edited},
        gemini.bash("git commit -qam 1"),
    ]
    scripts = [
        (gemini, first),
        (claude, later(claude, 2, has_edited)),
        (gemini, later(gemini, 3, second_asks)),
    ]
    runs = [
        start(program, steps, project=repo.path, folder=tmp_path / str(number))
        for number, (program, steps) in enumerate(scripts)
    ]
    outcomes = [run.outcome() for run in runs]
    for outcome, (_, steps) in zip(outcomes, scripts, strict=True):
        assert len(outcome.told) == len(steps), outcome
    assert repo.must("log", "-3", "--format=%s") == "3\n2\n1", outcomes
    oids = repo.must("log", "-3", "--format=%H").split()
    makers = [repo.agentlock("ledger", "show", oid).out.split("\t")[1] for oid in oids]
    assert len(set(makers)) == 3
    _, second, holder = makers
    assert f"{holder}  exclusive  src/x.py" in "\n".join(outcomes[1].told)
    assert f"{holder}  exclusive  src/x.py" in "\n".join(outcomes[2].told)
    assert second in "\n".join(outcomes[2].told)  # which the third was behind
    assert repo.must("show", "HEAD:src/x.py") == "x = 3"
    assert repo.live() == []
