"""Who can get mail: the agents of the project, and the person who works here."""

from __future__ import annotations

from agentlock.errors import UsageError
from agentlock.model import MICROSECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from agentlock.store.base import Store

LATELY = 7 * 24 * 3600 * MICROSECONDS
"""A message to all goes to the agents that were active within this time."""
_MOST_NEAR = 3


def require_known(store: Store, names: Iterable[str], person: str | None = None) -> None:
    """UsageError, with the nearest names, if one is not an agent's; ``person`` is known as well."""
    wanted = set(names)
    for name in sorted(wanted - store.agents.named(wanted).keys() - {person}):
        known = [one.name for one in store.agents.all()] + ([person] if person else [])
        near = _nearest(name, known)
        raise UsageError(
            f"{name!r} is not an agent of this project"
            + (f"; did you mean {' or '.join(near)}?" if near else ""),
            see="agentlock agent list",
        )


def register(store: Store, name: str, now: int) -> None:
    """Note that somebody is active; UsageError for a new name that differs only in case."""
    if not store.agents.named([name]) and store.agents.alike(name) is not None:
        require_known(store, [name])
    store.agents.register(name, now)


def active_lately(store: Store, now: int, *, but: str) -> tuple[str, ...]:
    """The other agents that were active in the last days, by name."""
    return tuple(one for one in store.agents.active_since(now - LATELY) if one != but)


def _nearest(name: str, known: list[str]) -> list[str]:
    """The names that are most like this one, in whatever case."""
    from difflib import get_close_matches

    folded = {one.lower(): one for one in known}
    return [folded[one] for one in get_close_matches(name.lower(), folded, n=_MOST_NEAR)]
