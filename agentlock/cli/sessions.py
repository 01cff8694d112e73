"""`agentlock session list|show|turns`: the runs of agents' programs."""

from __future__ import annotations

from agentlock.agents.strain import strain
from agentlock.cli import declared
from agentlock.cli.output import print_json, put, table
from agentlock.cli.workspace import Workspace, json_option, timeout_option
from agentlock.errors import UsageError
from agentlock.moments import local_time, rfc3339
from agentlock.shapes import session_json
from agentlock.text import count, foreign

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agentlock.store.base import Store
    from agentlock.store.sessions import Conversation

_SINCE = ("start", "last compaction")


@declared.group()
def session() -> None:
    """The runs of agents' programs, as edit hooks see them.

    \b
    Example:
      agentlock session list --active
    """


@session.command("list")
@declared.option("--active", is_flag=True, help="Only those that have not ended.")
@json_option
@timeout_option
def list_sessions(active: bool, as_json: bool, timeout: str | None) -> None:
    """List the sessions, the oldest first.

    The level is what has gathered since the last compaction: warning from 50 turns or 100,000
    tokens on, or if a fifth of ten or more tools failed; critical from twice that.

    \b
    Example:
      agentlock session list --active
    """
    with Workspace(timeout=timeout).store(read_only=True) as store:
        found = store.sessions.all(active=active)
    if as_json:
        print_json([session_json(one) for one in found])
        return
    rows = [
        (
            *(str(one.id), one.agent, foreign(one.program), local_time(one.started_ts)),
            "open" if one.ended_ts is None else f"ended {local_time(one.ended_ts)}",
            *(str(one.turns), str(one.compactions), "" if one.ended_ts else strain(one)),
        )
        for one in found
    ]
    table(("id", "agent", "program", "started", "state", "turns", "compactions", "level"), rows)


@session.command()
@declared.argument("number", metavar="ID", type=int)
@json_option
@timeout_option
def show(number: int, as_json: bool, timeout: str | None) -> None:
    """Show one session, with its compactions.

    \b
    Example:
      agentlock session show 3
    """
    with Workspace(timeout=timeout).store(read_only=True) as store:
        one = _session(store, number)
        compactions = store.sessions.compactions(number)
        starts = store.sessions.starts(number)
    if as_json:
        print_json(session_json(one))
        return
    ended = "open" if one.ended_ts is None else f"ended {local_time(one.ended_ts)}"
    put(f"session {one.id} of {one.agent}: {foreign(one.program)} {foreign(one.program_session)}")
    put(f"  started {local_time(one.started_ts)}, {ended}, {one.turns} turns")
    put(f"  in {foreign(one.worktree)}, process {one.process or 'unknown'}")
    if level := strain(one):
        put(f"  {level}: {since_compaction(one)}")
    for start in starts:
        files = f": {', '.join(map(foreign, start.files))}" if start.files else ""
        by = foreign(start.source) or "start"
        put(f"  given at {local_time(start.created_ts)} ({by}) {start.size} characters{files}")
    for each in compactions:
        by = f" ({foreign(each.started_by)})" if each.started_by else ""
        failed = f", {count(each.errors, 'failed tool')}" if each.errors else ""
        put(f"  compacted {local_time(each.created_ts)}{by} after {each.turns} turns{failed}")


@session.command()
@declared.argument("number", metavar="ID", type=int)
@json_option
@timeout_option
def turns(number: int, as_json: bool, timeout: str | None) -> None:
    """List the turns of a session: role, size, and what was kept.

    \b
    Example:
      agentlock session turns 3
    """
    with Workspace(timeout=timeout).store(read_only=True) as store:
        _session(store, number)
        found = store.sessions.turns(number)
    if as_json:
        print_json(
            [
                {
                    "id": one.id,
                    "role": one.role,
                    "size": one.size,
                    "tokens": one.tokens,
                    "text": one.content,
                    "created_ts": rfc3339(one.created_ts),
                }
                for one in found
            ]
        )
        return
    rows = [
        (local_time(one.created_ts), one.role, f"{one.size} characters", foreign(one.content or ""))
        for one in found
    ]
    table(("when", "role", "size", "text"), rows)


def since_compaction(one: Conversation) -> str:
    """What a session has gathered since its last compaction, or since its start."""
    tokens = f" and {one.tokens_since:,} tokens" if one.tokens_since else ""
    failed = f", {one.errors} of {one.tools} tools failed" if one.errors else ""
    since = _SINCE[bool(one.compactions)]
    return f"{count(one.turns_since, 'turn')}{tokens} since its {since}{failed}"


def _session(store: Store, number: int) -> Conversation:
    found = store.sessions.get(number)
    if found is None:
        raise UsageError(f"there is no session {number}", see="agentlock session list")
    return found
