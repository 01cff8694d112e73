"""The circle that a request would close, held against a second construction."""

from __future__ import annotations

import itertools
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from agentlock.errors import PatternError
from agentlock.model import Reservation, Value
from agentlock.patterns.matching import EXACT, Folding, compile_pattern
from agentlock.patterns.overlap import overlap
from agentlock.waiting.deadlock import Circle, Step, circle, quick_keys

TEXTS = (b"/a", b"/b", b"/c", b"/d/", b"/d/e", b"/d/f", b"**/*.py", b"/g.py", b"/d/h.py", b"/*.py")
AGENTS = ("ann", "bob", "cat", "dan", "eve")


class Place(Value):
    agent: str
    patterns: tuple[bytes, ...]
    fence: int
    exclusive: bool = True

    @property
    def created_ts(self) -> int:
        return self.fence


def held(number: int, agent: str, pattern: bytes, *, exclusive: bool = True) -> Reservation:
    return Reservation(number, agent, pattern, exclusive, "", number, number + 1, None, number)


def test_two_agents_that_want_what_the_other_holds_are_a_circle() -> None:
    hers, his = held(1, "ann", b"/a"), held(2, "bob", b"/b")
    found = circle([Place("ann", (b"/b",), 3)], [hers, his], Place("bob", (b"/a",), 4), EXACT)
    assert found == Circle((Step("bob", b"/b", b"/a"), Step("ann", b"/a", b"/b")), (his,), ())


def test_a_circle_may_be_longer_than_two_and_lead_through_a_pattern_of_a_group() -> None:
    holds = [held(1, "ann", b"/a"), held(2, "bob", b"/b"), held(3, "cat", b"/d/")]
    waits = [Place("ann", (b"/free", b"/b"), 4), Place("bob", (b"/d/e",), 5)]
    found = circle(waits, holds, Place("cat", (b"/c", b"/a"), 6), EXACT)
    assert found is not None
    assert found.steps == (
        Step("cat", b"/d/", b"/a"),
        Step("ann", b"/a", b"/b"),
        Step("bob", b"/b", b"/d/e"),
    )


def test_a_place_in_the_queue_closes_a_circle_as_a_reservation_does() -> None:
    waits = [Place("ann", (b"/a", b"/b"), 5), Place("bob", (b"/b", b"/c"), 6)]
    found = circle(
        [*waits, Place("ann", (b"/x",), 4)],
        [held(1, "cat", b"/a"), held(2, "bob", b"/x")],
        Place("ann", (b"/c",), 7),
        EXACT,
    )
    assert found is not None
    assert found.steps == (Step("ann", b"/b", b"/c", queued=True), Step("bob", b"/c", b"/b", True))
    assert found.release == ()
    assert found.leave == (waits[0],)


def test_two_who_hold_a_file_shared_cannot_both_wait_to_hold_it_exclusively() -> None:
    holds = [held(1, "ann", b"/a", exclusive=False), held(2, "bob", b"/a", exclusive=False)]
    first = Place("ann", (b"/a",), 3)
    assert circle([], holds, first, EXACT) is None
    found = circle([first], holds, Place("bob", (b"/a",), 4), EXACT)
    assert found is not None
    assert found.release == (holds[1],)


def test_what_becomes_exclusive_makes_those_wait_who_wanted_it_shared() -> None:
    holds = [held(1, "ann", b"/a", exclusive=False), held(2, "bob", b"/b")]
    reader = Place("bob", (b"/a", b"/c"), 3, exclusive=False)
    waits = [reader, Place("ann", (b"/b",), 4)]
    assert circle([reader], holds, Place("ann", (b"/a",), 5), EXACT) is None
    assert circle(waits, holds, Place("ann", (b"/a",), 5), EXACT) is not None


def test_what_an_agent_holds_already_waits_for_nobody() -> None:
    holds = [held(1, "ann", b"/d/"), held(2, "cat", b"/b")]
    waits = [Place("bob", (b"/d/e",), 3)]
    assert circle(waits, holds, Place("ann", (b"/d/", b"/d/e", b"/b"), 4), EXACT) is None


def test_the_unchanged_reservations_are_named_first_and_only_those_that_others_wait_for() -> None:
    holds = [*(held(n, "ann", text) for n, text in enumerate((b"/a", b"/b", b"/c", b"/g.py"), 1))]
    waits = [Place("bob", (b"/a", b"/c", b"/b"), 6)]
    found = circle(
        waits,
        [*holds, held(5, "bob", b"/d/")],
        Place("ann", (b"/d/",), 7),
        EXACT,
        is_changed=lambda one: one.pattern == b"/a",
    )
    assert found is not None
    assert found.release == (holds[1], holds[2], holds[0])


