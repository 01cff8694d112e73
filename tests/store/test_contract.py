"""One behavioural contract, which every store passes."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from agentlock.errors import ConfigurationError, DatabaseError, DatabaseUnreachableError
from agentlock.model import Policy
from agentlock.store import migrate, open_store
from agentlock.store.filesystem import Modes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from agentlock.model import Reservation
    from agentlock.store.protocol import Store

SECOND = 1_000_000
HOUR = 3600 * SECOND


class Database:
    """An existing database with the project ``p``, and a way to open it as often as needed."""

    def __init__(self, location: str, identifier: str) -> None:
        self.location = location
        self.identifier = identifier

    def open(self, project: str = "p", *, timeout: int = 5 * SECOND, **options: bool) -> Store:
        return open_store(self.location, self.identifier, project, timeout=timeout, **options)


@pytest.fixture(params=["sqlite"])
def database(tmp_path: Path) -> Database:
    location = str(tmp_path / "table" / "agentlock.sqlite3")
    identifier = migrate.create(location, Modes())
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
        agent: str = "A", pattern: bytes = b"/src/a.py", key: bytes = b"src/a.py", **changes: int
    ) -> Reservation:
        with store.writing():
            now = store.now()
            store.register(agent, now)
            return store.grant(
                agent,
                pattern,
                typed=changes.get("typed", pattern),  # type: ignore[arg-type]
                key=key,
                exclusive=True,
                reason="because",
                now=now,
                expires=now + changes.get("ttl", HOUR),
            )

    return make


def test_what_is_granted_is_read_back_as_it_was(
    store: Store, grant: Callable[..., Reservation]
) -> None:
    granted = grant(pattern=b"/src/\xff \n.py", key=b"src/\xff \n.py")
    assert store.reservation(granted.id) == granted
    assert store.reservations(live_at=store.now()) == [granted]
    assert granted.agent == "A"
    assert granted.fence == 1


def test_a_grant_is_seen_by_others_once_it_is_committed_and_not_before(
    database: Database, store: Store
) -> None:
    other = database.open(read_only=True)
    with store.writing():
        now = store.now()
        store.register("A", now)
        assert other.agents() == []
    assert [agent.name for agent in other.agents()] == ["A"]
    other.close()


def test_an_exception_takes_everything_back(store: Store) -> None:
    def write_and_fail() -> None:
        with store.writing():
            store.register("A", store.now())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    assert store.agents() == []


def test_fences_rise_with_each_grant_and_each_new_mode_and_never_return(
    store: Store, grant: Callable[..., Reservation]
) -> None:
    first, second = grant(), grant("B", b"/b", b"b")
    assert (first.fence, second.fence) == (1, 2)
    with store.writing():
        shared = store.change(first, exclusive=False)
        extended = store.change(second, expires=second.expires_ts + HOUR)
    assert (shared.fence, extended.fence) == (3, 2)


def test_ids_are_never_given_twice(store: Store, grant: Callable[..., Reservation]) -> None:
    first = grant()
    with store.writing():
        store.change(first, released=store.now())
    assert grant().id > first.id


def test_a_key_finds_only_what_is_live_and_its_own(
    store: Store, grant: Callable[..., Reservation]
) -> None:
    held = grant()
    grant("B", b"/src/b.py", b"src/b.py")
    over = grant("C", b"/src/a.py", b"src/a.py", ttl=-SECOND)
    assert store.live_with_keys([b"src/a.py"], store.now()) == [held]
    assert not over.is_live(store.now())
    assert store.live_with_keys([b"src"], store.now()) == []


def test_thousands_of_keys_can_be_asked_at_once(
    store: Store, grant: Callable[..., Reservation]
) -> None:
    held = grant()
    keys = [b"dir/%d" % number for number in range(5000)]
    assert store.live_with_keys([*keys, b"src/a.py"], store.now()) == [held]


def test_what_lies_around_a_key_is_its_ancestors_itself_and_what_is_below(
    store: Store, grant: Callable[..., Reservation]
) -> None:
    keys = [b"", b"src", b"src/a", b"src/a/b", b"src/a-b", b"src/a0", b"src/ab", b"doc"]
    made = {key: grant("A", b"/" + key, key) for key in keys}
    now = store.now()

    def around(key: bytes, *, below: bool) -> set[int]:
        return {held.id for held in store.live_around(key, now, below=below)}

    assert around(b"src/a", below=False) == {made[key].id for key in (b"", b"src", b"src/a")}
    below = (b"", b"src", b"src/a", b"src/a/b")
    assert around(b"src/a", below=True) == {made[key].id for key in below}
    assert around(b"", below=True) == {held.id for held in made.values()}


def test_projects_in_one_database_do_not_see_each_other(
    database: Database, grant: Callable[..., Reservation]
) -> None:
    grant()
    other = database.open("other")
    assert other.reservations() == []
    assert other.live_with_keys([b"src/a.py"], other.now()) == []
    assert other.agents() == []
    other.close()


def test_an_unknown_project_is_refused(database: Database) -> None:
    with pytest.raises(DatabaseError, match="knows no project 'nobody'"):
        database.open("nobody")


def test_nothing_recorded_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        open_store(None, None, None)


def test_another_id_is_refused(database: Database) -> None:
    database.identifier = "00000000-0000-0000-0000-000000000000"
    with pytest.raises(DatabaseError, match="another database"):
        database.open()


def test_the_policy_is_kept_whole(store: Store) -> None:
    wanted = Policy("warn", True, ("docs/**", "!docs/a b.md"), 8 * HOUR, False)
    with store.writing():
        store.set_policy(wanted)
    assert store.policy() == wanted


def test_an_expiry_is_logged_once_at_the_time_it_happened(
    store: Store, grant: Callable[..., Reservation]
) -> None:
    over = grant(ttl=-SECOND)
    for _ in range(2):
        with store.writing():
            store.log_expired(store.now())
    events = [event for event in store.events() if event.kind == "expired"]
    assert [(event.reservation_id, event.created_ts) for event in events] == [
        (over.id, over.expires_ts)
    ]


def test_events_come_oldest_first_and_a_limit_keeps_the_newest(store: Store) -> None:
    with store.writing():
        for number in range(5):
            store.log("policy", number, agent="AB"[number % 2], detail=str(number))
    assert [event.detail for event in store.events()] == ["0", "1", "2", "3", "4"]
    assert [event.detail for event in store.events(limit=2)] == ["3", "4"]
    assert [event.detail for event in store.events(agent="B", since=2)] == ["3"]
    newest = store.events()[-1].id
    assert store.events(after=newest) == []


def test_events_cannot_be_rewritten(store: Store) -> None:
    with store.writing():
        store.log("policy", 1)
    with pytest.raises(DatabaseError, match="append-only"), store.writing():
        store._rows("UPDATE events SET kind = 'nothing'")  # type: ignore[attr-defined]


def test_a_message_reaches_its_recipient_only(store: Store) -> None:
    with store.writing():
        for agent in ("A", "B"):
            store.register(agent, 1)
        store.send("A", "B", "subject", "body", 5)
    assert store.messages("B", 0) == [(5, "A", "subject", "body")]
    assert store.messages("B", 6) == []
    assert store.messages("A", 0) == []


def test_a_writer_waits_for_a_writer_and_then_goes_on(database: Database, store: Store) -> None:
    def hold() -> None:
        holder = database.open()
        with holder.writing():
            held.set()
            time.sleep(0.5)
        holder.close()

    held = threading.Event()
    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    with store.writing():
        store.register("A", store.now())
    thread.join()
    assert [agent.name for agent in store.agents()] == ["A"]


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
    reader = database.open(timeout=0, read_only=True)
    with store.writing():
        store.register("A", store.now())
        with reader.reading():
            assert reader.agents() == []
    reader.close()


def test_a_reader_cannot_write(database: Database) -> None:
    reader = database.open(read_only=True)
    with pytest.raises(DatabaseError, match="readonly"), reader.writing():
        reader.register("A", 1)
    reader.close()
