"""A lease is not handed over while a tool of its holder plainly runs, and not held for ever."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest
from waiting.project import HOUR, MINUTE, SECOND
from waiting.test_offers import set_policy

from agentlock.agents.presence import LONGEST_TOOL, presences
from agentlock.git.sessions import TOOLS, take_tools, tool_begins, tool_ends, tools_running
from agentlock.model import Policy
from agentlock.reservations.ending import release
from agentlock.reservations.losses import take as take_news
from agentlock.reservations.naming import Selection
from agentlock.store.sessions import Conversation
from agentlock.waiting.working import STEP, keep_all

if TYPE_CHECKING:
    from pathlib import Path

    from waiting.project import Project

    from agentlock.model import Reservation

FOLDER = ".git/agentlock/sessions"


class Desk:
    """A worktree where agent A has session 1 of Claude Code."""

    def __init__(self, project: Project, root: Path, host: str = "") -> None:
        self.project = project
        self.folder = os.fsencode(root / FOLDER)
        os.makedirs(self.folder)
        (root / FOLDER / "claude-1").touch()
        store = project.store
        with store.writing():
            now = store.now()
            store.agents.register("A", now)
            where = (None, host or os.uname().nodename, str(root), "", now, now, None)
            store.sessions.open(Conversation(0, "A", "claude", "1", *where), 0, "")

    def begins(self, tool: str = "t", *, ago: int = 0, slept: int = 0) -> None:
        """A shell command has run for so long, besides the time in which the machine slept."""
        clock, at = time.monotonic_ns() // 1000 - ago, time.time_ns() // 1000 - ago - slept
        with open(os.path.join(self.folder, b"claude-1" + TOOLS), "a", encoding="ascii") as file:
            file.write(f"+ {clock} {at} {tool}\n")

    def ends(self, tool: str = "t", *, failed: bool = False) -> None:
        tool_ends(self.folder, "claude", "1", tool, failed=failed)

    def running(self) -> int:
        return len(tools_running(self.folder, "claude", "1"))

    def status(self) -> tuple[str, str]:
        store = self.project.store
        found = presences(store, store.agents.named(["A"]))["A"]
        return found.status, found.why

    def was_seen(self, ago: int) -> None:
        """Nothing else has been heard of the agent for so long."""
        store = self.project.store
        with store.writing():
            for table in ("agents", "conversations"):
                store.rows(f"UPDATE {table} SET last_active_ts = ?", (store.now() - ago,))  # noqa: S608

    def left(self) -> int:
        """How many seconds A's lease still lasts."""
        now = self.project.store.now()
        (held,) = self.project.store.reservations.all(agent="A", live_at=now)
        return (held.expires_ts - now) // SECOND


@pytest.fixture
def desk(project: Project, tmp_path: Path) -> Desk:
    return Desk(project, tmp_path / "tree")


def granted(project: Project, agent: str, *patterns: str) -> Reservation:
    (held,) = project.reserve(agent, *patterns).granted
    return held


def ran_out(project: Project, held: Reservation, ago: int = SECOND) -> None:
    store = project.store
    with store.writing():
        statement = "UPDATE file_reservations SET expires_ts = ? WHERE id = ?"
        store.rows(statement, (store.now() - ago, held.id))
        store.rows("UPDATE waits SET due_ts = 1", ())


def test_an_agent_whose_tool_runs_is_working(desk: Desk) -> None:
    desk.was_seen(10 * MINUTE)
    assert desk.status()[0] == "silent"
    desk.begins("one", ago=10 * MINUTE)
    desk.begins("two", ago=4 * MINUTE)
    assert desk.status() == ("working", "a tool has run for 4m")
    desk.ends("two")
    assert desk.status() == ("working", "a tool has run for 10m")
    desk.ends("one")
    assert desk.status()[0] == "silent"
    desk.begins(ago=LONGEST_TOOL)
    assert desk.status()[0] == "silent"


def test_whoever_waits_for_a_tool_is_waiting_and_whose_session_ended_is_gone(desk: Desk) -> None:
    project = desk.project
    granted(project, "B", "/a")
    project.queue("A", "/a")
    (mine,) = project.store.waits.of_agent("A")
    with project.store.writing():
        project.store.waits.ring_for(mine, "a process")
    desk.was_seen(10 * MINUTE)
    desk.begins(ago=10 * MINUTE)
    assert desk.status() == ("waiting", "B")
    with project.store.writing():
        project.store.rows("UPDATE waits SET ended_ts = 1", ())
        project.store.rows("UPDATE conversations SET ended_ts = ?", (project.store.now(),))
    assert desk.status()[0] == "gone"


def test_it_is_not_handed_over_while_a_tool_runs(desk: Desk) -> None:
    project = desk.project
    held = granted(project, "A", "/a")
    project.place("B", "/a")
    desk.begins(ago=3 * MINUTE)
    ran_out(project, held)
    project.settle()
    assert project.holders() == [("A", "/a")]
    assert STEP // SECOND - 10 < desk.left() <= STEP // SECOND
    assert project.told("A") == [f"B waits for your reservation {held.id} (a)"]
    desk.ends()
    ran_out(project, held)
    project.settle()
    assert project.offers() == [("B", "/a")]


