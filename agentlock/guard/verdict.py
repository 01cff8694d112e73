"""The verdict on paths, from reservations, agent and policy. Pure: no table, no printing."""

from __future__ import annotations

import sys

from agentlock.errors import DatabaseError, PatternError
from agentlock.model import PathConflict, Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.model import Changes, Policy, Reservation
    from agentlock.patterns.index import PatternIndex
    from agentlock.patterns.keys import Folding


def decide(
    changes: Changes,
    reservations: Sequence[Reservation],
    agent: str | None,
    policy: Policy,
    folding: Folding,
) -> Verdict:
    """May ``agent`` (None: nobody) make these changes?

    ``reservations`` are the live ones that can match; ``policy.blocks`` says which count. A path
    that several hold appears once for each holder's reservation. Complexity: see PatternIndex.
    """
    theirs = [held for held in reservations if policy.blocks(held, agent)]
    conflicts: list[PathConflict] = []
    if theirs:
        index = index_of(theirs, folding)
        conflicts = [
            PathConflict(path, theirs[position], True)
            for path, positions in index.among(changes.paths, changes.submodules, changes.added)
            for position in positions
        ]
    uncovered: list[bytes] = []
    if policy.require_reservation:
        mine = index_of([held for held in reservations if held.agent == agent], folding)
        known = {conflict.path for conflict in conflicts}
        known.update(path for path, _ in mine.among(changes.paths, changes.submodules, ()))
        uncovered = [path for path in changes.paths if path not in known]
        uncovered = _without_exempt(uncovered, policy, folding)
    return Verdict(len(changes.paths), tuple(conflicts), tuple(uncovered), policy)


def touched(index: PatternIndex, changes: Changes, path: bytes) -> list[int]:
    """The positions of the patterns that hold one of the changed paths, as it changes."""
    return index.matching(path, path in changes.submodules, path in changes.added)


def index_of(reservations: Sequence[Reservation], folding: Folding) -> PatternIndex:
    """An index of their patterns; DatabaseError if one of them cannot be read."""
    from agentlock.patterns.index import PatternIndex  # no other commit needs it

    try:
        return PatternIndex([held.pattern for held in reservations], folding)
    except PatternError as error:
        raise DatabaseError(
            f"the table holds a pattern that cannot be read: {error}", see="agentlock db check"
        ) from error


def _without_exempt(paths: list[bytes], policy: Policy, folding: Folding) -> list[bytes]:
    if not paths or not policy.exempt:
        return paths
    if sys.flags.no_site:  # as git's hooks start Python; the list needs an installed package
        import site

        site.main()
    from agentlock.patterns.exempt import ExemptList

    exempt = ExemptList(policy.exempt, folding)
    return [path for path in paths if not exempt.covers(path)]
