"""The rows of the agents: every name that has ever asked for something."""

from __future__ import annotations

from agentlock.model import Agent
from agentlock.store.base import Noun

WRITE = """
INSERT INTO agents (project_id, name, program, model, registered_ts, last_active_ts)
VALUES (?1, ?2, ?3, ?4, ?5, ?5)
ON CONFLICT (project_id, name) DO UPDATE SET
    last_active_ts = CASE WHEN excluded.last_active_ts > agents.last_active_ts
        THEN excluded.last_active_ts ELSE agents.last_active_ts END,
    program = CASE excluded.program WHEN '' THEN agents.program ELSE excluded.program END,
    model = CASE excluded.model WHEN '' THEN agents.model ELSE excluded.model END
"""
_READ = """
SELECT name, program, model, registered_ts, last_active_ts
FROM agents WHERE project_id = ? ORDER BY name
"""


class Agents(Noun):
    def all(self) -> list[Agent]:
        """By name."""
        return [Agent(*row) for row in self._rows(_READ)]

    def register(self, agent: str, now: int, *, program: str = "", model: str = "") -> None:
        """Note that an agent is active; an empty program or model leaves what was known."""
        self._rows(WRITE, agent, program, model, now)