def test_a_new_claim_meets_it_too(desk: Desk) -> None:
    project = desk.project
    held = granted(project, "A", "/a")
    desk.begins(ago=3 * MINUTE)
    ran_out(project, held)
    assert not project.reserve("B", "/a").granted
    ran_out(project, held)
    granted(project, "B", "/other")  # what tells of expired leases
    ran_out(project, held)
    project.release("B")  # and so does this
    assert take_news(project.store, "A") == []
    assert desk.left() > 0


def test_what_ran_out_before_the_tool_began_is_over(desk: Desk) -> None:
    project = desk.project
    held = granted(project, "A", "/a")
    desk.begins(ago=3 * MINUTE)
    ran_out(project, held, 4 * MINUTE)
    assert granted(project, "B", "/a").agent == "B"
    desk.begins("later")
    keep_all(project.store)
    assert project.holders() == [("B", "/a")]


def test_what_was_granted_to_another_does_not_come_back(desk: Desk) -> None:
    project = desk.project
    held = granted(project, "A", "/a")
    ran_out(project, held)
    granted(project, "B", "/a")
    desk.begins(ago=3 * MINUTE)
    keep_all(project.store)
    assert project.holders() == [("B", "/a")]


def test_idle_limit_ends_it_while_somebody_waits(desk: Desk) -> None:
    project = desk.project
    held = granted(project, "A", "/a")
    project.place("B", "/a")
    desk.begins(ago=13 * MINUTE)
    ran_out(project, held)
    project.settle()
    assert 100 < desk.left() <= 2 * MINUTE // SECOND
    desk.begins("t", ago=15 * MINUTE)
    ran_out(project, held)
    project.settle()
    assert project.offers() == [("B", "/a")]


def test_a_long_tool_keeps_it_while_nobody_waits_and_not_for_ever(desk: Desk) -> None:
    project = desk.project
    held = granted(project, "A", "/a")
    desk.begins(ago=50 * MINUTE)
    ran_out(project, held)
    keep_all(project.store)
    assert desk.left() > 0
    desk.begins(ago=LONGEST_TOOL)
    ran_out(project, held)
    keep_all(project.store)
    assert project.holders() == []


def test_a_machine_that_slept_takes_nothing_away(desk: Desk) -> None:
    project = desk.project
    held = granted(project, "A", "/a")
    project.place("B", "/a")
    desk.begins(ago=5 * MINUTE, slept=8 * HOUR)
    ran_out(project, held, 7 * HOUR)
    project.settle()
    assert project.holders() == [("A", "/a")]


def test_max_hold_ends_it(desk: Desk) -> None:
    project = desk.project
    set_policy(project, Policy(max_hold=MINUTE))
    held = granted(project, "A", "/a")
    with project.store.writing():
        earlier = project.store.now() - 2 * MINUTE
        project.store.rows("UPDATE file_reservations SET created_ts = ?", (earlier,))
    desk.begins(ago=3 * MINUTE)
    ran_out(project, held)
    keep_all(project.store)
    assert project.holders() == []


def test_a_lease_that_ends_soon_is_made_longer_once(desk: Desk) -> None:
    project = desk.project
    held = granted(project, "A", "/a")
    desk.begins()
    events = project.store.last_event()
    keep_all(project.store)
    assert project.store.last_event() == events  # it lasts for an hour
    ran_out(project, held, -MINUTE)
    keep_all(project.store)
    keep_all(project.store)
    assert desk.left() > 4 * MINUTE // SECOND
    assert project.store.last_event() == events + 1


def test_an_offer_lasts_as_long_as_was_asked_for_at_most(desk: Desk) -> None:
    project = desk.project
    held = granted(project, "B", "/a")
    project.queue("A", "/a", ttl=MINUTE)
    release(project.store, "B", Selection(ids=(held.id,)))
    desk.begins(ago=3 * MINUTE)
    (offer,) = project.store.offers.of_agent("A", project.store.now())
    ran_out(project, offer)
    keep_all(project.store)
    assert 0 < desk.left() <= MINUTE // SECOND
    with project.store.writing():
        project.store.rows("UPDATE waits SET ended_ts = ended_ts - ?", (2 * MINUTE,))
    ran_out(project, offer)
    keep_all(project.store)
    assert project.holders() == []


def test_nobody_sees_a_tool_of_another_host(project: Project, tmp_path: Path) -> None:
    desk = Desk(project, tmp_path / "tree", host="elsewhere")
    held = granted(project, "A", "/a")
    desk.was_seen(10 * MINUTE)
    desk.begins(ago=3 * MINUTE)
    assert desk.status()[0] == "silent"
    ran_out(project, held)
    keep_all(project.store)
    assert project.holders() == []


def test_a_turn_that_ends_leaves_no_tool_and_says_how_many_failed(desk: Desk) -> None:
    tool_begins(desk.folder, "claude", "1", "one\nmore")
    tool_begins(desk.folder, "claude", "1", "")
    assert desk.running() == 2
    desk.ends("one\nmore", failed=True)
    desk.ends("read a file")
    assert desk.running() == 1
    assert take_tools(desk.folder, "claude", "1") == (2, 1)
    assert desk.running() == 0
    assert take_tools(desk.folder, "claude", "1") == (0, 0)
    tool_begins(desk.folder, "claude", "another", "")  # no session of this name is open
    assert tools_running(desk.folder, "claude", "another") == []
