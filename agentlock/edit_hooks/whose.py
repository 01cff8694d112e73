"""The agent that a call of a hook belongs to, by its session, which its first event begins."""

from __future__ import annotations

import os

from agentlock.environment import AGENT
from agentlock.errors import DatabaseError
from agentlock.git import sessions
from agentlock.git.identity import IN_SESSION, Identity, identify
from agentlock.store import open_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agentlock.edit_hooks.dialect import Call
    from agentlock.git.repository import Repository
    from agentlock.git.sessions import Session
    from agentlock.store.base import Store


def entered(call: Call, repository: Repository, timeout: int) -> tuple[Store, Identity]:
    """The open table, and the agent of the call. The caller closes the table.

    A session that is seen here first is begun, which writes. If that is not possible, as in a
    sandbox, the agent is whoever is set, or nobody.
    """
    found = sessions.known(repository, call.program, call.session) if call.session else None
    try:
        store = open_table(repository, timeout, door="edit")
    except DatabaseError:  # reading may work all the same
        store = open_table(repository, timeout, read_only=True)
    if found is None and call.session:
        try:  # noqa: SIM105 -- contextlib would cost the hook an import
            found = begin(store, repository, call)
        except (DatabaseError, OSError):
            pass
    return store, identify(repository) if found is None else identity_of(found)


def begin(store: Store, repository: Repository, call: Call) -> Session:
    """The session of a call, which begins if nobody has seen it."""
    known = sessions.known(repository, call.program, call.session)
    if known is not None and not sessions.has_ended(known):
        return known
    from agentlock.agents.sessions import begin as begin_session

    transcript = call.given.get("transcript_path") or call.given.get("transcriptPath")
    return begin_session(
        store,
        repository,
        call.program,
        call.session,
        transcript=transcript if isinstance(transcript, str) else "",
    )


def identity_of(session: Session) -> Identity:
    """The session's agent; a name that is set for the process itself comes first."""
    name = os.environ.get(AGENT)
    return Identity(name, AGENT) if name else Identity(session.agent, IN_SESSION)
