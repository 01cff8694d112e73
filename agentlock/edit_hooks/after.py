"""What happens after a tool: the session is at work, and its agent is told what is new.

That is: mail, a file that another branch has changed, and files of others that a shell command has
changed here although their holder works in another worktree.
"""

from __future__ import annotations

import os

from agentlock.guard.judge import folding_of
from agentlock.model import MICROSECONDS
from agentlock.store.reservations import SOON

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agentlock.edit_hooks.dialect import Call
    from agentlock.git.repository import Repository
    from agentlock.git.sessions import Session
    from agentlock.store.base import Store

_SEEN_AGAIN = 30 * MICROSECONDS  # so often at most is it written that a session is at work
_MOST_STALE = 5


def after_tool(
    store: Store, repository: Repository, session: Session, call: Call, *, is_heard: bool
) -> str:
    """What the agent is told after it has used a tool; what it would not hear waits."""
    _seen(store, session)
    if not is_heard:
        return ""
    told = [_stale(store, repository, session)]
    if call.use.command:
        from agentlock.edit_hooks.watching import changed_by_command

        told.append(changed_by_command(store, repository, session))
    if _is_news(store, session.agent):
        from agentlock.edit_hooks.telling import news

        told.append(news(store, session.agent))
    text = "\n".join(filter(None, told))
    if not text:
        return ""
    from agentlock.edit_hooks.telling import cut

    return cut(text)


def _is_news(store: Store, agent: str) -> bool:
    """Whether there may be something to tell: what tells it loads much, so it is asked first."""
    now = store.now()
    return bool(
        store.messages.untold(agent, now, 1)
        or store.reservations.expired_unseen(now, agent)
        or store.reservations.ending_untold(agent, now, SOON)
    )


def _seen(store: Store, session: Session) -> None:
    row = store.sessions.find(session.program, session.id)
    now = store.now()
    if row is None or row.last_active_ts > now - _SEEN_AGAIN:
        return
    with store.writing(durable=False):
        store.sessions.seen(row.id, now)
        store.agents.register(session.agent, now)


def _stale(store: Store, repository: Repository, session: Session) -> str:
    """Which of the files that it began to edit have another branch's changes to come."""
    new = store.automatic.stale_unlooked(session.program, session.id, store.now())
    if not new:
        return ""
    from agentlock.reservations.stale import stale_copies

    here = [held.typed for held in new if os.fsencode(held.worktree) == repository.root]
    policy, folding = store.policy.read(), folding_of(repository)
    found = stale_copies(store, repository, policy, folding, paths=here)
    with store.writing(durable=False):
        store.automatic.mark_stale_looked(new)
    lines = [f"agentlock: note: {one.line()}: {one.merging()}" for one in found.copies]
    return "\n".join(lines[:_MOST_STALE])
