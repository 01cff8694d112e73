"""Refuses what would close a circle of agents that wait for each other."""

from __future__ import annotations

from agentlock.errors import RefusedError
from agentlock.git.changes import uncommitted
from agentlock.patterns.matching import PatternIndex
from agentlock.store.waits import Wait as Place
from agentlock.text import and_more
from agentlock.waiting.deadlock import circle
from agentlock.waiting.order import folding_of, without_process
from agentlock.waiting.telling import shown_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from agentlock.git.repository import Repository
    from agentlock.model import Reservation
    from agentlock.patterns.matching import Folding
    from agentlock.store.base import Store
    from agentlock.waiting.deadlock import Circle, Wait

_SHOWN = 10


class DeadlockError(RefusedError):
    """It would close a circle of agents that wait for each other."""

    kind = "deadlock"


def refuse_circle(
    store: Store,
    new: Wait,
    folding: Folding,
    repository: Repository | None,
    *,
    check_time: Callable[[], object] = lambda: None,
) -> None:
    """DeadlockError if a claim, a wait or a reservation that becomes exclusive, closes a circle."""
    now = store.now()
    if not _can_be_waited_for(store, new.agent, now):
        return
    queue = [one for one in store.waits.live() if one.is_live(now)]
    held = store.reservations.all(live_at=now)

    def searched() -> Circle | None:
        is_changed = _changed_here(repository, folding)
        return circle(queue, held, new, folding, is_changed=is_changed, check_time=check_time)

    found = searched()
    if found is not None and (gone := without_process(store, queue)):
        queue = [one for one in queue if one.id not in gone]
        found = searched()
    if found is not None:
        raise _refusal(found)


def closed_by(store: Store, wait: Place, now: int) -> Circle | None:
    """The circle that a place closes since its agent no longer holds some of what it names.

    While it held that, the place waited for nobody there.
    """
    if store.waits.newest() == wait.fence and not _can_be_waited_for(store, wait.agent, now, wait):
        return None
    others = [one for one in store.waits.live() if one.is_live(now) and one.id != wait.id]
    gone = without_process(store, others)
    queue = [one for one in others if one.id not in gone]
    return circle(queue, store.reservations.all(live_at=now), wait, folding_of(wait))


def _can_be_waited_for(store: Store, agent: str, now: int, but: Place | None = None) -> bool:
    """Whether an agent holds something, or has a place, ``but`` for one."""
    if store.reservations.all(agent=agent, live_at=now):
        return True
    places = [one for one in store.waits.of_agent(agent) if but is None or one.id != but.id]
    return any(one.is_live(now) for one in places)


def _changed_here(repository: Repository | None, folding: Folding) -> Callable[[Reservation], bool]:
    """Whether a file of a reservation has uncommitted changes in this worktree."""

    def is_changed(held: Reservation) -> bool:
        if repository is None or repository.is_bare:
            return False
        changes = uncommitted(repository)
        index = PatternIndex([held.pattern], folding)
        return any(index.matching(path, path in changes.submodules) for path in changes.paths)

    return is_changed


def in_words(found: Circle) -> str:
    """The circle, agent by agent."""
    steps = [
        f"{one.agent} {'is in the queue for' if one.queued else 'holds'} {shown_text(one.holds)} "
        f"and {'would wait' if number == 0 else 'waits'} for {shown_text(one.waits_for)}"
        for number, one in enumerate(found.steps[:_SHOWN])
    ]
    return f"{'; '.join(steps)}{and_more(len(found.steps) - _SHOWN)}"


def _refusal(found: Circle) -> DeadlockError:
    leave = [wait.id for wait in found.leave if isinstance(wait, Place)]
    fix = ""
    if found.release:
        fix = f"agentlock release --id {found.release[0].id}"
    elif leave:
        fix = f"agentlock queue leave {leave[0]}"
    error = DeadlockError(
        f"this would be a deadlock, in which each waits for the next: {in_words(found)}",
        fix=fix,
    )
    error.details = {
        "circle": [
            {"agent": one.agent, "holds": _text(one.holds), "waits_for": _text(one.waits_for)}
            for one in found.steps
        ],
        "release": [held.id for held in found.release],
        "leave": leave,
    }
    return error


def _text(pattern: bytes) -> str:
    return pattern.decode("utf-8", "surrogateescape")
