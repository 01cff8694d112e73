"""How a pattern is read, what it covers now, and which reservations of others it meets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentlock.model import Value
from agentlock.patterns.matching import PatternIndex, compile_pattern
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

    ``covers`` are the tracked files that it matches, ``paths`` the paths that were asked about,
    each with whether it matches, and ``meets`` the reservations of others at the time ``now``.
    """

    reading: Reading
    covers: tuple[bytes, ...]
    paths: tuple[tuple[bytes, bool], ...]
    meets: tuple[Meeting, ...]
    now: int


def explain(
    store: Store,
    reading: Reading,
    *,
    tracked: Iterable[bytes],
    paths: Sequence[bytes],
    agent: str | None,
    folding: Folding,
) -> Explanation:
    """Explain one reading of a pattern to ``agent`` (None: nobody is named)."""
    pattern = compile_pattern(reading.pattern, folding)
    index = PatternIndex([reading.pattern], folding)
    with store.reading():
        now = store.now()
        meets = meeting(store, pattern, now, folding, lambda theirs: theirs.agent != agent)
    return Explanation(
        reading,
        tuple(path for path in sorted(tracked) if index.matching(path, submodule=True)),
        tuple((path, pattern.matches(path)) for path in paths),
        tuple(Meeting(held, witness) for held, witness in meets),
        now,
    )
