"""What an agent is told when its turn has come: at its next event, or by waking it at its prompt.

An offer of the queue is taken by whoever tells the agent of it, so each is told once.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from agentlock.duration import format_remaining
from agentlock.edit_hooks.dialect import untagged
from agentlock.edit_hooks.run import ALLOWED, TIMEOUT
from agentlock.edit_hooks.whose import identity_of
from agentlock.environment import CLAUDE_CODE_ENTRYPOINT
from agentlock.errors import AgentlockError
from agentlock.git import sessions
from agentlock.git.containing import repository_at
from agentlock.guard.judge import folding_of
from agentlock.guard.report import tell
from agentlock.model import MICROSECONDS
from agentlock.patterns.matching import displayed
from agentlock.store import open_table
from agentlock.store.wake import PLACE, listening
from agentlock.text import and_more, foreign
from agentlock.waiting.foreground import listen, stop_listening, wait_for
from agentlock.waiting.taking import take

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agentlock.edit_hooks.dialect import Call
    from agentlock.git.repository import Repository
    from agentlock.git.sessions import Session
    from agentlock.model import Reservation
    from agentlock.store.base import Store

WOKEN = 102  # the entry's shell line makes a 2 of it, which wakes the agent
LONGEST = 3600  # seconds; the entry gives the program a little more
_LOOK = 5 * MICROSECONDS  # whether the program is still there
_SHOWN = 3
# Without a screen, Claude Code waits for such a process to end. OpenCode's plugin never waits.
_WITH_A_SCREEN = "cli"
_NEVER_WAITS = "opencode"


def turn(store: Store, repository: Repository, agent: str) -> str:
    """Take what the queue offers the agent, and say so; "" if it offers nothing."""
    taken = take(store, agent, repository, folding_of(repository))
    return _sentence(taken.granted, taken.now)


def wake(call: Call) -> int:
    """Wait as long as the agent sits at its prompt and has places in the queue.

    WOKEN, with the sentence on stderr, once one of them is granted; else ALLOWED, in silence.
    """
    has_screen = os.environ.get(CLAUDE_CODE_ENTRYPOINT) == _WITH_A_SCREEN
    if not has_screen and call.program != _NEVER_WAITS:
        return ALLOWED
    try:
        repository = repository_at(os.fsencode(call.cwd))
        session = None
        if repository is not None:
            session = sessions.known(repository, call.program, call.session)
        text = _waited(repository, session) if repository is not None and session else ""
    except (AgentlockError, OSError):
        return ALLOWED
    if not text:
        return ALLOWED
    tell(f"{untagged(text)}\n")
    return WOKEN


def _waited(repository: Repository, session: Session) -> str:
    agent = identity_of(session).name or session.agent
    store = open_table(repository, TIMEOUT)
    try:
        places = [one.id for one in store.waits.of_agent(agent) if one.queued]
        if not places:
            return ""
        mine = str(os.getpid())
        sessions.set_waker(repository, session, mine)
        text = _listened(store, repository, session, places)
        if sessions.waker_of(repository, session) != mine:  # a later one, or the agent works again
            return ""
        sessions.set_waker(repository, session, "")
        return text
    finally:
        store.close()


def _listened(store: Store, repository: Repository, session: Session, places: list[int]) -> str:
    agent = identity_of(session).name or session.agent
    mine = str(os.getpid())
    end = time.monotonic() + LONGEST
    with listening(store, PLACE) as bell:
        listen(store, places, agent, bell.name)
        try:
            while time.monotonic() < end:
                waited = wait_for(
                    *(store, bell, agent, places),
                    every=False,
                    until=store.now() + _LOOK,
                    repository=repository,
                    folding=folding_of(repository),
                )
                if waited.granted:
                    return _sentence(waited.granted, waited.now)
                is_mine = sessions.waker_of(repository, session) == mine
                if not (waited.waits and is_mine) or sessions.has_ended(session):
                    return ""
            return ""
        finally:
            stop_listening(store, places, bell.name)


def _sentence(granted: Iterable[Reservation], now: int) -> str:
    held = list(granted)
    if not held:
        return ""
    shown = ", ".join(foreign(displayed(one.pattern)) for one in held[:_SHOWN])
    shown += and_more(len(held) - _SHOWN)
    left = format_remaining(min(one.expires_ts for one in held) - now)
    return (
        f"agentlock: it is your turn: you hold {shown} now, for {left}. "
        "Read what you reserved again before you edit it: it may have changed."
    )
