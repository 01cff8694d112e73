"""Run a program as an agent, from its start to its end."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from agentlock.agents.presence import WITHOUT_HOOKS
from agentlock.agents.sessions import begin_run, end
from agentlock.environment import AGENT, READ_FIRST
from agentlock.errors import AgentlockError
from agentlock.guard.judge import folding_of
from agentlock.model import Value
from agentlock.reservations.automatic import end_with_sessions
from agentlock.running.program import NOT_EXECUTABLE, NOT_FOUND, follow, prepare
from agentlock.store import BRIEF_TIMEOUT, open_table
from agentlock.text import storable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agentlock.git.repository import Repository
    from agentlock.git.sessions import Session
    from agentlock.running.keeping import Keeper
    from agentlock.store.base import Store


class Start(Value):
    """What a program is given at its start: from where, which files, and their size in bytes."""

    source: str
    files: tuple[str, ...]
    size: int


def run(
    repository: Repository,
    agent: str,
    keeper: Keeper,
    command: Sequence[str],
    tell: Callable[[str], None],
    start: Start | None = None,
) -> int:
    """Run a program as this agent, and keep its leases meanwhile; its exit code.

    126 if it cannot be started, 127 if it is not there, 128 and the number of the signal that ended
    it. ``tell`` gets what its user must know. A table that cannot be written stops no program.
    """

    def renew() -> None:
        for text in keeper.renew():
            tell(text)

    given = {**os.environ, AGENT: agent, READ_FIRST: "\n".join(start.files) if start else ""}
    child = prepare(command, given)
    session = _begun(repository, agent, child.process, start, tell)
    failed = child.start()
    code = follow(child, keeper.every, renew)
    if failed:
        tell(f"cannot run {command[0]}: {os.strerror(failed)}")
        code = NOT_FOUND if failed == errno.ENOENT else NOT_EXECUTABLE
    for text in keeper.give_back():
        tell(text)
    if session is not None:  # last: whoever releases something is active
        _end(repository, session)
    return code


def _begun(
    repository: Repository,
    agent: str,
    process: int,
    start: Start | None,
    tell: Callable[[str], None],
) -> Session | None:
    try:
        store = open_table(repository, BRIEF_TIMEOUT)
        try:
            session = begin_run(store, repository, agent, WITHOUT_HOOKS, process)
            if start is not None:
                _note_start(store, session, start)
            return session
        finally:
            store.close()
    except (AgentlockError, OSError) as error:
        tell(f"no session is opened: {error}")
        return None


def _note_start(store: Store, session: Session, start: Start) -> None:
    row = store.sessions.find(session.program, session.id)
    if row is not None:
        with store.writing(durable=False):
            files = "\n".join(map(storable, start.files))
            store.sessions.add_start(row.id, start.source, files, start.size, store.now())


def _end(repository: Repository, session: Session) -> None:
    """End the session, and what edits in it reserved, as far as its files are as in HEAD.

    If the table cannot be written, the next session that begins does this.
    """
    try:
        store = open_table(repository, BRIEF_TIMEOUT)
        try:
            end(store, repository, session)
            end_with_sessions(store, folding_of(repository))
        finally:
            store.close()
    except (AgentlockError, OSError):
        pass
