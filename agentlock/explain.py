"""How a pattern is read, which files it covers now, and which reservations it conflicts with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentlock.agents.activity import holders
from agentlock.model import Value
from agentlock.patterns.matching import PatternIndex, compile_pattern
from agentlock.reservations.granting import Request
from agentlock.reservations.search import meeting
from agentlock.reservations.stale import StaleCopies, stale_copies
from agentlock.reservations.witnesses import existing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agentlock.git.repository import Repository
    from agentlock.model import Reservation
    from agentlock.patterns.matching import Folding
    from agentlock.patterns.syntax import Reading
    from agentlock.records import Presence
    from agentlock.store.base import Store


class Meeting(Value):
    """Another agent's live reservation that a pattern meets, and one path that both match.

    ``exists``: there is a file at that path.
    """

    reservation: Reservation
    witness: bytes
    exists: bool


class Explanation(Value):
    """One reading of a pattern.

    ``covers`` are the tracked files that it matches. ``paths`` are the paths that were asked about,
    each with whether the pattern matches it. ``meets`` are the reservations that `reserve` would
    refuse it for at the time ``now``, and ``holders`` what is known of their agents. ``stale`` are
    the files that another branch has changed.
    """

    reading: Reading
    covers: tuple[bytes, ...]
    paths: tuple[tuple[bytes, bool], ...]
    meets: tuple[Meeting, ...]
    holders: dict[str, Presence]
    now: int
    stale: StaleCopies


def explain(
    store: Store,
    repository: Repository,
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
    with store.reading():
        now, policy = store.now(), store.policy.read()
        met = [
            meeting(
                *(store, compile_pattern(reading.pattern, folding), now, folding, agent),
                lambda theirs: theirs.meets(request),
            )
            for reading in readings
        ]
    explained = []
    for reading, found in zip(readings, met, strict=True):
        index = PatternIndex([reading.pattern], folding)
        pairs = [(reading.pattern, held.pattern) for held, _ in found]
        there = existing(repository, pairs, folding)
        explained.append(
            Explanation(
                reading,
                tuple(path for path in files if index.matching(path, submodule=True)),
                tuple((path, bool(index.matching(path))) for path in paths),
                tuple(
                    Meeting(held, there.get(pair, witness), pair in there)
                    for (held, witness), pair in zip(found, pairs, strict=True)
                ),
                holders(store, [held for held, _ in found]),
                now,
                stale_copies(store, repository, policy, folding, patterns=[reading.pattern]),
            )
        )
    return explained
