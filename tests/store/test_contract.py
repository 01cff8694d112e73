"""One behavioural contract, which every store passes."""

from __future__ import annotations

import hashlib
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from agentlock.errors import ConfigurationError, DatabaseError
from agentlock.event_kinds import (
    EXTENDED,
    GRANTED,
    KINDS,
    POLICY,
    PRUNED,
    REFUSED,
    RELEASED,
    RENEWED,
    SKIPPED,
)
from agentlock.model import Policy
from agentlock.patterns.keys import MANY, fold_key, keys_of
from agentlock.patterns.matching import Folding, PatternIndex, compile_pattern, path_keys
from agentlock.patterns.overlap import overlap
from agentlock.records import OF_PATHS, OF_PATHS_LENGTH, Entry
from agentlock.store import migrate, open_store
from agentlock.store.messages import Message
from agentlock.store.reservations import _MANY_KEYS
from agentlock.store.sessions import Conversation
from agentlock.store.sqlite.filesystem import Modes
from agentlock.table_errors import DatabaseUnreachableError
from agentlock.waiting.telling import note_expired

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from agentlock.model import Keys, Reservation
    from agentlock.store.base import Store

SECOND = 1_000_000
HOUR = 3600 * SECOND


class Database:
    """An existing database with the project ``p``, and a way to open it as often as needed."""

    def __init__(self, location: str, identifier: str) -> None:
        self.location = location
        self.identifier = identifier

    def open(self, project: str = "p", *, timeout: int = 30 * SECOND, **options: bool) -> Store:
        return open_store(self.location, self.identifier, project, timeout=timeout, **options)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    if request.param == "sqlite":
        location = str(tmp_path / "table" / "agentlock.sqlite3")
    else:
        location = request.getfixturevalue("postgresql").database()
    identifier, _ = migrate.make(location, Modes())
    migrate.add_project(location, "p")
    migrate.add_project(location, "other")
    return Database(location, identifier)


@pytest.fixture
def store(database: Database) -> Iterator[Store]:
    store = database.open()
    yield store
    store.close()


@pytest.fixture
def grant(store: Store) -> Callable[..., Reservation]:
    def make(
        agent: str = "A",
        pattern: bytes = b"/src/a.py",
        keys: Keys | None = None,
        **changes: int,
    ) -> Reservation:
        with store.writing():
            now = store.now()
            store.agents.register(agent, now)
            return store.reservations.grant(
                agent,
                pattern,
                typed=pattern,
                keys=keys or compile_pattern(pattern).keys,
                exclusive=True,
                reason="because",
                now=now,
                expires=now + changes.get("ttl", HOUR),
            )

    return make


def test_what_is_granted_is_read_back_as_it_was(
    store: Store, grant: Callable[..., Reservation]
) -> None:
    granted = grant(pattern=b"/src/\xff \n.py")
    assert store.reservations.get(granted.id) == granted
    assert store.reservations.all(live_at=store.now()) == [granted]
    assert granted.agent == "A"
    assert granted.fence == 1


def test_a_grant_is_seen_by_others_once_it_is_committed_and_not_before(
    database: Database, store: Store
) -> None:
    other = database.open(read_only=True)
    with store.writing():
        now = store.now()
        store.agents.register("A", now)
        assert other.agents.all() == []
    assert [agent.name for agent in other.agents.all()] == ["A"]
    other.close()


def test_an_exception_takes_everything_back(store: Store) -> None:
    def write_and_fail() -> None:
        with store.writing():
            store.agents.register("A", store.now())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    assert store.agents.all() == []


def test_fences_rise_with_each_grant_and_each_new_mode_and_never_return(
    store: Store, grant: Callable[..., Reservation]
) -> None:
    first, second = grant(), grant("B", b"/b")
    assert (first.fence, second.fence) == (1, 2)
    with store.writing():
        shared = store.reservations.change(first, exclusive=False)
        extended = store.reservations.extend(second, RENEWED, 1, expires=second.expires_ts + HOUR)
    assert (shared.fence, extended.fence) == (3, 2)


