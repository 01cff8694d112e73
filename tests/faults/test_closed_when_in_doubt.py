"""What cannot be decided is refused: every fault, by git itself and by the hook alone."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import pytest
from faults.scenarios import FAULTS, TIMEOUT, arranged, observe
from faults.world import FREE, HOOK_OF, OPERATIONS, RESERVED, copied
from support import AGENTLOCK, Repo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from faults.scenarios import Fault
    from faults.world import Operation, World

CELLS = [
    pytest.param(fault, operation, id=f"{fault.name}, {operation}")
    for fault in FAULTS
    for operation in fault.only
]
# A shell that cannot start an interpreter, or sees it killed, says so before we can.
SHELL = r"(?:[^\n]*(?:Exec format error|Killed[^\n]*)\n)"
REFUSAL = r"agentlock: (?:%s )?refused: (?P<sentence>[^\n]+)\n  (?:fix|see): [^\n]+\n"


@pytest.fixture
def world(template: Path) -> Iterator[World]:
    with copied(template) as world:
        yield world


@pytest.mark.parametrize(("fault", "operation"), CELLS)
def test_what_cannot_be_decided_is_refused(
    fault: Fault, operation: Operation, template: Path
) -> None:
    if fault.linux_only and sys.platform != "linux":
        pytest.skip("finds the process to kill in /proc")
    with arranged(fault, template) as world:
        cell = observe(world, fault, operation)
    assert cell.hook.code == 3, cell
    assert not cell.landed
    assert not cell.table_changed
    if cell.git is not None:
        assert cell.git.code != 0, cell
        assert "Traceback" not in cell.git.err
    if fault.silent:
        assert cell.hook.err == ""
        return
    told = re.fullmatch(f"{SHELL}?{REFUSAL % operation}", cell.hook.err)
    assert told, cell.hook.err
    assert re.search(fault.says, told["sentence"]), told["sentence"]
    if cell.git is not None and operation not in fault.git_stops:
        assert re.search(REFUSAL % operation, cell.git.err), cell.git.err


def test_in_a_world_without_faults_the_free_path_passes_and_the_reserved_one_does_not(
    world: World,
) -> None:
    for operation in OPERATIONS:
        assert world.hook(operation).code == 1
        refs = world.landed()
        refused = world.git(operation, RESERVED)
        assert refused.code != 0
        assert f"{operation} refused: 1 of" in refused.err
        assert world.landed() == refs
        passed = world.git(operation, FREE)
        assert passed.code == 0, passed
        assert world.landed() != refs


def test_a_table_held_by_another_process_is_given_up_at_the_time_out(template: Path) -> None:
    (fault,) = (fault for fault in FAULTS if fault.name.startswith("held by another process"))
    with arranged(fault, template) as world:
        for operation in OPERATIONS:
            assert TIMEOUT <= observe(world, fault, operation).seconds < TIMEOUT + 1


@pytest.mark.parametrize("channel", ["git -c", "the personal file"])
def test_only_the_repositorys_own_files_say_which_table_guards_it(
    channel: str, world: World
) -> None:
    table = world.other_table()
    identifier = Repo(world.folder / "other").must("config", "agentlock.databaseId")
    for name, value in (("database", str(table)), ("databaseId", identifier)):
        if channel == "git -c":
            world.before_git += ("-c", f"agentlock.{name}={value}")
        else:
            setting = ("config", "--global", f"agentlock.{name}", value)
            world.repo.must(*setting, env=world.variables())
    for operation in OPERATIONS:
        refs = world.landed()
        refused = world.git(operation, RESERVED)
        assert refused.code != 0
        assert f"{operation} refused: 1 of" in refused.err
        assert world.landed() == refs


def test_a_reason_to_skip_opens_nothing_while_the_table_cannot_be_read(template: Path) -> None:
    (fault,) = (fault for fault in FAULTS if fault.name == "zero bytes")
    with arranged(fault, template) as world:
        world.environment["AGENTLOCK_SKIP"] = "I am in a hurry"
        for operation in OPERATIONS:
            cell = observe(world, fault, operation)
            assert cell.git is not None
            assert cell.git.code != 0
            assert cell.hook.code == 3
            assert not cell.landed


def test_a_garbled_reservation_far_from_the_path_refuses_only_what_comes_near(
    world: World,
) -> None:
    world.repo.sql("UPDATE file_reservations SET path_pattern = '/src/['")
    for operation in OPERATIONS:
        assert "a pattern that cannot be read" in world.git(operation, RESERVED).err
        assert world.git(operation, FREE).code == 0
    assert world.run(*AGENTLOCK, "list").code == 0
    for path in ("src/", RESERVED):
        listed = world.run(*AGENTLOCK, "list", "--path", path)
        assert listed.code == 3, listed
        assert "see: agentlock db check\n" in listed.err
    assert "fix: agentlock db check --repair\n" in world.check().err


@pytest.mark.parametrize("fault", [f for f in FAULTS if f.name.startswith("package with __main")])
def test_a_damaged_program_refuses_after_the_hook_that_was_there_before_too(
    fault: Fault, template: Path
) -> None:
    with arranged(fault, template) as world:
        for hook in HOOK_OF.values():
            before = world.repo.path / ".git" / "hooks.before-agentlock" / hook
            before.parent.mkdir(exist_ok=True)
            before.write_text("#!/bin/sh\ncat >&2\nexit 0\n", encoding="utf-8")
            before.chmod(0o755)
        for operation in OPERATIONS:
            cell = observe(world, fault, operation)
            assert cell.hook.code == 3
            assert cell.git is not None
            assert cell.git.code != 0
            assert not cell.landed
        assert world.update("both").decode() in cell.hook.err
