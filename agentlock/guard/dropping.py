"""What a push would take away for good: by force, or with a branch that it deletes.

Dropped is what no branch has afterwards, by oid or origin (ADR 15).
"""

from __future__ import annotations

from agentlock.git.commits import beyond, listed, oid_of
from agentlock.git.pushes import require_known, taken_away

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from agentlock.git.hook_input import RefUpdate
    from agentlock.guard.take_in import Reader
    from agentlock.model import PathConflict


def deleted(updates: Iterable[RefUpdate], after: Iterable[bytes]) -> list[bytes]:
    """The commits that go with deleted refs; ``after`` is what the branches are at afterwards.

    GitError if one of the refs is at a commit that is not here.
    """
    tips = [update.remote_oid for update in taken_away(updates)]
    require_known(tips)
    return listed([*tips, *(b"^" + oid for oid in after)]) if tips else []


def not_to_be_dropped(
    reader: Reader,
    conflicts: Iterable[PathConflict],
    lost: Sequence[bytes],
    touched: Mapping[bytes, set[str]],
    after: Sequence[bytes],
    protected: Sequence[bytes],
) -> dict[bytes, set[str]]:
    """The lost commits that may not be lost, by the paths that they change (of ``touched``).

    Those of a protected branch never may (``protected`` is what these were at). Others may not
    where the holder made them or nobody entered them.
    """
    oids = {oid_of(line) for line in lost}
    entered = reader.entries(oids)
    kept = reader.kept(entered.values(), after)
    guarded = oids - beyond(lost, protected)
    unknown = beyond(lost, reader.before()) - entered.keys()
    holders: dict[bytes, set[str]] = {}
    for one in conflicts:
        holders.setdefault(one.path, set()).add(one.reservation.agent)

    def matters(path: bytes, oid: str) -> bool:
        if oid in kept:
            return False
        if oid in guarded or oid in unknown:
            return True
        entry = entered.get(oid)
        if entry is None:  # it was there before the table
            return False
        return path in entry.void or entry.agent in holders.get(path, ())

    found = {
        path: {oid for oid in touching if matters(path, oid)} for path, touching in touched.items()
    }
    return {path: touching for path, touching in found.items() if touching}
