"""What Agent Mail's agents expect to read: its result fields, its errors, and its project keys."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from agentlock.errors import AgentlockError, UsageError
from agentlock.git.repository import worktree_roots
from agentlock.moments import rfc3339
from agentlock.shapes import text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.mcp.calls import Shape
    from agentlock.mcp.door import Place
    from agentlock.model import Reservation
    from agentlock.records import Agent
    from agentlock.reservations.search import Conflict
    from agentlock.store.base import Store

_TYPES = {
    "usage": "INVALID_ARGUMENT",
    "pattern": "INVALID_ARGUMENT",
    "identity": "AUTHENTICATION_REQUIRED",
    "refused": "REFUSED",
    "configuration": "NOT_FOUND",
    "not-a-repository": "NOT_FOUND",
    "bug": "UNHANDLED_EXCEPTION",
}


class ProjectError(UsageError):
    """Another project than the one that is served."""

    kind = "configuration"


def error_shape(error: AgentlockError) -> Shape:
    """An error as Agent Mail's agents know it; ours is in ``data``."""
    return {
        "error": {
            "type": _TYPES.get(error.kind, "DATABASE_ERROR"),
            "message": f"{error.message} ({error.hint})" if error.hint else error.message,
            "recoverable": error.kind != "bug",
            "data": {"kind": error.kind, "hint": error.hint, **error.details},
        }
    }


def require_project(place: Place, key: str) -> None:
    """ProjectError unless ``key`` is a worktree of the served repository, or the slug of one."""
    common = place.repository.common_dir
    roots = {os.path.realpath(root) for root in (*worktree_roots(common), place.repository.root)}
    try:
        path = os.path.realpath(os.fsencode(key))
    except ValueError:  # a NUL, or half of a surrogate pair
        path = b""
    if path not in roots and key not in {slug(root) for root in roots}:
        here = os.fsdecode(os.path.realpath(place.repository.root))
        raise ProjectError(f"{key} is not the project that is served here", fix=f"name {here}")


def slug(root: bytes) -> str:
    """The project's name as Agent Mail makes it from a path."""
    letters = "".join(one if one.isalnum() else " " for one in os.fsdecode(root).lower())
    return "-".join(letters.split())


def project_shape(place: Place, store: Store) -> Shape:
    root = os.path.realpath(place.repository.root)
    made = min((one.registered_ts for one in store.agents.all()), default=store.now())
    name = os.fsdecode(root)
    return {"id": 1, "slug": slug(root), "human_key": name, "created_at": rfc3339(made)}


def agent_shape(store: Store, agent: Agent, task: str = "") -> Shape:
    numbers = {one.name: at for at, one in enumerate(store.agents.all(), start=1)}
    return {
        "id": numbers.get(agent.name, 0),
        "name": agent.name,
        "program": agent.program,
        "model": agent.model,
        "task_description": task,
        "inception_ts": rfc3339(agent.registered_ts),
        "last_active_ts": rfc3339(agent.last_active_ts),
        "project_id": 1,
        "attachments_policy": "auto",
    }


def below(place: Place, path: str) -> str:
    """The path relative to the root: theirs may be absolute."""
    root = os.fsdecode(os.path.realpath(place.repository.root))
    inside = path.removeprefix(root + os.sep)
    return inside.removeprefix("/") if inside == path else inside


def bare(path: str) -> str:
    return path.removeprefix("/")


def granted_shape(held: Reservation, typed: dict[bytes, str]) -> Shape:
    return {
        "id": held.id,
        "path_pattern": typed.get(held.pattern, bare(text_of(held.pattern))),
        "exclusive": held.exclusive,
        "reason": held.reason,
        "expires_ts": rfc3339(held.expires_ts),
    }


def renewed_shape(old: Reservation, new: Reservation) -> Shape:
    return {
        "id": new.id,
        "path_pattern": bare(text_of(new.pattern)),
        "old_expires_ts": rfc3339(old.expires_ts),
        "new_expires_ts": rfc3339(new.expires_ts),
    }


def holder_shape(held: Reservation) -> Shape:
    return {
        "agent": held.agent,
        "path_pattern": bare(text_of(held.pattern)),
        "exclusive": held.exclusive,
        "expires_ts": rfc3339(held.expires_ts),
    }


def conflict_shapes(found: Sequence[Conflict], typed: dict[bytes, str]) -> list[Shape]:
    """Each path with all its holders; whoever waits for it earlier counts as one."""
    by_path: dict[str, list[Shape]] = {}
    for one in found:
        path = typed.get(one.pattern, bare(text_of(one.pattern)))
        holders_of = by_path.setdefault(path, [])
        if one.reservation is not None:
            holders_of.append(holder_shape(one.reservation))
        elif one.wait is not None:
            wait = one.wait
            holders_of.append(
                {
                    "agent": wait.agent,
                    "path_pattern": bare(text_of(wait.patterns[0])),
                    "exclusive": wait.exclusive,
                    "expires_ts": rfc3339(wait.expires_ts),
                }
            )
    return [{"path": path, "holders": holders_of} for path, holders_of in by_path.items()]
