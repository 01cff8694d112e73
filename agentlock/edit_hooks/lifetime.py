"""What happens in a session besides edits: it starts, is prompted, ends a turn, compacts, ends.

Nothing here may stand in a program's way: an error is the end of this call, and of nothing else.
"""

from __future__ import annotations

import os

from agentlock.edit_hooks.after import after_tool
from agentlock.edit_hooks.dialect import (
    AFTER,
    COMPACT,
    COMPACTED,
    END,
    PROMPT,
    START,
    STOP,
    untagged,
)
from agentlock.edit_hooks.run import TIMEOUT, print_json
from agentlock.edit_hooks.whose import begin
from agentlock.errors import AgentlockError, ReadOnlyTableError
from agentlock.git.containing import by_worktree, repository_at
from agentlock.git.sessions import folder_of, set_waker, take_tools, tool_ends
from agentlock.guard.judge import folding_of
from agentlock.guard.made import is_any as is_any_made
from agentlock.guard.reserving import short_of_time
from agentlock.store import open_table
from agentlock.store.reservations import SOON

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agentlock.edit_hooks.dialect import Call, Dialect
    from agentlock.git.repository import Repository
    from agentlock.git.sessions import Session
    from agentlock.store.base import Store

_TEXTS = {PROMPT: ("prompt",), STOP: ("last_assistant_message", "prompt_response")}
_READ_ONLY = (
    "agentlock: what other agents have reserved cannot be edited. The table of reservations cannot "
    "be written from here, so what you edit is not reserved for you: commit often."
)
_ROLES = {PROMPT: "user", STOP: "assistant"}


def happened(dialect: Dialect, event: str, call: Call) -> None:
    """Note an event of a session, and print what its agent is told then."""
    folders = _folders(call) if call.session else []
    told = filter(None, [_told_in(folder, dialect, call) for folder in folders])
    text = untagged("\n".join(told))
    if not text:
        return
    goes_on = call.event == STOP and dialect.hold is not None
    answer = dialect.hold(text) if goes_on and dialect.hold else dialect.tell(event, text)
    if answer is not None:
        print_json(answer)


def _told_in(folder: bytes, dialect: Dialect, call: Call) -> str:
    """Note the event in the repository of this folder; what the agent is told of it."""
    try:
        repository = repository_at(folder)
        return "" if repository is None else _noted(dialect, repository, call)
    except ReadOnlyTableError:
        return _READ_ONLY if call.event == START else ""
    except (AgentlockError, OSError):
        return ""


def _folders(call: Call) -> list[bytes]:
    """Where the event is noted: where the program works and, after an edit, where the files are."""
    cwd = os.fsencode(call.cwd)
    if call.event != AFTER:
        return [cwd]
    roots = by_worktree([cwd + b"/any", *map(os.fsencode, call.use.writes)], cwd)
    return list(roots) or [cwd]


def _noted(dialect: Dialect, repository: Repository, call: Call) -> str:
    """Write down the event; what the agent is told."""
    store = open_table(repository, TIMEOUT)
    try:
        session = begin(store, repository, call)
        _end_tools(dialect, store, repository, call)
        end_committed(store, repository)
        if call.event in (START, END):
            _begin_or_end(store, repository, session, call)
        if call.event == END:
            return ""
        _renew(store, repository, session)
        if store.waits.next_due() is not None:
            from agentlock.waiting.turn import settle

            settle(store)
        if call.event in _ROLES:
            _note_turn(store, session, call)
        elif call.event == COMPACT or (call.event == COMPACTED and not dialect.event_of(COMPACT)):
            _note_compaction(store, session, call)
        is_heard = dialect.tell(call.name, "anything") is not None
        text = ""
        if call.event == AFTER:
            text = after_tool(store, repository, session, call, is_heard=is_heard)
        told = _told(dialect, store, repository, session, call)
        return "\n".join(filter(None, (told, text)))
    finally:
        store.close()


def _end_tools(dialect: Dialect, store: Store, repository: Repository, call: Call) -> None:
    """Note that a tool has ended, or all of a turn; before that, let leases last meanwhile."""
    if store.reservations.ending(store.now() + SOON):
        from agentlock.waiting.working import keep_all

        keep_all(store)
    who = (folder_of(repository), call.program, call.session)
    if call.event == AFTER:
        failed = dialect.failed is not None and dialect.failed(call.name, call.given)
        tool_ends(*who, call.tool_id, failed=failed)
        return
    ended, errors = take_tools(*who)
    row = store.sessions.find(call.program, call.session) if ended else None
    if row is not None:
        with store.writing(durable=False):
            store.sessions.add_tools(row.id, ended, errors)


