"""`agentlock policy show` and `agentlock policy set`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from agentlock.cli.output import print_json, put_cells
from agentlock.cli.owner import Owner, owner_options, reason_for
from agentlock.cli.workspace import Workspace, agent_option, json_option, timeout_option
from agentlock.duration import format_duration, parse_duration
from agentlock.errors import UsageError
from agentlock.event_kinds import POLICY
from agentlock.model import Policy
from agentlock.patterns.exempt import ExemptList
from agentlock.reservations.granting import SHORTEST_TTL
from agentlock.reservations.retention import check_retention
from agentlock.text import storable

if TYPE_CHECKING:
    from collections.abc import Sequence

_SWITCHES = {"on": True, "true": True, "yes": True, "off": False, "false": False, "no": False}


@click.group()
def policy() -> None:
    """The project's rules; they live in the database, for all its worktrees and clones.

    \b
    Example:
      agentlock policy show
      agentlock policy set require_reservation on --reason 'too many agents in src'
    """


@policy.command()
@json_option
@timeout_option
def show(as_json: bool, timeout: str | None) -> None:
    """Show every setting.

    \b
    Example:
      agentlock policy show --json
    """
    workspace = Workspace(timeout=timeout)
    with workspace.store(read_only=True) as store:
        current = store.policy.read()
    _print(current, as_json=as_json)


@policy.command("set")
@click.argument("settings", nargs=-1, required=True, metavar="NAME VALUE...")
@click.option("--reason", default="", metavar="TEXT", help="Why (required): every agent sees it.")
@owner_options
@agent_option
@json_option
@timeout_option
def set_policy(
    settings: Sequence[str],
    reason: str,
    owner: Owner,
    agent: str | None,
    as_json: bool,
    timeout: str | None,
) -> None:
    """Change one setting (NAME VALUE), or several (NAME=VALUE ...).

    \b
    enforcement          block | warn
    require_reservation  on | off: a commit must be covered by one's own reservation
    exempt               patterns that need none; the last that matches decides, a leading !
                         takes back; no pattern given: clear the list
    max_ttl              the longest lease, like 24h
    allow_skip           on | off: whether people may pass one command, on the record
    retention            off, or a duration like 90d: what ended longer ago is removed, a little
                         with each change (all at once: agentlock db prune)

    \b
    Example:
      agentlock policy set max_ttl 8h --reason 'short shifts'
      agentlock policy set exempt 'docs/**' '*.md' --reason 'anybody may write docs'
    """
    workspace = Workspace(agent, timeout)
    changes = [_parsed(name, values) for name, values in _pairs(settings)]
    reason = reason_for("policy set", reason)
    owner.require(workspace.repository, "policy set", timeout=workspace.timeout)
    with workspace.store() as store, store.writing():
        changed = store.policy.read().replace(**dict(changes))
        store.policy.write(changed)
        who = workspace.identity.name or ""
        told = ", ".join(f"{name}={_shown(getattr(changed, name), name)}" for name, _ in changes)
        detail = storable(f"{told} ({reason})")
        store.events.log(POLICY, store.now(), agent=who, detail=detail)
    _print(changed, as_json=as_json)


def _pairs(settings: Sequence[str]) -> list[tuple[str, list[str]]]:
    first, *values = settings
    if "=" not in first:
        return [(first, values)]
    pairs = []
    for setting in settings:
        name, separator, value = setting.partition("=")
        if not separator:
            raise UsageError(f"{setting!r} is no NAME=VALUE", fix="agentlock policy set --help")
        pairs.append((name, value.split() if name == "exempt" else [value]))
    return pairs


def _parsed(name: str, values: list[str]) -> tuple[str, Any]:
    if name == "exempt":
        for value in values:
            ExemptList((value,))
        return name, tuple(values)
    if name not in Policy._fields:
        known = ", ".join(Policy._fields)
        raise UsageError(f"there is no setting {name!r}", fix=f"one of: {known}")
    if len(values) != 1:
        raise UsageError(f"{name} takes one value", fix="agentlock policy set --help")
    (value,) = values
    if name == "enforcement":
        if value not in ("block", "warn"):
            raise UsageError(f"enforcement cannot be {value!r}", fix="block or warn")
        return name, value
    if name == "max_ttl":
        duration = parse_duration(value)
        if duration < SHORTEST_TTL:
            raise UsageError(f"a max_ttl of {value!r} is too short", fix="60s is the shortest")
        return name, duration
    if name == "retention":
        if value.lower() == "off":
            return name, None
        return name, check_retention(parse_duration(value), value)
    if value.lower() not in _SWITCHES:
        raise UsageError(f"{name} cannot be {value!r}", fix="on or off")
    return name, _SWITCHES[value.lower()]


def _shown(value: object, name: str) -> str:
    if value is None:
        return "off"
    if name in ("max_ttl", "retention") and isinstance(value, int):
        return format_duration(value)
    if isinstance(value, bool):
        return "on" if value else "off"
    return " ".join(value) if isinstance(value, tuple) else str(value)


def _print(current: Policy, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "enforcement": current.enforcement,
                "require_reservation": current.require_reservation,
                "exempt": list(current.exempt),
                "max_ttl": format_duration(current.max_ttl),
                "allow_skip": current.allow_skip,
                "retention": current.retention and format_duration(current.retention),
            }
        )
        return
    for name in Policy._fields:
        put_cells((name, _shown(getattr(current, name), name)))
