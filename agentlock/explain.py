"""How a pattern is read, which files it covers now, and which reservations it conflicts with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentlock.model import Value
from agentlock.patterns.matching import PatternIndex, compile_pattern
from agentlock.reservations.granting import Request
from agentlock.reservations.search import meeting

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agentlock.model import Reservation
    from agentlock.patterns.matching import Folding
    from agentlock.patterns.syntax import Reading
    from agentlock.store.base import Store


class Meeting(Value):
    """Another agent's live reservation that a pattern meets, and one path that both match."""

    reservation: Reservation
    witness: bytes


class Explanation(Value):
    """One reading of a pattern.

    ``covers`` are the tracked files that it matches. ``paths`` are the paths that were asked about,
    each with whether the pattern matches it. ``meets`` are the reservations that `reserve` would
    refuse it for at the time ``now``.
    """

    reading: Reading
    covers: tuple[bytes, ...]
    paths: tuple[tuple[bytes, bool], ...]
    meets: tuple[Meeting, ...]
    now: int


def explain(
    store: Store,
    readings: Sequence[Reading],
    *,
    tracked: Iterable[bytes],
    paths: Sequence[bytes],
    agent: str | None,
    folding: Folding,
) -> list[Explanation]:
    """Explain each reading of a pattern to ``agent`` (None: no name is set)."""
    request = Request(agent or "", readings, ttl=0)
    files = sorted(tracked)
    explained = []
    with store.reading():
        now = store.now()
        for reading in readings:
            pattern = compile_pattern(reading.pattern, folding)
            index = PatternIndex([reading.pattern], folding)
            met = meeting(store, pattern, now, folding, lambda theirs: theirs.meets(request))
            explained.append(
                Explanation(
                    reading,
                    tuple(path for path in files if index.matching(path, submodule=True)),
                    tuple((path, pattern.matches(path)) for path in paths),
                    tuple(Meeting(held, witness) for held, witness in met),
                    now,
                )
            )
    return explained