def test_ids_are_never_given_twice(store: Store, grant: Callable[..., Reservation]) -> None:
    first = grant()
    with store.writing():
        store.reservations.change(first, released=store.now())
    assert grant().id > first.id


def test_prefixes_and_names_find_only_what_is_live_and_their_own(
    store: Store, grant: Callable[..., Reservation]
) -> None:
    held = grant()
    grant("B", b"/src/b.py")
    over = grant("C", ttl=-SECOND)
    now = store.now()
    assert store.reservations.live_on([b"src/a.py"], [b"a.py"], now) == [held]
    assert not over.is_live(now)
    assert store.reservations.live_on([b"src"], [b"a.py"], now) == []
    assert store.reservations.live_on([b"src/a.py"], [b"b.py"], now) == []


def test_thousands_of_keys_can_be_asked_at_once(
    store: Store, grant: Callable[..., Reservation]
) -> None:
    held = grant()
    many = [b"dir/%d" % number for number in range(5000)]
    now = store.now()
    assert store.reservations.live_on([*many, b"src/a.py"], [*many, b"a.py"], now) == [held]


def test_thousands_of_keys_can_be_asked_at_once_where_still_more_are_held(store: Store) -> None:
    asked = [b"src/%d" % number for number in range(_MANY_KEYS + 1)]
    with store.writing():
        now = store.now()
        store.agents.register("A", now)
        granted = [
            store.reservations.grant(
                "A",
                b"/" + path,
                typed=path,
                keys=compile_pattern(b"/" + path).keys,
                exclusive=True,
                reason="",
                now=now,
                expires=now + HOUR,
            )
            for path in [b"doc/before", *asked]
        ]
    assert store.reservations.live_on(asked, [], now) == granted[1:]
    paths = sorted(asked)
    assert store.reservations.live_on(*keys_of(paths), now) == granted[1:]


def test_what_is_held_is_found_among_many_paths_whatever_holds_it(
    store: Store, grant: Callable[..., Reservation]
) -> None:
    made = [grant("A", text) for text in NEIGHBOURS]
    index = PatternIndex(NEIGHBOURS, Folding(ignore_case=True))
    others = [b"other/%d" % number for number in range(MANY)]
    for path in (
        b"src/a/x.py",
        b"SRC",
        b"src/a",
        b"doc/x.py/y",
        b"Makefile",
        b"\xc3\x89/x.PY",
        b"a-",
    ):
        asked = sorted([path, *others])
        found = store.standing(*keys_of(asked), [fold_key(path)])[2]
        holding = [made[at] for at in index.matching(path, submodule=True, added=True)]
        assert [held for held in holding if held not in found] == []
    assert not any(held.pattern.startswith((b"/src", b"/doc")) for held in found)


def test_a_path_of_any_length_can_be_reserved_and_is_found(
    store: Store, grant: Callable[..., Reservation]
) -> None:
    noise = hashlib.shake_128(b"nothing that a database could compress").hexdigest(2000)
    names = [noise[at : at + 200].encode() for at in range(0, 3000, 200)]
    path = b"/".join([*names, noise[3000:].encode()])
    held = grant(pattern=b"/" + path)
    keys = compile_pattern(held.pattern).keys
    now = store.now()
    assert store.reservations.own("A", held.pattern, keys, now) == held
    assert store.reservations.live_near(keys, now) == [held]
    assert store.reservations.keys_of_live(now) == {held.id: store.kept(keys)}
    for depth in (1, 3, 4, 14):
        above = compile_pattern(b"/" + b"/".join(names[:depth]) + b"/**")
        assert store.reservations.live_near(above.keys, now) == [held]
    assert store.reservations.live_on(*path_keys(path), now) == [held]
    assert store.standing(*path_keys(path))[2] == [held]


