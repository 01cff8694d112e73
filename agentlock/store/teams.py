"""The rows of the teams: named sets of agents, each with the template that it is started from."""

from __future__ import annotations

from agentlock.model import Value
from agentlock.store.base import Noun
from agentlock.store.templates import unpacked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_SELECT = "SELECT name, members, created_ts, updated_ts FROM teams WHERE project_id = ?"
_WRITE = """
INSERT INTO teams (project_id, name, members, created_ts, updated_ts) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (project_id, name) DO UPDATE SET
    members = excluded.members, updated_ts = excluded.updated_ts
"""
_NAMES = "SELECT name FROM teams WHERE project_id = ? ORDER BY name"
_REMOVE = "DELETE FROM teams WHERE project_id = ? AND name = ?"


class Team(Value):
    """A named set of agents. ``members`` has the name of each one's template, by its own name."""

    name: str
    members: Mapping[str, str]
    created_ts: int
    updated_ts: int


class Teams(Noun):
    def names(self) -> list[str]:
        return [str(name) for (name,) in self._rows(_NAMES)]

    def all(self) -> list[Team]:
        """By name."""
        return [_team(*row) for row in self._rows(f"{_SELECT} ORDER BY name")]

    def get(self, name: str) -> Team | None:
        rows = self._rows(f"{_SELECT} AND name = ?", name)
        return next((_team(*row) for row in rows), None)

    # What changes them: inside writing() only

    def put(self, one: Team) -> None:
        """Write a team in the place of the one with its name, which keeps ``created_ts``."""
        import json  # `status` reads teams and writes none

        members = json.dumps(dict(one.members))
        self._rows(_WRITE, one.name, members, one.created_ts, one.updated_ts)

    def remove(self, name: str) -> None:
        self._rows(_REMOVE, name)


def _team(name: str, members: str, created: int, updated: int) -> Team:
    return Team(name, unpacked(members, dict, f"team {name}"), created, updated)
