"""Ends a lease from the board, by force: only where the board was started to allow it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentlock.errors import RefusedError, UsageError
from agentlock.reservations.ending import release
from agentlock.reservations.naming import Selection
from agentlock.rules import owner_key
from agentlock.text import check_reason

if TYPE_CHECKING:
    from agentlock.git.repository import Repository
    from agentlock.rules.owner_key import Opened

_DOING = "releasing by force from the board"


def end_lease(
    repository: Repository, opened: Opened, actor: str | None, asked: dict[str, Any]
) -> dict[str, Any]:
    """End the lease that a viewer of the board asks for; what was ended, and who got it.

    ``asked`` has the lease's ``id``, its ``holder`` typed again as a confirmation, a ``reason``,
    and the owner's ``key`` if the project has one.
    """
    number, reason = asked.get("id"), asked.get("reason")
    if not isinstance(number, int) or not 0 < number < 2**63:
        raise UsageError("no lease is named", fix="choose one on the board")
    if not isinstance(reason, str) or not reason.strip():
        raise UsageError("--force needs a reason, which every agent sees", fix="say why")
    if actor is None:
        raise RefusedError("nobody is named here", fix="git config user.name NAME")
    kept = owner_key.kept_for(repository, opened)
    if kept is not None:
        key = asked.get("key")
        owner_key.require(
            kept, key if isinstance(key, str) and key else None, _DOING, repository, opened
        )
    with opened(read_only=False) as store:
        held = store.reservations.get(number)
        if held is None or held.agent != asked.get("holder"):
            raise RefusedError(
                f"lease {number} is not confirmed: type the name of its holder",
                see=f"agentlock show {number}",
            )
        ended = release(
            store, actor, Selection(ids=(number,)), force=True, reason=check_reason(reason)
        )
    return {
        "released": [one.id for one in ended.reservations],
        "handed": [one.wait.agent for one in ended.handed],
    }
