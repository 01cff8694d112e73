"""What every store does alike: the operations, in the order of their statements.

A store adds how a statement is run, how a transaction begins and ends, and whose clock counts.
"""

from __future__ import annotations

import os

from agentlock.errors import DatabaseError, OlderSchemaError, SchemaError
from agentlock.model import Agent, Event, Keys, Policy, Reservation
from agentlock.store import statements as sql

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from typing import Any

_MANY_KEYS = 2_000  # from here on it pays to ask first which of them matter
_KEYS_PER_QUERY = 400  # SQLite before 3.32 takes 999 parameters
_MOST_NAMES = 30  # with more of them, reading what they would rule out is cheaper
_ALL = 2**63 - 1
WHERE_IT_BELONGS = "put it back where it was (agentlock db path), or ask whoever runs this project"


class Table:
    """One project's rows; see ``protocol.Store`` for what each method promises."""

    location: str
    _project_id = 0

    # What each store does in its own way

    def reading(self) -> AbstractContextManager[None]:
        raise NotImplementedError

    def now(self) -> int:
        raise NotImplementedError

    def _rows(self, statement: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Run a statement; the driver's errors become DatabaseErrors."""
        raise NotImplementedError

    def _inserted(self, statement: str, parameters: tuple[Any, ...]) -> int:
        """Run an INSERT of one row; the row's id."""
        raise NotImplementedError

    def kept(self, keys: Keys) -> Keys:
        return keys

    def _one(self, statement: str, parameters: tuple[Any, ...] = ()) -> tuple[Any, ...]:
        rows = self._rows(statement, parameters)
        if not rows:
            raise DatabaseError(f"{self.location} misses a row of its own", fix=WHERE_IT_BELONGS)
        return rows[0]

    # What opening checks

    def _require_schema(self, version: int) -> None:
        if version < sql.SCHEMA_VERSION:
            raise OlderSchemaError(
                f"{self.location} has the older schema {version}, this program needs "
                f"{sql.SCHEMA_VERSION}",
                fix="agentlock db migrate",
            )
        if version > sql.SCHEMA_VERSION:
            raise SchemaError(
                f"{self.location} has the newer schema {version}, this program knows "
                f"{sql.SCHEMA_VERSION}",
                fix="upgrade agentlock",
            )

    def _require_identity(self, found: str, recorded: str | None) -> None:
        if recorded is not None and found != recorded:
            raise DatabaseError(
                f"{self.location} is another database (id {found}) than the one recorded for this "
                f"repository (id {recorded})",
                fix=WHERE_IT_BELONGS,
            )

    def _find_project(self, project: str, rows: list[tuple[Any, ...]]) -> None:
        if not rows:
            raise DatabaseError(
                f"{self.location} knows no project {project!r}", fix="agentlock init"
            )
        self._project_id = int(rows[0][0])

    # What is there

    def policy(self) -> Policy:
        return policy_of(self._one(sql.READ_POLICY, (self._project_id,)))

    def standing(
        self, prefixes: Iterable[bytes], names: Iterable[bytes]
    ) -> tuple[int, Policy, list[Reservation]]:
        with self.reading():
            now = self.now()
            return now, self.policy(), self.live_on(prefixes, names, now)

    def live_on(
        self, prefixes: Iterable[bytes], names: Iterable[bytes], now: int
    ) -> list[Reservation]:
        keys = set(prefixes)
        wanted = sorted(keys if len(keys) <= _MANY_KEYS else self._among_live(keys, now))
        few = few_names(names)
        found: list[Reservation] = []
        for start in range(0, len(wanted), _KEYS_PER_QUERY):
            chunk = wanted[start : start + _KEYS_PER_QUERY]
            statement = sql.live_on(len(chunk), len(few))
            found += self._reservations(statement, (self._project_id, now, *chunk, *few))
        return sorted(found, key=_id)

    def _among_live(self, prefixes: set[bytes], now: int) -> set[bytes]:
        """Those that live ones have, where these are fewer than what is asked for; else all."""
        rows = self._rows(sql.LIVE_PREFIXES, (self._project_id, now, len(prefixes)))
        if len(rows) == len(prefixes):
            return prefixes
        return prefixes.intersection([row[0] for row in rows])

    def live_near(self, keys: Keys, now: int, *, below: bool) -> list[Reservation]:
        names, extensions = _agreeing(keys)
        counts = (len(names), len(extensions))
        if below and not keys.prefix:
            statement = sql.live_anywhere(*counts) if extensions else sql.LIVE
            found = self._reservations(statement, (self._project_id, now, *names, *extensions))
            return sorted(found, key=_id)
        above = list(_with_ancestors(keys.prefix))
        statement = sql.live_on(len(above), *counts)
        found = self._reservations(statement, (self._project_id, now, *above, *names, *extensions))
        if below:
            limits = _limits_below(keys.prefix)
            parameters = (self._project_id, now, *limits, *names, *extensions)
            found += self._reservations(sql.live_below(*counts), parameters)
        return sorted(found, key=_id)

    def others_hold(self, agent: str, now: int) -> bool:
        return bool(self._rows(sql.LIVE_OF_OTHERS, (self._project_id, now, agent)))

    def live_since(
        self, fence: int, now: int, near: Sequence[tuple[Keys, bool]] = ()
    ) -> list[Reservation]:
        return self._newer(sql.live_since, fence, now, near)

    def extended_since(
        self, event: int, now: int, near: Sequence[tuple[Keys, bool]] = ()
    ) -> list[Reservation]:
        return self._newer(sql.extended_since, event, now, near)

    def _newer(
        self,
        statement: Callable[[list[str]], str],
        mark: int,
        now: int,
        near: Sequence[tuple[Keys, bool]],
    ) -> list[Reservation]:
        conditions, parameters = _near_one_of(near)
        return self._reservations(statement(conditions), (self._project_id, now, mark, *parameters))

    def last_event(self) -> int:
        return int(self._one(sql.READ_LAST_EVENT)[0])

    def last_fence(self) -> int:
        return int(self._one(sql.READ_FENCE, (self._project_id,))[0])

    def own(self, agent: str, pattern: bytes, keys: Keys, now: int) -> Reservation | None:
        kept = self.kept(keys)
        known = (kept.prefix, kept.name, kept.extension)
        parameters = (self._project_id, now, *known, agent, pattern)
        found = self._reservations(sql.LIVE_OF_PATTERN, parameters)
        return found[0] if found else None

    def reservations(
        self, *, agent: str | None = None, live_at: int | None = None
    ) -> list[Reservation]:
        if live_at is None:
            if agent is None:
                return self._reservations(sql.ALL_RESERVATIONS, (self._project_id,))
            return self._reservations(sql.ALL_OF_AGENT, (self._project_id, agent))
        if agent is None:
            return self._reservations(sql.LIVE, (self._project_id, live_at))
        return self._reservations(sql.LIVE_OF_AGENT, (self._project_id, live_at, agent))

    def reservation(self, identifier: int) -> Reservation | None:
        found = self._reservations(sql.RESERVATION, (self._project_id, identifier))
        return found[0] if found else None

    def unreleased(self, agent: str | None) -> list[Reservation]:
        if agent is None:
            return self._reservations(sql.UNRELEASED, (self._project_id,))
        return self._reservations(sql.UNRELEASED_OF_AGENT, (self._project_id, agent))

    def keys_of_live(self, now: int) -> dict[int, Keys]:
        rows = self._rows(sql.READ_KEYS, (self._project_id, now))
        return {row[0]: Keys(*row[1:]) for row in rows}

    def owner_key(self) -> str | None:
        hashed = self._one(sql.READ_OWNER_KEY)[0]
        return None if hashed is None else str(hashed)

    def projects(self) -> list[str]:
        return [str(key) for (key,) in self._rows(sql.READ_PROJECTS)]

    def agents(self) -> list[Agent]:
        return [Agent(*row) for row in self._rows(sql.READ_AGENTS, (self._project_id,))]

    def events(
        self,
        *,
        after: int = 0,
        since: int | None = None,
        agent: str | None = None,
        reservation: int | None = None,
        limit: int | None = None,
    ) -> list[Event]:
        most = _ALL if limit is None else limit
        asked = {"since": since, "agent": agent, "reservation": reservation}
        given = [value for value in asked.values() if value is not None]
        statement = sql.read_events(**{name: value is not None for name, value in asked.items()})
        rows = self._rows(statement, (self._project_id, after, *given, most))
        return [Event(*row) for row in reversed(rows)]

    def interventions(self, since: int) -> list[Event]:
        rows = self._rows(sql.READ_INTERVENTIONS, (self._project_id, since))
        return [Event(*row) for row in rows]

    def messages(self, recipient: str, since: int) -> list[tuple[int, str, str, str]]:
        rows = self._rows(sql.READ_MESSAGES, (self._project_id, recipient, since))
        return [(created, sender, subject, body) for created, sender, subject, body in rows]

    def makers(self, oids: Iterable[str]) -> dict[str, str]:
        return self._makers("oid", oids)

    def makers_by_patch(self, patch_ids: Iterable[str]) -> dict[str, str]:
        return self._makers("patch_id", patch_ids)

    def _makers(self, column: str, values: Iterable[str]) -> dict[str, str]:
        wanted = list(values)
        found: dict[str, str] = {}
        for start in range(0, len(wanted), _KEYS_PER_QUERY):
            chunk = wanted[start : start + _KEYS_PER_QUERY]
            statement = sql.commits_by(column, len(chunk))
            for value, agent in self._rows(statement, (self._project_id, *chunk)):
                found.setdefault(value, agent)
        return found

    def _reservations(self, statement: str, parameters: tuple[Any, ...]) -> list[Reservation]:
        rows = self._rows(statement, parameters)
        for row in rows:  # SQLite keeps text in an integer column where it is given some
            if not (isinstance(row[5], int) and isinstance(row[6], int)):
                raise DatabaseError(
                    f"{self.location}: the times of reservation {row[0]} are garbled",
                    fix="restore the table from a backup, or ask whoever runs this project",
                )
        return [reservation_of(row) for row in rows]

    # What changes it

    def register(self, agent: str, now: int, *, program: str = "", model: str = "") -> None:
        self._rows(sql.WRITE_AGENT, (self._project_id, agent, program, model, now))

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
    ) -> Reservation:
        agent_id = self._agent_id(agent)
        fence = self._next_fence()
        kept = self.kept(keys)
        texts = (pattern, typed, kept.prefix, kept.name, kept.extension)
        row = (self._project_id, agent_id, *texts, exclusive, reason, now, expires, fence)
        identifier = self._inserted(sql.WRITE_RESERVATION, row)
        return Reservation(
            identifier, agent, pattern, exclusive, reason, now, expires, None, fence, typed
        )

    def change(
        self,
        reservation: Reservation,
        *,
        expires: int | None = None,
        exclusive: bool | None = None,
        reason: str | None = None,
        released: int | None = None,
    ) -> Reservation:
        wanted = {"expires_ts": expires, "exclusive": exclusive, "reason": reason}
        wanted["released_ts"] = released
        given = {name: value for name, value in wanted.items() if value is not None}
        changed = reservation.replace(**given)
        if changed.exclusive != reservation.exclusive:
            changed = changed.replace(fence=self._next_fence())
        columns = (changed.exclusive, changed.reason, changed.expires_ts, changed.released_ts)
        self._rows(sql.CHANGE_RESERVATION, (*columns, changed.fence, reservation.id))
        return changed

    def correct_keys(self, reservation: int, keys: Keys) -> None:
        kept = self.kept(keys)
        self._rows(sql.CHANGE_KEYS, (kept.prefix, kept.name, kept.extension, reservation))

    def raise_fence(self, fence: int) -> None:
        self._rows(sql.RAISE_FENCE, (fence, self._project_id, fence))

    def log(
        self,
        kind: str,
        now: int,
        *,
        agent: str = "",
        reservation: Reservation | None = None,
        pattern: bytes | None = None,
        detail: str = "",
    ) -> None:
        identifier = None if reservation is None else reservation.id
        if pattern is None and reservation is not None:
            pattern = reservation.pattern
        row = (self._project_id, now, kind, agent, identifier, pattern, detail)
        self._rows(sql.WRITE_EVENT, row)

    def log_expired(self, now: int) -> None:
        for identifier, agent, pattern, expires in self._rows(
            sql.READ_EXPIRY_UNSEEN, (self._project_id, now)
        ):
            row = (self._project_id, expires, "expired", agent, identifier, pattern, "")
            self._rows(sql.WRITE_EVENT, row)
            self._rows(sql.MARK_EXPIRY_SEEN, (identifier,))

    def prune(self, before: int, most: int, least: int = 1) -> tuple[int, int]:
        oldest = (self._project_id, before, most)
        events = self._forget("events", self._rows(sql.OLDEST_EVENTS, oldest), least)
        ended = self._rows(sql.OLDEST_ENDED, oldest)
        return events, self._forget("file_reservations", ended, least)

    def _forget(self, table: str, rows: list[tuple[Any, ...]], least: int) -> int:
        if len(rows) < least:
            return 0
        for start in range(0, len(rows), _KEYS_PER_QUERY):
            identifiers = [row[0] for row in rows[start : start + _KEYS_PER_QUERY]]
            self._rows(sql.forget(table, len(identifiers)), tuple(identifiers))
        return len(rows)

    def record_commit(self, oid: str, patch_id: str | None, agent: str, now: int) -> None:
        self._rows(sql.WRITE_COMMIT, (self._project_id, oid, patch_id, agent, now))

    def send(self, sender: str, recipient: str, subject: str, body: str, now: int) -> None:
        self._rows(sql.WRITE_MESSAGE, (self._project_id, sender, recipient, subject, body, now))

    def set_policy(self, policy: Policy) -> None:
        exempt = os.fsencode("\n".join(policy.exempt))
        row = (policy.enforcement, policy.require_reservation, exempt, policy.max_ttl)
        more = (policy.allow_skip, policy.retention)
        self._rows(sql.WRITE_POLICY, (*row, *more, self._project_id))

    def set_owner_key(self, hashed: str) -> None:
        self._rows(sql.WRITE_OWNER_KEY, (hashed,))

    def _agent_id(self, agent: str) -> int:
        return int(self._one(sql.READ_AGENT_ID, (self._project_id, agent))[0])

    def _next_fence(self) -> int:
        self._rows(sql.NEXT_FENCE, (self._project_id,))
        return self.last_fence()