def _told(
    dialect: Dialect, store: Store, repository: Repository, session: Session, call: Call
) -> str:
    """What the agent is told at this event. What it would not hear then waits for the next one."""
    if call.event == STOP:
        return _turn(store, repository, session, ends=True) if dialect.may_go_on(call) else ""
    if dialect.tell(call.name, "anything") is None:
        return ""
    row = store.sessions.find(session.program, session.id)
    is_due = row is not None and store.sessions.must_be_told(row.id)
    # Not every program lets its agent hear that it has compacted: then the next event tells it.
    is_heard = call.event == PROMPT or (call.event == AFTER and not call.agent_id)
    if call.event in (START, COMPACTED) or (is_heard and is_due):
        return _welcome(store, repository, session, call)
    if call.event == AFTER:
        return _turn(store, repository, session)
    return _news(store, repository, session) if call.event == PROMPT else ""


def end_committed(store: Store, repository: Repository) -> None:
    """Enter what was committed here, and end the automatic reservations of it."""
    from agentlock.guard.committed import noticed, write

    if is_any_made(repository):
        from agentlock.guard.take_in import enter_made

        enter_made(store, repository)
    if found := noticed(store, repository):
        write(store, found)


def _begin_or_end(store: Store, repository: Repository, session: Session, call: Call) -> None:
    from agentlock.agents.sessions import end
    from agentlock.reservations.automatic import end_with_sessions

    if call.event == END:
        end(store, repository, session)
    end_with_sessions(store, folding_of(repository))


def _renew(store: Store, repository: Repository, session: Session) -> None:
    """Let the automatic reservations last under which the session edited."""
    short = short_of_time(store, session.program, session.id)
    if short:
        from agentlock.reservations.automatic import renew

        renew(store, short, folding_of(repository))


def _turn(store: Store, repository: Repository, session: Session, *, ends: bool = False) -> str:
    """That the agent's turn has come; ``ends``: it is about to sit at its prompt."""
    if not ends:
        set_waker(repository, session, "")
    if not store.offers.of_agent(session.agent, store.now()):
        return ""
    from agentlock.edit_hooks.turns import turn

    told = turn(store, repository, session.agent)
    if told:
        set_waker(repository, session, "")
    return told


def _note_turn(store: Store, session: Session, call: Call) -> None:
    texts = (call.given.get(name) for name in _TEXTS[call.event])
    text = next((one for one in texts if isinstance(one, str)), "")
    policy = store.policy.read()
    row = store.sessions.find(session.program, session.id)
    if row is None:
        return
    with store.writing(durable=False):
        now = store.now()
        store.sessions.seen(row.id, now, at_prompt=call.event == STOP)
        if policy.keep_turns != "off":
            kept = text if policy.keep_turns == "text" else None
            store.sessions.add_turn(row.id, _ROLES[call.event], len(text), now, kept)
        store.agents.register(session.agent, now)


def _note_compaction(store: Store, session: Session, call: Call) -> None:
    row = store.sessions.find(session.program, session.id)
    if row is None:
        return
    trigger = call.given.get("trigger")
    with store.writing(durable=False):
        started_by = trigger if isinstance(trigger, str) else ""
        gathered = (started_by, row.turns, row.tokens, store.now(), row.errors)
        store.sessions.add_compaction(row.id, *gathered)


def _welcome(store: Store, repository: Repository, session: Session, call: Call) -> str:
    """Who the agent is, what it holds, and what it has not been told."""
    from agentlock.edit_hooks.telling import welcome

    source = call.given.get("source")
    text = welcome(store, session, _news(store, repository, session))
    row = store.sessions.find(session.program, session.id)
    if row is not None:
        with store.writing(durable=False):
            files = "\n".join(_given_files(repository))
            store.sessions.add_start(
                row.id, source if isinstance(source, str) else "", files, len(text), store.now()
            )
    return text


def _given_files(repository: Repository) -> list[str]:
    """The files of the project that agents' programs read at their start."""
    names = ("AGENTS.md", "CLAUDE.md", "GEMINI.md", ".github/copilot-instructions.md")
    root = os.fsdecode(repository.root)
    return [name for name in names if os.path.exists(os.path.join(root, name))]


def _news(store: Store, repository: Repository, session: Session) -> str:
    """That its turn has come, and what else the agent has not been told."""
    from agentlock.edit_hooks.telling import cut, news

    found = (_turn(store, repository, session), news(store, session.agent))
    return cut("\n".join(text for text in found if text))
