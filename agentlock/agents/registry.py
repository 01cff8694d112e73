"""Which names are whose, what a name holds elsewhere, and when to record where an agent works.

Names are registered by their first command, or on their own, and retired when nobody needs them.
"""

from __future__ import annotations

import os

from agentlock.errors import IdentityError, RefusedError, UsageError
from agentlock.event_kinds import RETIRED
from agentlock.model import MICROSECONDS
from agentlock.text import count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.model import Reservation
    from agentlock.records import Agent
    from agentlock.store.base import Store

_PAUSE = 60 * MICROSECONDS


def known(store: Store, name: str) -> Agent:
    """The agent of this name; UsageError if there is none."""
    found = store.agents.named([name]).get(name)
    if found is None:
        raise UsageError(f"{name} is no agent of this project", see="agentlock agent list")
    return found


def register(
    store: Store, name: str, *, program: str = "", model: str = "", template: str = ""
) -> bool:
    """Enter a name that may hold reservations; False if it was known already."""
    with store.writing():
        require_distinct(store, name)
        is_new = not store.agents.named([name])
        store.agents.register(name, store.now(), program=program, model=model)
        if template:
            store.agents.start_from(name, template)
    return is_new


def retire(store: Store, name: str, by: str) -> None:
    """Note that nobody works under this name any more; its next activity takes that back.

    RefusedError while it holds something or waits for something.
    """
    known(store, name)
    with store.writing():
        now = store.now()
        if held := store.reservations.all(agent=name, live_at=now):
            raise RefusedError(
                f"{name} still holds {count(len(held), 'reservation')}",
                see=f"agentlock list --agent {name}",
            )
        if waits := [one for one in store.waits.of_agent(name) if one.is_live(now)]:
            raise RefusedError(
                f"{name} still has {count(len(waits), 'place')} in the queue",
                see="agentlock queue list",
            )
        store.agents.retire(name, now)
        store.events.log(RETIRED, now, agent=by, detail=name)


def require_distinct(store: Store, name: str) -> bool:
    """Whether the name is known already, as it will be for ever.

    IdentityError for a new name that differs from a known agent's only in case.
    """
    if name in store.agents.named([name]):
        return True
    other = store.agents.alike(name)
    if other is not None:
        raise IdentityError(
            f"{name!r} differs from {other!r}, an agent of this project, only in case",
            fix="choose a name that nobody else has",
        )
    return False


def held_elsewhere(store: Store, name: str, worktree: str) -> list[Reservation]:
    """The live reservations of this name that were made in another worktree."""
    held = store.reservations.all(agent=name, live_at=store.now())
    return [one for one in held if one.worktree not in ("", worktree)]


def in_removed_worktrees(store: Store, live: Sequence[Reservation]) -> list[Reservation]:
    """Those of the live reservations whose worktree, on this host, is no longer there."""
    here = os.uname().nodename
    known = store.agents.named(held.agent for held in live)
    # A backslash may stand for a byte that is not UTF-8.
    worktrees = {
        held.worktree
        for held in live
        if known[held.agent].host == here and "\\" not in held.worktree
    }
    removed = {path for path in worktrees if path and not os.path.isdir(path)}
    return [held for held in live if held.worktree in removed]


def is_due(store: Store, name: str) -> bool:
    """Whether it is time to record where the agent works."""
    known = store.agents.named([name]).get(name)
    if known is None:
        return store.agents.alike(name) is None  # `reserve` refuses such a name
    if known.located_ts is None:
        return True
    return not 0 <= store.now() - known.located_ts < _PAUSE
