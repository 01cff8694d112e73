"""The rows of the waits: places in the queue, and the patterns that each asks for.

A place is live until it has ended: its row says so, its time is over, or its process has gone
(`waiting.turn` decides that). Its patterns are found by the same keys as reservations.
"""

from __future__ import annotations

from agentlock.errors import DatabaseError
from agentlock.model import Value
from agentlock.store.base import Noun, chunks
from agentlock.store.near import nearby

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from agentlock.model import Claim, Keys

_SELECT = """
SELECT w.id, a.name, w.exclusive, w.reason, w.created_ts, w.expires_ts, w.fence, w.ttl, w.worktree,
    w.folding, w.queued, w.bell, w.behind_wait, w.behind_reservation, w.due_ts, w.ended_ts,
    w.outcome
FROM waits AS w {index} JOIN agents AS a ON a.id = w.agent_id WHERE w.project_id = ?
"""
_ALL = _SELECT.format(index="")
_LIVE = _SELECT.format(index="INDEXED BY waits_by_fence") + " AND w.ended_ts IS NULL"
_DUE = f"""{_SELECT.format(index="INDEXED BY waits_due")} AND w.ended_ts IS NULL AND w.due_ts <= ?
ORDER BY w.fence LIMIT ?"""
_OF_AGENT = f"""{_SELECT.format(index="INDEXED BY waits_by_agent")} AND w.ended_ts IS NULL
    AND a.project_id = w.project_id AND a.name = ? ORDER BY w.fence"""