NEIGHBOURS = [
    *(b"/src/", b"/src/a/", b"/src/a", b"/src/a/b", b"/src/a-b", b"/src/a0", b"/src/ab", b"/"),
    *(b"/src/a/x.py", b"/src/a/x.md", b"/src/a/deep/x.py", b"/doc/x.py", b"/src/A/X.PY"),
    *(b"**/*.py", b"**/*.md", b"**/x.py", b"/src/**/x.py", b"/src/*.py", b"/src/a/*", b"/src/*/x*"),
    *(b"**/*", b"**/*x", b"/src/**", b"/src/a/**/*.md", b"**/Makefile", b"/src/[ab]/x.py"),
]


@pytest.mark.parametrize("text", NEIGHBOURS)
def test_everything_that_a_pattern_meets_is_near_it(
    store: Store, grant: Callable[..., Reservation], text: bytes
) -> None:
    folding = Folding(ignore_case=True)
    mine = compile_pattern(text, folding)
    made = [grant("A", other) for other in NEIGHBOURS]
    near = store.reservations.live_near(mine.keys, store.now())
    assert near == sorted(near, key=lambda held: held.id)
    meets = [held for held in made if overlap(mine, compile_pattern(held.pattern, folding))]
    assert [held for held in meets if held not in near] == []


def test_what_cannot_meet_is_not_read(store: Store, grant: Callable[..., Reservation]) -> None:
    for text in NEIGHBOURS:
        grant("A", text)

    def near(text: bytes) -> set[bytes]:
        mine = compile_pattern(text)
        found = store.reservations.live_near(mine.keys, store.now())
        return {held.pattern for held in found}

    assert near(b"/doc/y.c") == {b"/", b"**/*", b"**/*x"}
    assert near(b"/doc/") >= {b"/doc/x.py", b"**/*.py"}
    assert near(b"/doc/").isdisjoint({b"/src/a", b"/src/**"})
    assert near(b"**/*.md").isdisjoint({b"/src/a/x.py", b"**/*.py", b"**/Makefile", b"/doc/x.py"})
    assert near(b"**/Makefile").isdisjoint({b"/src/a/x.py", b"**/*.py", b"**/x.py"})


def test_only_what_was_granted_or_changed_its_mode_since_a_fence_is_new(
    store: Store, grant: Callable[..., Reservation]
) -> None:
    old, changed = grant(), grant("B", b"/b")
    fence = store.last_fence()
    with store.writing():
        store.reservations.extend(old, RENEWED, 1, expires=old.expires_ts + HOUR)
        changed = store.reservations.change(changed, exclusive=False)
    new = grant("C", b"/c")
    assert store.reservations.live_since(fence, store.now()) == [changed, new]


@pytest.mark.parametrize("text", NEIGHBOURS)
def test_of_what_is_new_all_that_a_pattern_meets_is_found(
    store: Store, grant: Callable[..., Reservation], text: bytes
) -> None:
    folding = Folding(ignore_case=True)
    mine = compile_pattern(text, folding)
    before = grant("A", b"/src/a/x.py")
    fence, event = store.last_fence(), store.last_event()
    made = [grant("B", other) for other in NEIGHBOURS]
    with store.writing():
        for held in made[::2]:
            store.events.log(RENEWED, store.now(), reservation=held)
    near = [mine.keys]
    meets = [held for held in made if overlap(mine, compile_pattern(held.pattern, folding))]
    new = store.reservations.live_since(fence, store.now(), near)
    extended = store.reservations.extended_since(event, store.now(), near)
    assert [held for held in meets if held not in new] == []
    assert [held for held in meets if held in made[::2] and held not in extended] == []
    assert before not in new
    assert {held.id for held in extended} <= {held.id for held in made[::2]}


