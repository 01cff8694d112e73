"""The rows of the reservations.

A row is found by the keys of its pattern (see ``model.Keys``), so that a search reads only what
can matter. What SQL leaves out must be what the rules in ``model`` leave out as well: released and
expired rows (``Reservation.is_live``), and rows that block nobody (``Policy.blocks``).
"""

from __future__ import annotations

from agentlock.errors import DatabaseError
from agentlock.model import Keys, Reservation
from agentlock.store.base import Noun, chunks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from typing import Any

    from agentlock.event_kinds import Kind
    from agentlock.model import Policy
    from agentlock.store.base import Store

_MANY_KEYS = 2_000  # from here on it pays to ask first which of them matter
_A_FEW = 20  # as long as one statement for each is quicker than to look at what is held
_AS_DEAR = 10  # rows that are read in the time of one such statement
_MOST_NAMES = 30  # with more of them, reading what they would rule out is cheaper

# Each field of a Reservation is the column of its name, but for these.
_ELSEWHERE = {
    "agent": "a.name",
    "pattern": "CAST(r.path_pattern AS BLOB)",
    "typed": "CAST(r.typed_pattern AS BLOB)",
}
COLUMNS = ", ".join([_ELSEWHERE.get(field, f"r.{field}") for field in Reservation._fields])
_FLAGS = tuple(map(Reservation._fields.index, ("exclusive", "offer", "automatic")))

SELECT = f"""
SELECT {COLUMNS} FROM file_reservations AS r {{index}} JOIN agents AS a ON a.id = r.agent_id
WHERE r.project_id = ?
"""  # noqa: S608 -- of constants
_LIVE_WHERE = " AND r.released_ts IS NULL AND r.expires_ts > ?"
_ALL = SELECT.format(index="")
# Left alone, SQLite's planner may start from the agents table and read every row of each.
_LIVE = SELECT.format(index="INDEXED BY file_reservations_by_prefix") + _LIVE_WHERE
WITHIN = "r.prefix_key >= CAST(? AS TEXT) AND r.prefix_key < CAST(? AS TEXT)"
_LIVE_WITHIN = f"{_LIVE} AND {WITHIN}"
_LIVE_BY_NAME = SELECT.format(index="INDEXED BY file_reservations_by_name") + _LIVE_WHERE
_LIVE_BY_FENCE = SELECT.format(index="INDEXED BY file_reservations_by_fence") + _LIVE_WHERE
_GRANTED_AFTER = f"""{SELECT.format(index="INDEXED BY file_reservations_by_grant")}
    AND r.fence > ? AND r.exclusive = 1 ORDER BY r.id"""
_LIVE_BY_ID = SELECT.format(index="NOT INDEXED") + _LIVE_WHERE
_BY_ID = SELECT.format(index="NOT INDEXED")
_ENDED_SINCE = f"""{SELECT.format(index="INDEXED BY file_reservations_by_end")}
    AND coalesce(r.released_ts, r.expires_ts) > ?
    ORDER BY coalesce(r.released_ts, r.expires_ts) DESC LIMIT ?"""
_OF_AGENT = f"""{SELECT.format(index="INDEXED BY file_reservations_by_agent")}
    AND r.released_ts IS NULL AND a.project_id = r.project_id AND a.name = ?"""
_LIVE_OF_PATTERN = f"""{_LIVE}
    AND r.prefix_key = CAST(? AS TEXT) AND r.name_key = CAST(? AS TEXT)
    AND r.extension_key = CAST(? AS TEXT) AND a.name = ? AND r.path_pattern = CAST(? AS TEXT)
    ORDER BY r.exclusive DESC, r.id"""
