"""What the board looks up when somebody asks for it: a file's history, the past, a session."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from agentlock.board import rows
from agentlock.errors import GitError, UsageError
from agentlock.git.history import commits_of
from agentlock.patterns.matching import compile_pattern
from agentlock.reservations.history import events

if TYPE_CHECKING:
    from agentlock.git.repository import Repository
    from agentlock.patterns.keys import Folding
    from agentlock.store.base import Store

_MOST = 2_000
_COMMITS = 50
_EVENTS = 200


def file_history(store: Store, repository: Repository, folding: Folding, path: str) -> rows.Row:
    """The events about one file or folder, and the commits that changed it, newest first."""
    name = os.fsencode(path.strip("/"))
    if not name or b"\0" in name:
        raise UsageError("no path is named", fix="name a file of the repository")
    page = events(store, folding, path=compile_pattern(b"/" + name, folding), limit=_EVENTS)
    try:
        commits = [] if repository.is_bare else commits_of(repository.root, name, _COMMITS)
    except GitError:  # no commit yet
        commits = []
    entries = store.ledger.entries(one.oid for one in commits)
    return {
        "path": path.strip("/"),
        "events": [rows.event(one) for one in reversed(page.events)],
        "commits": [
            {
                "oid": one.oid,
                "at": one.moment,
                "author": one.author,
                "subject": one.subject,
                "agent": entries[one.oid].agent if one.oid in entries else None,
                "how": entries[one.oid].how if one.oid in entries else None,
            }
            for one in commits
        ],
    }


def past(store: Store, since: int) -> rows.Row:
    """Every lease that lasted at some time since then, and the refusals, at most 2,000 of each."""
    leases = [
        {**rows.lease(one), "released": one.released_ts}
        for one in store.reservations.ended_since(since, _MOST)
    ]
    marks = [
        rows.event(one)
        for one in store.events.find(since=since, limit=10 * _MOST)
        if one.kind in ("refused", "force-released", "handed-over", "skipped")
    ]
    return {"leases": leases, "marks": marks[-_MOST:], "now": store.now(), "most": _MOST}


def session(store: Store, number: int) -> rows.Row:
    """The turns and the compactions of one session."""
    found = store.sessions.get(number)
    if found is None:
        raise UsageError(f"there is no session {number}", see="agentlock session list")
    return {
        "session": rows.session(found),
        "turns": [
            {"at": one.created_ts, "role": one.role, "size": one.size, "tokens": one.tokens}
            for one in store.sessions.turns(number)
        ],
        "compactions": [
            {"at": one.created_ts, "by": one.started_by, "turns": one.turns, "tokens": one.tokens}
            for one in store.sessions.compactions(number)
        ],
    }