def test_of_what_is_new_that_which_no_pattern_meets_is_left_out(
    store: Store, grant: Callable[..., Reservation]
) -> None:
    fence, event = store.last_fence(), store.last_event()
    made = {text: grant("B", text) for text in NEIGHBOURS}
    with store.writing():
        for held in made.values():
            store.events.log(EXTENDED, store.now(), reservation=held)
    patterns = [compile_pattern(text) for text in (b"/doc/y.c", b"**/*.md")]
    near = [pattern.keys for pattern in patterns]
    for found in (
        store.reservations.live_since(fence, store.now(), near),
        store.reservations.extended_since(event, store.now(), near),
    ):
        texts = {held.pattern for held in found}
        assert texts >= {b"/", b"**/*", b"**/*x", b"/src/a/x.md"}
        assert texts.isdisjoint({b"/src/a/x.py", b"**/*.py", b"**/Makefile", b"/doc/x.py"})
    many = near * 200  # too many to ask for all of them: then anything may be new
    assert len(store.reservations.live_since(fence, store.now(), many)) == len(made)
    anywhere = [*near, compile_pattern(b"**/*").keys]
    assert len(store.reservations.extended_since(event, store.now(), anywhere)) == len(made)


def test_a_lease_is_over_at_the_very_moment_that_it_ends(
    store: Store, grant: Callable[..., Reservation]
) -> None:
    fence, event = store.last_fence(), store.last_event()
    held = grant()
    with store.writing():
        store.events.log(RENEWED, store.now(), reservation=held)
    keys, anywhere = compile_pattern(held.pattern).keys, compile_pattern(b"**/*").keys

    def answers(now: int) -> list[list[Reservation]]:
        own = store.reservations.own("A", held.pattern, keys, now)
        return [
            [] if own is None else [own],
            store.reservations.all(live_at=now),
            store.reservations.all(agent="A", live_at=now),
            store.reservations.live_on([b"src/a.py"], [b"a.py"], now),
            store.reservations.live_near(keys, now),
            store.reservations.live_near(anywhere, now),
            store.reservations.live_since(fence, now),
            store.reservations.extended_since(event, now),
        ]

    assert answers(held.expires_ts - 1) == [[held]] * 8
    assert answers(held.expires_ts) == [[]] * 8
    assert store.reservations.any_blocks(Policy(), "B", held.expires_ts - 1)
    assert not store.reservations.any_blocks(Policy(), "B", held.expires_ts)
    assert store.reservations.extended_since(store.last_event(), held.expires_ts - 1) == []


def test_what_others_hold_is_live_exclusive_and_theirs(
    store: Store, grant: Callable[..., Reservation]
) -> None:
    shared = grant("A", b"/shared")
    with store.writing():
        store.reservations.change(shared, exclusive=False)
    assert not store.reservations.any_blocks(Policy(), "B", store.now())
    held = grant("A", b"/a")
    assert store.reservations.any_blocks(Policy(), "B", store.now())
    assert store.reservations.any_blocks(Policy(), "", store.now())
    assert not store.reservations.any_blocks(Policy(), "A", store.now())
    with store.writing():
        store.reservations.change(held, released=store.now())
    assert not store.reservations.any_blocks(Policy(), "B", store.now())


def test_reservations_are_found_by_whatever_they_are_asked_for_by(
    database: Database, store: Store, grant: Callable[..., Reservation]
) -> None:
    released, over, held, theirs = grant(), grant(ttl=-SECOND), grant(), grant("B", b"/b")
    with store.writing():
        store.reservations.change(released, released=store.now())
    ended = store.reservations.get(released.id)
    now = store.now()
    assert store.reservations.all() == [ended, over, held, theirs]
    assert store.reservations.all(agent="A") == [ended, over, held]
    assert store.reservations.all(live_at=now) == [held, theirs]
    assert store.reservations.all(agent="A", live_at=now) == [held]
    assert store.reservations.unreleased(None) == [over, held, theirs]
    assert store.reservations.unreleased("A") == [over, held]
    other = database.open("other")
    with other.writing():
        other.agents.register("A", 1)
    for agent in (None, "A"):
        assert other.reservations.all(agent=agent) == other.reservations.unreleased(agent) == []
        assert other.reservations.all(agent=agent, live_at=now) == []
    assert other.reservations.get(held.id) is None
    other.close()