_LIVE_PREFIXES = """
SELECT CAST(r.prefix_key AS BLOB) FROM file_reservations AS r
INDEXED BY file_reservations_by_prefix WHERE r.project_id = ?
    AND r.released_ts IS NULL AND r.expires_ts > ?
GROUP BY r.prefix_key LIMIT ?
"""
_KEYS = """
SELECT r.id, CAST(r.prefix_key AS BLOB), CAST(r.name_key AS BLOB), CAST(r.extension_key AS BLOB)
FROM file_reservations AS r WHERE r.project_id = ? AND r.released_ts IS NULL AND r.expires_ts > ?
"""
WRITE = """
INSERT INTO file_reservations (project_id, agent_id, path_pattern, typed_pattern,
    prefix_key, name_key, extension_key, exclusive, reason, created_ts, expires_ts, fence, worktree,
    offer, wait_id)
VALUES (?, (SELECT id FROM agents WHERE project_id = ? AND name = ?),
    CAST(? AS TEXT), CAST(? AS TEXT),
    CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), ?, ?, ?, ?, ?, ?, ?, ?)
"""
_CHANGE = """
UPDATE file_reservations
SET exclusive = ?, reason = ?, expires_ts = ?, released_ts = ?, fence = ?, expiry_logged = 0
WHERE id = ?
"""
_CHANGE_KEYS = """
UPDATE file_reservations SET prefix_key = CAST(? AS TEXT), name_key = CAST(? AS TEXT),
    extension_key = CAST(? AS TEXT) WHERE id = ?
"""
_EXPIRY_UNSEEN = f"""{SELECT.format(index="INDEXED BY file_reservations_expiry_unseen")}
    AND r.released_ts IS NULL AND r.expiry_logged = 0 AND r.expires_ts <= ?"""
# Nothing has happened to it, and its holder was told nothing of it, for as long as it still lasts.
_ENDING_UNTOLD = f"""{_OF_AGENT} AND r.expires_ts > ? AND r.expires_ts <= ?
    AND NOT EXISTS (SELECT 1 FROM events AS e WHERE e.reservation_id = r.id AND e.created_ts > ?)
    AND NOT EXISTS (SELECT 1 FROM messages AS m
        WHERE m.reservation_id = r.id AND m.while_live = 0 AND m.created_ts > r.expires_ts - ?)
    ORDER BY r.expires_ts"""  # noqa: S608 -- of constants
_MOST_EXPIRIES = 20
_MOST_ENDING = 100
SOON = 5 * 60 * 1_000_000
"""A lease that ends within this time, and was not renewed within it, is named to its holder."""
_MARK_EXPIRY_SEEN = "UPDATE file_reservations SET expiry_logged = 1 WHERE id = ?"
# Looks at those that ended first only: the events of a later one may take long to go.
_OLDEST_ENDED = """
SELECT id FROM (
    SELECT id FROM file_reservations
    WHERE project_id = ? AND coalesce(released_ts, expires_ts) < ?
    ORDER BY coalesce(released_ts, expires_ts) LIMIT ?
) AS ended
WHERE NOT EXISTS (SELECT 1 FROM events AS e WHERE e.reservation_id = ended.id)
"""


