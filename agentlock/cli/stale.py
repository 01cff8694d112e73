"""Print which of the reserved or checked files another branch has changed."""

from __future__ import annotations

from agentlock.cli.output import say
from agentlock.text import count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.reservations.stale import StaleCopies, StaleCopy

_SHOWN = 5


def say_stale(stale: StaleCopies) -> None:
    """Tell of the first stale copies, each with the command that brings the change here."""
    for one in stale.copies[:_SHOWN]:
        say(f"agentlock: note: {one.line()}: {one.merging()}")
    more = len(stale.copies) - _SHOWN
    if more > 0:
        say(f"agentlock: note: {count(more, 'more change')} like that on other branches")
    if not stale.complete:
        say("agentlock: note: not all branches were looked at for changes that HEAD lacks")


def say_refused_as_stale(copies: Sequence[StaleCopy]) -> None:
    """Tell that `reserve` was refused because HEAD lacks these changes of others."""
    say("agentlock: reserve refused: HEAD lacks what others changed, nothing was reserved")
    for one in copies[:_SHOWN]:
        say(f"  {one.line()}")
    say(f"  fix: {copies[0].merging()}")
