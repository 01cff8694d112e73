"""First come, first served, among claims that overlap; all or nothing; hand-over without a gap."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from waiting.project import HOUR, MINUTE, SECOND

from agentlock.errors import RefusedError, UsageError
from agentlock.waiting import queue

if TYPE_CHECKING:
    from waiting.project import Project


def test_a_later_claim_is_refused_by_an_earlier_place_that_it_overlaps(project: Project) -> None:
    project.reserve("A", "/src/a.py")
    wide = project.place("B", "/src/**")
    refused = project.reserve("C", "/src/free.py")
    assert not refused.granted
    (conflict,) = refused.conflicts
    assert conflict.reservation is None
    assert conflict.wait is not None
    assert (conflict.wait.id, conflict.theirs) == (wide.id, b"/src/**")
    assert conflict.witness == b"src/free.py"
    assert refused.places[wide.id].place == 1


def test_claims_that_do_not_overlap_never_wait_for_each_other(project: Project) -> None:
    project.reserve("A", "/src/a.py")
    project.place("B", "/src/**")
    assert project.reserve("C", "/docs/").granted
    assert project.queue("D", "/lib/").answer.granted


def test_two_shared_claims_do_not_wait_for_each_other(project: Project) -> None:
    project.reserve("A", "/src/a.py")
    project.place("B", "/src/**", exclusive=False)
    assert project.reserve("C", "/src/free.py", exclusive=False).granted
    assert not project.reserve("D", "/src/free.py").granted


def test_a_stream_of_narrow_claims_cannot_starve_a_wide_one(project: Project) -> None:
    project.reserve("A", "/src/a.py")
    project.reserve("C", "/src/c.py")
    wide = project.place("B", "/src/**")
    project.place("D", "/src/a.py")
    project.release("A")
    assert project.offers() == []  # D came after B, so a.py stays closed
    assert project.places() == ["B", "D"]
    project.release("C")
    assert project.offers() == [("B", "/src/**")]
    assert wide.fence < project.store.waits.live()[0].fence


def test_a_place_is_granted_by_the_transaction_that_ends_what_blocked_it(project: Project) -> None:
    project.reserve("A", "/a")
    place = project.place("B", "/a")
    released = project.release("A")
    (handed,) = released.handed
    assert (handed.wait.id, [one.pattern for one in handed.reservations]) == (place.id, [b"/a"])
    assert project.holders() == [("B", "/a")]
    assert not project.reserve("C", "/a").granted


def test_waits_are_granted_in_the_order_in_which_they_came(project: Project) -> None:
    project.reserve("A", "/a")
    names = [f"W{number}" for number in range(6)]
    for name in names:
        project.place(name, "/a")
    granted: list[str] = []
    holder = "A"
    while len(granted) < len(names):
        project.release(holder)
        ((holder, _),) = project.offers()
        project.take(holder)
        granted.append(holder)
    assert granted == names


def test_shared_places_behind_the_same_reservation_are_granted_together(project: Project) -> None:
    project.reserve("A", "/a")
    for name in ("B", "C"):
        project.place(name, "/a", exclusive=False)
    project.place("D", "/a")
    project.release("A")
    assert project.offers() == [("B", "/a"), ("C", "/a")]
    assert project.places() == ["D"]


def test_a_place_is_granted_whole_or_not_at_all(project: Project) -> None:
    project.reserve("A", "/a")
    project.reserve("B", "/b")
    project.place("C", "/a", "/b", "/c")
    project.release("A")
    assert project.offers() == []
    refused = project.reserve("D", "/c")  # free, but closed to later claims
    assert [conflict.wait is not None for conflict in refused.conflicts] == [True]
    project.release("B")
    assert project.offers() == [("C", "/a"), ("C", "/b"), ("C", "/c")]


def test_what_somebody_leaves_in_the_middle_of_the_queue_is_passed_on(project: Project) -> None:
    project.reserve("A", "/a")
    project.reserve("Z", "/b")
    project.place("B", "/a")
    middle = project.place("C", "/a", "/b")
    project.place("D", "/b")
    project.release("Z")
    assert project.offers() == []
    project.leave("C", middle.id)
    assert project.offers() == [("D", "/b")]


def test_a_lease_that_ran_out_hands_over_at_the_next_command_of_anybody(project: Project) -> None:
    (held,) = project.reserve("A", "/a").granted
    project.place("B", "/a")
    project.place("C", "/a")
    project.run_out(held)
    assert not project.reserve("D", "/a").granted
    assert project.offers() == [("B", "/a")]


def test_a_grant_over_a_lease_that_ran_out_ends_it_for_good(project: Project) -> None:
    (one,) = project.reserve("A", "/a").granted
    (two,) = project.reserve("A", "/b").granted
    project.place("B", "/a")
    project.run_out(one, two)
    assert project.reserve("C", "/b").granted
    for held in (one, two):
        now = project.store.reservations.get(held.id)
        assert now is not None
        assert now.released_ts == now.expires_ts
        said = f"your reservation {held.id} ({held.pattern.decode()[1:]}) expired"
        assert said in project.told("A")


def test_a_mode_that_gets_weaker_hands_over_to_those_who_share(project: Project) -> None:
    project.reserve("A", "/a")
    project.place("B", "/a", exclusive=False)
    project.reserve("A", "/a", exclusive=False)
    assert project.offers() == [("B", "/a")]


def test_what_is_mine_already_meets_no_place_and_keeps_its_age(project: Project) -> None:
    (held,) = project.reserve("A", "/src/").granted
    project.place("B", "/src/")
    (again,) = project.reserve("A", "/src/").granted
    (within,) = project.reserve("A", "/src/a.py").granted
    (weaker,) = project.reserve("A", "/src/b.py", exclusive=False).granted
    assert again.id == held.id
    assert within.created_ts == weaker.created_ts == held.created_ts


def test_what_an_agent_reserves_later_puts_no_older_place_forward(project: Project) -> None:
    project.reserve("Z", "/a", exclusive=False)
    project.reserve("Y", "/d")
    project.place("C", "/a", "/d", exclusive=False)
    place = project.place("A", "/a")
    assert project.reserve("A", "/a", exclusive=False).granted
    project.release("Z")
    with project.store.writing():
        project.store.waits.test_again(place)
    project.settle()
    assert project.places() == ["C", "A"]
    standing = queue.listed(project.store, "A")[1][place.id]
    assert [one.agent for one in standing.behind] == ["C"]


def test_anything_wider_than_mine_is_a_new_claim(project: Project) -> None:
    project.reserve("A", "/src/a.py")
    project.reserve("C", "/src/c.py")
    project.place("B", "/src/")
    assert not project.reserve("A", "/src/*.py").granted
    assert not project.reserve("A", "/src/d.py").granted


def test_shared_to_exclusive_goes_before_all_places(project: Project) -> None:
    project.reserve("A", "/a", exclusive=False)
    project.place("B", "/a")
    assert project.reserve("A", "/a").granted
    assert project.places() == ["B"]
    project.release("A")
    assert project.offers() == [("B", "/a")]


def test_shared_to_exclusive_waits_only_for_the_reservations_of_others(project: Project) -> None:
    project.reserve("A", "/a", exclusive=False)
    project.reserve("C", "/a", exclusive=False)
    project.place("B", "/a")
    project.place("A", "/a")
    project.release("C")
    assert project.offers() == [("A", "/a")]
    (taken,) = project.take("A").granted
    assert taken.exclusive
    assert project.holders() == [("A", "/a")]  # the shared one has ended
    project.release("A")
    assert project.offers() == [("B", "/a")]


def test_the_same_patterns_and_mode_are_the_same_place_with_a_later_end(project: Project) -> None:
    project.reserve("A", "/a")
    first = project.place("B", "/a", "/b", last=MINUTE)
    again = project.place("B", "/b", "/a", last=HOUR)
    shorter = project.place("B", "/a", "/b", last=SECOND)
    other = project.place("B", "/a", "/b", exclusive=False)
    assert (again.id, again.fence) == (first.id, first.fence)
    assert again.expires_ts - first.expires_ts > 50 * MINUTE
    assert shorter.expires_ts == again.expires_ts
    assert other.id != first.id


def test_a_reserve_that_is_granted_fulfils_the_place(project: Project) -> None:
    (held,) = project.reserve("A", "/a").granted
    place = project.place("B", "/a")
    project.run_out(held)
    (granted,) = project.reserve("B", "/a").granted
    assert project.places() == []
    assert not granted.offer
    assert granted.expires_ts > project.store.now() + 50 * MINUTE
    ended = project.store.waits.get(place.id)
    assert ended is not None
    assert ended.outcome == "granted"
    assert [held.id for held in project.store.offers.of_place(place.id)] == [granted.id]


def test_a_place_says_how_many_are_before_it_and_behind_whom_it_is(project: Project) -> None:
    (held,) = project.reserve("A", "/a").granted
    first = project.place("B", "/a")
    second = project.queue("C", "/*")
    assert second.standing is not None
    assert second.standing.place == 2
    behind = {(one.agent, one.reservation, one.wait) for one in second.standing.behind}
    assert behind == {("A", held.id, None), ("B", None, first.id)}


def test_a_place_whose_time_is_over_ends_is_told_and_lets_the_next_one_pass(
    project: Project,
) -> None:
    project.reserve("A", "/a", exclusive=False)
    blocked = project.place("B", "/a")
    project.place("C", "/a", exclusive=False)
    project.run_out_place(blocked)
    assert not project.reserve("D", "/a").granted
    assert project.offers() == [("C", "/a")]
    assert [subject for subject in project.told("B") if "its time was over" in subject]


def test_a_place_takes_at_most_a_hundred_patterns(project: Project) -> None:
    project.reserve("A", "/src/")
    with pytest.raises(UsageError, match="too many for one place"):
        project.queue("B", *(f"/src/{number}" for number in range(101)))
    assert project.places() == []


def test_an_agent_has_at_most_a_thousand_places_and_a_project_ten_thousand(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (queue.MOST_OF_AGENT, queue.MOST_PLACES, queue.MOST_WAITING) == (1_000, 10_000, 20_000)
    project.reserve("A", "/src/")
    for number in range(2):
        project.place("B", f"/src/{number}")
    for name, most, said in (
        ("MOST_OF_AGENT", 2, "B has 2 places"),
        ("MOST_PLACES", 2, "this project has 2 places"),
        ("MOST_WAITING", 2, "2 patterns wait"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(queue, name, most)
            with pytest.raises(RefusedError, match=said):
                project.queue("B", "/src/new")
    assert project.places() == ["B", "B"]


def test_release_all_keeps_ones_places(project: Project) -> None:
    project.reserve("A", "/a")
    project.reserve("B", "/b")
    project.place("B", "/a")
    project.release("B")
    assert project.places() == ["B"]


def test_a_hundred_places_behind_one_row_are_all_granted_before_release_returns(
    project: Project,
) -> None:
    project.reserve("A", "/src/")
    names = [f"/src/{number}" for number in range(105)]
    for at in range(0, 105, 35):
        for name in names[at : at + 35]:
            project.place(f"B{at}", name)
    released = project.release("A")
    assert len(released.handed) == len(project.offers()) == 105
