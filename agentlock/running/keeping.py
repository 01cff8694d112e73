"""Keeps the leases of a program as long as it runs, and gives them back at its end.

The leases are short, so that they end soon after a machine or this process was killed. A lease that
is lost all the same is told, and never taken back from whoever may have it now.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from agentlock.agents.activity import holders
from agentlock.agents.presence import WITHOUT_HOOKS, tools_of
from agentlock.duration import format_duration, format_remaining
from agentlock.errors import AgentlockError, RefusedError
from agentlock.event_kinds import RENEWED
from agentlock.model import MICROSECONDS
from agentlock.reservations.ending import release
from agentlock.reservations.holding import hold_limit, waiting_for
from agentlock.reservations.naming import Selection
from agentlock.store import open_table
from agentlock.waiting.order import Meeting
from agentlock.waiting.telling import shown
from agentlock.waiting.turn import settle
from agentlock.waiting.working import keep_all

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agentlock.git.repository import Repository
    from agentlock.model import Policy, Reservation
    from agentlock.patterns.matching import Folding
    from agentlock.store.base import Store

LEASE = 120 * MICROSECONDS
_EVERY = 45  # seconds between renewals of such a lease at most: one may fail
_PATIENCE = 5 * MICROSECONDS  # for the table: the program may end meanwhile
_PATIENCE_AT_END = 20 * MICROSECONDS
_DETAIL = "by agentlock run"


class Keeper:
    """What was reserved for a program, by the agent that it is."""

    def __init__(
        self,
        repository: Repository,
        folding: Folding,
        agent: str,
        held: Iterable[Reservation],
        lease: int = LEASE,
    ) -> None:
        self._repository = repository
        self._folding = folding
        self._agent = agent
        self._held = {one.id: one for one in held}
        self._lease = lease
        self._said: set[str] = set()

    @property
    def every(self) -> float:
        """How many seconds there may be between renewals."""
        return min(_EVERY, self._lease / MICROSECONDS * _EVERY / 120)

    def renew(self) -> list[str]:
        """Renew what is left; sentences about what is lost or was not renewed, each once."""
        if not self._held:
            return []
        try:
            store = open_table(self._repository, _PATIENCE)
            try:
                with store.writing(durable=False):
                    said = self._renewed(store)
                keep_all(store)
                settle(store)
            finally:
                store.close()
        except AgentlockError as error:
            said = [f"the leases of {self._agent} cannot be renewed: {error.message}"]
        new = [one for one in said if one not in self._said]
        self._said.update(new)
        return new

    def _renewed(self, store: Store) -> list[str]:
        now, policy, said = store.now(), store.policy.read(), []
        meeting = Meeting(self._folding)
        until = now + min(self._lease, policy.max_ttl)
        for known in list(self._held.values()):
            held = store.reservations.get(known.id)
            if held is None or held.agent != self._agent or not held.is_live(now):
                del self._held[known.id]
                said.append(self._lost(known, held, now))
                continue
            why = self._idle(store, policy, held, now, meeting)
            asked = (held.created_ts, until, now, meeting)
            limit = hold_limit(store, policy, held, held.pattern, *asked)
            if why or limit.why:
                said.append(why or limit.why)
            expires = limit.capped(until)
            if not why and expires > held.expires_ts:
                store.reservations.extend(held, RENEWED, now, expires=expires, detail=_DETAIL)
        return said

    def _lost(self, known: Reservation, held: Reservation | None, now: int) -> str:
        what = f"{self._agent} has lost {shown(known)} (reservation {known.id})"
        if held is None:
            return f"{what}: the table does not have it any more"
        if held.released_ts is not None and not held.had_expired(now):
            return f"{what}: somebody ended it; see: agentlock show {known.id}"
        ago = format_remaining(now - held.expires_ts)
        return f"{what}: it expired {ago} ago, because nobody renewed it in time"

    def _idle(
        self, store: Store, policy: Policy, held: Reservation, now: int, meeting: Meeting
    ) -> str:
        """Why a lease is not renewed: its agent shows nothing, and somebody waits; "" if it is.

        Only edit hooks can tell; the agent of another program counts as being at work.
        """
        runs = [
            one for one in store.whereabouts.runs_of([self._agent]) if one.program != WITHOUT_HOOKS
        ]
        told = [one.last_active_ts for one in runs if one.ended_ts is None]
        if not told:
            return ""
        told += [now - tool.age for tool in tools_of(runs)]
        known = holders(store, [held])[self._agent]
        if now - max(*told, known.agent.last_active_ts) <= policy.idle_limit:
            return ""
        waiting = waiting_for(store, held, held.pattern, now, meeting)
        if not waiting:
            return ""
        limit = format_duration(policy.idle_limit)
        return (
            f"{shown(held)} (reservation {held.id}) is not renewed: {waiting[0].agent} waits for "
            f"it, and {self._agent} has shown nothing for {limit} (policy idle_limit)"
        )

    def give_back(self) -> list[str]:
        """Release what is left; sentences about what could not be released."""
        if not self._held:
            return []
        try:
            store = open_table(self._repository, _PATIENCE_AT_END)
            try:
                while numbers := self._left(store):
                    with suppress(RefusedError):  # somebody has just ended one of them
                        release(store, self._agent, Selection(ids=numbers))
            finally:
                store.close()
        except AgentlockError as error:
            return [f"what {self._agent} held ends by itself within 2m: {error.message}"]
        return []

    def _left(self, store: Store) -> tuple[int, ...]:
        now = store.now()
        found = [store.reservations.get(number) for number in self._held]
        left = [one for one in found if one is not None and one.agent == self._agent]
        return tuple(one.id for one in left if one.is_live(now))
