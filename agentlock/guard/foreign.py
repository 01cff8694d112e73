"""Which pushed commits belong to another history than the project's.

What does not descend from the project's first root is not judged by path: notes, branches of
metadata, and histories that are merged into a folder. A merge that joins one to the project answers
for all in which it differs from the project: from its first parent that descends from the root.
"""

from __future__ import annotations

import os

from agentlock.git.changes import difference
from agentlock.git.process import git

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agentlock.git.repository import Repository


class Roots:
    """The roots of commits, compared with that of the project."""

    def __init__(self, repository: Repository, tip: Callable[[], bytes]) -> None:
        """``tip`` gives the commit that the project's default branch is at; b"" for none."""
        self._repository = repository
        self._tip = tip
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
                elif not self._is_foreign(parent):
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
        parents_of_all = [parent for _, *parents in merges for parent in parents]
        roots = self._of(parents_of_all, "--first-parent")
        # Until the project's root is asked for, nothing has passed because it is foreign.
        if len(roots) < (2 if self._project is None else 1):
            return {}
        project = self._of_project()
        if not project or roots <= project:
            return {}
        found: dict[str, bytes] = {}
        for oid, *parents in merges:
            ours = [parent for parent in parents if not self._is_foreign(parent)]
            if ours and len(ours) < len(parents):
                found[oid] = difference(ours[0].encode(), oid.encode())
        return found

    def _is_foreign(self, oid: str) -> bool:
        if oid not in self._others:
            roots = self._of([oid])
            self._others[oid] = bool(roots) and roots.isdisjoint(self._of_project())
        return self._others[oid]

    def _of_project(self) -> frozenset[str]:
        if self._project is None:
            tip = self._tip().decode()
            self._project = self._of([tip], "--first-parent") if tip else frozenset()
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