class Reservations(Noun):
    # What is live

    def live_on(
        self,
        prefixes: Collection[bytes],
        names: Iterable[bytes],
        now: int,
        added: Iterable[bytes] = (),
    ) -> list[Reservation]:
        """Live ones with one of these prefixes and, if the names are few, one of the names.

        Also those whose prefix is the key of something ``added``, or lies below it.
        """
        if (reach := getattr(prefixes, "reach", None)) is not None:  # patterns.keys.Prefixes
            # If fewer are held than asked for, those that are held are looked for among the others.
            most = len(prefixes)
            rows = self._rows(_LIVE_PREFIXES, now, most)
            if len(rows) < most:
                return self._with_prefixes(reach(sorted([row[0] for row in rows])), now)
        keys, added = set(prefixes), list(added)
        wanted = sorted(keys if len(keys) <= _MANY_KEYS else self._among_live(keys, now))
        found = self._with_prefixes(wanted, now, few_names(names))
        wanted = sorted(self._above_live(set(added), now) if len(added) > _A_FEW else added)
        for key in wanted:
            found += self.found(_LIVE_WITHIN, now, *limits_of(self._store, key))
        return _each_once(found)

    def _with_prefixes(
        self, prefixes: Sequence[bytes], now: int, names: Sequence[bytes] = ()
    ) -> list[Reservation]:
        found: list[Reservation] = []
        for chunk in chunks(prefixes):
            condition = rows_with(len(chunk), len(names), 0)
            found += self.found(f"{_LIVE} AND {condition}", now, *chunk, *names)
        return _each_once(found)

    def _among_live(self, prefixes: set[bytes], now: int) -> set[bytes]:
        """The prefixes that live ones have, if these are fewer than what is asked for; else all."""
        rows = self._rows(_LIVE_PREFIXES, now, len(prefixes))
        if len(rows) == len(prefixes):
            return prefixes
        return prefixes.intersection([row[0] for row in rows])

    def _above_live(self, keys: set[bytes], now: int) -> set[bytes]:
        """The same, of those that are a prefix of a live one or lie above it."""
        most = _AS_DEAR * len(keys)
        rows = self._rows(_LIVE_PREFIXES, now, most)
        if len(rows) == most:
            return keys
        return keys.intersection([above for row in rows for above in with_ancestors(row[0])])

    def live_near(self, keys: Keys, now: int) -> list[Reservation]:
        """Live ones that a pattern with these keys can meet.

        Their prefix is the pattern's own, an ancestor of it or a descendant; what is known of their
        last names agrees with the pattern's, unless one of the two is a plain path, and the other
        may name it as a folder.
        """
        from agentlock.store.near import nearby

        conditions = nearby(self._store, keys)
        if not conditions:
            return sorted(self.found(_LIVE, now), key=_id)
        statement = _LIVE if keys.prefix else _LIVE_BY_NAME
        found = []  # each statement of its own: OR would keep SQLite from searching the index
        for condition, parameters in conditions:
            found += self.found(f"{statement} AND {condition}", now, *parameters)
        return _each_once(found)

    def any_blocks(self, policy: Policy, agent: str, now: int) -> bool:
        """Whether a live one blocks the agent ("": nobody is named) from changing some path."""
        modes = policy.blocking_modes
        condition = f"r.exclusive IN ({', '.join('?' * len(modes))}) AND a.name <> ?"
        return bool(self._rows(f"{_LIVE} AND {condition} LIMIT 1", now, *modes, agent))

    def live_since(self, fence: int, now: int, near: Sequence[Keys] = ()) -> list[Reservation]:
        """Live ones granted, or given a new mode, after the grant that had this fence.

        Those that no pattern with keys of ``near`` can meet may be left out.
        """
        return self._newer_than(f"{_LIVE_BY_FENCE} AND r.fence > ?", near)(fence, now)

    def extended_since(self, event: int, now: int, near: Sequence[Keys] = ()) -> list[Reservation]:
        """Live ones that ``extend`` gave a longer lease after the event with this number.

        ``near`` as for ``live_since``.
        """
        return self._newer_than(self._extended(), near)(event, now)

    def newer(self, near: Sequence[Keys]) -> Callable[[int, int, int], list[Reservation]]:
        """``live_since`` a fence and ``extended_since`` an event at a time, prepared for a turn."""
        granted = self._newer_than(f"{_LIVE_BY_FENCE} AND r.fence > ?", near)
        extended = self._newer_than(self._extended(), near)
        return lambda fence, event, now: [*granted(fence, now), *extended(event, now)]

    def _extended(self) -> str:
        from agentlock.event_kinds import KINDS

        kinds = ", ".join([f"'{kind}'" for kind in KINDS if kind.extends])
        extended = f"SELECT reservation_id FROM events WHERE id > ? AND kind IN ({kinds})"  # noqa: S608
        return f"{_LIVE_BY_ID} AND r.id IN ({extended})"

    def _newer_than(
        self, statement: str, near: Sequence[Keys]
    ) -> Callable[[int, int], list[Reservation]]:
        from agentlock.store.near import near_one_of

        conditions, parameters = near_one_of(self._store, near)
        if conditions:
            statement += f" AND ({' OR '.join([f'({one})' for one in conditions])})"
        statement += " ORDER BY r.id"
        return lambda mark, now: self.found(statement, now, mark, *parameters)

    def granted_after(self, fence: int) -> list[Reservation]:
        """The exclusive reservations that were granted after this fence, live or not."""
        return self.found(_GRANTED_AFTER, fence)

    def own(self, agent: str, pattern: bytes, keys: Keys, now: int) -> Reservation | None:
        """The live reservation of just this pattern that the agent holds; of two, the stronger."""
        kept = self._store.kept(keys)
        known = (kept.prefix, kept.name, kept.extension)
        found = self.found(_LIVE_OF_PATTERN, now, *known, agent, pattern)
        return found[0] if found else None

    # What is there at all

    def all(self, *, agent: str | None = None, live_at: int | None = None) -> list[Reservation]:
        """By id; if given, only those of ``agent`` and only those live at ``live_at``."""
        if live_at is None:
            if agent is None:
                return self.found(f"{_ALL} ORDER BY r.id")
            return self.found(f"{_ALL} AND a.name = ? ORDER BY r.id", agent)
        if agent is None:
            return self.found(f"{_LIVE} ORDER BY r.id", live_at)
        return self.found(f"{_OF_AGENT} AND r.expires_ts > ? ORDER BY r.id", agent, live_at)

    def get(self, identifier: int) -> Reservation | None:
        found = self.found(f"{_ALL} AND r.id = ?", identifier)
        return found[0] if found else None

    def with_ids(self, identifiers: Iterable[int]) -> list[Reservation]:
        """Those with these numbers, live or not."""
        found: list[Reservation] = []
        for chunk in chunks(sorted(set(identifiers))):
            places = ", ".join("?" * len(chunk))
            found += self.found(f"{_BY_ID} AND r.id IN ({places})", *chunk)
        return found

    def ended_since(self, moment: int, most: int) -> list[Reservation]:
        """Those that ended or end after a moment, at most so many: the last to end."""
        return self.found(_ENDED_SINCE, moment, most)

    def unreleased(self, agent: str | None) -> list[Reservation]:
        """Live and expired ones that nobody released: what a pattern can still name."""
        if agent is None:
            return self.found(f"{_ALL} AND r.released_ts IS NULL ORDER BY r.id")
        return self.found(f"{_OF_AGENT} ORDER BY r.id", agent)

    def expired_unseen(self, now: int, agent: str | None = None) -> list[Reservation]:
        """The leases that ran out and are not logged yet: a few, or all of one agent's."""
        if agent is not None:
            return self.found(f"{_EXPIRY_UNSEEN} AND a.name = ? ORDER BY r.expires_ts", now, agent)
        return self.found(f"{_EXPIRY_UNSEEN} ORDER BY r.expires_ts LIMIT {_MOST_EXPIRIES}", now)

    def ending(self, until: int) -> list[Reservation]:
        """Some that end before a time, or ran out and are not logged yet: the last to end."""
        return self.found(
            f"{_EXPIRY_UNSEEN} ORDER BY r.expires_ts DESC LIMIT {_MOST_ENDING}", until
        )

    def ending_untold(self, agent: str, now: int, soon: int) -> list[Reservation]:
        """An agent's leases that end within ``soon``, and that nobody has extended in that time.

        Those that the agent was told of in that time are left out.
        """
        return self.found(_ENDING_UNTOLD, agent, now, now + soon, now - soon, soon)

    def keys_of_live(self, now: int) -> dict[int, Keys]:
        """The keys that each live reservation is found by, as they stand in the table."""
        return {row[0]: Keys(*row[1:]) for row in self._rows(_KEYS, now)}

    def found(self, statement: str, *parameters: Any) -> list[Reservation]:
        """The reservations of a statement that begins with SELECT."""
        found = [reservation_of(row) for row in self._rows(statement, *parameters)]
        for held in found:  # SQLite keeps text in an integer column if it is given some
            if type(held.created_ts) is not int or type(held.expires_ts) is not int:
                raise DatabaseError(
                    f"{self._store.location}: the times of reservation {held.id} are garbled",
                    fix="restore the table from a backup, or ask whoever runs this project",
                )
        return found

    # What changes them: inside writing() only

    def grant(
        self,
        agent: str,
        pattern: bytes,
        *,
        typed: bytes,
        keys: Keys,
        exclusive: bool,
        reason: str,
        now: int,
        expires: int,
        worktree: str = "",
        created: int | None = None,
        place: int | None = None,
    ) -> Reservation:
        """A new reservation of an agent who is registered.

        ``created`` if it is older than now, because the agent had it already. From a ``place`` in
        the queue it is an offer.
        """
        store = self._store
        fence = store.next_fence()
        kept = store.kept(keys)
        texts = (pattern, typed, kept.prefix, kept.name, kept.extension)
        made, offer = now if created is None else created, place is not None
        values = (*texts, exclusive, reason, made, expires, fence, worktree, offer, place)
        number = store.inserted(WRITE, (store.project_id, store.project_id, agent, *values))
        first = (number, agent, pattern, exclusive, reason, made, expires, None, fence)
        return Reservation(*first, typed, worktree, offer)

    def extend(
        self,
        held: Reservation,
        kind: Kind,
        now: int,
        *,
        expires: int,
        exclusive: bool | None = None,
        reason: str | None = None,
        detail: str = "",
    ) -> Reservation:
        """Let a lease end later, and log it for its holder.

        ``reserve`` finds a lease that was extended while it looked by this event. So there is no
        other way to do it, and ``kind`` must be one that ``extends``, unless a new mode gives the
        reservation a new fence, which ``reserve`` finds as well.
        """
        changed = self._changed(held, expires_ts=expires, exclusive=exclusive, reason=reason)
        if changed.fence == held.fence and not kind.extends:
            raise ValueError(f"{kind} does not say that a lease was extended")
        self._store.events.log(kind, now, agent=held.agent, reservation=changed, detail=detail)
        return changed

    def change(
        self, held: Reservation, *, exclusive: bool | None = None, released: int | None = None
    ) -> Reservation:
        """The reservation in another mode or released; a new mode is a new grant, so a fence."""
        return self._changed(held, exclusive=exclusive, released_ts=released)

    def _changed(self, held: Reservation, **wanted: Any) -> Reservation:
        changed = held.replace(**{name: new for name, new in wanted.items() if new is not None})
        if changed.exclusive != held.exclusive:
            changed = changed.replace(fence=self._store.next_fence())
        columns = (changed.exclusive, changed.reason, changed.expires_ts, changed.released_ts)
        self._store.rows(_CHANGE, (*columns, changed.fence, held.id))
        return changed

    def correct_keys(self, reservation: int, keys: Keys) -> None:
        """Let a reservation be found by these keys."""
        kept = self._store.kept(keys)
        self._store.rows(_CHANGE_KEYS, (kept.prefix, kept.name, kept.extension, reservation))

    def mark_expiry_seen(self, held: Reservation) -> None:
        self._store.rows(_MARK_EXPIRY_SEEN, (held.id,))

    def prune(self, before: int, most: int, least: int = 1) -> int:
        """Remove ended ones that no event tells of any more; see ``Events.prune``."""
        ended = [number for (number,) in self._rows(_OLDEST_ENDED, before, most)]
        return self._forget("file_reservations", ended, least)


