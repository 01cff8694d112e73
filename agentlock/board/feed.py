"""The feed of the board: a picture of the table, and what changes in it, as it changes.

Whoever commits wakes it (store.wake), and it reads what the new events name. While nothing happens
it asks only, each quarter of a minute, whether the agents are still there: a process that dies
tells nobody. Changes that come faster than they can be read are read together.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

from agentlock.agent_mail.live import leases
from agentlock.agents.presence import presences
from agentlock.agents.registry import in_removed_worktrees
from agentlock.board import rows
from agentlock.board.attention import attention, headline
from agentlock.board.changes import Picture
from agentlock.board.files import Files
from agentlock.errors import AgentlockError, PatternError
from agentlock.event_kinds import KINDS
from agentlock.git.identity import person
from agentlock.guard.judge import folding_of
from agentlock.model import MICROSECONDS
from agentlock.patterns.matching import PatternIndex, compile_pattern
from agentlock.store import open_table
from agentlock.store.tickets import DELIVERED, PENDING
from agentlock.store.wake import LOG, listening
from agentlock.table_errors import CannotWakeError
from agentlock.waiting.standing import standings
from agentlock.waiting.wants import KEPT

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from contextlib import AbstractContextManager

    from agentlock.board.changes import Patch
    from agentlock.git.repository import Repository
    from agentlock.model import Reservation
    from agentlock.patterns.matching import Folding
    from agentlock.records import Event
    from agentlock.store.base import Store
    from agentlock.store.wake import Bell

_EVENTS, _MAIL, _SESSIONS, _PLACES = 300, 100, 50, 200  # the newest that are shown
_TICK = 5 * MICROSECONDS  # what only time changes: leases that end, agents who fall silent
_WHOLE = 10.0  # seconds after which all is read again, if something has changed meanwhile
_REST = 0.1  # seconds between two readings at least
_SHARE = 3  # a reading is followed by a rest of so many times its own processor time
_AGENTS = 15.0  # seconds after which it is asked again whether they are there
_ELSEWHERE = 1.0  # seconds after which an Agent Mail is read again
_LOOK_EVERY = 1.0  # seconds, where this process cannot be woken
_INTERVENES = frozenset(str(kind) for kind in KINDS if kind.intervenes)


class Feed:
    """The picture of one repository's table.

    ``opened`` gives the table, which need not be writable. ``guarded`` says whether the hooks are
    in place. ``with_files``: rows of reservations tell which files they cover (``files``).
    """

    def __init__(
        self,
        repository: Repository,
        opened: Callable[[], AbstractContextManager[Store]] | None = None,
        *,
        guarded: Callable[[], bool] | None = None,
        with_files: bool = False,
    ) -> None:
        self.picture = Picture()
        self.files = Files(repository, folding_of(repository))
        self._with_files = with_files and not repository.is_bare
        self._repository = repository
        self._folding = folding_of(repository)
        self._opened = opened or _opener(repository)
        self._guarded = guarded
        self._person = person()
        self._leases: dict[int, Reservation] = {}
        self._shown: dict[int, Reservation] = {}
        self._unfinished: set[int] = set()  # whose files there was no time for
        self._removed: set[int] = set()
        self._last_event = 0
        self._ahead = 0  # the table's clock, compared with this process's
        self._read_whole = self._asked_agents = self._asked_elsewhere = -_WHOLE
        self._is_stale = True  # something was read since all of it was

    def changes(
        self, is_stopped: Callable[[], bool] = lambda: False
    ) -> Generator[Patch, None, None]:
        """The whole picture, then each change of it; never ends unless it ``is_stopped``.

        While the table cannot be read, the picture says why, and what it showed last stays.
        """
        while not is_stopped():
            yield from self._while_readable(is_stopped)

    def _while_readable(self, is_stopped: Callable[[], bool]) -> Iterator[Patch]:
        try:
            with self._opened() as store:
                self._read_whole = -_WHOLE
                yield from self._followed(store, is_stopped)
        except AgentlockError as error:
            self.picture.put("trouble", "table", {"text": str(error), "fix": error.hint})
            if (patch := self.picture.patch(time.time_ns() // 1000)) is not None:
                yield patch
            time.sleep(_LOOK_EVERY)

    def now(self) -> int:
        """The time by the table's clock, as far as this process can tell without asking."""
        return time.time_ns() // 1000 + self._ahead

    def once(self) -> tuple[int, Picture]:
        """The time by the table's clock, and the picture as it is now."""
        with self._opened() as store:
            self.read(store)
            return store.now(), self.picture

    def read(self, store: Store) -> None:
        """Bring the picture up to what the table holds now."""
        self._read_rows(store)
        self._read_elsewhere(store)
        self._settle(store.now())

    def _followed(self, store: Store, is_stopped: Callable[[], bool]) -> Iterator[Patch]:
        try:
            with listening(store, LOG) as bell:
                yield from self._woken(store, is_stopped, bell)
        except CannotWakeError:
            yield from self._woken(store, is_stopped, None)

    def _woken(
        self, store: Store, is_stopped: Callable[[], bool], bell: Bell | None
    ) -> Iterator[Patch]:
        is_rung = True
        while not is_stopped():
            started, spent = time.monotonic(), time.thread_time()
            if is_rung or self._is_whole_due():
                self._read_rows(store)
            elif started - self._asked_agents >= _AGENTS:
                self._put_agents(store)
            self._read_elsewhere(store)
            self._settle(store.now())
            self.picture.drop("trouble", "table")
            if (patch := self.picture.patch(store.now())) is not None:
                yield patch
            rest = _SHARE * (time.thread_time() - spent)
            time.sleep(min(max(_REST, rest), _LOOK_EVERY))
            until = store.now() + _TICK
            if bell is None:
                time.sleep(_LOOK_EVERY)
                store.rested()
            else:
                bell.sleep(until)
            is_rung = bell is None or store.now() < until

    def _is_whole_due(self) -> bool:
        return self._is_stale and time.monotonic() - self._read_whole >= _WHOLE

    # Reading

    def _read_rows(self, store: Store) -> None:
        store.rested()
        whole = time.monotonic() - self._read_whole >= _WHOLE
        with store.reading():
            now = store.now()
            events = store.events.find(after=self._last_event, limit=10 * _EVENTS)
            whole = whole or len(events) == 10 * _EVENTS
            self._read_leases(store, events, now, whole=whole)
            self._put_events(events)
            self._put_queue(store, now)
            self._put_wants(store, now)
            self._put_mail(store, now)
            self._put_sessions(store)
            self._put_agents(store)
            self._put_about(store)
        self._is_stale = not whole
        if whole:
            self._read_whole = time.monotonic()
            ours = (one for one in self._leases.values() if not one.source)
            live = [one for one in ours if one.is_live(now)]
            self._removed = {one.id for one in in_removed_worktrees(store, live)}

    def _read_leases(self, store: Store, events: list[Event], now: int, *, whole: bool) -> None:
        """All live ones, or those that the events name."""
        if whole:
            kept = {number: one for number, one in self._leases.items() if one.source}
            self._leases = {one.id: one for one in store.reservations.all(live_at=now)} | kept
            return
        named = {one.reservation_id for one in events if one.reservation_id is not None}
        for one in store.reservations.with_ids(named):
            self._leases[one.id] = one

    def _read_elsewhere(self, store: Store) -> None:
        """What an Agent Mail's agents hold, by its number below zero.

        Nothing tells when that changes, so it is asked again and again.
        """
        if store.beside is None or time.monotonic() - self._asked_elsewhere < _ELSEWHERE:
            return
        self._asked_elsewhere = time.monotonic()
        found = {-one.id: one for one in reversed(leases(store, None))}
        ours = {number: one for number, one in self._leases.items() if not one.source}
        known = self._leases  # an equal one stays the same, and is not drawn again
        self._leases = ours | {
            number: known[number] if known.get(number) == one else one
            for number, one in found.items()
        }

    def _put_events(self, events: list[Event]) -> None:
        for one in events[-_EVENTS:]:
            row = {**rows.event(one), "intervenes": str(one.kind) in _INTERVENES}
            self.picture.put("events", str(one.id), row)
        self._last_event = max([self._last_event, *(one.id for one in events)])
        shown = sorted(self.picture.sections.get("events", {}), key=int)
        for key in shown[:-_EVENTS]:
            self.picture.drop("events", key)

    def _put_queue(self, store: Store, now: int) -> None:
        places = [one for one in store.waits.live() if one.is_live(now)]
        standing = standings(store, places[:_PLACES], now)
        shown = [rows.wait(one, standing.get(one.id)) for one in places]
        self.picture.replace("waits", rows.of_each(shown))

    def _put_wants(self, store: Store, now: int) -> None:
        """The edits that were denied lately, as far as others hold their files still."""
        wants = store.wants.since(now - KEPT)
        held = [one for one in self._leases.values() if one.is_live(now)] if wants else []
        shown = []
        for one in wants:
            behind = {each.agent for each in _holding(held, one.pattern, self._folding)}
            if others := sorted(behind - {one.agent}):
                shown.append(rows.want(one, others))
        self.picture.replace("wants", rows.of_each(shown))

    def _put_mail(self, store: Store, now: int) -> None:
        mail = [rows.message(one) for one in store.messages.newest(_MAIL)]
        self.picture.replace("mail", rows.of_each(mail))
        asked = [*store.tickets.find(now, status=PENDING)]
        asked += store.tickets.find(now, status=DELIVERED)
        self.picture.replace("tickets", rows.of_each([rows.ticket(one) for one in asked]))

    def _put_sessions(self, store: Store) -> None:
        found = [rows.session(one) for one in store.sessions.recent(_SESSIONS)]
        self.picture.replace("sessions", rows.of_each(found))

    def _put_agents(self, store: Store) -> None:
        now, self._asked_agents = store.now(), time.monotonic()
        known = {one.name: one for one in store.agents.all()}
        holds = Counter(one.agent for one in self._leases.values() if one.is_live(now))
        waits = Counter(row["agent"] for row in self.picture.rows("waits"))
        unread = store.messages.unread_by_agent()
        shown = {
            name: rows.agent(found, holds[name], waits[name], unread.get(name, 0))
            for name, found in presences(store, known).items()
        }
        self.picture.replace("agents", shown)

    def _put_about(self, store: Store) -> None:
        policy = store.policy.read()
        self.picture.put(
            "about",
            "project",
            {
                "project": self._repository.project or "",
                "folder": os.path.basename(os.fsdecode(self._repository.root)),
                "enforcement": policy.enforcement,
                "idle_limit": policy.idle_limit,
                "require_reservation": policy.require_reservation,
                "person": self._person,
            },
        )

    # What time changes

    def _settle(self, now: int) -> None:
        """Drop what has ended by now, and find what needs a person."""
        self._ahead = now - time.time_ns() // 1000
        self._put_leases(now)
        if self._guarded is not None:
            self.picture.put("about", "guard", {"in_place": self._guarded()})
        found = attention(self.picture.sections, now, self._person)
        self.picture.replace("attention", rows.of_each(found))
        self.picture.put("about", "headline", {"text": headline(self.picture.sections)})

    def _put_leases(self, now: int) -> None:
        if self._with_files and self.files.refresh():
            about = {"count": len(self.files.paths), "version": self.files.version}
            self.picture.put("about", "files", about)
            self._shown.clear()
        self._leases = {number: one for number, one in self._leases.items() if one.is_live(now)}
        for number in self._shown.keys() - self._leases.keys():
            del self._shown[number]
            self._unfinished.discard(number)
            self.picture.drop("leases", str(number))
        for number, one in self._leases.items():
            if self._shown.get(number) is one and number not in self._unfinished:
                continue
            row = self._lease_row(one)
            self.picture.put("leases", str(number), row)
            self._shown[number] = one
            if row.get("spans", ()) is None:
                self._unfinished.add(number)
            else:
                self._unfinished.discard(number)

    def _lease_row(self, held: Reservation) -> rows.Row:
        row = {**rows.lease(held), "removed": held.id in self._removed}
        if self._with_files:
            row["spans"] = self.files.spans(held.pattern)
        return row


def _holding(held: Sequence[Reservation], path: bytes, folding: Folding) -> list[Reservation]:
    """Those of the reservations that hold a plain path; none if one cannot be read."""
    try:
        index = PatternIndex([one.pattern for one in held], folding)
        found = index.matching(compile_pattern(path, folding).prefix, added=True)
    except PatternError:  # the row is damaged, and `db check` says so
        return []
    return [held[at] for at in found]


def _opener(repository: Repository) -> Callable[[], AbstractContextManager[Store]]:
    @contextmanager
    def opened() -> Iterator[Store]:
        store = open_table(repository, read_only=True)
        try:
            yield store
        finally:
            store.close()

    return opened