def test_keys_are_read_of_what_is_live_in_this_project(
    database: Database, store: Store, grant: Callable[..., Reservation]
) -> None:
    held, ended = grant(), grant("B", b"/b")
    grant("C", b"/c", ttl=-SECOND)
    with store.writing():
        store.reservations.change(ended, released=store.now())
    keys = {held.id: store.kept(compile_pattern(held.pattern).keys)}
    assert store.reservations.keys_of_live(held.expires_ts - 1) == keys
    assert store.reservations.keys_of_live(held.expires_ts) == {}
    other = database.open("other")
    assert other.reservations.keys_of_live(other.now()) == {}
    other.close()


def test_ones_own_is_found_by_its_exact_pattern(
    store: Store, grant: Callable[..., Reservation]
) -> None:
    held = grant()
    grant("B")
    keys = compile_pattern(held.pattern).keys
    assert store.reservations.own("A", held.pattern, keys, store.now()) == held
    assert store.reservations.own("C", held.pattern, keys, store.now()) is None
    assert store.reservations.own("A", held.pattern, keys, held.expires_ts) is None


def test_projects_in_one_database_do_not_see_each_other(
    database: Database, grant: Callable[..., Reservation]
) -> None:
    grant()
    other = database.open("other")
    assert other.reservations.all() == []
    assert other.reservations.live_on([b"src/a.py"], [b"a.py"], other.now()) == []
    assert other.agents.all() == []
    other.close()


def test_an_unknown_project_is_refused(database: Database) -> None:
    with pytest.raises(DatabaseError, match="has no project 'nobody'"):
        database.open("nobody")


def test_nothing_recorded_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        open_store(None, None, None)


def test_another_id_is_refused(database: Database) -> None:
    database.identifier = "00000000-0000-0000-0000-000000000000"
    with pytest.raises(DatabaseError, match="another database"):
        database.open()


def test_the_policy_is_kept_whole(store: Store) -> None:
    wanted = Policy("warn", True, ("docs/**", "!docs/a b.md"), 8 * HOUR, False, 90 * 24 * HOUR)
    with store.writing():
        store.policy.write(wanted)
    assert store.policy.read() == wanted


def test_the_owners_key_is_the_databases_and_none_to_begin_with(
    database: Database, store: Store
) -> None:
    assert store.owner.key() is None
    with store.writing():
        store.owner.set_key("sha256:abc")
    other = database.open("other", read_only=True)
    assert other.owner.key() == store.owner.key() == "sha256:abc"
    other.close()


def test_an_intervention_is_found_by_its_time_and_its_kind(
    database: Database, store: Store
) -> None:
    with store.writing():
        store.events.log(SKIPPED, 1, agent="A", detail="too long ago")
        for kind in (GRANTED, *KINDS, RELEASED):
            store.events.log(kind, 2, agent="A", detail=kind)
    other = database.open("other")
    with other.writing():
        other.events.log(POLICY, 2)
    other.close()
    kinds = ["policy", "force-released", "skipped", "restored", "moved", "started-afresh"]
    found = store.events.interventions(2)
    assert [event.kind for event in found] == [*kinds, "owner-key", "revoked", "force-left"]
    assert [event for event in store.events.find(since=2) if event in found] == found


def test_an_expiry_is_logged_once_at_the_time_it_happened(
    store: Store, grant: Callable[..., Reservation]
) -> None:
    over = grant(ttl=-SECOND)
    for _ in range(2):
        with store.writing():
            note_expired(store, store.now())
    events = [event for event in store.events.find() if event.kind == "expired"]
    assert [(event.reservation_id, event.created_ts) for event in events] == [
        (over.id, over.expires_ts)
    ]


