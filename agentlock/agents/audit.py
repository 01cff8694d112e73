"""Finds templates and teams that cannot be used, and removes them, for `db check`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentlock.errors import DatabaseError
from agentlock.model import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agentlock.store.base import Store
    from agentlock.store.teams import Team


class Fault(Value):
    """One thing that is wrong: the template or the team with this name must be removed.

    ``left``: the team becomes this one instead, without the members that cannot be started.
    """

    sentence: str
    template: str = ""
    team: str = ""
    left: Team | None = None


def examine(store: Store) -> list[Fault]:
    """Every fault of the templates and teams, from one snapshot."""
    with store.reading():
        return list(_faults(store))


def repair(store: Store) -> list[str]:
    """Repair every fault in one transaction; a sentence for each."""
    with store.writing():
        faults = list(_faults(store))
        for fault in faults:
            if fault.template:
                store.templates.remove(fault.template)
            elif fault.left is not None and fault.left.members:
                store.teams.put(fault.left)
            else:
                store.teams.remove(fault.team)
    return [fault.sentence for fault in faults]


def _faults(store: Store) -> Iterator[Fault]:
    whole = set()
    for name in store.templates.names():
        if damage := _damage(store.templates.get, name):
            yield Fault(damage, template=name)
        else:
            whole.add(name)
    for name in store.teams.names():
        if damage := _damage(store.teams.get, name):
            yield Fault(damage, team=name)
            continue
        team = store.teams.get(name)
        if team is not None and not whole.issuperset(team.members.values()):
            left = {agent: kind for agent, kind in team.members.items() if kind in whole}
            lacking = ", ".join(sorted({*team.members.values()} - whole))
            yield Fault(
                f"the team {name} needs a template that is not there: {lacking}",
                team=name,
                left=team.replace(members=left),
            )


def _damage(get: Callable[[str], object], name: str) -> str:
    """Why a row cannot be read; "" if it can."""
    try:
        get(name)
    except DatabaseError as error:
        return error.message
    return ""
