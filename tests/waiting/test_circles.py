"""A place ends if it would stand in a circle, because its agent lost what it names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from waiting.project import HOUR, MINUTE

if TYPE_CHECKING:
    from waiting.project import Project

    from agentlock.model import Reservation


def about_to_be_a_circle(project: Project) -> Reservation:
    """B waits for /a and /c of A, and A for /a, which it holds, and for /b of somebody else.

    Without /a, A waits for B, which waits for /c.
    """
    (held,) = project.reserve("A", "/a", ttl=10 * MINUTE).granted
    project.reserve("A", "/c")
    project.reserve("Z", "/b")
    project.place("B", "/a", "/c")
    project.place("A", "/a", "/b")
    assert project.places() == ["B", "A"]
    return held


def assert_ended(project: Project) -> None:
    assert project.places() == ["B"]
    (ended,) = (one for one in project.store.waits.all() if one.agent == "A")
    assert ended.outcome == "deadlock"
    (mine,) = (one for one in project.told("A") if f"your place {ended.id} in the queue" in one)
    assert "you no longer hold what it names" in mine
    (theirs,) = (one for one in project.told("B") if f"A's place {ended.id} in the queue" in one)
    assert "you and A would have waited for each other" in theirs
    assert not [one for one in project.told("Z") if "waited for each other" in one]


def test_a_place_that_a_release_would_leave_in_a_deadlock_ends_and_all_are_told(
    project: Project,
) -> None:
    project.release("A", about_to_be_a_circle(project).id)
    assert_ended(project)


def test_a_place_that_an_expiry_leaves_in_a_deadlock_ends_and_all_are_told(
    project: Project,
) -> None:
    project.run_out(about_to_be_a_circle(project))
    project.settle()
    assert_ended(project)


def test_a_place_is_tested_when_the_first_lease_runs_out_that_it_relies_on(
    project: Project,
) -> None:
    held = about_to_be_a_circle(project)
    (place,) = project.store.waits.of_agent("A")
    assert place.due_ts == held.expires_ts < place.expires_ts


def test_a_lease_that_runs_out_while_another_end_makes_the_place_due_is_not_overlooked(
    project: Project,
) -> None:
    held = about_to_be_a_circle(project)
    project.place("Y", "/b")
    project.run_out(held)
    project.release("Z")  # A's place stands behind this one
    assert_ended(project)


def test_a_mode_that_gets_weaker_may_leave_a_place_in_a_deadlock(project: Project) -> None:
    project.reserve("A", "/a")
    project.reserve("A", "/c")
    project.reserve("Z", "/b")
    project.place("B", "/a", exclusive=False)
    project.place("B", "/c")
    project.place("A", "/a", "/b")
    project.reserve("A", "/a", exclusive=False)
    assert project.offers() == [("B", "/a")]
    assert project.places() == ["B"]


def test_a_place_in_the_middle_of_the_queue_may_be_waited_for_itself(project: Project) -> None:
    (held,) = project.reserve("A", "/a").granted
    project.reserve("Z", "/b")
    project.reserve("Z", "/d")
    project.place("B", "/a", "/d")
    project.place("A", "/a", "/b")
    project.place("B", "/b")  # behind A's place, and A's place is soon behind B's first one
    project.release("A", held.id)
    assert project.places() == ["B", "B"]


def test_a_place_that_relied_on_a_lease_and_closes_no_circle_waits_on(project: Project) -> None:
    (held,) = project.reserve("A", "/a").granted
    project.reserve("Z", "/b")
    project.place("B", "/a")
    project.place("A", "/a", "/b", last=9 * HOUR)
    project.release("A", held.id)
    assert project.places() == ["A"]
    assert project.offers() == [("B", "/a")]


def test_a_shared_grant_may_leave_a_place_in_a_deadlock_that_becomes_exclusive(
    project: Project,
) -> None:
    project.reserve("A", "/d/", exclusive=False)
    (other,) = project.reserve("Z", "/x").granted
    project.reserve("Y", "/y")
    project.place("B", "/d/*", "/x", exclusive=False)
    project.place("A", "/d/", "/y")  # becomes exclusive before B's place
    project.place("B", "/d/a")  # waits for A
    project.release("Z", other.id)
    assert project.offers() == [("B", "/d/*"), ("B", "/x")]
    assert project.places() == ["B"]
