"""`agentlock status`: who am I, is the guard in place, what do I hold, what would block me."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from agentlock.cli.output import (
    event_json,
    event_line,
    lease_text,
    path_conflict_json,
    print_json,
    put,
    reservation_json,
    rfc3339,
    text_of,
)
from agentlock.cli.workspace import Workspace, agent_option, json_option, timeout_option
from agentlock.git.changes import Changes, uncommitted
from agentlock.guard.judge import judge
from agentlock.install.hooks import is_guarded
from agentlock.install.hooks import status as hooks_status
from agentlock.install.shims import TRANSACTION
from agentlock.patterns.matching import displayed
from agentlock.text import and_more, count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.install.hooks import HookStatus
    from agentlock.model import Event, PathConflict, Policy, Reservation

_DAY = 24 * 3600 * 1_000_000
_SHOWN = 10


@click.command()
@agent_option
@json_option
@timeout_option
def status(agent: str | None, as_json: bool, timeout: str | None) -> None:
    """Who am I, is the guard really in place here, what do I hold, what would block me?

    \b
    Example:
      agentlock status
    """
    workspace = Workspace(agent, timeout)
    name = workspace.identity.name
    hooks = hooks_status(workspace.repository)
    bare = workspace.repository.is_bare
    changes = Changes((), frozenset()) if bare else uncommitted(workspace.repository)
    with workspace.store(read_only=True) as store:
        verdict, now = judge(store, changes, name, workspace.folding)
        holds = [] if name is None else store.reservations(agent=name, live_at=now)
        messages = [] if name is None else store.messages(name, now - _DAY)
        interventions = store.interventions(now - _DAY)
    if as_json:
        facts: dict[str, Any] = {
            "agent": name,
            "source": workspace.identity.source or None,
            "guarded": is_guarded(hooks),
            "hooks": [{"hook": hook.hook, "state": hook.state} for hook in hooks],
            "database": workspace.repository.database,
            "project": workspace.repository.project,
            "enforcement": verdict.policy.enforcement,
            "holds": [reservation_json(held) for held in holds],
            "blocked_by": [path_conflict_json(conflict) for conflict in verdict.conflicts],
            **({"identity_variables": workspace.repository.identity_variables} if bare else {}),
            "uncovered": [text_of(path) for path in verdict.uncovered],
            "messages": [
                {"ts": rfc3339(created), "from": sender, "subject": subject, "body": body}
                for created, sender, subject, body in messages
            ],
            "interventions": [event_json(event) for event in interventions],
        }
        print_json(facts)
        return
    put(f"agent     {name} ({workspace.identity.source})" if name else "agent     nobody is named")
    _put_guard(hooks, verdict.policy)
    if bare:
        pushers = ", ".join(workspace.repository.identity_variables)
        put(f"pushers   {f'named by {pushers}' if pushers else 'nobody who pushes has a name'}")
    put(f"project   {workspace.repository.project}")
    put(f"table     {workspace.repository.database}")
    _put_holds(holds, now)
    if not bare:
        _put_blocks(verdict.conflicts, verdict.checked)
    if verdict.uncovered:
        shown = ", ".join(text_of(path) for path in verdict.uncovered[:_SHOWN])
        shown += and_more(len(verdict.uncovered) - _SHOWN)
        put(f"uncovered {shown}: the policy wants a reservation of yours for each")
    for _, sender, subject, body in messages:
        put(f"message   {subject}: {body}" if sender else f"message   {subject}")
    _put_interventions(interventions)


def _put_guard(hooks: Sequence[HookStatus], policy: Policy) -> None:
    lacking = [hook for hook in hooks if not hook.guards and not hook.beside]
    what = ", ".join(f"{hook.hook} is {hook.state}" for hook in lacking)
    mend = "fix: agentlock hooks install"
    if is_guarded(list(hooks)):
        merges = f" for commits and pushes, not for merges: {what}; {mend}"
        strict = ", strict" if any(hook.hook == TRANSACTION for hook in hooks) else ""
        proven = " (agentlock doctor proves it)"
        put(f"guard     in place{strict}{merges if lacking else proven}")
        if any(hook.state == "not passed on" for hook in hooks):
            put(f"          not all hooks of yours run; {mend}")
        for hook in hooks:
            if hook.state == "not configured":
                put(f"          {hook.hook} is {hook.state}: {hook.detail}; fix: {hook.mend}")
    else:
        put(f"guard     NOT in place: {what}; {mend}")
    if policy.enforcement == "warn":
        put("guard     only warns (policy: enforcement = warn)")


def _put_holds(holds: Sequence[Reservation], now: int) -> None:
    put(f"holds     {count(len(holds), 'reservation')}")
    for held in holds[:_SHOWN]:
        put(f"          {held.id}  {displayed(held.pattern)}  {lease_text(held, now)}")
    if len(holds) > _SHOWN:
        put(f"         {and_more(len(holds) - _SHOWN)}: agentlock list --mine")


def _put_blocks(conflicts: Sequence[PathConflict], checked: int) -> None:
    put(f"blocked   {len(conflicts)} of {count(checked, 'uncommitted path')}")
    for conflict in conflicts[:_SHOWN]:
        held = conflict.reservation
        path = os.fsdecode(conflict.path)
        put(f"          {path}  {held.agent}  {displayed(held.pattern)}  (id {held.id})")
    if len(conflicts) > _SHOWN:
        put(f"         {and_more(len(conflicts) - _SHOWN)}")


def _put_interventions(events: Sequence[Event]) -> None:
    """What people did to the rules of all in the last day, and why."""
    for event in events[-_SHOWN:]:
        put(f"changed   {event_line(event)}")
    if len(events) > _SHOWN:
        put(f"         {and_more(len(events) - _SHOWN)}: agentlock log --since 24h")