_PATTERNS = """
SELECT wait_id, CAST(path_pattern AS BLOB), CAST(typed_pattern AS BLOB) FROM wait_patterns
WHERE project_id = ? AND wait_id IN ({places}) ORDER BY id
"""
_NEXT_DUE = """
SELECT due_ts FROM waits INDEXED BY waits_due WHERE project_id = ? AND ended_ts IS NULL
ORDER BY due_ts LIMIT 1
"""
_NEWEST = """
SELECT fence FROM waits INDEXED BY waits_by_fence WHERE project_id = ? AND ended_ts IS NULL
ORDER BY fence DESC LIMIT 1
"""
# Parameters: the project, the time. The rows themselves decide: ``due_ts`` may lag behind them.
_BEHIND_NOTHING = """
SELECT w.id FROM waits AS w
INDEXED BY waits_behind_held JOIN file_reservations AS r ON r.id = w.behind_reservation
WHERE w.project_id = ?1 AND w.ended_ts IS NULL AND w.behind_reservation IS NOT NULL
    AND (r.released_ts IS NOT NULL OR r.expires_ts <= ?2)
"""
_RUN_OUT = """
SELECT id FROM waits INDEXED BY waits_by_expiry WHERE project_id = ?1 AND ended_ts IS NULL
    AND expires_ts <= ?2
"""
_IS_DUE = f"""
SELECT id FROM waits INDEXED BY waits_due WHERE project_id = ?1 AND ended_ts IS NULL
    AND due_ts <= ?2
UNION ALL {_RUN_OUT} UNION ALL {_BEHIND_NOTHING} LIMIT 1
"""  # noqa: S608 -- of constants
_MARK_DUE = f"""
UPDATE waits SET due_ts = 0 WHERE due_ts > ?2 AND id IN ({_RUN_OUT} UNION ALL {_BEHIND_NOTHING})
"""  # noqa: S608 -- of constants
# Parameters: the agent that asks, whether exclusively, above and below which number, how many.
_NEAR = """
SELECT r.wait_id, CAST(r.path_pattern AS BLOB), r.fence
FROM wait_patterns AS r INDEXED BY wait_patterns_by_{index} JOIN waits AS w ON w.id = r.wait_id
    JOIN agents AS a ON a.id = w.agent_id
WHERE r.project_id = ? AND r.ended = 0 AND a.name <> ? AND w.exclusive + ? > 0
    AND r.fence > ? AND r.fence < ? {condition}
ORDER BY r.fence DESC LIMIT ?
"""
_COUNTS = """
SELECT count(*), coalesce(sum(CASE WHEN a.name = ? THEN 1 ELSE 0 END), 0)
FROM waits AS w INDEXED BY waits_by_fence JOIN agents AS a ON a.id = w.agent_id
WHERE w.project_id = ? AND w.ended_ts IS NULL
"""
_COUNT_PATTERNS = """
SELECT count(*) FROM wait_patterns
INDEXED BY wait_patterns_by_prefix WHERE project_id = ? AND ended = 0
"""
_KEYS = """
SELECT id, wait_id, CAST(path_pattern AS BLOB), CAST(prefix_key AS BLOB), CAST(name_key AS BLOB),
    CAST(extension_key AS BLOB)
FROM wait_patterns INDEXED BY wait_patterns_by_prefix WHERE project_id = ? AND ended = 0
"""
# Places that outlive their process, and stand behind one that does not.
_BELLS_IN_THE_WAY = """
SELECT DISTINCT b.bell FROM waits AS w
    INDEXED BY waits_by_fence JOIN waits AS b ON b.id = w.behind_wait
WHERE w.project_id = ? AND w.ended_ts IS NULL AND w.queued = 1 AND b.queued = 0
    AND b.ended_ts IS NULL
LIMIT ?
"""
_DEPENDED_ON = """
SELECT DISTINCT bell FROM waits
INDEXED BY waits_by_bell WHERE project_id = ? AND ended_ts IS NULL AND queued = 0
    AND bell IN ({places})
"""
_WRITE = """
INSERT INTO waits (project_id, agent_id, exclusive, reason, created_ts, expires_ts, fence, ttl,
    worktree, folding, queued, bell, due_ts)
VALUES (?, (SELECT id FROM agents WHERE project_id = ? AND name = ?), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
    0)
"""
_WRITE_PATTERN = """
INSERT INTO wait_patterns (project_id, wait_id, path_pattern, typed_pattern, prefix_key, name_key,
    extension_key, fence)
VALUES (?, ?, CAST(? AS TEXT), CAST(? AS TEXT),
    CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), ?)
"""
_PARK = "UPDATE waits SET behind_wait = ?, behind_reservation = ?, due_ts = ? WHERE id = ?"
_EXTEND = """
UPDATE waits SET expires_ts = ?, due_ts = -abs(due_ts), ttl = ?, queued = ?, bell = ? WHERE id = ?
"""
_RING_FOR = "UPDATE waits SET bell = ? WHERE id = ?"
_END = "UPDATE waits SET ended_ts = ?, outcome = ?, bell = '' WHERE id = ?"
_END_PATTERNS = "UPDATE wait_patterns SET ended = 1 WHERE wait_id = ?"
_MARK_BEHIND = """
UPDATE waits SET due_ts = -abs(due_ts) WHERE {column} = ? AND ended_ts IS NULL
"""
_LOST_SOMETHING = "UPDATE waits SET due_ts = -1 WHERE id = ? AND ended_ts IS NULL"
_TEST_AGAIN = "UPDATE waits SET due_ts = 0 WHERE id = ? AND ended_ts IS NULL"
_CORRECT = """
UPDATE wait_patterns SET prefix_key = CAST(? AS TEXT), name_key = CAST(? AS TEXT),
    extension_key = CAST(? AS TEXT) WHERE id = ?
"""
_OLDEST_ENDED = """
SELECT id FROM waits INDEXED BY waits_by_end WHERE project_id = ? AND ended_ts < ?
ORDER BY ended_ts LIMIT ?
"""
_BEHIND_THESE = """
SELECT DISTINCT a.name FROM waits AS w INDEXED BY waits_behind_reservation
    JOIN agents AS a ON a.id = w.agent_id
WHERE w.project_id = ? AND w.ended_ts IS NULL AND w.behind_reservation IN ({places})
"""
NEWEST = 2**63 - 1
"""Above every number of a place."""


class Wait(Value):
    """One place. ``bell`` is the process that waits ("": none), ``fence`` the place's number.

    ``queued``: it outlives that process. ``folding`` is how its agent compares names, in bits.
    ``due_ts`` is when the first of these runs out: what blocks it, the place itself, and what its
    agent holds already of what it names. It is negative or 0 if the place must be tested at once;
    the negative time is the one that was kept before, and -1 says that a lease has ended which the
    agent held.
    """

    id: int
    agent: str
    patterns: tuple[bytes, ...]
    typed: tuple[bytes, ...]
    exclusive: bool
    reason: str
    created_ts: int
    expires_ts: int
    fence: int
    ttl: int
    worktree: str
    folding: int
    queued: bool
    bell: str
    behind_wait: int | None = None
    behind_reservation: int | None = None
    due_ts: int = 0
    ended_ts: int | None = None
    outcome: str = ""

    def is_live(self, now: int) -> bool:
        """Whether it has neither ended nor run out; its process may be gone all the same."""
        return self.ended_ts is None and self.expires_ts > now

    def meets(self, other: Claim) -> bool:
        """Whether it conflicts with another claim, if their patterns overlap."""
        return self.agent != other.agent and (self.exclusive or other.exclusive)


