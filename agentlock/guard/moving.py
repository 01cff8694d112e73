"""The verdict on refs that move: on what comes to a branch, or to HEAD, that no branch had.

Strict hooks ask this for each commit of a rebase: what only a refusal or a merge needs is loaded
then.
"""

from __future__ import annotations

from agentlock.git import ref_updates
from agentlock.git.commits import changed_by, oid_of
from agentlock.model import ALLOWED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.git.ref_updates import Move
    from agentlock.git.repository import Repository
    from agentlock.guard.foreign import Roots
    from agentlock.model import Verdict
    from agentlock.store.base import Store


class Moving:
    """What one transaction of git's brings, where the hook reference-transaction runs."""

    def __init__(self, repository: Repository, moved: Sequence[Move], process: str) -> None:
        """``process`` is the id of git's process."""
        self._repository = repository
        self._moved = moved
        self._process = process
        self._brought = ref_updates.brought(moved)
        self._noted = [oid_of(line) for line in self._brought]
        self._found_roots: Roots | None = None
        self.changes = changed_by(self._brought).changes

    def excuse(self, store: Store, verdict: Verdict) -> tuple[Verdict, str]:
        """The verdict on what was made here, belongs to the project and is not entered."""
        from agentlock.guard.ledger import excuse_commits
        from agentlock.guard.take_in import Reader

        made = self._made_here()
        foreign = self._foreign(made)
        elsewhere = foreign.union(self._roots.joined(made))  # these are judged by ``doubt``
        touched = changed_by(line for line in made if oid_of(line) not in elsewhere).touched
        verdict = verdict.replace(
            conflicts=tuple(one for one in verdict.conflicts if one.path in touched),
            uncovered=tuple(path for path in verdict.uncovered if path in touched),
        )
        reader = Reader(store, self._repository)
        known = foreign | reader.wholly_entered(self._noted)
        self._noted = [oid for oid in map(oid_of, made) if oid not in known]
        return excuse_commits(reader, verdict, touched), ALLOWED

    def doubt(self, store: Store, verdict: Verdict, agent: str | None) -> Verdict:
        """The verdict on merges that join another history to the project, if there are any."""
        if not any(line.count(b" ") > 1 for line in self._brought):
            return verdict
        from agentlock.guard.judge import folding_of, judge
        from agentlock.guard.ledger import excuse_commits
        from agentlock.guard.take_in import Reader

        history = changed_by(diffs=self._roots.joined(self._made_here()))
        if not history.changes.paths:
            return verdict
        found, _ = judge(store, history.changes, agent, folding_of(self._repository))
        if found.clean:
            return verdict
        return excuse_commits(Reader(store, self._repository), found, history.touched)

    def judged(self, _store: Store) -> Sequence[str]:
        """The commits that were judged now."""
        return self._noted

    def _made_here(self) -> list[bytes]:
        return ref_updates.made_here(self._repository, self._moved, self._process)

    def _foreign(self, commits: Sequence[bytes]) -> set[str]:
        """Those of another history, unless it would take the place of a default branch's."""
        from agentlock.git.remotes import defaults_here

        names = defaults_here()
        for move in self._moved:
            if move.ref in names and self._roots.is_foreign(move.new.decode()):
                return set()
        return self._roots.foreign(commits)

    @property
    def _roots(self) -> Roots:
        if self._found_roots is None:
            from agentlock.guard.foreign import roots_here

            self._found_roots = roots_here(self._repository)
        return self._found_roots