def test_names_that_a_repository_holds_equal_are_the_same_file() -> None:
    holds = [held(1, "ann", "/É".encode()), held(2, "bob", b"/b")]
    waits, new = [Place("ann", (b"/B",), 3)], Place("bob", ("/é".encode(),), 4)
    assert circle(waits, holds, new, EXACT) is None
    assert circle(waits, holds, new, Folding(True, True, True)) is not None


# A second construction: every edge by its definition, and what can be reached from where.

_compiled = {text: compile_pattern(text) for text in TEXTS}
_overlap = {
    (a, b): overlap(_compiled[a], _compiled[b]) is not None
    for a, b in itertools.product(TEXTS, repeat=2)
}


def standing(wait: Place, text: bytes, holds: list[Reservation]) -> str:
    """Whether a claim of a place is new, mine already, or raised from shared to exclusive."""
    is_file = _compiled[text].kind == "literal"
    mine = [one for one in holds if one.agent == wait.agent]
    exact = [one for one in mine if one.pattern == text]
    around = [one for one in mine if is_file and _compiled[one.pattern].matches(text[1:])]
    modes = [one.exclusive for one in exact or around if one.created_ts <= wait.fence]
    if not modes:
        return "new"
    return "mine" if any(modes) or not wait.exclusive else "raised"


def edges(waits: list[Place], holds: list[Reservation]) -> set[tuple[str, str]]:
    found = set()
    for wait in waits:
        for text in wait.patterns:
            mine = standing(wait, text, holds)
            if mine == "mine":
                continue
            for one in holds:
                if _overlap[text, one.pattern] and (wait.exclusive or one.exclusive):
                    found.add((wait.agent, one.agent))
            for other, theirs in [(o, t) for o in waits for t in o.patterns]:
                if not _overlap[text, theirs] or not (wait.exclusive or other.exclusive):
                    continue
                raised = standing(other, theirs, holds) == "raised"
                if mine == "new" and (other.fence < wait.fence or raised):
                    found.add((wait.agent, other.agent))
    return {(a, b) for a, b in found if a != b}


def reachable(start: str, graph: set[tuple[str, str]]) -> set[str]:
    found: set[str] = set()
    following = {start}
    while following:
        following = {b for a, b in graph if a in following} - found
        found |= following
    return found


def has_circle(waits: list[Place], holds: list[Reservation]) -> bool:
    graph = edges(waits, holds)
    return any(agent in reachable(agent, graph) for agent, _ in graph)


_modes = st.booleans()
_requests = st.tuples(
    st.sampled_from(AGENTS), st.lists(st.sampled_from(TEXTS), min_size=1, max_size=3), _modes
)


@settings(max_examples=100)
@given(st.lists(st.tuples(_modes, _requests), max_size=14), _requests)
def test_a_circle_is_found_exactly_where_there_is_one(
    asked: list[tuple[bool, tuple[str, list[bytes], bool]]], last: tuple[str, list[bytes], bool]
) -> None:
    """Everything that is asked for is held or waited for, as long as that closes no circle."""
    holds: list[Reservation] = []
    waits: list[Place] = []
    for fence, (waiting, (agent, texts, exclusive)) in enumerate(asked, 1):
        new = Place(agent, tuple(texts), fence, exclusive)
        conflicts = any(
            _overlap[text, one.pattern] and one.agent != agent and (exclusive or one.exclusive)
            for text in texts
            for one in holds
        )
        if not (waiting or conflicts):
            rows = {(one.agent, one.pattern): one for one in holds}
            rows |= {(agent, text): held(fence, agent, text, exclusive=exclusive) for text in texts}
            more = list(rows.values())
            holds = holds if has_circle(waits, more) else more
        elif not has_circle([*waits, new], holds):
            waits.append(new)
    agent, texts, exclusive = last
    new = Place(agent, tuple(texts), 100, exclusive)
    found = circle(waits, holds, new, EXACT)
    assert (found is not None) == has_circle([*waits, new], holds)
    if found is not None:
        check(found, waits, holds, new)


def check(found: Circle, waits: list[Place], holds: list[Reservation], new: Place) -> None:
    """Each agent waits for the next; without what the answer names there is no circle."""
    graph = edges([*waits, new], holds)
    agents = [step.agent for step in found.steps]
    assert agents[0] == new.agent
    assert len(set(agents)) == len(agents)
    assert all(pair in graph for pair in zip(agents, [*agents[1:], agents[0]], strict=True))
    after = [*found.steps[1:], found.steps[0]]
    for step, following in zip(found.steps, after, strict=True):
        assert _overlap[step.waits_for, following.holds]
    left = [wait for wait in waits if wait not in found.leave]
    kept = [one for one in holds if one not in found.release]
    if all(standing(new, text, holds) == "new" for text in new.patterns):
        assert not has_circle([*left, new], kept)


