"""No statement on the way of a hook, `reserve`, `renew` or `release` reads a table from end to end.

Every statement that they run is caught and explained on a filled table, with the planner's
statistics and without.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
from typing import TYPE_CHECKING

import pytest

from agentlock.mail import tickets
from agentlock.mail.inbox import acknowledge
from agentlock.mail.sending import Letter, send
from agentlock.mail.threads import in_thread
from agentlock.model import MICROSECONDS
from agentlock.patterns.matching import Folding, compile_pattern, path_keys
from agentlock.patterns.syntax import Reading
from agentlock.reservations.ending import release
from agentlock.reservations.granting import Request, renew, reserve
from agentlock.reservations.losses import take, untold
from agentlock.reservations.naming import Selection
from agentlock.store import migrate
from agentlock.store.sessions import Conversation
from agentlock.store.sqlite import SQLiteStore, schema
from agentlock.store.sqlite.filesystem import Modes
from agentlock.store.tickets import STATUSES
from agentlock.waiting import queue
from agentlock.waiting.turn import settle

if TYPE_CHECKING:
    from collections.abc import Iterator

HOUR = 3600 * MICROSECONDS
# Indexes of what has not ended: places, their patterns, and sessions.
OPEN = re.compile(
    r"SEARCH \w+ USING INDEX (waits_by_fence|wait_patterns_by_prefix|conversations_open) "
)
OF_THE_WHOLE_PROJECT = re.compile(r"SEARCH \w+ USING .*\(project_id=\?\)")


@pytest.fixture(scope="module", params=["", "ANALYZE"], ids=["fresh", "analyzed"])
def filled(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SQLiteStore]:
    path = str(tmp_path_factory.mktemp("table") / "agentlock.sqlite3")
    identifier = schema.create(path, Modes())
    for project in ("p", "other"):
        migrate.add_project(path, project)
        store = SQLiteStore(path, identifier, project, timeout=HOUR, read_only=False)
        for agent in ("A", "B", "C"):
            patterns = [b"/src/%s%d.py" % (agent.encode(), at) for at in range(300)]
            patterns += [b"/%s%d/**" % (agent.encode(), at) for at in range(100)]
            ask(store, *patterns, agent=agent)
        for at in range(300):
            send(store, Letter("A", ("B", "C"), "subject", thread=f"thread {at // 3}"))
            tickets.ask(store, "B", "C", "question", HOUR, None)
        store.close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE file_reservations SET expires_ts = 1 WHERE id % 7 = 0")
        connection.execute("UPDATE file_reservations SET released_ts = 1 WHERE id % 5 = 0")
        connection.commit()
        connection.execute(request.param)
    store = SQLiteStore(path, identifier, "p", timeout=HOUR, read_only=False)
    yield store
    store.close()


def ask(store: SQLiteStore, *patterns: bytes, agent: str = "Mine", exclusive: bool = True) -> bool:
    readings = [Reading(pattern, pattern, "glob") for pattern in patterns]
    request = Request(agent, readings, HOUR, exclusive)
    return bool(reserve(store, request, Folding()).granted)


@contextlib.contextmanager
def explained(store: SQLiteStore) -> Iterator[list[str]]:
    """The plans of the statements that are run meanwhile, each behind its statement."""
    statements: list[str] = []
    plans: list[str] = []
    store._connection.set_trace_callback(statements.append)
    try:
        yield plans
    finally:
        store._connection.set_trace_callback(None)
    for statement in dict.fromkeys(statements):
        if re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE)", statement):
            rows = store._connection.execute(f"EXPLAIN QUERY PLAN {statement}")
            plans += [f"{row[3]}  <-  {statement}" for row in rows]


def reads_too_much(plan: str) -> bool:
    # "ended" are the few rows that an inner query, which has a plan of its own, has limited
    scans = plan.startswith("SCAN") and not plan.startswith(("SCAN CONSTANT ROW", "SCAN ended"))
    # The first row in the order of an index is found at once.
    first = plan.rstrip().endswith("LIMIT 1") and "USE TEMP B-TREE" not in plan
    is_few = first or bool(OPEN.match(plan))
    return scans or (bool(OF_THE_WHOLE_PROJECT.match(plan)) and not is_few)


def test_a_hook_reads_only_what_can_matter(filled: SQLiteStore) -> None:
    with explained(filled) as plans, filled.reading():
        filled.policy.read()
        filled.reservations.live_on(*path_keys(b"src/A1.py"), filled.now())
        many = [b"src/new%d.py" % at for at in range(100)]
        filled.reservations.live_on(many, many, filled.now())
    assert len(plans) >= 3
    assert not [plan for plan in plans if reads_too_much(plan)]


@pytest.mark.parametrize(
    ("pattern", "granted"),
    [
        (b"/src/new.py", True),
        (b"/src/new/**", True),
        (b"/src/**/*.new", True),
        (b"/src/A1.py", False),
        (b"/src/**", False),
        (b"**/*.py", False),
        (b"**/NAME.py", False),
    ],
)
def test_reserve_reads_only_what_can_matter(
    filled: SQLiteStore, pattern: bytes, granted: bool
) -> None:
    with explained(filled) as plans:
        assert ask(filled, pattern) == granted
        if granted:
            ask(filled, pattern, exclusive=False)
            assert filled.reservations.own(
                "Mine", pattern, compile_pattern(pattern).keys, filled.now()
            )
    assert len(plans) > 5
    assert not [plan for plan in plans if reads_too_much(plan)]


def test_renew_and_release_read_only_what_the_agent_holds(filled: SQLiteStore) -> None:
    mine = b"/held/by/me.py"
    ask(filled, mine, b"/held/by/me/too.py")
    named = Selection(patterns=((mine, frozenset({mine})),))
    with explained(filled) as plans:
        (held,) = renew(filled, "Mine", named, HOUR).renewed
        release(filled, "Mine", Selection(ids=(held.id,)))
        release(filled, "Mine", Selection(all=True))
        untold(filled, "Mine")
        take(filled, "Mine")
    assert len(plans) > 5
    assert not [plan for plan in plans if reads_too_much(plan)]


def test_pruning_and_the_history_of_one_read_only_what_they_need(filled: SQLiteStore) -> None:
    with explained(filled) as plans, filled.writing():
        filled.events.prune(2, 10)
        filled.events.find(reservation=1)
        filled.events.find(since=filled.now())
        filled.events.interventions(filled.now())
    assert len(plans) >= 6
    assert not [plan for plan in plans if reads_too_much(plan)]


def test_mail_and_tickets_read_only_what_they_need(filled: SQLiteStore) -> None:
    now = filled.now()
    first = send(filled, Letter("A", ("B",), "subject"))
    with explained(filled) as plans:
        send(filled, Letter("A", ("B",), None, reply_to=first.id))
        acknowledge(filled, "B", [first.id])
        in_thread(filled, str(first.id), "B")
        asked = tickets.ask(filled, "A", "B", "?", HOUR, None)
        for unread in (True, False):
            filled.messages.inbox("B", unread=unread, limit=50)
        for status in STATUSES:
            filled.tickets.find(now, receiver="B", status=status)
        filled.tickets.find(now, asker="A")
        filled.messages.count_unread("B")
        take(filled, "B")
        tickets.answer(filled, "B", asked.id, "!")
        filled.messages.numbered(range(50))
        with filled.writing():
            filled.messages.prune(2, 10)
    assert len(plans) > 40
    assert not [plan for plan in plans if reads_too_much(plan)]


def begin_sessions(store: SQLiteStore) -> None:
    """Many sessions with many turns, most of which have ended, and edits under some of them."""
    with store.writing():
        now = store.now()
        for at in range(300):
            agent = "ABC"[at % 3]
            where = (None, "host", "/w", "", now, now, None)
            store.sessions.open(Conversation(0, agent, "claude", f"S{at}", *where), 0, "")
            row = store.sessions.find("claude", f"S{at}")
            assert row is not None
            for turn in range(10):
                store.sessions.add_turn(row.id, "user", 10, now + turn)
            store.sessions.add_start(row.id, "startup", "", 10, now)
            store.sessions.add_compaction(row.id, "auto", 1, None, now)
            if at % 10:
                store.sessions.end([row.id], now)
            held = store.reservations.get(at + 1)
            if held is not None and at % 2:
                store.automatic.add_session(store.automatic.make(held, "head"), "claude", f"S{at}")
            store.wants.add(agent, [b"/wanted/%d.py" % at], now)


def test_sessions_wants_and_automatic_reservations_read_only_what_they_need(
    filled: SQLiteStore,
) -> None:
    begin_sessions(filled)
    now = filled.now()
    (held,) = filled.reservations.with_ids([1])
    sessions, automatic, wants = filled.sessions, filled.automatic, filled.wants
    number = sessions.find("claude", "S0")
    assert number is not None
    with explained(filled) as plans:
        sessions.get(number.id)
        filled.whereabouts.runs_of(["A", "B"])
        sessions.turns(number.id)
        sessions.starts(number.id)
        sessions.compactions(number.id)
        sessions.recent(50)
        with filled.writing():
            sessions.must_be_told(number.id)
            sessions.open(number.replace(id=0), 0, "")
            sessions.seen(number.id, now)
            sessions.add_turn(number.id, "user", 1, now, "text")
            sessions.add_start(number.id, "", "", 1, now)
            sessions.add_compaction(number.id, "", 1, None, now)
            sessions.add_tools(number.id, 1, 0)
            sessions.end([number.id], now)
            sessions.forget_texts(now)
            sessions.prune(2, 10)
            automatic.make_ordinary(automatic.make(held, "head"))
            automatic.add_session(held, "claude", "S0")
            automatic.look_after([held], "later")
            automatic.mark_stale_looked([held])
            wants.add("A", [b"/wanted/new.py"], now)
            wants.mark_told(["A"])
            wants.forget(2)
        automatic.live(now, "host")
        automatic.without_session(now, "host")
        automatic.of_session("claude", "S1", now)
        automatic.stale_unlooked("claude", "S1", now)
        automatic.count("A", now)
        automatic.heads(now)
        automatic.has_session(held, "claude", "S0")
        wants.since(now - HOUR)
        filled.reservations.ending(now)
    assert len(plans) > 60
    assert not [plan for plan in plans if reads_too_much(plan)]


def test_the_queue_reads_only_what_it_needs(filled: SQLiteStore) -> None:
    now, waits = filled.now(), filled.waits
    for agent in ("Q1", "Q2", "Q3"):
        readings = [Reading(b"/src/A1.py", b"/src/A1.py", "glob")]
        request = Request(agent, readings, HOUR, waits=True)
        queue.ask(filled, request, Folding(), None, last=HOUR, queued=True, bell="")
    (wait,) = waits.of_agent("Q1")
    with explained(filled) as plans:
        waits.next_due()
        waits.newest()
        waits.is_due(now)
        waits.due(now, 100)
        waits.live()
        filled.whereabouts.blocked(["Q1", "Q2"], now)
        waits.behind([1, 2])
        waits.get(wait.id)
        waits.with_ids([wait.id])
        waits.near(wait, compile_pattern(b"/src/A1.py").keys)
        waits.counts("Q1")
        waits.bells_in_the_way(10)
        waits.live_bells(["bell"])
        settle(filled)
        queue.leave(filled, "Q2", [])
        filled.offers.of_agent("Q1", now)
        filled.offers.of_place(wait.id)
    assert len(plans) > 20
    assert not [plan for plan in plans if reads_too_much(plan)]


def test_a_plan_that_reads_a_whole_table_would_be_noticed(filled: SQLiteStore) -> None:
    with explained(filled) as plans:
        filled.reservations.all(live_at=filled.now())
        filled.reservations.all()
    assert len([plan for plan in plans if reads_too_much(plan)]) == 2
