"""Which pushed commits belong to another history than the project's.

What does not descend from the project's first root, along first parents, is not judged by path:
notes, branches of metadata, and histories that are merged into a folder. The merge that brings one
in answers for all in which it differs from its first parent.
"""

from __future__ import annotations

import os

from agentlock.git.changes import difference
from agentlock.git.commits import History, changed_in
from agentlock.git.process import git

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agentlock.git.repository import Repository


class Roots:
    """The first roots of commits, compared with that of the project."""

    def __init__(self, repository: Repository, tip: Callable[[], bytes]) -> None:
        """``tip`` gives the commit that the project's default branch is at; b"" for none."""
        self._repository = repository
        self._tip = tip
        self._project: frozenset[str] | None = None
        self._shallow: frozenset[str] | None = None

    def foreign(self, commits: Sequence[bytes]) -> set[str]:
        """The commits (as ``git.commits.listed``) that do not descend from the project's root."""
        project = self._of_project()
        if not project:
            return set()
        parents = {}
        for line in commits:
            oid, *of_it = line.decode().split()
            parents[oid] = of_it[0] if of_it else ""
        exits: dict[str, list[str]] = {}
        for oid in parents:
            at = oid
            while parents.get(at):
                at = parents[at]
            exits.setdefault(at, []).append(oid)
        found: set[str] = set()
        for at, oids in exits.items():
            roots = self._of([at])
            if roots and roots.isdisjoint(project):
                found.update(oids)
        return found

    def merged_in(self, commits: Sequence[bytes]) -> History:
        """What those merges change that bring another history in: all that they differ in."""
        merges = [line.decode().split() for line in commits if line.count(b" ") > 1]
        parents_of_all = [parent for _, *parents in merges for parent in parents]
        if len(self._of(parents_of_all)) < 2:  # then the project's need not be asked for
            return changed_in({})
        project = self._of_project()
        return changed_in(
            {
                oid: difference(first.encode(), oid.encode())
                for oid, first, *parents in merges
                if project
                and any((roots := self._of([one])) and roots.isdisjoint(project) for one in parents)
            }
        )

    def _of_project(self) -> frozenset[str]:
        if self._project is None:
            tip = self._tip().decode()
            self._project = self._of([tip]) if tip else frozenset()
        return self._project

    def _of(self, oids: Sequence[str]) -> frozenset[str]:
        """The first roots of commits; none where a shallow clone cuts one off."""
        if not oids:
            return frozenset()
        asked = "".join(f"{oid}\n" for oid in oids).encode()
        found = git("rev-list", "--first-parent", "--max-parents=0", "--stdin", stdin=asked)
        roots = frozenset(found.stdout.decode().split())
        return roots if found.code == 0 and roots.isdisjoint(self._cut()) else frozenset()

    def _cut(self) -> frozenset[str]:
        if self._shallow is None:
            try:
                with open(os.path.join(self._repository.common_dir, b"shallow"), "rb") as file:
                    self._shallow = frozenset(file.read().decode().split())
            except OSError:
                self._shallow = frozenset()
        return self._shallow