class Table:
    """The rules by which requests are granted, at their plainest."""

    def __init__(self) -> None:
        self.holds: list[Reservation] = []
        self.waits: list[Place] = []
        self.fence = 0

    def is_free(self, wait: Place) -> bool:
        others = [one for one in self.holds if one.agent != wait.agent]
        earlier = [one for one in self.waits if one.agent != wait.agent and one.fence < wait.fence]
        for text in wait.patterns:
            met = [one for one in others if _overlap[text, one.pattern]]
            if standing(wait, text, self.holds) == "new":
                met += [
                    held(0, one.agent, theirs, exclusive=one.exclusive)
                    for one in earlier
                    for theirs in one.patterns
                    if _overlap[text, theirs]
                ]
            if any(wait.exclusive or one.exclusive for one in met):
                return False
        return True

    def grant(self, wait: Place) -> None:
        self.waits = [one for one in self.waits if one.fence != wait.fence]
        rows = {(one.agent, one.pattern): one for one in self.holds}
        for text in wait.patterns:
            self.fence += 1
            granted = held(self.fence, wait.agent, text, exclusive=wait.exclusive)
            before = rows.get((wait.agent, text), granted)
            rows[wait.agent, text] = granted.replace(created_ts=before.created_ts)
        self.holds = list(rows.values())

    def hand_over(self) -> None:
        for wait in list(self.waits):
            if self.is_free(wait):
                self.grant(wait)

    def raises(self, wait: Place) -> bool:
        modes = [standing(wait, text, self.holds) for text in wait.patterns]
        return "raised" in modes


@settings(max_examples=100)
@given(st.lists(st.tuples(st.sampled_from("rrwwwwel"), st.integers(0, 9), _requests), max_size=20))
def test_only_a_wait_and_what_becomes_exclusive_add_an_edge(
    actions: list[tuple[str, int, tuple[str, list[bytes], bool]]],
) -> None:
    """r: reserve or be refused, w: or wait, e: a reservation ends, l: leave the queue."""
    table = Table()
    for action, which, (agent, texts, exclusive) in actions:
        before = edges(table.waits, table.holds)
        table.fence += 1
        new = Place(agent, tuple(dict.fromkeys(texts)), table.fence, exclusive)
        may_add, relied_on = table.raises(new), False
        if action in "rw":
            is_free = table.is_free(new)
            waits_or_raises = may_add or (action == "w" and not is_free)
            if waits_or_raises and circle(table.waits, table.holds, new, EXACT) is not None:
                continue
            if is_free:
                table.grant(new)
            elif action == "w":
                table.waits.append(new)
                may_add = True
        elif action == "e" and table.holds:
            ended = table.holds.pop(which % len(table.holds))
            relied_on = any(one.agent == ended.agent for one in table.waits)
        elif action == "l" and table.waits:
            table.waits.pop(which % len(table.waits))
        if not relied_on and not may_add:
            assert edges(table.waits, table.holds) <= before
        table.hand_over()
        if not relied_on and not may_add:
            assert edges(table.waits, table.holds) <= before
        for wait in table.waits if relied_on else ():
            others = [one for one in table.waits if one != wait]
            if circle(others, table.holds, wait, EXACT) is not None:
                table.waits = [one for one in table.waits if one != wait]
        table.hand_over()
        assert not has_circle(table.waits, table.holds)


def test_thousands_of_waits_are_searched_quickly() -> None:
    """Many agents in one circle; and the same when nobody waits for the asker."""
    agents = [f"a{number}" for number in range(1000)]
    shapes = (b"/src/m%d/f.py", b"/d/**/*.x%d")
    texts = [shapes[number % 2] % number for number in range(4_000)]
    waits = [Place(agents[n % 1000], (text,), n) for n, text in enumerate(texts)]
    waits = [wait for wait in waits if wait.agent != "a7"]
    holds = [held(n, agents[(n + 1) % 1000], text) for n, text in enumerate(texts)]
    started = time.process_time()
    assert circle(waits, holds, Place("a7", (texts[7],), 20_000), EXACT) is not None
    alone = [one for one in holds if one.agent != "a7"]
    assert (
        circle(waits, [*alone, held(-1, "a7", b"/z")], Place("a7", (texts[7],), 20_000), EXACT)
        is None
    )
    assert time.process_time() - started < 3


@given(st.sampled_from(TEXTS) | st.from_regex(rb"(/|\*\*/)[a.*?/E\xc3\x89]{0,9}", fullmatch=True))
def test_the_keys_that_are_made_quickly_are_those_of_the_compiled_pattern(text: bytes) -> None:
    try:
        keys = compile_pattern(text).keys
    except PatternError:
        return
    assert quick_keys(text) == (keys.prefix, keys.name, keys.extension)
