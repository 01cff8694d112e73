"""How automatic reservations end: with a commit of their file, or with their last session."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from agentlock.errors import GitError
from agentlock.event_kinds import RELEASED, RENEWED
from agentlock.git.worktree import changed
from agentlock.reservations.ending import handed_over
from agentlock.reservations.holding import waiting_for
from agentlock.store.wake import ring
from agentlock.waiting.order import Meeting
from agentlock.waiting.telling import shown
from agentlock.waiting.turn import Handed, HandOver, settle, somebody_waits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.model import Reservation
    from agentlock.patterns.keys import Folding
    from agentlock.store.base import Store

_AT_WORK = "its session is at work"
_SESSION_OVER = "its session ended, and the file is as in HEAD"


def end(store: Store, ended: Sequence[tuple[Reservation, str]]) -> tuple[HandOver, ...]:
    """End these, each for a reason, if they still are automatic; what was handed over."""
    durable = somebody_waits(store)
    handed = Handed()
    with store.writing(durable=durable):
        now = store.now()
        over = []
        for held, why in ended:
            current = store.reservations.get(held.id)
            if current is not None and current.automatic and current.is_live(now):
                over.append(store.reservations.change(current, released=now))
                store.events.log(RELEASED, now, agent=held.agent, reservation=current, detail=why)
        handed = handed_over(store, over, now, at_once=durable)
    ring(store, handed.bells)
    return (*handed.done, *settle(store))


def end_with_sessions(store: Store, folding: Folding) -> None:
    """End those whose sessions have all ended on this host, if their file is as in HEAD.

    A file that is changed stays reserved until the lease ends, and whoever waits for it is told.
    """
    left = store.automatic.without_session(store.now(), os.uname().nodename)
    ended: list[tuple[Reservation, str]] = []
    kept: list[Reservation] = []
    for worktree in dict.fromkeys(held.worktree for held in left):
        held = [one for one in left if one.worktree == worktree]
        with suppress(GitError):  # a worktree that is gone: the leases end with their time
            differing = changed(os.fsencode(worktree), [one.typed for one in held])
            ended += [(one, _SESSION_OVER) for one in held if one.typed not in differing]
            kept += [one for one in held if one.typed in differing]
    if ended:
        end(store, ended)
    if kept and somebody_waits(store):
        _tell_who_waits(store, kept, folding)


def renew(store: Store, short: Sequence[Reservation], folding: Folding) -> None:
    """Let these last, because a session that edited under them is at work.

    Those for which somebody waits are left out: only an edit of the file renews them.
    """
    policy = store.policy.read()
    ttl = min(policy.edit_ttl, policy.max_ttl)
    with store.writing(durable=False):
        now, meeting = store.now(), Meeting(folding)
        somebody = somebody_waits(store)
        for one in short:
            current = store.reservations.get(one.id)
            if current is None or not current.automatic or not current.is_live(now):
                continue
            if somebody and waiting_for(store, current, current.pattern, now, meeting):
                continue
            store.reservations.extend(current, RENEWED, now, expires=now + ttl, detail=_AT_WORK)


def _tell_who_waits(store: Store, kept: Sequence[Reservation], folding: Folding) -> None:
    """Tell whoever waits for these that nobody works on them any more, once."""
    with store.writing(durable=False):
        now, meeting = store.now(), Meeting(folding)
        for held in kept:
            subject = (
                f"{held.agent}'s session ended, and {shown(held)} is changed and not committed: "
                f"reservation {held.id} lasts until its time is over"
            )
            for wait in waiting_for(store, held, held.pattern, now, meeting):
                if not store.messages.was_told(wait.agent, subject):
                    store.messages.send(
                        *("", wait.agent, subject, "", now), reservation=held.id, while_live=True
                    )
