"""The verdict on paths that somebody names, before there is a commit."""

from __future__ import annotations

import os

from agentlock.agent_mail.live import touching
from agentlock.git import changes as git_changes
from agentlock.guard.judge import judge, with_holders
from agentlock.guard.verdict import index_of
from agentlock.model import Changes, PathConflict, Value
from agentlock.patterns.keys import keys_of
from agentlock.patterns.matching import compile_pattern, displayed
from agentlock.patterns.pattern import TOOL, compile_stored, tool
from agentlock.patterns.syntax import read_pattern
from agentlock.reservations.search import meeting
from agentlock.reservations.witnesses import existing
from agentlock.waiting.standing import waiting_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Literal

    from agentlock.git.repository import Repository
    from agentlock.model import Reservation, Verdict
    from agentlock.patterns.matching import Folding, Pattern
    from agentlock.patterns.places import Tree
    from agentlock.store.base import Store
    from agentlock.waiting.standing import Behind


class Named(Value):
    """What is asked about: paths, and folders as patterns of all that may come there."""

    changes: Changes
    folders: tuple[bytes, ...] = ()


class Standing(Value):
    """Whose a path is, and the reservation that says so; a folder ends with a slash.

    ``held``: by another agent, whose reservation blocks a commit. ``mine``: by the agent that asks.
    ``shared``: only by reservations of others that block nothing. ``free``: by nobody. ``waiting``
    are the places of others in the queue, which refuse no commit.
    """

    path: bytes
    state: Literal["held", "mine", "shared", "free"]
    reservation: Reservation | None = None
    waiting: tuple[Behind, ...] = ()


class Checked(Value):
    """The verdict on what was asked about, and how each path stands, at the time ``now``."""

    verdict: Verdict
    paths: tuple[Standing, ...]
    now: int


def named(typed: Iterable[bytes], tree: Tree) -> Named:
    """Paths and folders as they were typed in the current directory; none of them is a glob."""
    paths: set[bytes] = set()
    submodules: set[bytes] = set()
    folders: list[bytes] = []
    for text in typed:
        if thing := tool(text):
            folders.append(thing)
            continue
        reading = read_pattern(text, tree, force="literal", whole_repository=True)
        path = compile_pattern(reading.pattern).prefix
        if reading.kind == "directory" and tree.lookup(path) != "submodule":
            folders.append(reading.pattern)
            continue
        paths.add(path)
        if reading.kind == "directory":
            submodules.add(path)
    # Whether each of them is there already would have to be asked of HEAD; it rarely matters.
    added = frozenset(paths)
    return Named(Changes(tuple(sorted(paths)), frozenset(submodules), added), tuple(folders))


def check(
    store: Store, repository: Repository, asked: Named, agent: str | None, folding: Folding
) -> Checked:
    """The verdict on a change of these paths and of anything in these folders.

    A folder is refused for every reservation that would refuse some change in it, and uncovered
    for what it holds now.
    """
    verdict, now = judge(store, asked.changes, agent, folding)
    paths = _standing(store, asked.changes, verdict, agent, now, folding)
    if not asked.folders:
        waited = _with_waiting(store, asked, paths, agent, now, folding)
        return Checked(with_holders(store, verdict), waited, now)
    conflicts = list(verdict.conflicts)
    for text in asked.folders:
        folder = compile_pattern(text, folding)
        met = meeting(store, folder, now, folding, agent, lambda _: True)
        blocks = [one for one in met if verdict.policy.blocks(one[0], agent)]
        there = existing(repository, [(text, held.pattern) for held, _ in blocks], folding)
        for held, witness in blocks:
            path = there.get((text, held.pattern))
            exists = path is not None or text.startswith(TOOL)
            conflicts.append(PathConflict(path or witness, held, exists))
        if blocks:
            paths.append(Standing(_shown(folder), "held", blocks[0][0]))
        else:
            paths.append(_standing_of_folder(folder, [held for held, _ in met], agent))
    uncovered = set(verdict.uncovered)
    files = [text for text in asked.folders if not text.startswith(TOOL)]
    if verdict.policy.require_reservation and files:
        prefixes = [compile_pattern(text, folding).prefix for text in files]
        changes = git_changes.below(repository, prefixes)
        uncovered.update(judge(store, changes, agent, folding)[0].uncovered)
    verdict = verdict.replace(
        checked=verdict.checked + len(asked.folders),
        conflicts=tuple(conflicts),
        uncovered=tuple(sorted(uncovered)),
    )
    waited = _with_waiting(store, asked, paths, agent, now, folding)
    return Checked(with_holders(store, verdict), waited, now)


def _with_waiting(
    store: Store,
    asked: Named,
    paths: Sequence[Standing],
    agent: str | None,
    now: int,
    folding: Folding,
) -> tuple[Standing, ...]:
    """The same, and who waits for each path or folder."""
    texts = {_shown(compile_pattern(text, folding)): text for text in asked.folders}
    waiting = waiting_for(
        store,
        agent,
        {one.path: texts.get(one.path) for one in paths},
        now,
        folding,
    )
    return tuple(one.replace(waiting=waiting.get(one.path, ())) for one in paths)


def _standing(
    store: Store, changes: Changes, verdict: Verdict, agent: str | None, now: int, folding: Folding
) -> list[Standing]:
    held = {conflict.path: conflict.reservation for conflict in reversed(verdict.conflicts)}
    live = store.reservations.live_on(*keys_of(changes.paths), now)
    live += touching(store, changes, agent, folding)
    others = [one for one in live if not verdict.policy.blocks(one, agent)]
    others.sort(key=lambda one: one.agent != agent)  # one's own first
    index = index_of(others, folding)
    found = []
    for path in changes.paths:
        if path in held:
            found.append(Standing(path, "held", held[path]))
        elif matching := index.matching(path, path in changes.submodules):
            first = others[matching[0]]
            found.append(Standing(path, "mine" if first.agent == agent else "shared", first))
        else:
            found.append(Standing(path, "free"))
    return found


def _standing_of_folder(folder: Pattern, met: list[Reservation], agent: str | None) -> Standing:
    """How a folder stands that nobody blocks: it is one's own if one reservation covers it."""
    for held in met:
        if held.agent == agent and _covers(held, folder):
            return Standing(_shown(folder), "mine", held)
    for held in met:
        if held.agent != agent:
            return Standing(_shown(folder), "shared", held)
    return Standing(_shown(folder), "free")


def _covers(held: Reservation, folder: Pattern) -> bool:
    """Whether a reservation is that of the folder, or of a folder above it."""
    own = compile_stored(held, folder.folding)
    if folder.text.startswith(TOOL):
        return own.text == folder.text
    is_folder = own.kind == "directory" or own.is_whole_repository
    if not is_folder and own.text != b"/" + own.prefix + b"/**":
        return False
    return not own.path or (folder.path + b"/").startswith(own.path + b"/")


def _shown(folder: Pattern) -> bytes:
    return os.fsencode(displayed(folder.text))
