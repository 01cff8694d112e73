"""The rows of the agents: every name that has ever asked for something."""

from __future__ import annotations

from agentlock.records import Agent
from agentlock.store.base import Noun, chunks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

WRITE = """
INSERT INTO agents (project_id, name, program, model, registered_ts, last_active_ts)
VALUES (?1, ?2, ?3, ?4, ?5, ?5)
ON CONFLICT (project_id, name) DO UPDATE SET
    last_active_ts = CASE WHEN excluded.last_active_ts > agents.last_active_ts
        THEN excluded.last_active_ts ELSE agents.last_active_ts END,
    program = CASE excluded.program WHEN '' THEN agents.program ELSE excluded.program END,
    model = CASE excluded.model WHEN '' THEN agents.model ELSE excluded.model END
"""
_LOCATE = """
UPDATE agents SET worktree = ?1, branch = ?2, host = ?3, process = ?4, located_ts = ?6,
    process_started = ?7, process_place = ?8,
    program = CASE program WHEN '' THEN ?5 ELSE program END
WHERE project_id = ?9 AND name = ?10
"""
_RETIRE = "UPDATE agents SET retired_ts = ? WHERE project_id = ? AND name = ?"
_START_FROM = "UPDATE agents SET template = ? WHERE project_id = ? AND name = ?"
_SEEN = "SELECT seen_event FROM agents WHERE project_id = ? AND name = ?"
_MARK_SEEN = """
UPDATE agents SET seen_event = ?3 WHERE project_id = ?1 AND name = ?2 AND seen_event < ?3
"""
_READ = f"SELECT {', '.join(Agent._fields)} FROM agents WHERE project_id = ?"  # noqa: S608

_ACTIVE = """
SELECT name FROM agents WHERE project_id = ? AND last_active_ts > ? ORDER BY name
"""
_ALIKE = """
SELECT name FROM agents INDEXED BY agents_by_folded_name WHERE project_id = ?
    AND lower(name) = ? AND name <> ?
"""


class Agents(Noun):
    def all(self) -> list[Agent]:
        """By name."""
        return [Agent(*row) for row in self._rows(f"{_READ} ORDER BY name")]

    def named(self, names: Iterable[str]) -> dict[str, Agent]:
        """Those of these agents who are known, by name."""
        found: dict[str, Agent] = {}
        for chunk in chunks(sorted(set(names))):
            places = ", ".join("?" * len(chunk))
            for row in self._rows(f"{_READ} AND name IN ({places})", *chunk):
                found[row[0]] = Agent(*row)
        return found

    def alike(self, name: str) -> str | None:
        """The name of another agent that differs from this one only in case, if there is one."""
        found = self._rows(_ALIKE, name.lower(), name)
        return found[0][0] if found else None

    def active_since(self, moment: int) -> list[str]:
        """The names of those that were active after a moment."""
        return [str(name) for (name,) in self._rows(_ACTIVE, moment)]

    def seen(self, agent: str) -> int:
        """The number of the newest event that `status` has shown to an agent, or 0."""
        return next((int(number) for (number,) in self._rows(_SEEN, agent)), 0)

    def mark_seen(self, agent: str, event: int) -> None:
        """Note that an agent has been shown the events up to this number."""
        self._rows(_MARK_SEEN, agent, event)

    def register(self, agent: str, now: int, *, program: str = "", model: str = "") -> None:
        """Note that an agent is active; an empty program or model leaves what was known."""
        self._rows(WRITE, agent, program, model, now)

    def locate(self, agent: Agent) -> None:
        """Register an agent that is active now, and note where; a program that it had stays."""
        self.register(agent.name, agent.last_active_ts, model=agent.model)
        place = (agent.worktree, agent.branch, agent.host, agent.process)
        process = (agent.process_started, agent.process_place)
        columns = (*place, agent.program, agent.located_ts, *process)
        self._store.rows(_LOCATE, (*columns, self._store.project_id, agent.name))

    def start_from(self, name: str, template: str) -> None:
        """Note the template that an agent was started from."""
        self._store.rows(_START_FROM, (template, self._store.project_id, name))

    def retire(self, name: str, now: int) -> None:
        self._store.rows(_RETIRE, (now, self._store.project_id, name))
