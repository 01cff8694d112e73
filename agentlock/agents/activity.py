"""Whether the holders of reservations are there: by commands, commits, edits and sessions."""

from __future__ import annotations

import os
import time

from agentlock.agents.presence import presences
from agentlock.errors import PatternError
from agentlock.patterns.pattern import compile_pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from agentlock.model import Presence, Reservation
    from agentlock.patterns.pattern import Pattern
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
        pattern = compile_pattern(held.pattern)
    except PatternError:  # the row is damaged
        return
    root = os.fsencode(held.worktree)
    for number, path in enumerate(_files(root, pattern)):
        if number >= _MOST_FILES or time.monotonic() > until:
            return
        if pattern.kind == "literal" or pattern.matches(os.path.relpath(path, root)):
            try:
                yield os.lstat(path).st_mtime_ns // 1000
            except OSError:  # it has just gone
                continue


def _files(root: bytes, pattern: Pattern) -> Iterable[bytes]:
    start = os.path.join(root, pattern.prefix)
    if not os.path.isdir(start):
        yield start
        return
    for folder, names, files in os.walk(start):
        names[:] = [name for name in names if name != b".git"]
        yield from (os.path.join(folder, name) for name in files)
