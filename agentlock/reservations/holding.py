"""How long a lease may last while somebody waits for it: the policy's `max_hold`."""

from __future__ import annotations

from agentlock.duration import format_duration, format_remaining
from agentlock.errors import RefusedError
from agentlock.model import MICROSECONDS, Value
from agentlock.text import and_more
from agentlock.waiting.order import Meeting, earlier, without_process
from agentlock.waiting.telling import shown_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agentlock.model import Claim, Policy
    from agentlock.store.base import Store
    from agentlock.store.waits import Wait

_SHORTEST = 60 * MICROSECONDS


class Limit(Value):
    """Until when a lease may last, and the sentence that says why; None: any time."""

    until: int | None = None
    why: str = ""
    fix: str = ""

    def capped(self, expires: int) -> int:
        return expires if self.until is None else min(expires, self.until)

    def refusal(self) -> RefusedError:
        return RefusedError(self.why, fix=self.fix)


def hold_limit(
    store: Store,
    policy: Policy,
    claim: Claim,
    pattern: bytes,
    created: int,
    expires: int,
    now: int,
    meeting: Meeting,
) -> Limit:
    """The limit of a lease, granted at ``created``, that should last until ``expires``."""
    if policy.max_hold is None or expires <= created + policy.max_hold:
        return Limit()
    waiting = waiting_for(store, claim, pattern, now, meeting)
    if not waiting:
        return Limit()
    until = created + policy.max_hold
    first, *others = waiting
    why = (
        f"{first.agent}{and_more(len(others))} has waited for {shown_text(pattern)} for "
        f"{format_remaining(now - first.created_ts)} (place {first.id}), so you cannot hold it for "
        f"longer than {format_duration(policy.max_hold)} (policy max_hold)"
    )
    left = (until - now) // MICROSECONDS * MICROSECONDS
    fix = (
        f"--ttl {format_duration(left)}"
        if left >= _SHORTEST
        else "commit, then: agentlock release --all"
    )
    return Limit(until, why, fix)


def waiting_for(
    store: Store, claim: Claim, pattern: bytes, now: int, meeting: Meeting
) -> list[Wait]:
    """The live places of others that a reservation of this pattern blocks, in their order."""
    met = [one.wait for one in earlier(store, claim, [pattern], meeting)]
    gone = without_process(store, met)
    live = {one.id: one for one in met if one.is_live(now) and one.id not in gone}
    return list(live.values())
