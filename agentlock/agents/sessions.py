"""Begin, find and end the sessions of agents' programs, and give each a name."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from agentlock.agents.place import here, program_process
from agentlock.git import sessions as files
from agentlock.git.identity import name_without_session
from agentlock.git.sessions import Session
from agentlock.model import MICROSECONDS
from agentlock.processes import ancestors, boot_and_namespace
from agentlock.store.sessions import Conversation
from agentlock.text import storable

if TYPE_CHECKING:
    from agentlock.git.repository import Repository
    from agentlock.store.base import Store

TEXTS_KEPT = 7 * 24 * 3600 * MICROSECONDS  # the text of turns, with the policy `keep_turns text`
_MOST_NAMES = 20


def begin(
    store: Store,
    repository: Repository,
    program: str,
    session: str,
    *,
    transcript: str = "",
) -> Session:
    """The session of this program with this id, which is opened if this is its first event.

    Its name is fixed then: the one that is set for its process, or a drawn one. Call it outside a
    transaction. OSError if git's folder cannot be written.
    """
    known = files.known(repository, program, session)
    if known is not None and not files.has_ended(known):
        return known
    process, _, started = program_process()
    with store.writing(durable=False):
        now = store.now()
        row = store.sessions.find(program, session)
        name = row.agent if row is not None else _name(store, repository)
        store.agents.register(name, now, program=storable(program))
        found = _open(
            store, repository, Session(name, program, session, process, started, ""), transcript
        )
        store.sessions.forget_texts(now - TEXTS_KEPT)
        _end_gone(store, repository)
    files.save(repository, found)
    return found


def begin_run(store: Store, repository: Repository, agent: str, kind: str, process: int) -> Session:
    """A session of an agent whose program is this process, for which no hook speaks."""
    started = next((one for _, _, one in ancestors(1, process)), 0)
    with store.writing(durable=False):
        where = here(repository, agent, store.now())
        mine = {"process": process, "process_started": started or None}
        store.agents.locate(where.replace(**mine, process_place=boot_and_namespace()))
        session = Session(agent, kind, os.urandom(8).hex(), process, started, "")
        found = _open(store, repository, session, "")
        _end_gone(store, repository)
    files.save(repository, found)
    return found


def _open(store: Store, repository: Repository, session: Session, transcript: str) -> Session:
    """Write the row of a session, inside a write transaction; the session with its place."""
    place, now = boot_and_namespace() if session.process else "", store.now()
    store.sessions.open(
        Conversation(
            *(0, session.agent, session.program, session.id, session.process or None),
            *(os.uname().nodename, storable(os.fsdecode(repository.root))),
            storable(transcript),
            now,
            now,
            None,
        ),
        session.started,
        place,
    )
    return session.replace(place=place)


def end(store: Store, repository: Repository, session: Session) -> None:
    """The session has ended, and so have those whose program has ended without a word."""
    files.forget(repository, session)
    with store.writing(durable=False):
        row = store.sessions.find(session.program, session.id)
        if row is not None:
            store.sessions.end([row.id], store.now())
        _end_gone(store, repository)


def _end_gone(store: Store, repository: Repository) -> None:
    """End the sessions of this host whose process has ended without a word.

    Nobody knows when that was, so they end when they were last seen.
    """
    for one in files.all_open(repository):
        if files.has_ended(one):
            files.forget(repository, one)
            row = store.sessions.find(one.program, one.id)
            if row is not None and row.ended_ts is None:
                store.sessions.end([row.id], row.last_active_ts)


def _name(store: Store, repository: Repository) -> str:
    """The name that is set for the session's process; else a drawn one that nobody has."""
    return name_without_session(repository) or drawn_name(store)


def drawn_name(store: Store) -> str:
    """A name that no agent of this project has."""
    if sys.flags.no_site:  # as hooks start Python; the words need an installed package
        import site

        site.main()
    from coolname import generate_slug

    for _ in range(_MOST_NAMES):
        name = str(generate_slug(2))
        if len(name) <= 32 and not store.agents.named([name]) and not store.agents.alike(name):
            return name
    return f"agent-{os.urandom(4).hex()}"
