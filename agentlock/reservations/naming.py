"""Finds the reservations that were named by a number or by a text, and the path of a text."""

from __future__ import annotations

from contextlib import suppress

from agentlock.errors import PatternError, RefusedError, UsageError
from agentlock.model import Reservation, Value
from agentlock.patterns.matching import compile_pattern
from agentlock.patterns.pattern import tool
from agentlock.patterns.syntax import read_pattern, read_patterns
from agentlock.text import storable
from agentlock.waiting.telling import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.patterns.matching import Folding, Pattern
    from agentlock.patterns.places import Tree
    from agentlock.store.base import Store


class Selection(Value):
    """The reservations to renew or release, named in one of three ways.

    Each of ``patterns`` is a typed text with the stored texts that it can stand for.
    """

    patterns: tuple[tuple[bytes, frozenset[bytes]], ...] = ()
    ids: tuple[int, ...] = ()
    all: bool = False


def stored_texts(typed: bytes, tree: Tree) -> tuple[bytes, frozenset[bytes]]:
    """A typed pattern with the stored texts that it can stand for.

    The typed text itself is one of them, so that a text that `list` printed works in any folder,
    and so that a reservation can be released whose pattern is damaged.
    """
    texts = {typed}
    with suppress(PatternError):
        readings = read_patterns([typed], tree, whole_repository=True)
        texts.update(reading.pattern for reading in readings)
    return typed, frozenset(texts)


def path_named(typed: bytes, tree: Tree, folding: Folding) -> Pattern:
    """The pattern of exactly this path or folder; no character of the text is a wildcard."""
    named = tool(typed)
    reading = read_pattern(typed, tree, force="literal", whole_repository=True)
    return compile_pattern(named or reading.pattern, folding)


def choose(
    store: Store, agent: str, selection: Selection, now: int, *, foreign: bool
) -> list[Reservation]:
    """The selected reservations of the agent; with ``foreign``, those of any agent.

    A text finds live ones, or else the newest that has expired. RefusedError if another agent
    holds what was named, or nobody does.
    """
    if selection.all:
        return store.reservations.unreleased(None if foreign else agent)
    if selection.ids:
        chosen = [_by_id(store, agent, number, foreign=foreign) for number in selection.ids]
    else:
        whose = None if foreign else agent
        live = store.reservations.all(agent=whose, live_at=now)
        chosen = []
        for typed, texts in selection.patterns:
            meant = [held for held in live if held.pattern in texts]
            chosen += meant or _by_pattern(
                store, agent, store.reservations.unreleased(whose), typed, texts, now
            )
    unique = {held.id: held for held in chosen}
    return list(unique.values())


def _by_id(store: Store, agent: str, number: int, *, foreign: bool) -> Reservation:
    held = store.reservations.get(number)
    if held is None:
        raise UsageError(f"there is no reservation {number}", see="agentlock list")
    if held.agent != agent and not foreign:
        raise RefusedError(
            f"reservation {number} ({shown(held)}) is held by {held.agent}, not by {agent}",
            see=f"agentlock show {number}",
        )
    return held


def _by_pattern(
    store: Store,
    agent: str,
    candidates: Sequence[Reservation],
    typed: bytes,
    texts: frozenset[bytes],
    now: int,
) -> list[Reservation]:
    """What has one of the stored texts; if nothing has, what was typed so in another folder."""
    chosen = [held for held in candidates if held.pattern in texts]
    if not chosen:
        live = store.reservations.all(live_at=now)
        _refuse_foreign([held for held in live if held.pattern in texts], agent, typed)
        chosen = [held for held in candidates if held.typed == typed]
        if not chosen:
            _refuse_foreign([held for held in live if held.typed == typed], agent, typed)
            raise RefusedError(
                f"{agent} holds no reservation of {storable(typed)!r}", see="agentlock list --mine"
            )
    live = [held for held in chosen if held.is_live(now)]
    return live or chosen[-1:]  # of those that have expired, the newest is meant


def _refuse_foreign(found: Sequence[Reservation], agent: str, typed: bytes) -> None:
    for held in found:
        raise RefusedError(
            f"{storable(typed)!r} is held by {held.agent} (reservation {held.id}), not by {agent}",
            see=f"agentlock show {held.id}",
        )