class Waits(Noun):
    def next_due(self) -> int | None:
        """When the first place must be tested again; None if nobody waits."""
        rows = self._rows(_NEXT_DUE)
        return int(rows[0][0]) if rows else None

    def newest(self) -> int:
        """The number of the newest place; 0 if nobody waits."""
        rows = self._rows(_NEWEST)
        return int(rows[0][0]) if rows else 0

    def is_due(self, now: int) -> bool:
        """Whether a place must be tested again."""
        return bool(self._rows(_IS_DUE, now))

    def due(self, now: int, most: int) -> list[Wait]:
        """Places that must be tested again, in their order; see ``mark_due``."""
        return self._found(_DUE, now, most)

    def live(self) -> list[Wait]:
        """All that have not ended, in their order; some may have run out."""
        return self._found(f"{_LIVE} ORDER BY w.fence")

    def of_agent(self, agent: str) -> list[Wait]:
        """Those of one agent that have not ended, in their order."""
        return self._found(_OF_AGENT, agent)

    def behind(self, reservations: Iterable[int]) -> list[str]:
        """The names of the agents whose places are behind one of these reservations."""
        found: set[str] = set()
        for chunk in chunks(sorted(reservations)):
            statement = _BEHIND_THESE.format(places=", ".join("?" * len(chunk)))
            found.update(str(name) for (name,) in self._rows(statement, *chunk))
        return sorted(found)

    def get(self, identifier: int) -> Wait | None:
        """The place with this number, ended or not."""
        return next(iter(self._found(f"{_ALL} AND w.id = ?", identifier)), None)

    def all(self) -> list[Wait]:
        """Ended ones too, by id."""
        return self._found(f"{_ALL} ORDER BY w.id")

    def with_ids(self, identifiers: Iterable[int]) -> dict[int, Wait]:
        found: dict[int, Wait] = {}
        for chunk in chunks(sorted(set(identifiers))):
            places = ", ".join("?" * len(chunk))
            found |= {one.id: one for one in self._found(f"{_ALL} AND w.id IN ({places})", *chunk)}
        return found

    def near(
        self,
        claim: Claim,
        keys: Keys | None,
        *,
        after: int = 0,
        before: int = NEWEST,
        most: int = NEWEST,
    ) -> list[tuple[int, bytes, int]]:
        """Other agents' places that a claim with these keys may meet: id, pattern, number.

        The latest first; only those with a number between ``after`` and ``before``. They have not
        ended, but some may have run out. Without keys: any.
        """
        limits = (claim.agent, int(claim.exclusive), after, before)
        anywhere = keys is None or not keys.prefix
        conditions = [] if keys is None else nearby(self._store, keys)
        found: dict[tuple[int, bytes], int] = {}
        for condition, parameters in conditions or [("", [])]:
            statement = _NEAR.format(
                index="name" if anywhere and condition else "prefix",
                condition=f"AND {condition}" if condition else "",
            )
            for number, pattern, fence in self._rows(statement, *limits, *parameters, most):
                found[number, pattern] = fence
        rows = sorted((-fence, number, pattern) for (number, pattern), fence in found.items())
        return [(number, pattern, -fence) for fence, number, pattern in rows[:most]]

    def counts(self, agent: str) -> tuple[int, int, int]:
        """How many places the project has, and the agent, and how many patterns wait."""
        places, own = self._store.one(_COUNTS, (agent, self._store.project_id))
        ((patterns,),) = self._rows(_COUNT_PATTERNS)
        return int(places), int(own), int(patterns)

    def bells_in_the_way(self, most: int) -> list[str]:
        """Processes on which a place depends that others stand behind who cannot look."""
        return [str(bell) for (bell,) in self._rows(_BELLS_IN_THE_WAY, most)]

    def live_bells(self, bells: Iterable[str]) -> list[str]:
        """Those of these processes that a place still depends on."""
        found: list[str] = []
        for chunk in chunks(sorted(set(bells))):
            rows = self._rows(_DEPENDED_ON.format(places=", ".join("?" * len(chunk))), *chunk)
            found += [str(bell) for (bell,) in rows]
        return found

    def bells(self) -> list[str]:
        """Every process that waits for a place."""
        return sorted({one.bell for one in self.live() if one.bell})

    def keys_of_live(self) -> list[tuple[int, int, bytes, tuple[bytes, bytes, bytes]]]:
        """Each waiting pattern: its row, its place, its text, and the keys it is found by."""
        return [(row[0], row[1], row[2], tuple(row[3:])) for row in self._rows(_KEYS)]

    def _found(self, statement: str, *parameters: Any) -> list[Wait]:
        rows = self._rows(statement, *parameters)
        texts: dict[int, list[tuple[bytes, bytes]]] = {row[0]: [] for row in rows}
        for chunk in chunks(list(texts)):
            places = ", ".join("?" * len(chunk))
            for number, pattern, typed in self._rows(_PATTERNS.format(places=places), *chunk):
                texts[number].append((pattern, typed))
        return [self._wait(row, texts[row[0]]) for row in rows]

    def _wait(self, row: Sequence[Any], texts: Sequence[tuple[bytes, bytes]]) -> Wait:
        number, agent, exclusive, reason, created, expires, fence, ttl, worktree, folding = row[:10]
        queued, bell, *rest = row[10:]
        if not all(type(moment) is int for moment in (created, expires, ttl, fence)):
            raise DatabaseError(
                f"{self._store.location}: the times of place {number} in the queue are garbled",
                fix="restore the table from a backup, or ask whoever runs this project",
            )
        patterns, typed = (tuple(one[at] for one in texts) for at in (0, 1))
        first = (number, agent, patterns, typed, bool(exclusive), reason)
        kept = (created, expires, fence, ttl, worktree, folding, bool(queued), bell)
        return Wait(*first, *kept, *rest)

    # What changes them: inside writing() only

    def add(self, wait: Wait, keys: Sequence[Keys]) -> Wait:
        """A new place of an agent who is registered; it gets its id and its number.

        ``keys`` are those of its patterns. It is due at once: whoever adds it tests it.
        """
        store = self._store
        wait = wait.replace(fence=store.next_fence())
        asked = (wait.exclusive, wait.reason, wait.created_ts, wait.expires_ts, wait.fence)
        values = (*asked, wait.ttl, wait.worktree, wait.folding, wait.queued, wait.bell)
        number = store.inserted(_WRITE, (store.project_id, store.project_id, wait.agent, *values))
        for pattern, typed, known in zip(wait.patterns, wait.typed, keys, strict=True):
            kept = store.kept(known)
            texts = (pattern, typed, kept.prefix, kept.name, kept.extension)
            self._rows(_WRITE_PATTERN, number, *texts, wait.fence)
        return wait.replace(id=number)

    def mark_due(self, now: int) -> None:
        """Let those be tested again that ran out, or whose reservation ended, by its own row."""
        self._rows(_MARK_DUE, now)

    def park(
        self, wait: Wait, *, due: int, behind_wait: int | None, behind_reservation: int | None
    ) -> None:
        """Note which row blocks a place, and when that runs out."""
        self._store.rows(_PARK, (behind_wait, behind_reservation, due, wait.id))

    def extend(self, wait: Wait, *, expires: int, ttl: int, queued: bool, bell: str) -> Wait:
        """The same place with a later end, which somebody asked for again."""
        self._store.rows(_EXTEND, (expires, ttl, queued, bell, wait.id))
        return wait.replace(expires_ts=expires, ttl=ttl, queued=queued, bell=bell)

    def ring_for(self, wait: Wait, bell: str) -> None:
        """Let this process be woken for a place; "": none."""
        self._store.rows(_RING_FOR, (bell, wait.id))

    def end(self, wait: Wait, now: int, outcome: str) -> None:
        """End a place; what stood behind it must be tested again."""
        self._store.rows(_END, (now, outcome, wait.id))
        self._store.rows(_END_PATTERNS, (wait.id,))
        self._store.rows(_MARK_BEHIND.format(column="behind_wait"), (wait.id,))

    def reservation_ended(self, reservation: int) -> None:
        """What stood behind a reservation, which has ended or blocks less, must be tested again."""
        self._store.rows(_MARK_BEHIND.format(column="behind_reservation"), (reservation,))

    def lost_something(self, wait: Wait) -> None:
        """Let a place be tested whose agent no longer holds some of what it names."""
        self._store.rows(_LOST_SOMETHING, (wait.id,))

    def test_again(self, wait: Wait) -> None:
        self._store.rows(_TEST_AGAIN, (wait.id,))

    def correct_keys(self, pattern: int, keys: Keys) -> None:
        """Let a waiting pattern be found by these keys."""
        kept = self._store.kept(keys)
        self._store.rows(_CORRECT, (kept.prefix, kept.name, kept.extension, pattern))

    def prune(self, before: int, most: int) -> int:
        """Remove at most ``most`` places that ended before that time; how many."""
        ended = [number for (number,) in self._rows(_OLDEST_ENDED, before, most)]
        for chunk in chunks(ended):
            places = ", ".join("?" * len(chunk))
            self._store.rows(f"DELETE FROM wait_patterns WHERE wait_id IN ({places})", chunk)  # noqa: S608
        return self._forget("waits", ended, 1)
