"""`agentlock wait`, `agentlock queue list` and `agentlock queue leave`."""

from __future__ import annotations

from agentlock.cli import declared
from agentlock.cli.output import print_json, put, say, table
from agentlock.cli.owner import Owner, allowed, owner_options
from agentlock.cli.stale import say_refused_as_stale
from agentlock.cli.waiting import place_text, put_taken
from agentlock.cli.workspace import (
    IDENTIFIER,
    Workspace,
    agent_option,
    completed,
    json_option,
    timeout_option,
)
from agentlock.duration import format_left, parse_duration
from agentlock.errors import EXIT_OK, EXIT_REFUSED, RefusedError, UsageError
from agentlock.moments import local_time
from agentlock.patterns.matching import displayed
from agentlock.shapes import left_json, wait_json, waited_json
from agentlock.store.wake import PLACE, listening
from agentlock.text import foreign
from agentlock.waiting import queue as places
from agentlock.waiting.foreground import Waited, listen, stop_listening, wait_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.store.base import Store
    from agentlock.waiting.turn import HandOver

_PLACES = declared.argument(
    "identifiers",
    nargs=-1,
    metavar="[ID...]",
    type=IDENTIFIER,
    shell_complete=completed("places"),
)


@declared.command()
@_PLACES
@declared.option("--all", "every", is_flag=True, help="Until all of them are granted.")
@declared.option(
    "--for", "duration", default="1h", metavar="DURATION", help="How long at most (default 1h)."
)
@agent_option
@json_option
@timeout_option
def wait(
    identifiers: Sequence[int],
    every: bool,
    duration: str,
    agent: str | None,
    as_json: bool,
    timeout: str | None,
) -> int:
    """Wait until one of your places in the queue is granted.

    The places are those that `reserve --queue` took: the ones named, or all that you have. They
    stay if the time ends, or if you stop this command. Exit 0: granted, 1: not in this time.

    \b
    Example:
      agentlock wait --for 9m
      agentlock wait 3 5 --all
    """
    workspace = Workspace(agent, timeout)
    name = workspace.agent
    last = parse_duration(duration)
    with workspace.store(take_in=True) as store:
        found = _waited(workspace, store, name, identifiers, every=every, last=last)
    is_done = bool(found.granted) and not (every and found.waits)
    if as_json:
        print_json(waited_json(found))
        return EXIT_OK if is_done else EXIT_REFUSED
    for held in found.granted:
        put_taken(held, found.now)
    if found.stale is not None:
        say_refused_as_stale(found.stale.of_others(name))
    for one in found.waits:
        say(f"agentlock: still waiting: {place_text(one, found.standings[one.id])}")
    if not found.granted and not found.waits and found.stale is None:
        say("agentlock: the place ended without a grant; see: agentlock log --agent " + name)
    return EXIT_OK if is_done else EXIT_REFUSED


def _waited(
    workspace: Workspace,
    store: Store,
    name: str,
    identifiers: Sequence[int],
    *,
    every: bool,
    last: int,
) -> Waited:
    mine = places.mine(store, name, identifiers)
    numbers = [one.id for one in mine]
    if not mine:
        if late := workspace.taken_until_now(store):  # all that the agent waited for
            return Waited(late, now=store.now())
        raise RefusedError(
            f"{name} has no place in the queue", fix="agentlock reserve PATTERN --queue"
        )
    with listening(store, PLACE) as bell:
        listen(store, numbers, name, bell.name)
        try:
            found = wait_for(
                *(store, bell, name, numbers),
                every=every,
                until=store.now() + last,
                repository=workspace.repository,
                folding=workspace.folding,
            )
        finally:
            stop_listening(store, numbers, bell.name)
    taken = {held.id: held for held in (*workspace.taken, *found.granted)}
    return found.replace(granted=tuple(taken.values())) if not identifiers else found


@declared.group()
def queue() -> None:
    """The queue: who waits for what.

    \b
    Example:
      agentlock queue list
    """


@queue.command("list")
@declared.option("--mine", is_flag=True, help="Only your own places.")
@agent_option
@json_option
@timeout_option
def list_places(mine: bool, agent: str | None, as_json: bool, timeout: str | None) -> None:
    """List the places in the queue, in their order.

    \b
    Example:
      agentlock queue list --mine
    """
    workspace = Workspace(agent, timeout)
    with workspace.store(read_only=True, take_in=True) as store:
        found, standing = places.listed(store, workspace.agent if mine else None)
        now = store.now()
    if as_json:
        print_json([wait_json(one, standing[one.id]) for one in found])
        return
    rows = []
    for one in found:
        behind = ", ".join(dict.fromkeys(each.agent for each in standing[one.id].behind))
        what = " ".join(foreign(displayed(text)) for text in one.patterns)
        mode = "exclusive" if one.exclusive else "shared"
        left = f"{local_time(one.created_ts)[11:16]} (ends in {format_left(one.expires_ts - now)})"
        place = str(standing[one.id].place)
        rows.append((str(one.id), one.agent, mode, what, place, behind, left, foreign(one.reason)))
    table(("id", "agent", "mode", "pattern", "place", "behind", "since", "reason"), rows)


@queue.command()
@_PLACES
@declared.option("--all", "everything", is_flag=True, help="All your places.")
@declared.option("--force", is_flag=True, help="End another agent's place; that agent is told.")
@declared.option("--reason", default="", metavar="TEXT", help="Why (with --force: required).")
@owner_options
@agent_option
@json_option
@timeout_option
def leave(
    identifiers: Sequence[int],
    everything: bool,
    force: bool,
    reason: str,
    owner: Owner,
    agent: str | None,
    as_json: bool,
    timeout: str | None,
) -> None:
    """Give up places in the queue.

    \b
    Example:
      agentlock queue leave 3
      agentlock queue leave 7 --force --reason 'BlueLake has crashed'
    """
    if bool(identifiers) == everything:
        raise UsageError(
            "no place is named" if not everything else "--all and ID exclude each other",
            fix="give ID, or --all",
        )
    workspace = Workspace(agent, timeout)
    if force and everything:
        raise UsageError("--force needs the ID of a place", see="agentlock queue list")
    name = workspace.actor() if force else workspace.agent
    theirs = {"theirs": "{}'s places are", "see": "agentlock queue list"}
    reason = allowed(workspace, owner, "queue leave --force", reason, force=force, **theirs)
    with workspace.store(take_in=True) as store:
        left = places.leave(store, name, identifiers, force=force, reason=reason)
    if as_json:
        print_json(left_json(left.waits, left.handed))
        return
    for one in left.waits:
        what = " ".join(foreign(displayed(text)) for text in one.patterns)
        put(f"left the queue for {what} (place {one.id} of {one.agent})")
    put_handed(left.handed)


def put_handed(handed: Sequence[HandOver]) -> None:
    for one in handed:
        what = ", ".join(foreign(displayed(held.pattern)) for held in one.reservations)
        put(f"handed over to {one.wait.agent}: {what}")
