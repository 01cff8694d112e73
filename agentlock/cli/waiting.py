"""What the commands that wait have in common."""

from __future__ import annotations

from agentlock.cli.output import put, say
from agentlock.duration import format_remaining, parse_duration
from agentlock.patterns.matching import displayed
from agentlock.reservations.granting import reserve
from agentlock.store.wake import PLACE, listening
from agentlock.text import and_more, foreign
from agentlock.waiting import queue
from agentlock.waiting.foreground import stop_listening, wait_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agentlock.cli.workspace import Workspace
    from agentlock.model import Reservation
    from agentlock.reservations.granting import Request
    from agentlock.store.base import Store
    from agentlock.store.waits import Wait
    from agentlock.waiting.queue import Asked
    from agentlock.waiting.standing import Standing

_SHOWN = 3


def ask(
    workspace: Workspace, store: Store, request: Request, *, wait: str | None, place: str | None
) -> Asked:
    """Reserve, or wait in the foreground (``wait``), or take a place and return (``place``)."""
    request = request.replace(waits=True)
    where = (workspace.folding, workspace.repository)
    if wait is None:
        return queue.ask(store, request, *where, last=parse_duration(place or ""), queued=True)
    last = parse_duration(wait)
    with listening(store, PLACE) as bell:
        until = store.now() + last
        asked = queue.ask(store, request, *where, last=last, queued=False, bell=bell.name)
        if asked.wait is None or asked.standing is None:
            return asked
        number = asked.wait.id
        say(f"agentlock: waiting: {place_text(asked.wait, asked.standing)}")
        answer = asked.answer
        try:
            waited = wait_for(
                *(store, bell, request.agent, [number]),
                every=False,
                until=until,
                repository=workspace.repository,
                folding=workspace.folding,
            )
            answer = answer.replace(granted=waited.granted, now=waited.now)
            if waited.granted:
                return queue.Asked(answer.replace(conflicts=()))
            if waited.stale is not None:
                return queue.Asked(answer.replace(conflicts=(), stale=waited.stale))
            answer = reserve(store, request, *where)  # what is in the way now
        finally:
            if not answer.granted:
                stop_listening(store, [number], bell.name)
        return queue.Asked(answer)


def place_text(wait: Wait, standing: Standing) -> str:
    """Where an agent stands in the queue, and behind whom."""
    names = list(dict.fromkeys(one.agent for one in standing.behind))
    behind = f" behind {', '.join(names[:_SHOWN])}{and_more(len(names) - _SHOWN)}" if names else ""
    what = ", ".join(foreign(displayed(text)) for text in wait.patterns[:_SHOWN])
    what += and_more(len(wait.patterns) - _SHOWN)
    return f"number {standing.place} in the queue for {what}{behind} (place {wait.id})"


def put_place(wait: Wait, standing: Standing, now: int) -> None:
    put(f"{place_text(wait, standing)}, for {format_remaining(wait.expires_ts - now)}")


def put_taken(held: Reservation, now: int) -> None:
    mode = "exclusive" if held.exclusive else "shared"
    put(
        f"reserved {displayed(held.pattern)} {mode} (id {held.id}) "
        f"for {format_remaining(held.expires_ts - now)}"
    )
