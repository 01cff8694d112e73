"""The rows of the wants: edits that were denied lately, which take no place in the queue."""

from __future__ import annotations

from agentlock.model import Value
from agentlock.store.base import Noun

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_LIVE = """
SELECT a.name, CAST(w.path_pattern AS BLOB), w.created_ts, w.told
FROM wants AS w INDEXED BY wants_by_age JOIN agents AS a ON a.id = w.agent_id
WHERE w.project_id = ? AND w.created_ts > ? ORDER BY w.id
"""
_ADD = """
INSERT INTO wants (project_id, agent_id, path_pattern, created_ts)
VALUES (?1, (SELECT id FROM agents WHERE project_id = ?1 AND name = ?2), CAST(?3 AS TEXT), ?4)
ON CONFLICT (project_id, agent_id, path_pattern) DO UPDATE SET created_ts = excluded.created_ts
"""
_FORGET = "DELETE FROM wants WHERE project_id = ? AND created_ts <= ?"
_MARK_TOLD = """
UPDATE wants SET told = 1
WHERE project_id = ?1 AND agent_id = (SELECT id FROM agents WHERE project_id = ?1 AND name = ?2)
"""


class Want(Value):
    """A denied edit of one file. It comes after every place, and nobody waits for it."""

    agent: str
    pattern: bytes
    created_ts: int
    told: bool = False

    @property
    def exclusive(self) -> bool:
        return True

    @property
    def fence(self) -> int:
        from agentlock.store.waits import NEWEST  # only circles ask, no edit that is denied

        return NEWEST

    @property
    def patterns(self) -> tuple[bytes, ...]:
        return (self.pattern,)


class Wants(Noun):
    def since(self, moment: int) -> list[Want]:
        """Every agent's that are newer than a moment."""
        rows = self._rows(_LIVE, moment)
        return [Want(agent, text, made, bool(told)) for agent, text, made, told in rows]

    # What changes them: inside writing() only

    def add(self, agent: str, patterns: Iterable[bytes], now: int) -> None:
        """Note that an agent that is registered was denied these, now."""
        for pattern in patterns:
            self._rows(_ADD, agent, pattern, now)

    def forget(self, before: int) -> None:
        self._rows(_FORGET, before)

    def mark_told(self, agents: Iterable[str]) -> None:
        for agent in agents:
            self._rows(_MARK_TOLD, agent)