def test_a_lease_that_was_extended_after_it_ran_out_runs_out_again(
    store: Store, grant: Callable[..., Reservation]
) -> None:
    over = grant(ttl=-2 * SECOND)
    with store.writing():
        note_expired(store, store.now())
        again = store.reservations.extend(over, RENEWED, 1, expires=over.expires_ts + SECOND)
        note_expired(store, store.now())
    events = [event for event in store.events.find() if event.kind == "expired"]
    assert [event.created_ts for event in events] == [over.expires_ts, again.expires_ts]


def test_events_come_oldest_first_and_a_limit_keeps_the_newest(store: Store) -> None:
    with store.writing():
        for number in range(5):
            store.events.log(POLICY, number, agent="AB"[number % 2], detail=str(number))
    assert [event.detail for event in store.events.find()] == ["0", "1", "2", "3", "4"]
    assert [event.detail for event in store.events.find(limit=2)] == ["3", "4"]
    assert [event.detail for event in store.events.find(agent="B", since=2)] == ["3"]
    newest = store.events.find()[-1].id
    assert store.events.find(after=newest) == []


def test_events_are_found_by_whatever_they_are_asked_for_by(
    store: Store, grant: Callable[..., Reservation]
) -> None:
    held = grant()
    with store.writing():
        for moment, agent in ((10, "A"), (20, "B"), (30, "A")):
            store.events.log(PRUNED, moment, agent=agent, reservation=held if moment > 10 else None)

    def times(**asked: Any) -> list[int]:
        return [event.created_ts for event in store.events.find(**asked)]

    assert times() == [10, 20, 30]
    assert times(since=20) == [20, 30]
    assert times(agent="A") == [10, 30]
    assert times(reservation=held.id) == [20, 30]
    assert times(reservation=held.id, agent="A", since=20, limit=1) == [30]
    assert times(reservation=held.id, limit=1, after=store.events.find()[-1].id) == []


def test_pruning_takes_the_oldest_events_first_and_no_more_than_it_may(store: Store) -> None:
    with store.writing():
        for moment in (40, 10, 30, 20):
            store.events.log(PRUNED, moment)
        assert store.events.prune(40, 2) == (2, 0)
        assert [event.created_ts for event in store.events.find()] == [40, 30]
        assert store.events.prune(40, 2, least=2) == (0, 0)
        assert store.events.prune(40, 2) == (1, 0)
        assert store.events.prune(40, 2) == (0, 0)
        assert [event.created_ts for event in store.events.find()] == [40]


def test_pruning_takes_what_has_ended_and_nothing_that_is_live(
    store: Store, grant: Callable[..., Reservation]
) -> None:
    released, expired, late = grant(pattern=b"/a"), grant(pattern=b"/b"), grant(pattern=b"/c")
    live, other = grant("B", b"/d", ttl=1000 * HOUR), grant(pattern=b"/e", ttl=2 * HOUR)
    with store.writing():
        store.reservations.change(released, released=10)
        store.rows("UPDATE file_reservations SET expires_ts = 10 WHERE id = ?", (expired.id,))
        store.reservations.change(late, released=30)
        assert store.events.prune(20, 100) == (0, 2)
        assert [held.id for held in store.reservations.all()] == [late.id, live.id, other.id]
        assert store.events.prune(store.now(), 100) == (0, 1)
    assert [held.id for held in store.reservations.all()] == [live.id, other.id]


def test_a_reservation_stays_as_long_as_an_event_tells_of_it(
    store: Store, grant: Callable[..., Reservation]
) -> None:
    held = grant()
    with store.writing():
        ended = store.reservations.change(held, released=10)
        store.events.log(REFUSED, 30, reservation=ended)
        assert store.events.prune(20, 100) == (0, 0)
        assert store.events.prune(40, 100) == (1, 1)


def test_pruning_leaves_other_projects_alone(database: Database, store: Store) -> None:
    other = database.open("other")
    with other.writing():
        other.events.log(PRUNED, 10)
    with store.writing():
        assert store.events.prune(20, 100) == (0, 0)
    assert len(other.events.find()) == 1
    other.close()