def policy_of(row: tuple[Any, ...]) -> Policy:
    enforcement, require, exempt, max_ttl, allow_skip, retention = row
    return Policy(
        enforcement=enforcement,
        require_reservation=bool(require),
        exempt=tuple(filter(None, os.fsdecode(exempt).split("\n"))),
        max_ttl=max_ttl,
        allow_skip=bool(allow_skip),
        retention=retention,
    )


def reservation_of(row: tuple[Any, ...]) -> Reservation:
    return Reservation(row[0], row[1], row[2], bool(row[3]), *row[4:])


def few_names(names: Iterable[bytes]) -> list[bytes]:
    """The names that a search is narrowed by; none: any will do."""
    few = set(names)
    return [] if len(few) > _MOST_NAMES else sorted(few)


def _id(held: Reservation) -> int:
    return held.id


def _agreeing(keys: Keys) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """The names and extensions that others must have to meet these; none: any will do."""
    if keys.extension == b"*":
        return (), ()
    extensions = (b"*", keys.extension)
    if keys.name.startswith(b"*"):
        return (), extensions
    return (b"*", b"*" + keys.extension, keys.name), extensions


def _near_one_of(near: Sequence[tuple[Keys, bool]]) -> tuple[list[str], list[bytes]]:
    """What ``live_near`` asks for of each, as conditions and their parameters.

    None where that would be too many parameters, or where one of them can meet anything.
    """
    conditions: list[str] = []
    parameters: list[bytes] = []
    for keys, below in near:
        names, extensions = _agreeing(keys)
        anywhere = below and not keys.prefix
        above = [] if anywhere else list(_with_ancestors(keys.prefix))
        limits = _limits_below(keys.prefix) if below and not anywhere else ()
        parameters += [*above, *limits, *names, *extensions]
        if len(parameters) > _KEYS_PER_QUERY or not (above or extensions):
            return [], []
        counts = (len(above), len(names), len(extensions))
        conditions.append(sql.near(*counts, below=bool(limits)))
    return conditions, parameters


def _limits_below(prefix: bytes) -> tuple[bytes, bytes]:
    """Everything below a prefix: from prefix/ up to prefix0, for "0" is the byte after "/"."""
    return prefix + b"/", prefix + b"0"


def _with_ancestors(key: bytes) -> Iterator[bytes]:
    yield key
    while key:
        key = key.rpartition(b"/")[0]
        yield key
