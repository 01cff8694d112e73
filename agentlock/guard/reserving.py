"""Reserve what an agent is about to edit, for itself, as far as it is free: the policy `on_edit`.

Each reservation is of one file, exclusive and automatic: it ends by itself. What the agent holds
already is made to last for another `edit_ttl`. One write transaction judges anew and grants, so of
two agents that edit a file at the same moment one gets it.
"""

from __future__ import annotations

import os

from agentlock.errors import ReadOnlyTableError
from agentlock.guard.judge import folding_of
from agentlock.guard.verdict import index_of, touched
from agentlock.model import Value
from agentlock.patterns.keys import literal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agentlock.guard.edits import Judged
    from agentlock.model import Policy, Reservation
    from agentlock.reservations.stale import StaleCopy
    from agentlock.store.base import Store

MOST_FILES = 200  # of one use of a tool
_NEARLY = 29 / 30  # a lease that lasts so much of the TTL need not be written anew for each edit


class Plan(Value):
    """The files to reserve, and the agent's own reservations that should last longer.

    ``joined`` are automatic ones under which this session has not edited before.
    """

    free: tuple[bytes, ...] = ()
    longer: tuple[Reservation, ...] = ()
    joined: tuple[Reservation, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.free or self.longer or self.joined)


def reserved(store: Store, answer: Judged, program: str, session: str) -> Judged:
    """The verdict on the edit once its free files are the agent's.

    ``program`` and ``session`` are the session that edits. Call it outside a transaction.
    """
    name, policy = answer.identity.name, answer.verdict.policy
    if name is None or policy.on_edit != "reserve" or answer.repository.is_bare:
        return answer
    files = [path for path in answer.changes.paths if _is_file(path)]
    plan = _plan(store, answer, files, program, session)
    ignored = _ignored(plan.free)
    free = tuple(path for path in plan.free if path not in ignored)
    answer = covered(answer, ignored.union(set(answer.changes.paths).difference(files)))
    plan = plan.replace(free=free[:MOST_FILES])
    if not plan:
        return answer
    if policy.stale == "refuse" and free and (stale := _stale(store, answer, free)):
        return answer.replace(stale=stale)
    from agentlock.guard.claiming import Writing  # most edits are of what is held already

    try:
        return Writing(store, answer, program, session).run(plan, more=len(free) > MOST_FILES)
    except ReadOnlyTableError:  # as in a sandbox: the commit is judged all the same
        return answer


def _is_file(path: bytes) -> bool:
    """Whether a path, seen from the root, can be a file of the worktree."""
    in_git = path == b".git" or path.startswith(b".git/")
    return not in_git and (os.path.islink(path) or not os.path.isdir(path))


def _ignored(paths: Sequence[bytes]) -> frozenset[bytes]:
    """Those of the paths that git ignores."""
    if not paths:
        return frozenset()
    from agentlock.git.process import git

    asked = git("check-ignore", "-z", "--stdin", stdin=b"\0".join(paths) + b"\0")
    return frozenset(asked.stdout.split(b"\0")) if asked.code == 0 else frozenset()


def covered(answer: Judged, paths: Iterable[bytes]) -> Judged:
    """The same, where these paths need no reservation, or have one."""
    left = set(answer.verdict.uncovered).difference(paths)
    uncovered = tuple(path for path in answer.verdict.uncovered if path in left)
    return answer.replace(verdict=answer.verdict.replace(uncovered=uncovered))


def _plan(store: Store, answer: Judged, files: Sequence[bytes], program: str, session: str) -> Plan:
    """What is to be written for an edit of these files."""
    name, policy = answer.identity.name, answer.verdict.policy
    if not answer.live:
        return Plan(tuple(files))
    here = worktree_of(answer)
    own = [held for held in answer.live if is_own(held, name, here)]
    others = [held for held in answer.live if held.agent != name]
    if not others and [literal(path)[0] for path in files] == [one.pattern for one in own]:
        used = {held.id: held for held in own}  # as mostly: no pattern need be loaded
        free: Sequence[bytes] = ()
    else:
        used, free = _used_and_free(answer, files, own, others)
    until = answer.now + int(ttl_of(policy) * _NEARLY)
    return Plan(
        tuple(free),
        tuple(held for held in used.values() if held.expires_ts < until),
        tuple(
            held
            for held in used.values()
            if held.automatic and not store.automatic.has_session(held, program, session)
        ),
    )


def _used_and_free(
    answer: Judged,
    files: Sequence[bytes],
    own: Sequence[Reservation],
    others: Sequence[Reservation],
) -> tuple[dict[int, Reservation], list[bytes]]:
    """The agent's own reservations that cover some of the files, and the files nobody holds."""
    folding = folding_of(answer.repository)
    mine, theirs = index_of(own, folding), index_of(others, folding)
    free: list[bytes] = []
    used: dict[int, Reservation] = {}
    for path in files:
        covering = [own[at] for at in mine.matching(path)]
        used.update({held.id: held for held in covering})
        if not covering and not touched(theirs, answer.changes, path):
            free.append(path)  # what others hold shared stays theirs too
    return used, free


def worktree_of(answer: Judged) -> str:
    from agentlock.text import storable

    return storable(answer.repository.root)


def is_own(held: Reservation, agent: str | None, worktree: str) -> bool:
    """Whether the agent holds it for an edit here: an automatic one belongs to its worktree."""
    return held.agent == agent and (not held.automatic or held.worktree == worktree)


def short_of_time(store: Store, program: str, session: str) -> list[Reservation]:
    """The automatic reservations of a session that have less than half of their time left."""
    now = store.now()
    held = store.automatic.of_session(program, session, now)
    if not held:
        return []
    until = now + ttl_of(store.policy.read()) // 2
    return [one for one in held if one.expires_ts < until]


def ttl_of(policy: Policy) -> int:
    return min(policy.edit_ttl, policy.max_ttl)


def _stale(store: Store, answer: Judged, paths: Sequence[bytes]) -> tuple[StaleCopy, ...]:
    """The files that another agent has changed on another branch."""
    from agentlock.reservations.stale import stale_copies

    name, policy = answer.identity.name, answer.verdict.policy
    folding = folding_of(answer.repository)
    found = stale_copies(store, answer.repository, policy, folding, paths=paths)
    return found.of_others(name or "")