def test_events_cannot_be_rewritten(store: Store) -> None:
    with store.writing():
        store.events.log(POLICY, 1)
    with pytest.raises(DatabaseError, match="append-only"), store.writing():
        store.rows("UPDATE events SET kind = 'nothing'")


def test_a_message_is_unread_for_its_recipient_only_until_it_is_marked(
    database: Database, store: Store
) -> None:
    other = database.open("other")
    for one in (other, store):  # the names that the other project has had before
        with one.writing():
            for agent in ("A", "B", "C"):
                one.agents.register(agent, 1)
    with store.writing():
        store.messages.send("B", "C", "subject", "body", 5)
        store.messages.send("", "B", "from agentlock", "", 6, reservation=7)
    (first,), (second,) = unread(store, "C"), unread(store, "B")
    named = Message(first.id, "B", "subject", "body", 5, thread=str(first.id), to=("C",))
    assert first == named
    assert (second.sender, second.reservation_id, second.to) == ("", 7, ("B",))
    assert unread(store, "A") == unread(other, "C") == []
    assert store.messages.unread_by_agent() == {"B": 1, "C": 1}
    with store.writing():
        store.messages.mark_read([first, second], "C", 8)
        store.messages.mark_read([first], "C", 9)
    assert unread(store, "C") == []
    assert unread(store, "B") == store.messages.unread_losses("B") == [second]
    assert store.messages.inbox("C") == [first.replace(read_ts=8)]
    other.close()


def unread(store: Store, agent: str) -> list[Message]:
    return store.messages.inbox(agent, unread=True)


def entry(oid: str, agent: str = "A", how: str | None = "allowed", **fields: Any) -> Entry:
    return Entry(oid, agent, how, oid, "patch", "base", 1, 1).replace(**fields)


def test_the_first_entry_of_a_commit_stands(store: Store) -> None:
    with store.writing():
        store.ledger.enter([entry("one"), entry("two", "B", created_ts=2, patch=None)])
        store.ledger.enter([entry("one", "C")])
    found = store.ledger.entries(["one", "two", "none"])
    assert found == {"one": entry("one"), "two": entry("two", "B", created_ts=2, patch=None)}
    assert store.ledger.of_patches(["patch", "other"]) == [entry("one")]
    assert store.ledger.of_origins(["two"]) == [found["two"]]


def test_the_paths_of_an_exact_change_are_found_by_how_it_begins(store: Store) -> None:
    beginning, rest = f"{OF_PATHS}0123abcf", "0123" * 10
    assert len(beginning) == OF_PATHS_LENGTH
    entered = entry("one", patch=beginning + rest)
    with store.writing():
        store.ledger.enter([entered, entry("two", patch=None)])
    assert store.ledger.may_have_patch(beginning)
    for other in ("0123abce", "0123abd0"):
        assert not store.ledger.may_have_patch(OF_PATHS + other)
    with store.writing():  # an earlier version did not keep the paths
        store.ledger.enter([entry("three", patch=rest)])
    assert store.ledger.may_have_patch(f"{OF_PATHS}0123abd0")
    of_both = [entered, entry("three", patch=beginning + rest)]
    assert store.ledger.of_patches([beginning + rest]) == of_both


def test_an_entry_replaces_what_an_earlier_version_knew_of_a_commit(store: Store) -> None:
    with store.writing():
        store.ledger.enter([entry("one", "Old", None)])
        assert store.ledger.of_patches(["patch"]) == []
        store.ledger.enter([entry("one", "New", "warned")])
    assert store.ledger.entries(["one"]) == {"one": entry("one", "New", "warned")}


