"""Whatever goes wrong around it: nothing reserved gets through, and what is said is true."""

from __future__ import annotations

import re
import sqlite3
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from faults.hardships import HARDSHIPS, attempt, can_mount, lifted
from faults.scenarios import COMMAND_FAULTS, arranged
from faults.world import COMMANDS, OPERATIONS, RESERVED, copied

if TYPE_CHECKING:
    from pathlib import Path

    from faults.hardships import Hardship
    from faults.scenarios import Fault
    from support import Result


def explains(result: Result, says: str, *, starved: bool = False) -> bool:
    """Whether a command that did not end with 0 says why, in a sentence."""
    if result.code < 0 or starved:
        return True
    told = re.findall(r"(?m)^agentlock: (?!note: )(.*)$", result.err)
    bug = "Traceback" in result.err or "bug in agentlock" in result.err
    return not bug and any(re.search(says, sentence) for sentence in told)


@pytest.mark.skipif(sys.platform != "linux", reason="limits and disks are arranged as Linux does")
@pytest.mark.parametrize("hardship", HARDSHIPS, ids=lambda hardship: hardship.name)
def test_nothing_reserved_gets_through_and_what_is_said_is_true(
    hardship: Hardship, template: Path
) -> None:
    if hardship.root_only and not can_mount(template.with_name("mount")):
        pytest.skip("needs the right to mount")
    with copied(template) as world:
        hardship.arrange(world)
        refs = world.landed()
        for operation in OPERATIONS:
            by_git, hook = world.git(operation, RESERVED), world.hook(operation)
            if hardship.kept:
                assert by_git.code != 0, by_git
                assert hook.code != 0, hook
                assert world.landed() == refs
            if hook.code == 3 and not hardship.silent:
                assert explains(hook, hardship.says, starved=hardship.starved), hook
        for command in COMMANDS:
            outcome = attempt(world, command)
            assert outcome.honest or not hardship.printed, (command, outcome)
            if outcome.result.code != 0 and not hardship.silent:
                assert explains(outcome.result, hardship.says, starved=hardship.starved), outcome
        assert world.meanwhile is None or world.happened, "no command ever waited for the table"
        lifted(world)
        checked = world.check()
        assert checked.code == 0, checked
        with closing(sqlite3.connect(world.database)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


@pytest.mark.parametrize("fault", COMMAND_FAULTS, ids=lambda fault: fault.name)
def test_what_cannot_be_decided_changes_nothing_and_says_why(fault: Fault, template: Path) -> None:
    with arranged(fault, template) as world:
        if world.as_user:
            pytest.skip("another user cannot reach this interpreter")
        for command in COMMANDS:
            outcome = attempt(world, command)
            assert outcome.honest, (command, outcome)
            if outcome.result.code != 0 and not fault.silent:
                assert explains(outcome.result, ""), outcome
        checked = world.check()
        assert checked.code in (1, 2, 3), checked
        assert fault.silent or re.search(r"(?m)^(wrong|agentlock): .", checked.err), checked
        assert "Traceback" not in checked.err
