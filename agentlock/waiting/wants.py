"""Remembers denied edits for ten minutes, and tells of a circle that one of them closes.

Two agents that are each denied the other's file wait for each other, though neither has said so.
"""

from __future__ import annotations

from agentlock.model import MICROSECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.patterns.keys import Folding
    from agentlock.store.base import Store
    from agentlock.store.wants import Want
    from agentlock.waiting.deadlock import Wait

KEPT = 10 * 60 * MICROSECONDS
_AGAIN = 60 * MICROSECONDS
_MOST = 20  # files of one edit


def remember(store: Store, agent: str, patterns: Sequence[bytes], folding: Folding) -> None:
    """Remember that an agent was denied these files; each is logged once in ten minutes.

    An edit that is tried again at once is remembered already: whoever closes a circle meanwhile
    finds it.
    """
    wanted, now = set(patterns[:_MOST]), store.now()
    if wanted <= {one.pattern for one in store.wants.since(now - _AGAIN) if one.agent == agent}:
        return
    with store.writing(durable=False):
        now = store.now()
        wants = store.wants
        wants.forget(now - KEPT)
        known = wants.since(now - KEPT)
        mine = {one.pattern for one in known if one.agent == agent}
        store.agents.register(agent, now)
        wants.add(agent, patterns[:_MOST], now)
        new = [pattern for pattern in patterns[:_MOST] if pattern not in mine]
        if new:
            from agentlock.event_kinds import REFUSED

            store.events.log(REFUSED, now, agent=agent, pattern=new[0], detail="an edit")
        own = [one for one in wants.since(now - KEPT) if one.agent == agent]
        others = [one for one in known if one.agent != agent]
        is_possible = bool(others) or store.waits.next_due() is not None
        if is_possible and any(not one.told for one in own):
            _tell_of_circle(store, own, others, now, folding)


def _tell_of_circle(
    store: Store, own: Sequence[Want], others: Sequence[Want], now: int, folding: Folding
) -> None:
    """Tell the agents of a circle that one of the agent's wants closes."""
    from agentlock.waiting.circles import in_words  # a hook that denies loads no more than it must
    from agentlock.waiting.deadlock import circle
    from agentlock.waiting.order import without_process

    queue = [one for one in store.waits.live() if one.is_live(now)]
    gone = without_process(store, queue)
    waits: list[Wait] = [*(one for one in queue if one.id not in gone), *others]
    held = store.reservations.all(live_at=now)
    for want in own:
        found = circle(waits, held, want, folding)
        if found is None:
            continue
        agents = list(dict.fromkeys(step.agent for step in found.steps))
        subject = f"each of you waits for the next, and none can go on: {in_words(found)}"
        for agent in agents:
            store.messages.send("", agent, subject, "", now)
        store.wants.mark_told(agents)
        return