def reservation_of(row: Sequence[Any]) -> Reservation:
    """The reservation of a row that has COLUMNS."""
    cells = list(row)
    for flag in _FLAGS:
        cells[flag] = bool(cells[flag])
    return Reservation(*cells)


def few_names(names: Iterable[bytes]) -> list[bytes]:
    """The names that a search is narrowed by; none: any name will do."""
    few = set(names)
    return [] if len(few) > _MOST_NAMES else sorted(few)


def _each_once(found: Iterable[Reservation]) -> list[Reservation]:
    return sorted({held.id: held for held in found}.values(), key=_id)


def _id(held: Reservation) -> int:
    return held.id


def rows_with(prefixes: int, names: int, extensions: int) -> str:
    """The condition that a row has one of so many prefixes, names and extensions; 0: any."""
    conditions = [_in("prefix_key", prefixes)] if prefixes else []
    for column, count in (("name_key", names), ("extension_key", extensions)):
        conditions += [_in(column, count)] if count else []
    return " AND ".join(conditions)


def _in(column: str, count: int) -> str:
    return f"r.{column} IN ({', '.join(['CAST(? AS TEXT)'] * count)})"


def limits_of(store: Store, key: bytes) -> tuple[bytes, bytes]:
    """Everything at or below a key, as the store keeps it; more than that does no harm."""
    low = store.kept(Keys(key)).prefix
    return low, low + b"0"


def with_ancestors(key: bytes) -> Iterator[bytes]:
    yield key
    while key:
        key = key.rpartition(b"/")[0]
        yield key
