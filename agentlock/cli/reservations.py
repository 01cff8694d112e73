"""`agentlock reserve`, `renew` and `release`."""

from __future__ import annotations

from contextlib import suppress

from agentlock.agents.registry import held_elsewhere
from agentlock.cli import declared
from agentlock.cli.letters import say_losses
from agentlock.cli.optional_value import with_values
from agentlock.cli.output import print_json, put, say
from agentlock.cli.owner import Owner, allowed, owner_options
from agentlock.cli.queue import put_handed
from agentlock.cli.stale import say_refused_as_stale, say_stale
from agentlock.cli.waiting import ask, put_place
from agentlock.cli.workspace import (
    IDENTIFIER,
    Workspace,
    agent_option,
    completed,
    json_option,
    reading_options,
    timeout_option,
)
from agentlock.duration import format_remaining, parse_duration
from agentlock.environment import MODEL, PROGRAM
from agentlock.errors import EXIT_OK, EXIT_REFUSED, AgentlockError, UsageError
from agentlock.guard.report import conflicts_text, tell
from agentlock.patterns.matching import displayed
from agentlock.reservations.ending import release as release_reservations
from agentlock.reservations.granting import renew as renew_reservations
from agentlock.reservations.granting import reserve as reserve_patterns
from agentlock.reservations.losses import losses
from agentlock.shapes import answer_json, asked_place_json, released_json, renewed_json, text_of
from agentlock.state import uncommitted_of
from agentlock.text import and_more, shell_word
from agentlock.waiting.queue import Asked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agentlock.model import Reservation
    from agentlock.patterns.syntax import Reading
    from agentlock.reservations.granting import Answer

_SHOWN = 12  # patterns in a command that is offered
_MOST_NOTES = 3
PATTERNS = declared.argument("patterns", nargs=-1, metavar="PATTERN...")
OWN_PATTERNS = declared.argument(
    "patterns", nargs=-1, metavar="PATTERN...", shell_complete=completed("own_patterns")
)
IDS = declared.option(
    "--id",
    "ids",
    multiple=True,
    type=IDENTIFIER,
    metavar="N",
    help="The number of a reservation (repeatable).",
)
DEFAULT_TTL = "1h"
TTL = declared.option(
    "--ttl", default=DEFAULT_TTL, metavar="DURATION", help="How long to hold it (default 1h)."
)


