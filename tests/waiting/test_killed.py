"""What becomes of the queue when a process is killed, or when the clock is set."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from waiting.project import HOUR, SECOND, Project

from agentlock.patterns.matching import Folding
from agentlock.store.wake import PLACE, alive, listening
from agentlock.store.wake.channels import ChannelBell
from agentlock.store.wake.pipes import PipeBell
from agentlock.waiting import queue
from agentlock.waiting.audit import examine
from agentlock.waiting.foreground import wait_for
from agentlock.waiting.turn import hand_over, reservations_ended, settle

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentlock.store.base import Store


def killed(project: Project, work: Callable[[Store], None]) -> None:
    """Another process does the work with a connection of its own, and is killed at its end."""
    child = os.fork()
    if not child:
        try:
            work(project.open())
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)


def wait_in(project: Project, agent: str, pattern: str) -> Callable[[Store], None]:
    def work(store: Store) -> None:
        project.store = store
        bell = listening(store, PLACE).__enter__()
        asked = project.queue(agent, pattern, queued=False, bell=bell.name)
        assert asked.wait is not None

    return work


def be_silent(project: Project) -> None:
    """On a server, as if half a minute had passed since the last sign of life."""
    if "://" in project.location:
        project.store.rows("UPDATE bells SET seen_ts = seen_ts - 31000000")


def test_a_place_ends_with_its_process_and_lets_the_next_one_pass(project: Project) -> None:
    project.reserve("A", "/a")
    killed(project, wait_in(project, "B", "/a"))
    project.place("C", "/a")
    be_silent(project)
    assert project.places() == ["C"]
    project.release("A")
    assert project.offers() == [("C", "/a")]


def test_the_last_process_that_goes_frees_what_nobody_holds(project: Project) -> None:
    project.reserve("A", "/a")
    killed(project, wait_in(project, "B", "/"))
    be_silent(project)
    assert project.reserve("C", "/b").granted


def test_a_hand_over_that_was_committed_reaches_a_process_for_which_nobody_rang(
    project: Project,
) -> None:
    (mine,) = project.reserve("A", "/a").granted

    def release_without_ringing(store: Store) -> None:
        with store.writing():
            now = store.now()
            store.reservations.change(mine, released=now)
            reservations_ended(store, [mine])
            assert hand_over(store, now).bells

    with listening(project.store, PLACE) as bell:
        assert isinstance(bell, PipeBell | ChannelBell)
        bell.look_every = 0.2
        asked = project.queue("B", "/a", queued=False, bell=bell.name)
        assert asked.wait is not None
        killed(project, release_without_ringing)
        waited = wait_for(
            *(project.store, bell, "B", [asked.wait.id]),
            every=True,
            until=project.store.now() + 20 * SECOND,
            repository=None,
            folding=Folding(),
        )
    assert [held.pattern for held in waited.granted] == [b"/a"]


def test_a_releaser_that_is_killed_inside_its_transaction_has_released_nothing(
    project: Project,
) -> None:
    (mine,) = project.reserve("A", "/a").granted
    place = project.place("B", "/a")

    def release_by_half(store: Store) -> None:
        store.writing().__enter__()
        store.reservations.change(mine, released=store.now())
        reservations_ended(store, [mine])
        hand_over(store, store.now())

    killed(project, release_by_half)
    assert project.holders() == [("A", "/a")]
    assert [wait.id for wait in queue.listed(project.store)[0]] == [place.id]
    project.release("A")
    assert project.offers() == [("B", "/a")]


TIMES = {
    "file_reservations": ("created_ts", "expires_ts", "released_ts"),
    "waits": ("created_ts", "expires_ts", "due_ts"),
}


@pytest.mark.parametrize("hours", [-3, 3], ids=["forward", "back"])
def test_a_clock_that_is_set_grants_nothing_twice(project: Project, hours: int) -> None:
    """All times in the table move against the clock, which is what setting the clock does."""
    project.reserve("A", "/a", ttl=2 * HOUR)
    project.place("B", "/a")
    (run_out,) = project.reserve("C", "/c").granted
    project.place("D", "/c", last=9 * HOUR)
    project.run_out(run_out)
    settle(project.store)
    assert project.holders() == [("A", "/a"), ("D", "/c")]
    with project.store.writing():
        for table, columns in TIMES.items():
            for column in columns:
                statement = f"UPDATE {table} SET {column} = {column} + ?"  # noqa: S608
                project.store.rows(statement, (hours * HOUR,))
    settle(project.store)
    held = project.holders()
    assert len({pattern for _, pattern in held}) == len(held)
    assert ("C", "/c") not in held
    if hours > 0:
        assert held == [("A", "/a"), ("D", "/c")]
        assert project.places() == ["B"]
    else:
        assert held == []  # every lease has run out, B's place and D's offer too
        assert project.places() == []
    assert alive(project.store, [""]) == set()
    assert list(examine(project.store)) == []
