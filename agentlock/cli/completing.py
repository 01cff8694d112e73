"""What the shell completes: numbers, patterns and agents of the table, and settings of the policy.

A shell that completes prints no error: where the table cannot be read, nothing is offered.
"""

from __future__ import annotations

from click.shell_completion import CompletionItem

from agentlock.errors import AgentlockError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    import click

    from agentlock.store.base import Store

_PATIENCE = 1_000_000  # microseconds: somebody waits with a finger on the key
_SWITCH = ("on", "off")


def ids(
    _context: click.Context, _param: click.Parameter | None, typed: str
) -> list[CompletionItem]:
    """The numbers of the live reservations."""
    from agentlock.patterns.matching import displayed

    def read(store: Store, _agent: str | None) -> list[CompletionItem]:
        return [
            CompletionItem(str(held.id), help=f"{held.agent} {displayed(held.pattern)}")
            for held in store.reservations.all(live_at=store.now())
        ]

    return _beginning(typed, _read(read))


def places(
    _context: click.Context, _param: click.Parameter | None, typed: str
) -> list[CompletionItem]:
    """The numbers of the agent's places in the queue."""
    from agentlock.waiting.telling import shown_texts

    def read(store: Store, agent: str | None) -> list[CompletionItem]:
        found = store.waits.of_agent(agent) if agent else []
        return [CompletionItem(str(one.id), help=shown_texts(one.patterns)) for one in found]

    return _beginning(typed, _read(read))


def own_patterns(
    _context: click.Context, _param: click.Parameter, typed: str
) -> list[CompletionItem]:
    """The patterns that the agent holds."""
    from agentlock.patterns.matching import displayed

    def read(store: Store, agent: str | None) -> list[CompletionItem]:
        held = store.reservations.all(agent=agent, live_at=store.now()) if agent else []
        return [CompletionItem(displayed(one.pattern)) for one in held]

    return _beginning(typed, _read(read))


def agents(_context: click.Context, _param: click.Parameter, typed: str) -> list[CompletionItem]:
    """The names of all agents."""
    return _beginning(
        typed, _read(lambda store, _: [CompletionItem(one.name) for one in store.agents.all()])
    )


def settings(context: click.Context, _param: click.Parameter, typed: str) -> list[CompletionItem]:
    """The names of the policy's settings; after one of them, the values that it can have."""
    from agentlock.model import SETTINGS

    given = context.params.get("settings") or ()
    named = SETTINGS.get(given[0]) if given else None
    if named is None:
        words = [CompletionItem(name, help=one.meaning) for name, one in SETTINGS.items()]
    else:
        values = named.choices or (_SWITCH if named.kind == "switch" else ())
        words = [CompletionItem(value) for value in values]
    return _beginning(typed, words)


def _read(
    read: Callable[[Store, str | None], list[CompletionItem]],
) -> list[CompletionItem]:
    from agentlock.git.identity import identify
    from agentlock.git.repository import discover
    from agentlock.store import open_table

    try:
        repository = discover()
        store = open_table(repository, _PATIENCE, read_only=True)
        try:
            return read(store, identify(repository).name)
        finally:
            store.close()
    except AgentlockError:
        return []


def _beginning(typed: str, words: list[CompletionItem]) -> list[CompletionItem]:
    return [word for word in words if str(word.value).startswith(typed)]