@declared.command(prepare=with_values)
@PATTERNS
@TTL
@declared.option(
    "--wait",
    metavar="[DURATION]",
    help="If it is not free, wait for your turn, 1h at most if nothing else is said.",
)
@declared.option(
    "--queue",
    "place",
    metavar="[DURATION]",
    help="If it is not free, take a place in the queue and return at once.",
)
@declared.option("--shared", is_flag=True, help="Others may hold it too, and it blocks no commit.")
@declared.option(
    "--reason", default="", metavar="TEXT", help="Why; agents that are refused see it."
)
@reading_options
@declared.option("--whole-repo", is_flag=True, help="Allow a pattern that covers everything.")
@declared.option(
    "--program", default="", envvar=PROGRAM, help="The program that the agent runs in."
)
@declared.option("--model", default="", envvar=MODEL, help="The agent's model.")
@agent_option
@json_option
@timeout_option
def reserve(
    patterns: Sequence[str],
    ttl: str,
    wait: str | None,
    place: str | None,
    shared: bool,
    reason: str,
    literal: bool,
    glob: bool,
    whole_repo: bool,
    program: str,
    model: str,
    agent: str | None,
    as_json: bool,
    timeout: str | None,
) -> int:
    """Reserve files, folders or globs: all of them or none.

    \b
    Example:
      agentlock reserve 'src/auth/**' --ttl 1h --reason bd-42
      agentlock reserve README.md docs/ --shared
      agentlock reserve tool:browser --ttl 10m
      agentlock reserve src/auth/login.py --wait 9m
    """
    if not patterns:
        raise UsageError("no pattern is given", fix="agentlock reserve 'src/auth/**'")
    if wait is not None and place is not None:
        raise UsageError("--wait and --queue exclude each other", fix="give only one of them")
    workspace = Workspace(agent, timeout)
    name = workspace.agent
    readings = workspace.readings(patterns, literal=literal, glob=glob, whole_repository=whole_repo)
    request = workspace.request(
        readings, ttl, shared=shared, reason=reason, program=program, model=model
    )
    with workspace.store(take_in=True) as store:
        if wait is None and place is None:
            asked = Asked(reserve_patterns(store, request, workspace.folding, workspace.repository))
        else:
            asked = ask(workspace, store, request, wait=wait, place=place)
        answer, now = asked.answer, store.now()
        elsewhere = held_elsewhere(store, name, request.worktree) if answer.granted else []
    notes = workspace.notes(readings, answer.limits, elsewhere)
    free = answer.free(readings)
    if as_json:
        waits = {} if wait is None and place is None else {"wait": asked_place_json(asked)}
        print_json(answer_json(answer, free, notes, waits))
        return EXIT_OK if answer.granted else EXIT_REFUSED
    for note in notes:
        say(f"agentlock: {note}")
    given = {"--ttl": ttl if ttl != DEFAULT_TTL else "", "--reason": reason, "--agent": agent or ""}
    switches = {
        "--shared": shared,
        "--literal": literal,
        "--glob": glob,
        "--whole-repo": whole_repo,
    }
    if asked.wait is not None and asked.standing is not None:
        put_place(asked.wait, asked.standing, now)
        say(
            f"agentlock: you are told when it is your turn; to wait: agentlock wait {asked.wait.id}"
        )
        return EXIT_REFUSED
    commands = (_command(free, given, switches), _command(_typed(readings), given, switches))
    _tell_answer(answer, name, *commands, waited=wait is not None)
    return EXIT_OK if answer.granted else EXIT_REFUSED


def _typed(readings: Sequence[Reading]) -> list[bytes]:
    return list(dict.fromkeys(reading.typed for reading in readings))


@declared.command()
@OWN_PATTERNS
@IDS
@declared.option("--all", "everything", is_flag=True, help="Everything that you hold.")
@TTL
@declared.option("--force", is_flag=True, help="Renew for another agent than you are here.")
@declared.option("--reason", default="", metavar="TEXT", help="Why (with --force: required).")
@owner_options
@agent_option
@json_option
@timeout_option
def renew(
    patterns: Sequence[str],
    ids: Sequence[int],
    everything: bool,
    ttl: str,
    force: bool,
    reason: str,
    owner: Owner,
    agent: str | None,
    as_json: bool,
    timeout: str | None,
) -> int:
    """Extend your leases to now + TTL, never shorter. An expired one must be reserved again.

    With --all, exit 1: what you still hold is renewed, but you have lost something, which is named.

    \b
    Example:
      agentlock renew --all --ttl 2h
      agentlock renew 'src/auth/**'
    """
    workspace = Workspace(agent, timeout)
    name = workspace.agent
    selection = workspace.selection(patterns, ids, everything=everything)
    lease = parse_duration(ttl)
    reason = allowed(workspace, owner, "renew --force", reason, force=force)
    detail = f"by {workspace.actor(name)}: {reason}" if force else ""
    with workspace.store() as store:
        answer = renew_reservations(
            store, name, selection, lease, workspace.folding, ttl_text=ttl, detail=detail
        )
        lost = losses(store, answer.lost, workspace.folding)
        now = store.now()
    if as_json:
        print_json(renewed_json(answer, lost))
    else:
        for held in answer.renewed:
            put(f"renewed {_described(held)} for {format_remaining(held.expires_ts - now)}")
        for limit in answer.limits:
            say(f"agentlock: {limit}")
        say_losses(lost)
    return EXIT_REFUSED if lost or answer.limits else EXIT_OK