def test_a_revoked_entry_takes_back_what_was_made_of_it_too(store: Store) -> None:
    with store.writing():
        store.ledger.enter([entry("one"), entry("copy", origin="one"), entry("other")])
        store.ledger.revoke("one", "by mistake")
        store.ledger.enter([entry("one")])
    found = store.ledger.entries(["one", "copy", "other"])
    assert {oid: one.counts for oid, one in found.items()} == {
        "one": False,
        "copy": False,
        "other": True,
    }
    assert found["copy"].reason == "by mistake"
    assert store.ledger.of_patches(["patch"]) == [entry("other")]


def test_the_tips_of_before_and_notes_are_kept(store: Store) -> None:
    with store.writing():
        store.ledger.enter([entry("tip", "", "before"), entry("one")])
        store.ledger.note("a line")
        store.ledger.note("another")
    assert store.ledger.before() == ["tip"]
    assert store.ledger.notes() == ["a line", "another"]


def test_what_was_granted_after_a_fence_is_found_live_or_not(
    store: Store, grant: Callable[..., Reservation]
) -> None:
    first, second = grant(pattern=b"/one.py"), grant(pattern=b"/two.py")
    assert store.reservations.granted_after(first.fence) == [second]
    with store.writing():
        store.reservations.change(second, released=5)
    assert [one.id for one in store.reservations.granted_after(0)] == [first.id, second.id]
    assert store.reservations.granted_after(second.fence) == []


def test_a_writer_waits_for_a_writer_and_then_goes_on(database: Database, store: Store) -> None:
    def hold() -> None:
        holder = database.open()
        with holder.writing():
            held.set()
            time.sleep(0.5)
        holder.close()

    held = threading.Event()
    thread = threading.Thread(target=hold)
    with store.writing():  # what is left of the time-out is for the next one
        pass
    thread.start()
    held.wait()
    with store.writing():
        store.agents.register("A", store.now())
    thread.join()
    assert [agent.name for agent in store.agents.all()] == ["A"]


def test_a_writer_that_waits_too_long_is_told_so(database: Database, store: Store) -> None:
    impatient = database.open(timeout=SECOND // 5)
    started = time.monotonic()
    with (
        store.writing(),
        pytest.raises(DatabaseUnreachableError, match=r"0\.2 s"),
        impatient.writing(),
    ):
        pass
    assert time.monotonic() - started < 2
    impatient.close()


def test_a_reader_never_waits_for_a_writer(database: Database, store: Store) -> None:
    reader = database.open(timeout=SECOND, read_only=True)
    with store.writing():
        store.agents.register("A", store.now())
        with reader.reading():
            assert reader.agents.all() == []
    reader.close()


def test_a_reader_cannot_write(database: Database) -> None:
    reader = database.open(read_only=True)
    with pytest.raises(DatabaseError, match=r"read-?only"), reader.writing():
        reader.agents.register("A", 1)
    reader.close()


def test_a_session_must_be_told_at_its_start_and_after_each_compaction(store: Store) -> None:
    with store.writing():
        store.agents.register("A", 1)
        row = Conversation(0, "A", "claude", "S", None, "host", "/w", "", 1, 1, None)
        store.sessions.open(row, 0, "")
    found = store.sessions.find("claude", "S")
    assert found is not None
    assert store.sessions.must_be_told(found.id)
    with store.writing():
        store.sessions.add_start(found.id, "startup", "", 10, 5)
    assert not store.sessions.must_be_told(found.id)
    with store.writing():
        store.sessions.add_compaction(found.id, "auto", 1, None, 7)
    assert store.sessions.must_be_told(found.id)
    with store.writing():
        store.sessions.add_start(found.id, "", "", 10, 8)
    assert not store.sessions.must_be_told(found.id)


def test_a_denied_edit_is_remembered_as_the_bytes_that_it_names(store: Store) -> None:
    with store.writing():
        store.agents.register("A", 1)
        store.wants.add("A", [b"/src/caf\xe9\\[1].py"], 5)
    (want,) = store.wants.since(4)
    assert (want.agent, want.pattern, want.created_ts) == ("A", b"/src/caf\xe9\\[1].py", 5)
