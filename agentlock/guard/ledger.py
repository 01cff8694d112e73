"""What the ledger excuses: commits that were judged when they were made, and let pass.

An entered commit is excused at every later gate. A row of an earlier version says only who made a
commit, and excuses it for that agent's reservations alone.
"""

from __future__ import annotations

from agentlock.git import changes as git_changes
from agentlock.git.patches import staged_patch
from agentlock.guard.notes import REPLAY
from agentlock.guard.take_in import Reader
from agentlock.model import ALLOWED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from agentlock.git.changes import Staged
    from agentlock.git.repository import Repository
    from agentlock.model import Verdict
    from agentlock.store.base import Store


def excuse_commits(
    reader: Reader,
    verdict: Verdict,
    touched: Mapping[bytes, set[str]],
    bound: Collection[str] = (),
) -> Verdict:
    """The verdict without what only entered commits touch.

    ``touched`` gives the oids of the commits that change each path; "" is none. Those that are
    ``bound`` are excused only for their maker's own reservations.
    """
    excuses = _excuses(reader, verdict, touched, bound)

    def is_free(path: bytes, holder: str | None) -> bool:
        commits = touched.get(path)
        return bool(commits) and all(excuses(oid, path, holder) for oid in commits or ())

    return verdict.replace(
        conflicts=tuple(
            one for one in verdict.conflicts if not is_free(one.path, one.reservation.agent)
        ),
        uncovered=tuple(path for path in verdict.uncovered if not is_free(path, None)),
    )


def not_excused(
    reader: Reader, verdict: Verdict, touched: Mapping[bytes, set[str]], bound: Collection[str]
) -> dict[str, set[bytes]]:
    """The commits that ``excuse_commits`` did not excuse, and the paths of each; "" is none."""
    excuses = _excuses(reader, verdict, touched, bound)
    held = [(one.path, one.reservation.agent) for one in verdict.conflicts]
    found: dict[str, set[bytes]] = {}
    for path, holder in (*held, *((path, None) for path in verdict.uncovered)):
        for oid in touched.get(path, ()):
            if not excuses(oid, path, holder):
                found.setdefault(oid, set()).add(path)
    return found


def _excuses(
    reader: Reader,
    verdict: Verdict,
    touched: Mapping[bytes, set[str]],
    bound: Collection[str],
) -> Callable[[str, bytes, str | None], bool]:
    """Whether a commit's change of a path is excused.

    That is for a holder's reservation, or (None) for being uncovered.
    """
    paths = {one.path for one in verdict.conflicts}.union(verdict.uncovered)
    suspects = {oid for path in paths for oid in touched.get(path, ())}
    entered = reader.entries(suspects)
    made_by = reader.makers(suspects)

    def excuses(oid: str, path: bytes, holder: str | None) -> bool:
        if oid in entered and oid not in bound and path not in entered[oid].void:
            return True
        return holder is not None and made_by.get(oid) == holder

    return excuses


def excuse_replay(
    store: Store, verdict: Verdict, repository: Repository, staged: Staged
) -> tuple[Verdict, str]:
    """The verdict on a commit of the index without what it only replays, and how it passes.

    The whole of it is excused if it is an entered commit's exact change. Of git's own clean replay
    of one, only the paths of that commit are: git may carry its change to another file, which it
    takes for the same file renamed. A conflict that somebody resolved is neither.
    """
    if len(staged.bases) != 1:
        return verdict, ALLOWED
    reader = Reader(store, repository)
    hinted = git_changes.replayed(repository)
    # To compare 50,000 files takes two seconds; a replay changes the same paths as its source.
    may_be = reader.may_be_replay(staged.diff, hinted)
    patch = staged_patch(staged.diff) if may_be else None
    found = reader.staged(patch, hinted, staged.bases[0])
    if found is not None:
        judged = set(staged.changes.paths)
        if found.patch != patch:
            judged = reader.judged_paths(found.oid)
        judged -= found.void
        verdict = verdict.replace(
            conflicts=tuple(one for one in verdict.conflicts if one.path not in judged),
            uncovered=tuple(path for path in verdict.uncovered if path not in judged),
        )
        return verdict, f"{REPLAY}{found.oid}"
    maker = reader.old_maker(patch, hinted) if patch else None
    conflicts = [one for one in verdict.conflicts if one.reservation.agent != maker]
    return verdict.replace(conflicts=tuple(conflicts)), ALLOWED
