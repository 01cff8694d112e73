"""Which branches of a push are protected, and what is told when one gets what somebody holds."""

from __future__ import annotations

from agentlock.errors import AgentlockError
from agentlock.git.remotes import USUAL
from agentlock.store import write_aside
from agentlock.text import and_more, count, plural, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from agentlock.git.hook_input import RefUpdate
    from agentlock.git.repository import Repository
    from agentlock.model import PathConflict, Policy
    from agentlock.store.base import Store

_BRANCHES = b"refs/heads/"


def protected(
    updates: Iterable[RefUpdate], policy: Policy, default: bytes = b""
) -> list[RefUpdate]:
    """The updates of branches that are judged by all that they gain.

    ``default`` is the remote's default branch, b"" where it is not known: then main and master
    are. A branch that the remote does not have yet is not protected.
    """
    existing = [update for update in updates if not update.creates]
    if policy.protected:
        return [one for one in existing if _is_listed(one.remote_ref, policy.protected)]
    names = (default,) if default else USUAL
    return [one for one in existing if one.remote_ref in names]


def _is_listed(ref: bytes, patterns: Sequence[str]) -> bool:
    """The last pattern that matches decides; a leading ``!`` makes an exception."""
    if not ref.startswith(_BRANCHES):
        return False
    from agentlock.patterns.matching import compile_pattern  # few projects list any

    listed = False
    for text in patterns:
        name = text.removeprefix("!").lstrip("/")
        if compile_pattern(b"/" + name.encode("utf-8", "surrogateescape")).matches(
            ref[len(_BRANCHES) :]
        ):
            listed = not text.startswith("!")
    return listed


def told(landed: Collection[PathConflict]) -> str:
    """What the pusher is told of the live leases over which a push lands."""
    holders = dict.fromkeys(one.reservation.agent for one in landed)
    paths = dict.fromkeys(one.path for one in landed)
    first = printable(next(iter(paths)))
    return (
        f"agentlock: note: this push lands earlier changes of {count(len(paths), 'path')} that "
        f"{', '.join(holders)} {plural(len(holders), 'holds', 'hold')} now: "
        f"{first}{and_more(len(paths) - 1)}\n"
    )


def tell_holders(
    repository: Repository, landed: Collection[PathConflict], pusher: str | None
) -> None:
    """Leave each holder a message, once; if that fails, the push stands."""
    by_holder: dict[str, list[PathConflict]] = {}
    for one in landed:
        if one.reservation.source:  # an agent of another program, which reads none of our mail
            continue
        by_holder.setdefault(one.reservation.agent, []).append(one)

    def send(store: Store) -> None:
        now = store.now()
        for holder, conflicts in by_holder.items():
            paths = dict.fromkeys(printable(one.path) for one in conflicts)
            subject = (
                f"{pusher or 'somebody'} pushed an earlier change of {next(iter(paths))}"
                f"{and_more(len(paths) - 1)}, which you hold: fetch it before you go on"
            )
            if not store.messages.is_waiting(holder, subject):
                store.messages.send("", holder, subject, "", now)

    try:
        write_aside(repository, send)
    except AgentlockError:
        return
