"""Every hand-over is first an offer, which its agent takes, or which lapses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from waiting.project import HOUR, MINUTE, SECOND

from agentlock.model import Policy
from agentlock.patterns.matching import Folding
from agentlock.reservations.granting import reserve
from agentlock.store.wake import PLACE, listening
from agentlock.waiting import queue
from agentlock.waiting.circles import DeadlockError
from agentlock.waiting.foreground import wait_for
from agentlock.waiting.queue import _take_place
from agentlock.waiting.taking import take

if TYPE_CHECKING:
    from waiting.project import Project


def set_policy(project: Project, policy: Policy) -> None:
    with project.store.writing():
        project.store.policy.write(policy)


def left(project: Project) -> int:
    """How long the only reservation still lasts, in seconds."""
    now = project.store.now()
    (held,) = project.store.reservations.all(live_at=now)
    return (held.expires_ts - now) // SECOND


def test_an_offer_refuses_others_like_a_lease_and_is_marked(project: Project) -> None:
    project.reserve("A", "/a")
    project.place("B", "/a")
    project.release("A")
    refused = project.reserve("C", "/a")
    (conflict,) = refused.conflicts
    assert conflict.reservation is not None
    assert conflict.reservation.offer
    assert conflict.reservation.agent == "B"


def test_an_offer_without_a_process_lasts_as_long_as_the_policy_says(project: Project) -> None:
    project.reserve("A", "/a")
    project.place("B", "/a")
    project.release("A")
    assert 5 * MINUTE // SECOND - 20 < left(project) <= 5 * MINUTE // SECOND
    project.take("B")
    set_policy(project, Policy(offer=7 * SECOND))
    project.place("C", "/a")
    project.release("B")
    assert left(project) <= 7


def test_a_process_that_waits_is_offered_it_for_thirty_seconds_and_takes_it(
    project: Project,
) -> None:
    project.reserve("A", "/a")
    with listening(project.store, PLACE) as bell:
        asked = project.queue("B", "/a", queued=False, bell=bell.name)
        assert asked.wait is not None
        project.release("A")
        assert 20 < left(project) <= 30
        until = project.store.now() + HOUR
        waited = wait_for(
            *(project.store, bell, "B", [asked.wait.id]),
            every=False,
            until=until,
            repository=None,
            folding=Folding(),
        )
    (held,) = waited.granted
    assert not held.offer
    assert held.expires_ts > project.store.now() + 50 * MINUTE
    assert waited.waits == ()
    assert project.told("B") == []


def test_the_next_command_of_the_agent_takes_the_offer_and_starts_its_lease(
    project: Project,
) -> None:
    project.reserve("A", "/a")
    project.queue("B", "/a", ttl=2 * HOUR)
    project.release("A")
    assert any(subject.startswith("your turn came: a ") for subject in project.told("B"))
    (taken,) = project.take("B").granted
    assert not taken.offer
    assert left(project) > 7100
    assert project.take("B").granted == ()


def test_a_reserve_of_the_same_takes_the_offer_too(project: Project) -> None:
    project.reserve("A", "/a")
    project.place("B", "/a")
    project.release("A")
    (granted,) = project.reserve("B", "/a").granted
    assert not granted.offer
    assert project.holders() == [("B", "/a")]


def test_an_offer_that_lapses_is_told_and_goes_to_the_next(project: Project) -> None:
    project.reserve("A", "/a")
    project.place("B", "/a")
    project.place("C", "/a")
    project.release("A")
    (offer,) = project.store.offers.open(project.store.now())
    project.run_out(offer)
    project.reserve("D", "/d")  # whoever looks next notices it
    assert project.offers() == [("C", "/a")]
    said = f"nobody took the offer of a (reservation {offer.id}) in time"
    assert said in project.told("B")
    assert project.take("B").granted == ()
    kinds = [event.kind for event in project.store.events.find(reservation=offer.id)]
    assert kinds == ["handed-over", "lapsed"]


def test_an_offer_lasts_no_longer_than_the_lease_that_was_asked_for(project: Project) -> None:
    project.reserve("A", "/a")
    project.queue("B", "/a", ttl=MINUTE)
    project.release("A")
    assert left(project) <= 60


def test_a_holder_is_told_once_that_somebody_waits_and_a_new_holder_again(
    project: Project,
) -> None:
    (held,) = project.reserve("A", "/a").granted
    for name in ("B", "C", "D"):
        project.place(name, "/a")
    assert project.told("A") == [f"B waits for your reservation {held.id} (a)"]
    project.release("A")
    (offer,) = project.store.offers.open(project.store.now())
    assert f"C waits for your reservation {offer.id} (a)" in project.told("B")


def test_every_holder_of_what_a_place_waits_for_is_told(project: Project) -> None:
    project.reserve("A", "/a")
    project.reserve("B", "/b")
    project.place("C", "/*")
    for name in ("A", "B"):
        assert [subject for subject in project.told(name) if subject.startswith("C waits for")]


def test_max_hold_limits_a_lease_only_while_somebody_waits(project: Project) -> None:
    set_policy(project, Policy(max_hold=2 * HOUR))
    (held,) = project.reserve("A", "/a", ttl=HOUR).granted
    (longer,) = project.reserve("A", "/a", ttl=3 * HOUR).granted
    assert longer.expires_ts - held.created_ts >= 3 * HOUR
    (other,) = project.reserve("A", "/b", ttl=HOUR).granted
    project.place("B", "/b")
    answer = reserve(project.store, project.request("A", "/b", ttl=3 * HOUR), Folding())
    assert answer.granted[0].expires_ts == other.created_ts + 2 * HOUR
    assert "B has waited for b" in answer.limits[0]


def test_what_is_taken_ends_what_was_held_of_the_same_only_in_the_same_or_a_weaker_mode(
    project: Project,
) -> None:
    project.reserve("A", "/a")
    project.place("B", "/a")
    project.place("B", "/a", exclusive=False)
    project.release("A")
    assert project.offers() == [("B", "/a"), ("B", "/a")]
    project.take("B")
    live = project.store.reservations.all(agent="B", live_at=project.store.now())
    assert any(one.exclusive for one in live)


def test_what_is_taken_ends_an_older_offer_of_the_same(project: Project) -> None:
    project.reserve("A", "/a")
    first = project.place("B", "/a")
    # B asks again and is refused by A's; before it takes its place, the first one is granted.
    request = project.request("B", "/a").replace(waits=True)
    project.release("A")
    (offer,) = project.store.offers.open(project.store.now())
    assert project.store.offers.place_of(offer) == first.id
    wait = _take_place(project.store, request, Folding(), None, last=HOUR, queued=True, bell="")
    taken = take(project.store, "B", None, Folding(), {wait.id})
    assert len(taken.granted) == 1
    assert project.holders() == [("B", "/a")]
    assert project.offers() == []
    project.release("B")
    assert project.reserve("C", "/a").granted


@pytest.mark.parametrize("is_handed_over", [True, False])
def test_no_circle_is_told_to_whom_it_was_handed_over_meanwhile(
    project: Project, monkeypatch: pytest.MonkeyPatch, is_handed_over: bool
) -> None:
    project.reserve("A", "/a")
    project.place("B", "/a")

    def closes_a_circle(*_: object, **__: object) -> None:
        if is_handed_over:
            project.release("A")
        raise DeadlockError("a circle")

    monkeypatch.setattr(queue, "_take_place", closes_a_circle)
    if is_handed_over:
        asked = project.queue("B", "/a")
        assert [held.pattern for held in asked.answer.granted] == [b"/a"]
        assert project.offers() == []
    else:
        with pytest.raises(DeadlockError):
            project.queue("B", "/a")
