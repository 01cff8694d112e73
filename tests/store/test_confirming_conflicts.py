"""What was found before the write transaction is asked about again inside it, but not a million."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agentlock.model import MICROSECONDS, MOST_CONFLICTS
from agentlock.patterns.matching import Folding, compile_pattern
from agentlock.patterns.syntax import Reading
from agentlock.reservations.ending import release
from agentlock.reservations.granting import Request, renew, reserve
from agentlock.reservations.naming import Selection
from agentlock.reservations.search import Search
from agentlock.store import migrate, open_store
from agentlock.store.sqlite import SQLiteStore, schema
from agentlock.store.sqlite.filesystem import Modes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agentlock.store.base import Store

HOUR = 3600 * MICROSECONDS
MANY = 300


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    path = str(tmp_path / "table" / "agentlock.sqlite3")
    identifier = schema.create(path, Modes())
    migrate.add_project(path, "p")
    store = open_store(path, identifier, "p")
    yield store
    store.close()


def wanted(agent: str, *patterns: bytes) -> Request:
    return Request(agent, [Reading(pattern, pattern, "glob") for pattern in patterns], HOUR)


@pytest.mark.parametrize("ended", [0, 1, 150, MANY - 1, MANY])
def test_a_request_is_refused_while_one_of_many_conflicts_stands(store: Store, ended: int) -> None:
    theirs = reserve(store, wanted("A", *(b"/src/%d" % at for at in range(MANY))), Folding())
    search = Search(store, wanted("B", b"/src/"), [compile_pattern(b"/src/")], Folding())
    with store.reading():
        search.everything()
    ids = tuple(held.id for held in theirs.granted)
    if ended:
        release(store, "A", Selection(ids=ids[:ended]))
    with store.writing():
        found = {conflict.other.id for conflict in search.confirmed(store.now())}
    assert found == set(ids[ended:])


def test_what_was_not_looked_for_refuses_when_all_that_was_found_has_ended(store: Store) -> None:
    count = MOST_CONFLICTS + 1
    theirs = reserve(store, wanted("A", *(b"/src/%d" % at for at in range(count))), Folding())
    search = Search(store, wanted("B", b"/src/"), [compile_pattern(b"/src/")], Folding())
    with store.reading():
        search.everything()
    assert search.is_cut_short
    ids = tuple(held.id for held in theirs.granted)
    with store.writing():
        found = {one.other.id for one in search.confirmed(store.now())}
        assert found < set(ids)
        assert len(found) == MOST_CONFLICTS
    release(store, "A", Selection(ids=tuple(found)))
    with store.writing():
        left = {one.other.id for one in search.confirmed(store.now())}
    assert left == set(ids) - found
    assert not search.is_cut_short


@pytest.mark.parametrize("again", ["renewed", "reserved again"])
def test_a_lease_that_was_extended_at_its_last_moment_while_another_asked_stands(
    store: Store, monkeypatch: pytest.MonkeyPatch, again: str
) -> None:
    start = store.now()
    now = start

    def clock() -> int:
        return now

    monkeypatch.setattr(store, "now", clock)
    (held,) = reserve(store, wanted("A", b"/src/"), Folding()).granted
    now = start + HOUR + 1
    search = Search(store, wanted("B", b"/src/"), [compile_pattern(b"/src/")], Folding())
    with store.reading():
        search.everything()
    # A's transaction read the clock before, and is committed after B had looked.
    now = start + HOUR - 1
    if again == "renewed":
        renew(store, "A", Selection(all=True), HOUR)
    else:
        reserve(store, wanted("A", b"/src/"), Folding())
    now = start + HOUR + 2
    with store.writing():
        assert [one.other.id for one in search.confirmed(now)] == [held.id]


def test_a_lease_that_had_run_out_stands_again_when_the_clock_is_set_back_before_the_grant(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = now = store.now()
    monkeypatch.setattr(store, "now", lambda: now)
    (held,) = reserve(store, wanted("A", b"/src/"), Folding()).granted
    search = Search(store, wanted("B", b"/src/"), [compile_pattern(b"/src/")], Folding())
    with store.reading():
        search.everything()
    now = start + HOUR
    with store.reading():
        assert search.confirmed(now) == ()
    now = start + HOUR - 1
    with store.writing():
        assert [one.other.id for one in search.confirmed(now)] == [held.id]


def test_a_lease_that_had_run_out_is_over_for_good_though_another_was_in_the_way_at_first(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = now = store.now()
    monkeypatch.setattr(store, "now", lambda: now)
    (over,) = reserve(store, wanted("A", b"/src/a"), Folding()).granted
    now = start + HOUR
    (theirs,) = reserve(store, wanted("C", b"/src/c"), Folding()).granted
    search = Search(store, wanted("B", b"/src/"), [compile_pattern(b"/src/")], Folding())
    with store.reading():
        search.everything()
    release(store, "C", Selection(ids=(theirs.id,)))
    with store.writing():
        assert search.confirmed(now) == ()
        assert [held.id for held in search.over(now)] == [over.id]


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_what_the_agent_itself_reserves_while_it_asks_again_is_known(
    store: Store, when: str
) -> None:
    request, pattern = wanted("A", b"/src/a.py"), compile_pattern(b"/src/a.py")
    search = Search(store, request, [pattern], Folding())
    if when == "before":
        reserve(store, request, Folding())
    with store.reading():
        search.everything()
    if when == "meanwhile":
        assert not search.may_be_held(b"/src/a.py")
        reserve(store, request, Folding())
    with store.writing():
        assert not search.all_confirmed(store.now())
        assert search.may_be_held(b"/src/a.py")


def test_a_turn_asks_the_table_nothing_twice(store: Store) -> None:
    """All other writers wait meanwhile: benchmarks/RESULTS.md, writers that think for a second."""
    assert isinstance(store, SQLiteStore)
    asked: list[str] = []
    for _ in range(2):  # the first time the agent is new, and the connection too
        asked.clear()
        store._connection.set_trace_callback(asked.append)
        reserve(store, wanted("A", b"/src/a.py"), Folding())
        release(store, "A", Selection(all=True))
    begun = [at for at, statement in enumerate(asked) if statement == "BEGIN IMMEDIATE"]
    turns = [asked[at : asked.index("COMMIT", at)] for at in begun]
    counts = [len(turn) for turn in turns]
    assert counts == [11, 9], "\n".join(map("\n".join, turns))
    assert not any("PRAGMA" in statement for statement in asked)
