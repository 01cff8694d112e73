"""What tells whether agents are there: their sessions, and whom they wait for.

Every refusal asks this, and needs none of the rest of `sessions.py` and `waits.py`, which is eight
times as much code.
"""

from __future__ import annotations

from agentlock.model import Value
from agentlock.store.base import Noun, chunks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# Of each agent: the sessions that are open, and its newest one.
_RUNS = """
SELECT a.name, c.program, c.process, c.process_started, c.process_place, c.last_active_ts,
    c.ended_ts, c.at_prompt_ts, c.host, c.worktree, c.program_session
FROM agents AS a JOIN conversations AS c ON c.agent_id = a.id
WHERE a.project_id = ? AND a.name IN ({places}) AND (c.ended_ts IS NULL
    OR c.id = (SELECT max(o.id) FROM conversations AS o WHERE o.agent_id = a.id))
ORDER BY c.id
"""
# Whom the places of some agents wait for: the agent of the row that each is behind.
_BLOCKED = """
SELECT a.name, w.bell, w.created_ts, coalesce(ba.name, ra.name, '')
FROM agents AS a JOIN waits AS w INDEXED BY waits_by_agent ON w.agent_id = a.id
    LEFT JOIN waits AS b ON b.id = w.behind_wait LEFT JOIN agents AS ba ON ba.id = b.agent_id
    LEFT JOIN file_reservations AS r ON r.id = w.behind_reservation
    LEFT JOIN agents AS ra ON ra.id = r.agent_id
WHERE a.project_id = ? AND w.ended_ts IS NULL AND w.expires_ts > ? AND a.name IN ({places})
ORDER BY CASE w.bell WHEN '' THEN 1 ELSE 0 END, w.fence
"""


class Run(Value):
    """What a session says of whether its agent is there."""

    agent: str
    program: str
    process: int | None
    process_started: int | None
    process_place: str
    last_active_ts: int
    ended_ts: int | None
    at_prompt_ts: int | None
    host: str = ""
    worktree: str = ""
    session: str = ""  # the program's own id


class Blocked(Value):
    """Whom an agent waits for, and since when; ``is_foreground``: a process of it waits."""

    agent: str
    is_foreground: bool
    created_ts: int
    behind: str


class Whereabouts(Noun):
    def runs_of(self, agents: Iterable[str]) -> list[Run]:
        """Of each of these agents: the sessions that are open, and its newest one."""
        found: list[Run] = []
        for chunk in chunks(sorted(agents)):
            places = ", ".join("?" * len(chunk))
            found += [Run(*row) for row in self._rows(_RUNS.format(places=places), *chunk)]
        return found

    def blocked(self, agents: Iterable[str], now: int) -> list[Blocked]:
        """The places of these agents; first those that a process waits for, then by number."""
        found: list[Blocked] = []
        for chunk in chunks(sorted(agents)):
            statement = _BLOCKED.format(places=", ".join("?" * len(chunk)))
            for agent, bell, created, behind in self._rows(statement, now, *chunk):
                found.append(Blocked(agent, bool(bell), created, behind))
        return found
