"""Templates, and the teams of agents that are started from them."""

from __future__ import annotations

import os

from agentlock.errors import UsageError
from agentlock.git.identity import NAME_RULE, is_agent_name
from agentlock.model import SETTINGS
from agentlock.store.teams import Team
from agentlock.store.templates import Template

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agentlock.store.base import Store

_SHORTEST = SETTINGS["max_ttl"].shortest
_MOST_MEMBERS = 100


def template(store: Store, name: str) -> Template:
    """The template of this name; UsageError if there is none."""
    found = store.templates.get(name)
    if found is None:
        raise UsageError(f"there is no template {name!r}", see="agentlock template list")
    return found


def read_first(store: Store, agent: str) -> tuple[str, ...]:
    """The files that the template which an agent was started from gives it to read."""
    known = store.agents.named([agent]).get(agent)
    found = store.templates.get(known.template) if known is not None and known.template else None
    return () if found is None else found.bootstrap


def set_template(
    store: Store,
    name: str,
    command: Sequence[str],
    *,
    role: str = "",
    bootstrap: Sequence[str] = (),
    patterns: Sequence[str] = (),
    ttl: int | None = None,
) -> Template:
    """Write a template, in the place of an older one of this name."""
    _require_name(name, "template")
    if ttl is not None and ttl < _SHORTEST:
        raise UsageError("a TTL of less than a minute is too short", fix="--ttl 60s")
    with store.writing():
        now = store.now()
        made = Template(
            *(name, role, os.path.basename(command[0])),
            *(tuple(command), tuple(bootstrap), tuple(patterns)),
            *(ttl, now, now),
        )
        store.templates.put(made)
    return template(store, name)


def remove_template(store: Store, name: str) -> None:
    """Remove a template that no team needs; UsageError otherwise."""
    with store.writing():
        template(store, name)
        needed = [one.name for one in store.teams.all() if name in one.members.values()]
        if needed:
            raise UsageError(
                f"the team {needed[0]} needs the template {name}",
                fix=f"agentlock team remove {needed[0]}",
            )
        store.templates.remove(name)


def team(store: Store, name: str) -> Team:
    """The team of this name; UsageError if there is none."""
    found = store.teams.get(name)
    if found is None:
        raise UsageError(f"there is no team {name!r}", see="agentlock team list")
    return found


def set_team(store: Store, name: str, members: Mapping[str, str]) -> Team:
    """Write a team, in the place of an older one of this name; each template must exist."""
    _require_name(name, "team")
    if len(members) > _MOST_MEMBERS:
        raise UsageError(f"{len(members)} members are too many", fix=f"at most {_MOST_MEMBERS}")
    for agent in members:
        _require_name(agent, "agent")
    with store.writing():
        now = store.now()
        for one in members.values():
            template(store, one)
        store.teams.put(Team(name, dict(members), now, now))
    return team(store, name)


def remove_team(store: Store, name: str) -> None:
    with store.writing():
        team(store, name)
        store.teams.remove(name)


def teams_of(store: Store) -> dict[str, list[str]]:
    """The names of the teams that each agent belongs to, by the agent's name."""
    found: dict[str, list[str]] = {}
    for one in store.teams.all():
        for agent in one.members:
            found.setdefault(agent, []).append(one.name)
    return found


def _require_name(name: str, what: str) -> None:
    if not is_agent_name(name):
        raise UsageError(f"{name!r} is not a valid name of a {what}", fix=f"use {NAME_RULE}")