@declared.command()
@OWN_PATTERNS
@IDS
@declared.option("--all", "everything", is_flag=True, help="Everything that you hold.")
@declared.option(
    "--force", is_flag=True, help="End another agent's reservation; that agent is told."
)
@declared.option("--reason", default="", metavar="TEXT", help="Why (with --force: required).")
@owner_options
@agent_option
@json_option
@timeout_option
def release(
    patterns: Sequence[str],
    ids: Sequence[int],
    everything: bool,
    force: bool,
    reason: str,
    owner: Owner,
    agent: str | None,
    as_json: bool,
    timeout: str | None,
) -> None:
    """Give up what you hold; --force ends what another agent holds.

    \b
    Example:
      agentlock release 'src/auth/**'
      agentlock release --id 42 --force --reason 'BlueLake has crashed'
    """
    workspace = Workspace(agent, timeout)
    identity = workspace.identity
    limited = force and (identity.overruled is not None or (everything and agent is not None))
    holder = identity.name if limited else None
    name = workspace.actor(holder) if force else workspace.agent
    selection = workspace.selection(patterns, ids, everything=everything)
    reason = allowed(workspace, owner, "release --force", reason, force=force)
    with workspace.store(take_in=True, notices=False) as store:  # it may name what was committed
        ending = release_reservations(
            store, name, selection, force=force, reason=reason, holder=holder
        )
    released = ending.reservations
    own = [held for held in released if held.agent == name]
    left: list[bytes] = []
    with suppress(AgentlockError):  # it is released, whatever cannot be read after that
        left = uncommitted_of(workspace.repository, own, workspace.folding)
    if as_json:
        print_json(released_json(released, ending.handed, left))
        return
    for held in released:
        put(f"released {_described(held)}{_lateness(held)}")
    put_handed(ending.handed)
    if left:
        names = ", ".join(map(text_of, left[:_SHOWN])) + and_more(len(left) - _SHOWN)
        say(f"agentlock: note: not committed yet, and anybody can reserve it now: {names}")


def _tell_answer(answer: Answer, agent: str, alone: str, whole: str, *, waited: bool) -> None:
    """``alone`` is the command that reserves the part that is free, ``whole`` the one for all."""
    if answer.conflicts:
        tell(
            conflicts_text(
                *(answer.conflicts, answer.now),
                more=answer.more,
                holders=answer.holders,
                free=alone,
                wait=f"{whole} --wait" if whole.startswith("agentlock") else "",
                what="not granted in this time" if waited else "reserve refused",
            )
        )
    elif answer.granted:
        say_stale(answer.stale)
    else:
        say_refused_as_stale(answer.stale.of_others(agent))
    for held in answer.granted:
        put(f"reserved {_described(held)} for {format_remaining(held.expires_ts - answer.now)}")


def _command(
    patterns: Sequence[bytes], given: Mapping[str, str], switches: Mapping[str, bool]
) -> str:
    """The command that reserves these patterns as they were asked for; "" if there are none."""
    options = [f" {name}" for name, is_set in switches.items() if is_set]
    options += [f" {name} {shell_word(value)}" for name, value in given.items() if value]
    words = "".join(f" {shell_word(pattern)}" for pattern in patterns)
    if len(patterns) > _SHOWN:
        return f"{len(patterns)} patterns (--json names them)"
    if any(pattern.startswith(b"-") for pattern in patterns):
        return f"agentlock reserve{''.join(options)} --{words}"
    return f"agentlock reserve{words}{''.join(options)}" if patterns else ""


def _described(held: Reservation) -> str:
    mode = "exclusive" if held.exclusive else "shared"
    return f"{displayed(held.pattern)} {mode} (id {held.id})"


def _lateness(held: Reservation) -> str:
    """Whether a reservation that was released had expired before that."""
    ended = held.released_ts or 0
    if not held.had_expired(ended):
        return ""
    return f", which had expired {format_remaining(ended - held.expires_ts)} ago"
