"""The verdict on paths that somebody names, before there is a commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentlock.git import changes as git_changes
from agentlock.git.changes import Changes
from agentlock.guard.judge import judge, with_holders
from agentlock.model import PathConflict, Value
from agentlock.patterns.matching import compile_pattern
from agentlock.patterns.syntax import read_pattern
from agentlock.reservations.search import meeting

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agentlock.git.repository import Repository
    from agentlock.model import Verdict
    from agentlock.patterns.matching import Folding
    from agentlock.patterns.syntax import Tree
    from agentlock.store.base import Store


class Named(Value):
    """What is asked about: paths, and folders as patterns of all that may come there."""

    changes: Changes
    folders: tuple[bytes, ...] = ()


def named(typed: Iterable[bytes], tree: Tree) -> Named:
    """Paths and folders as they were typed in the current directory; none of them is a glob."""
    paths: set[bytes] = set()
    submodules: set[bytes] = set()
    folders: list[bytes] = []
    for text in typed:
        reading = read_pattern(text, tree, force="literal", whole_repository=True)
        path = compile_pattern(reading.pattern).prefix
        if reading.kind == "directory" and tree.lookup(path) != "submodule":
            folders.append(reading.pattern)
            continue
        paths.add(path)
        if reading.kind == "directory":
            submodules.add(path)
    return Named(Changes(tuple(sorted(paths)), frozenset(submodules)), tuple(folders))


def check(
    store: Store, repository: Repository, asked: Named, agent: str | None, folding: Folding
) -> tuple[Verdict, int]:
    """The verdict on a change of these paths and of anything in these folders, and the time.

    A folder is refused for every reservation that would refuse some change in it, and uncovered
    for what it holds now.
    """
    verdict, now = judge(store, asked.changes, agent, folding)
    if not asked.folders:
        return with_holders(store, verdict), now
    folders = [compile_pattern(text, folding) for text in asked.folders]
    met = [
        PathConflict(witness, held)
        for folder in folders
        for held, witness in meeting(
            store, folder, now, folding, lambda held: verdict.policy.blocks(held, agent)
        )
    ]
    uncovered = set(verdict.uncovered)
    if verdict.policy.require_reservation:
        there = git_changes.below(repository, [folder.prefix for folder in folders])
        uncovered.update(judge(store, there, agent, folding)[0].uncovered)
    verdict = verdict.replace(
        checked=verdict.checked + len(folders),
        conflicts=(*verdict.conflicts, *met),
        uncovered=tuple(sorted(uncovered)),
    )
    return with_holders(store, verdict), now
