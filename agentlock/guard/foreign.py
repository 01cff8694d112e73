"""Which commits belong to another history than the project's.

What does not descend from the project's first root is not judged by path: notes, branches of
metadata, and histories that are merged into a folder. A merge that joins one to the project answers
for all in which it differs from the project: from its first parent that descends from the root.
"""

from __future__ import annotations

import os

from agentlock.git.changes import ask_staged, difference, parse
from agentlock.git.process import git
from agentlock.git.remotes import defaults_here, is_beyond_a_default

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from agentlock.git.repository import Repository
    from agentlock.model import Changes


def roots_here(repository: Repository) -> Roots:
    """The roots for the gates of a clone, which ask no remote."""
    return Roots(repository, lambda: defaults_here().values())


class Roots:
    """The roots of commits, compared with that of the project."""

    def __init__(self, repository: Repository, tips: Callable[[], Iterable[bytes]]) -> None:
        """``tips`` gives the commits that the project's default branches are at."""
        self._repository = repository
        self._tips = tips
        self._project: frozenset[str] | None = None
        self._shallow: frozenset[str] | None = None
        self._others: dict[str, bool] = {}

    def foreign(self, commits: Sequence[bytes]) -> set[str]:
        """The commits (as ``git.commits.listed``) that do not descend from the project's root."""
        if not self._of_project():
            return set()
        parents = {oid: of_it for oid, *of_it in (line.decode().split() for line in commits)}
        children: dict[str, list[str]] = {}
        ours: list[str] = []
        for oid, of_it in parents.items():
            for parent in of_it or [oid]:
                if parent in parents and of_it:
                    children.setdefault(parent, []).append(oid)
                elif not self.is_foreign(parent):
                    ours.append(oid)
        found = set(parents)
        while ours:
            oid = ours.pop()
            if oid in found:
                found.remove(oid)
                ours += children.get(oid, ())
        return found

    def joined(self, commits: Sequence[bytes]) -> dict[str, bytes]:
        """The merges that join another history to the project, each with what it changes there."""
        merges = [line.decode().split() for line in commits if line.count(b" ") > 1]
        if not self._differ([parent for _, *parents in merges for parent in parents]):
            return {}
        bases = {oid: self._joined_to(parents) for oid, *parents in merges}
        return {oid: difference(base.encode(), oid.encode()) for oid, base in bases.items() if base}

    def replaces(self, old: str, new: str) -> bool:
        """Whether a branch that moves between these leaves the project for another history."""
        if self._of([old], "--first-parent") == self._of([new], "--first-parent"):
            return False
        return self.is_foreign(new) and not self.is_foreign(old)

    def joined_by_index(self, parents: Sequence[str]) -> Changes | None:
        """What a merge of the index with these parents changes, if it joins another history."""
        base = self._joined_to(parents) if self._differ(parents) else ""
        return parse([ask_staged(base).output()]) if base else None

    def takes_no_part(self, parents: Sequence[str]) -> bool:
        """Whether a commit on HEAD with these parents belongs to another history.

        Without any parent it does. What is beyond a default branch has the root of that, which
        saves two walks through all of history.
        """
        if parents and is_beyond_a_default(parents[0], self._repository.git_dir):
            return False
        return bool(self._of_project()) and all(map(self.is_foreign, parents))

    def _differ(self, parents: Sequence[str]) -> bool:
        """Whether one of these parents of merges may belong to another history."""
        roots = self._of(parents, "--first-parent")
        # Until the project's root is asked for, nothing has passed because it is foreign.
        if len(roots) < (2 if self._project is None else 1):
            return False
        project = self._of_project()
        return bool(project) and not roots <= project

    def _joined_to(self, parents: Sequence[str]) -> str:
        """The parent of a merge by which the project is joined to another history; "" for none."""
        ours = [parent for parent in parents if not self.is_foreign(parent)]
        return ours[0] if ours and len(ours) < len(parents) else ""

    def is_foreign(self, oid: str) -> bool:
        if oid not in self._others:
            roots = self._of([oid])
            self._others[oid] = bool(roots) and roots.isdisjoint(self._of_project())
        return self._others[oid]

    def _of_project(self) -> frozenset[str]:
        if self._project is None:
            tips = [oid.decode() for oid in self._tips()]
            self._project = self._of(tips, "--first-parent")
        return self._project

    def _of(self, oids: Sequence[str], *options: str) -> frozenset[str]:
        """The roots of commits; none where a shallow clone cuts one off."""
        if not oids:
            return frozenset()
        asked = "".join(f"{oid}\n" for oid in oids).encode()
        found = git("rev-list", "--max-parents=0", *options, "--stdin", stdin=asked)
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
