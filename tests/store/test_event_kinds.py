"""The kinds of events: every one known once, in the indexes and in the SQL too."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from agentlock.event_kinds import KINDS, RELEASED, Kind
from agentlock.patterns.matching import compile_pattern
from agentlock.store import migrate, open_store
from agentlock.store.sqlite.filesystem import Modes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.postgresql import Server

    from agentlock.model import Reservation
    from agentlock.store.base import Store

HOUR = 3600 * 1_000_000
INDEX = "events_of_interventions"
INTERVENTIONS = [kind for kind in KINDS if kind.intervenes]


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "table" / "agentlock.sqlite3")


@pytest.fixture
def store(path: str) -> Iterator[Store]:
    identifier, _ = migrate.make(path, Modes())
    migrate.add_project(path, "p")
    store = open_store(path, identifier, "p")
    yield store
    store.close()


def kinds_in(index: str) -> list[str]:
    return re.findall(r"'([a-z-]+)'", index)


def test_the_index_of_sqlite_has_the_interventions_in_their_order(store: Store) -> None:
    with closing(sqlite3.connect(store.location)) as connection:
        statement = "SELECT sql FROM sqlite_schema WHERE name = ?"
        ((index,),) = connection.execute(statement, (INDEX,)).fetchall()
    assert kinds_in(index) == INTERVENTIONS, "a migration has to make this index anew"


def test_the_index_of_postgresql_has_the_interventions(postgresql: Server) -> None:
    url = postgresql.database()
    migrate.make(url, Modes())
    statement = f"SELECT indexdef FROM pg_indexes WHERE indexname = '{INDEX}'"  # noqa: S608
    ((index,),) = postgresql.run(statement, url=url)
    assert kinds_in(index) == INTERVENTIONS, "a migration has to make this index anew"


def test_no_kind_has_the_word_of_another() -> None:
    assert len(set(KINDS)) == len(KINDS)


@pytest.fixture
def held(store: Store) -> Reservation:
    with store.writing():
        now = store.now()
        store.agents.register("A", now)
        return store.reservations.grant(
            "A",
            b"/a",
            typed=b"a",
            keys=compile_pattern(b"/a").keys,
            exclusive=True,
            reason="",
            now=now,
            expires=now + HOUR,
        )


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.extends])
def test_a_lease_that_was_extended_is_found_by_the_event_of_it(
    store: Store, held: Reservation, kind: Kind
) -> None:
    before = store.last_event()
    with store.writing():
        longer = store.reservations.extend(held, kind, store.now(), expires=held.expires_ts + HOUR)
    assert longer.expires_ts == held.expires_ts + HOUR
    assert store.reservations.extended_since(before, store.now()) == [longer]
    assert store.reservations.extended_since(store.last_event(), store.now()) == []


def test_no_event_hides_from_others_that_a_lease_was_extended(
    store: Store, held: Reservation
) -> None:
    def extend_and_call_it_something_else() -> None:
        with store.writing():
            store.reservations.extend(held, RELEASED, 1, expires=held.expires_ts + HOUR)

    with pytest.raises(ValueError, match="released"):
        extend_and_call_it_something_else()
    assert store.reservations.get(held.id) == held
