"""Where an Agent Mail keeps what its agents hold, told apart without opening either wrongly."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

from agentlock.agent_mail.archive import projects
from agentlock.agent_mail.live import WAIT, root_of, roots_of
from agentlock.environment import HOME, XDG_DATA_HOME
from agentlock.errors import UsageError
from agentlock.model import Value
from agentlock.store.agent_mail import (
    NEEDED,
    OF_RUST,
    AgentMailDatabase,
    is_of_rust,
    unknown_schema,
)
from agentlock.text import shell_word

if TYPE_CHECKING:
    from agentlock.store import Recorded

AGENT_MAIL = "agentMail"
"""The setting in the repository's own configuration: `git.repository.Repository.agent_mail`."""
_DATABASE = "storage.sqlite3"
_ASK = "agentlock init --agent-mail PATH, its database or the folder that has `projects`"


class Place(Value):
    """The database of the Python version, or the archive of either version."""

    kind: Literal["database", "archive"]
    path: str


def named(path: str) -> Place:
    """What lies at a path that somebody named; UsageError if that is no Agent Mail."""
    path = os.path.realpath(os.path.expanduser(path))
    if os.path.isdir(path):
        if os.path.isdir(os.path.join(path, "projects")):
            return Place("archive", path)
        database = os.path.join(path, _DATABASE)
        if os.path.isfile(database):
            return _of_file(database)
    elif os.path.exists(path):
        return _of_file(path)
    what = "has no Agent Mail in it" if os.path.isdir(path) else "is missing"
    raise UsageError(f"{path} {what}", fix=_ASK)


def usual() -> Place:
    """The Agent Mail in the default places of both versions; UsageError if it is not just one."""
    home = os.environ.get(HOME, "")
    data = os.environ.get(XDG_DATA_HOME) or os.path.join(home, ".local", "share")
    roots = (
        os.path.join(home, ".mcp_agent_mail_git_mailbox_repo"),
        os.path.join(data, "mcp-agent-mail", "git_mailbox_repo"),
    )
    checkout = os.path.join(home, "mcp_agent_mail", _DATABASE)
    archives = [named(root) for root in roots if os.path.isdir(os.path.join(root, "projects"))]
    databases = [named(checkout)] if os.path.isfile(checkout) else []
    # The Python version keeps a database and an archive, of which the database says more.
    found = [*databases, *(one for one in archives if not databases or is_of_rust(one.path))]
    if len(found) == 1:
        return found[0]
    if not found:
        looked = ", ".join((*roots, checkout))
        raise UsageError(f"there is no Agent Mail in its default places ({looked})", fix=_ASK)
    raise UsageError(
        f"there are several Agent Mails: {', '.join(one.path for one in found)}",
        fix=f"name one of them: agentlock init --agent-mail {shell_word(found[0].path)}",
    )


def folders_of(place: Place, beside: Recorded) -> list[str]:
    """The worktrees of the repository that it has a project for; DatabaseError if unreadable."""
    roots = roots_of(beside)
    if place.kind == "archive":
        keys = [key for _, key in projects(place.path)]
    else:
        database = AgentMailDatabase(place.path, WAIT)
        try:
            keys = [key for _, key in database.projects()]
            database.reservations([0], "")  # are all the columns there?
        finally:
            database.close()
    ours = (root_of(key, roots) for key in keys)
    return sorted({os.fsdecode(root) for root in ours if root is not None})


def _of_file(path: str) -> Place:
    folder = os.path.dirname(path)
    if is_of_rust(folder) and os.path.isdir(os.path.join(folder, "projects")):
        return Place("archive", folder)
    # Read as it lies there: that takes no lock, and disturbs no engine that has it open.
    database = AgentMailDatabase(path, WAIT, frozen=True)
    try:
        tables = database.tables()
    finally:
        database.close()
    if tables & OF_RUST:
        raise UsageError(
            f"{path} is a database of Agent Mail's Rust version, of which only the archive can be "
            "read",
            fix=_ASK,
        )
    if not tables:  # all of a new one may still be in SQLite's log
        database = AgentMailDatabase(path, WAIT)
        try:
            tables = database.tables()
        finally:
            database.close()
    if lacking := sorted(NEEDED - tables):
        raise unknown_schema(path, f"it lacks {', '.join(lacking)}")
    return Place("database", path)
