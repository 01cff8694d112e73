"""`agentlock status`: the agent, the guard, what the agent holds and what blocks it."""

from __future__ import annotations

import os
from contextlib import suppress

from agentlock.agents.strain import strain
from agentlock.cli import declared
from agentlock.cli.output import event_line, lease_text, print_json, put
from agentlock.cli.sessions import since_compaction
from agentlock.cli.workspace import Workspace, agent_option, json_option, timeout_option
from agentlock.errors import DatabaseError
from agentlock.guard.report import pattern_of, seen_text, status_text
from agentlock.install.shims import INSTALL
from agentlock.patterns.matching import displayed
from agentlock.rules.interventions import mark_shown
from agentlock.shapes import state_json, text_of
from agentlock.state import state
from agentlock.text import and_more, count, foreign

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.model import Policy, Reservation, Verdict
    from agentlock.records import Event
    from agentlock.state import Guard, State
    from agentlock.store.waits import Wait
    from agentlock.waiting.standing import Standing

_SHOWN = 10


@declared.command()
@agent_option
@json_option
@timeout_option
def status(agent: str | None, as_json: bool, timeout: str | None) -> None:
    """Show your name, the guard, what you hold and what blocks you.

    What others did that changes or bypasses the rules is shown once, for a day.

    \b
    Example:
      agentlock status
    """
    workspace = Workspace(agent, timeout)
    with workspace.store(read_only=True) as store:
        found = state(workspace.repository, workspace.identity, store)
    if as_json:
        print_json(state_json(found))
        return
    _put(found)
    if found.interventions and found.identity.name:
        with suppress(DatabaseError), workspace.store() as store:
            mark_shown(store, found.identity.name, found.interventions)


def _put(found: State) -> None:
    repository, verdict, name = found.repository, found.verdict, found.identity.name
    known = f", {status_text(found.presence, found.now)}" if found.presence else ""
    who = f"{name} ({found.identity.source}){known}" if name else "no agent name is set"
    put(f"agent     {who}")
    for run in found.strained:
        put(f"session   {run.id} should be compacted ({strain(run)}): {since_compaction(run)}")
    _put_guard(found.guard, verdict.policy)
    if repository.is_bare:
        pushers = ", ".join(repository.identity_variables)
        unnamed = "not named: the server is not told who pushes"
        put(f"pushers   {f'named by {pushers}' if pushers else unnamed}")
    put(f"project   {repository.project}")
    put(f"table     {repository.database}")
    if repository.agent_mail:
        put(f"beside    Agent Mail at {repository.agent_mail}")
    for one in found.troubles:
        put(f"warning   {one.message}; fix: {one.fix}")
    _put_holds(found.holds, found.now)
    _put_waits(found.waits)
    if found.unread:
        put(f"mail      {count(found.unread, 'unread message')}: agentlock inbox --unread")
    if not repository.is_bare:
        _put_blocks(verdict, found.now)
    if verdict.uncovered:
        shown = ", ".join(text_of(path) for path in verdict.uncovered[:_SHOWN])
        shown += and_more(len(verdict.uncovered) - _SHOWN)
        put(f"uncovered {shown}: the policy requires that you reserve these")
    _put_removed(found.removed)
    _put_interventions(found.interventions)


def _put_guard(guard: Guard, policy: Policy) -> None:
    what = ", ".join(f"{hook.hook} is {hook.state}" for hook in guard.lacking)
    fix = f"fix: {guard.lacking[0].mend if guard.lacking else INSTALL}"
    if guard.is_in_place:
        strict = ", strict" if guard.is_strict else ""
        gap = f" for commits and pushes, not for {_listed(guard.gaps)}" if guard.gaps else ""
        rest = (
            f"{':' if gap else ','} {what}; {fix}" if what else " (to prove it: agentlock doctor)"
        )
        put(f"guard     in place{strict}{gap}{rest}")
        if any(hook.state == "not passed on" for hook in guard.hooks):
            put(f"          not all of your own hooks run; {fix}")
        for hook in guard.hooks:
            if hook.state == "not configured":
                put(f"          {hook.hook} is {hook.state}: {hook.detail}; fix: {hook.mend}")
    else:
        put(f"guard     NOT in place: {what}; {fix}")
    if policy.enforcement == "warn":
        put("guard     only warns (policy: enforcement = warn)")


def _listed(names: Sequence[str]) -> str:
    return " or ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else names[0]


def _put_holds(holds: Sequence[Reservation], now: int) -> None:
    put(f"holds     {count(len(holds), 'reservation')}")
    for held in holds[:_SHOWN]:
        put(f"          {held.id}  {displayed(held.pattern)}  {lease_text(held, now)}")
    if len(holds) > _SHOWN:
        put(f"         {and_more(len(holds) - _SHOWN)}: agentlock list --mine")


def _put_waits(waits: Sequence[tuple[Wait, Standing]]) -> None:
    if not waits:
        return
    from agentlock.cli.waiting import place_text  # loads all that `reserve` does

    for wait, standing in waits[:_SHOWN]:
        put(f"waits     {place_text(wait, standing)}")
    if len(waits) > _SHOWN:
        put(f"         {and_more(len(waits) - _SHOWN)}: agentlock queue list --mine")


def _put_blocks(verdict: Verdict, now: int) -> None:
    conflicts = verdict.conflicts
    put(f"blocked   {len(conflicts)} of {count(verdict.checked, 'uncommitted path')}")
    for conflict in conflicts[:_SHOWN]:
        held = conflict.reservation
        path = os.fsdecode(conflict.path)
        number = "" if held.source else f"  (id {held.id})"
        put(f"          {path}  {held.agent}  {foreign(pattern_of(held))}{number}")
    if len(conflicts) > _SHOWN:
        put(f"         {and_more(len(conflicts) - _SHOWN)}")
    shown = dict.fromkeys(conflict.reservation.agent for conflict in conflicts[:_SHOWN])
    for known in (verdict.holders[name] for name in shown if name in verdict.holders):
        put(f"          {known.agent.name} is {seen_text(known, now)}")


def _put_removed(removed: Sequence[Reservation]) -> None:
    """What agents still hold whose worktree somebody has removed."""
    for held in removed[:_SHOWN]:
        worktree = os.path.basename(held.worktree)
        what = f"{held.id}  {foreign(displayed(held.pattern))}  {held.agent}"
        put(f"removed   {what}: its worktree {worktree} is no longer there")
    if len(removed) > _SHOWN:
        put(f"         {and_more(len(removed) - _SHOWN)}: agentlock list")


def _put_interventions(events: Sequence[Event]) -> None:
    """What people did in the last day that changed the rules for everybody, and why."""
    for event in events[-_SHOWN:]:
        put(f"changed   {event_line(event)}")
    if len(events) > _SHOWN:
        put(f"         {and_more(len(events) - _SHOWN)}: agentlock log --since 24h")
