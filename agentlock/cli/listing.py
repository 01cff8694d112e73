"""`agentlock list` and `agentlock show`."""

from __future__ import annotations

from agentlock.agent_mail.lease import Lease
from agentlock.agents.activity import holders
from agentlock.agents.registry import in_removed_worktrees
from agentlock.cli import declared
from agentlock.cli.output import (
    RESERVATION_HEADERS,
    detail_of,
    lease_text,
    print_json,
    put,
    reservation_row,
    say,
    table,
)
from agentlock.cli.workspace import (
    IDENTIFIER,
    Workspace,
    completed,
    json_option,
    named_agent,
    timeout_option,
)
from agentlock.duration import format_remaining, parse_duration
from agentlock.errors import UsageError
from agentlock.event_kinds import FORCE_RELEASED
from agentlock.guard.report import seen_text
from agentlock.moments import local_time, rfc3339
from agentlock.reservations.history import forced_ends, history
from agentlock.reservations.search import listed
from agentlock.shapes import listed_json, reservation_json, text_of
from agentlock.text import count, foreign, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentlock.model import Reservation
    from agentlock.records import Presence

_LONGEST_REASON = 300

_REMOVED = "; its worktree was removed"


def _reason(text: str) -> str:
    shown = foreign(text)
    return quoted(text, _LONGEST_REASON) if shown[:1] == '"' else shown or "-"


def _seen(held: Reservation, known: Mapping[str, Presence], now: int) -> str:
    """When and where the holder was last seen; of another program's agent only when."""
    if not isinstance(held, Lease):
        return seen_text(known[held.agent], now)
    if not held.active_ts:
        return ""
    return f"last seen {format_remaining(max(now - held.active_ts, 0))} ago"


@declared.command("list")
@declared.option(
    "--agent",
    metavar="NAME",
    shell_complete=completed("agents"),
    help="Only the reservations of one agent.",
)
@declared.option("--mine", is_flag=True, help="Only your own.")
@declared.option(
    "--path", metavar="PATH", help="Only reservations that cover a path (or meet a folder)."
)
@declared.option("--all", "ended", is_flag=True, help="Ended reservations too.")
@declared.option(
    "--expiring", metavar="DURATION", help="Only leases that end within this time, the next first."
)
@declared.option("--limit", metavar="N", type=declared.Range(1), help="At most N, the newest.")
@json_option
@timeout_option
def list_reservations(
    agent: str | None,
    mine: bool,
    path: str | None,
    ended: bool,
    expiring: str | None,
    limit: int | None,
    as_json: bool,
    timeout: str | None,
) -> None:
    """List the live reservations.

    \b
    Example:
      agentlock list --path src/auth/login.py
      agentlock list --mine --json
      agentlock list --expiring 5m
    """
    if mine and agent is not None:
        raise UsageError("--mine and --agent exclude each other", fix="give only one of them")
    workspace = Workspace(timeout=timeout)
    wanted = workspace.agent if mine else named_agent(agent)
    if ended and expiring is not None:
        raise UsageError("--all and --expiring exclude each other", fix="give only one of them")
    within = None if expiring is None else parse_duration(expiring)
    at = workspace.path_named(path)
    with workspace.store(read_only=True, take_in=True) as store:
        found, now = listed(
            store, workspace.folding, agent=wanted, path=at, history=ended, within=within
        )
        more = 0 if limit is None else len(found) - limit
        if limit is not None:
            found = found[-limit:] if within is None else found[:limit]
        forced = forced_ends(store) if ended else {}
        known = holders(store, found)
        live = [held for held in found if held.is_live(now) and not held.source]
        removed = {held.id for held in in_removed_worktrees(store, live)}
    if as_json:
        print_json(listed_json(found, known, forced=forced, removed=removed))
        return
    rows = [
        (
            *reservation_row(
                held, now, forced.get(held.id), mine=held.agent == workspace.identity.name
            ),
            _seen(held, known, now) + (_REMOVED if held.id in removed else ""),
        )
        for held in found
    ]
    table((*RESERVATION_HEADERS, "holder"), rows)
    if more > 0:
        say(f"agentlock: {count(more, 'more reservation')}: agentlock list without --limit")


@declared.command()
@declared.argument("identifier", metavar="ID", type=IDENTIFIER)
@json_option
@timeout_option
def show(identifier: int, as_json: bool, timeout: str | None) -> None:
    """Show one reservation with its history.

    \b
    Example:
      agentlock show 42
    """
    workspace = Workspace(timeout=timeout)
    with workspace.store(read_only=True, take_in=True) as store:
        found = history(store, identifier)
        holder = holders(store, [found.reservation])[found.reservation.agent]
    held, events = found.reservation, found.events
    forced = next((one for one in events if one.kind == FORCE_RELEASED), None)
    if as_json:
        told = [
            {"ts": rfc3339(one.created_ts), "kind": one.kind, "agent": one.agent,
             "detail": one.detail}
            for one in events
        ]  # fmt: skip
        print_json(
            {
                **reservation_json(held, forced=forced, holder=holder),
                "typed": text_of(held.typed),
                "history": told,
            }
        )
        return
    put(f"reservation {held.id}")
    typed = foreign(text_of(held.typed))
    put(f"  pattern  {foreign(text_of(held.pattern))}  (typed {typed})")
    put(f"  holder   {held.agent}")
    put(f"           {seen_text(holder, found.now, whole=True)}")
    put(f"  mode     {'exclusive' if held.exclusive else 'shared'}")
    put(f"  lease    {lease_text(held, found.now, forced)}")
    put(f"  reason   {_reason(held.reason)}")
    put(f"  fence    {held.fence}")
    for one in events:
        put(f"  {local_time(one.created_ts)}  {one.kind}  {one.agent}  {detail_of(one)}".rstrip())
