"""Whether the holders of reservations are there: by commands, commits, edits and sessions."""

from __future__ import annotations

import os
import time

from agentlock.agents.presence import presences
from agentlock.errors import PatternError
from agentlock.patterns.plain import BELOW, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from agentlock.model import Reservation
    from agentlock.records import Presence
    from agentlock.store.base import Store

_MOST_FILES = 2_000
_LONGEST_LOOK = 0.05  # seconds, for all files together


def holders(
    store: Store, held: Sequence[Reservation], others: Iterable[str] = ()
) -> dict[str, Presence]:
    """The agents that hold these reservations, and ``others``, by name; none of another program.

    A change of a file that one of them holds exclusively, in its worktree on this host, counts as
    its activity. Commands and commits are in the table.
    """
    held = [one for one in held if not one.source]
    known = store.agents.named([*(one.agent for one in held), *others])
    here, now = os.uname().nodename, store.now()
    until = time.monotonic() + _LONGEST_LOOK
    for one in held:
        agent = known[one.agent]
        if agent.host != here or not one.worktree or not one.exclusive or not one.is_live(now):
            continue
        edited = max(_edits(one, until), default=0)
        if max(agent.last_active_ts, one.created_ts) < edited <= now:
            known[one.agent] = agent.replace(last_active_ts=edited)
    return presences(store, known)


def _edits(held: Reservation, until: float) -> Iterator[int]:
    """When files that the reservation covers were changed; a few of them, and until a moment."""
    try:
        prefix, covers = _covered(held.pattern)
    except PatternError:  # the row is damaged
        return
    root = os.fsencode(held.worktree)
    for number, path in enumerate(_files(os.path.join(root, prefix))):
        if number >= _MOST_FILES or time.monotonic() > until:
            return
        if covers is None or covers(os.path.relpath(path, root)):
            try:
                yield os.lstat(path).st_mtime_ns // 1000
            except (OSError, ValueError):  # it has just gone, or the row is damaged
                continue


def _covered(text: bytes) -> tuple[bytes, Callable[[bytes], bool] | None]:
    """Where what a pattern covers begins, and whether a path there is covered; None: all are."""
    found = plain(text)
    if found is not None and found[0] != BELOW:
        return found[1], None
    from agentlock.patterns.pattern import compile_pattern

    pattern = compile_pattern(text)
    return pattern.prefix, pattern.matches


def _files(start: bytes) -> Iterable[bytes]:
    if not os.path.isdir(start):
        yield start
        return
    for folder, names, files in os.walk(start):
        names[:] = [name for name in names if name != b".git"]
        yield from (os.path.join(folder, name) for name in files)
