"""The rows of the templates: what agents of one kind are started with."""

from __future__ import annotations

from agentlock.errors import DatabaseError
from agentlock.model import Value
from agentlock.store.base import Noun

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    Kept = TypeVar("Kept", list[str], dict[str, str])

_SELECT = """
SELECT name, role, program, command, bootstrap, patterns, ttl, created_ts, updated_ts
FROM agent_configs WHERE project_id = ?
"""
_WRITE = """
INSERT INTO agent_configs (project_id, name, role, program, command, bootstrap, patterns, ttl,
    created_ts, updated_ts)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
ON CONFLICT (project_id, name) DO UPDATE SET role = excluded.role, program = excluded.program,
    command = excluded.command, bootstrap = excluded.bootstrap, patterns = excluded.patterns,
    ttl = excluded.ttl, updated_ts = excluded.updated_ts
"""
_NAMES = "SELECT name FROM agent_configs WHERE project_id = ? ORDER BY name"
_REMOVE = "DELETE FROM agent_configs WHERE project_id = ? AND name = ?"


class Template(Value):
    """What an agent of one kind is started with.

    ``command`` is its command line, ``bootstrap`` the files that it is given at its start,
    ``patterns`` what it reserves, for ``ttl`` microseconds at a time (None: as `run` does).
    """

    name: str
    role: str
    program: str
    command: tuple[str, ...]
    bootstrap: tuple[str, ...]
    patterns: tuple[str, ...]
    ttl: int | None
    created_ts: int
    updated_ts: int


class Templates(Noun):
    def names(self) -> list[str]:
        return [str(name) for (name,) in self._rows(_NAMES)]

    def all(self) -> list[Template]:
        """By name."""
        return [_template(*row) for row in self._rows(f"{_SELECT} ORDER BY name")]

    def get(self, name: str) -> Template | None:
        rows = self._rows(f"{_SELECT} AND name = ?", name)
        return next((_template(*row) for row in rows), None)

    # What changes them: inside writing() only

    def put(self, one: Template) -> None:
        """Write a template in the place of the one with its name, which keeps ``created_ts``."""
        import json  # `status` reads nothing that is packed, mostly

        lists = [json.dumps(each) for each in (one.command, one.bootstrap, one.patterns)]
        times = (one.ttl, one.created_ts, one.updated_ts)
        self._rows(_WRITE, one.name, one.role, one.program, *lists, *times)

    def remove(self, name: str) -> None:
        self._rows(_REMOVE, name)


def unpacked(text: str, kind: type[Kept], what: str) -> Kept:
    """What was kept as JSON; DatabaseError if somebody wrote something else there."""
    import json

    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, kind) or not all(isinstance(one, str) for one in found):
        raise DatabaseError(f"the row of the {what} is damaged", fix="agentlock db check --repair")
    return found


def _template(
    name: str,
    role: str,
    program: str,
    command: str,
    bootstrap: str,
    patterns: str,
    ttl: int | None,
    created: int,
    updated: int,
) -> Template:
    lists = (command, bootstrap, patterns)
    words, files, wanted = (tuple(unpacked(each, list, f"template {name}")) for each in lists)
    return Template(name, role, program, words, files, wanted, ttl, created, updated)
