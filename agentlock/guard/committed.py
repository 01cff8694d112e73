"""What the ledger's reader tells of automatic reservations: their agent has committed the file.

No git hook asks this. The next command or edit hook in the worktree notices it.
"""

from __future__ import annotations

import os

from agentlock.git.process import git
from agentlock.model import Value
from agentlock.text import storable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.git.repository import Repository
    from agentlock.model import Reservation
    from agentlock.records import Entry
    from agentlock.store.base import Store

_MOST = 1_000  # commits that are looked at


class Noticed(Value):
    """What to do about automatic reservations, since HEAD is another commit than it was.

    ``over``: they end, each for a reason. ``kept`` last until a moment, as the policy waits for the
    push. ``looked`` need no look before HEAD is another commit than ``head``.
    """

    head: str = ""
    over: tuple[tuple[Reservation, str], ...] = ()
    kept: tuple[tuple[Reservation, int], ...] = ()
    looked: tuple[Reservation, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.over or self.kept or self.looked)


def noticed(store: Store, repository: Repository) -> Noticed:
    """Which automatic reservations of this worktree their agents have committed."""
    if repository.is_bare:
        return Noticed()
    here = storable(repository.root)
    now = store.now()
    live = store.automatic.live(now, os.uname().nodename)
    held = [one for one in live if one.worktree == here]
    if not held:
        return Noticed()
    head, heads = repository.head(), store.automatic.heads(now)
    moved = [one for one in held if heads.get(one.id) != head]
    if not moved or not head:
        return Noticed()
    from agentlock.git.commits import beyond  # most commands and hooks come no further than this
    from agentlock.git.worktree import changed

    last = _last_commits(store, repository, head, moved, heads)
    differing = changed(repository.root, [one.typed for one in last])
    done = {one: entry for one, entry in last.items() if one.typed not in differing}
    unpushed: set[str] = set()
    policy = store.policy.read()
    if policy.release_on == "push" and done:
        unpushed = beyond([entry.oid.encode() for entry in done.values()], _on_remotes())
    over = [(one, f"committed in {entry.oid[:12]}") for one, entry in done.items()
            if entry.oid not in unpushed]  # fmt: skip
    kept = [
        (one, entry.created_ts + policy.max_ttl)
        for one, entry in done.items()
        if entry.oid in unpushed and one.expires_ts < entry.created_ts + policy.max_ttl
    ]
    looked = [one for one in moved if one not in done]
    return Noticed(head, tuple(over), tuple(kept), tuple(looked))


def write(store: Store, found: Noticed) -> None:
    """End what is over, and let last what waits for its push."""
    from agentlock.event_kinds import RENEWED
    from agentlock.reservations.automatic import end

    if found.kept or found.looked:
        with store.writing(durable=False):
            now = store.now()
            store.automatic.look_after(found.looked, found.head)
            for held, until in found.kept:
                current = store.reservations.get(held.id)
                if current is not None and current.is_live(now) and current.expires_ts < until:
                    detail = "committed, and not pushed yet"
                    store.reservations.extend(current, RENEWED, now, expires=until, detail=detail)
    if found.over:
        end(store, found.over)


def _last_commits(
    store: Store,
    repository: Repository,
    head: str,
    moved: Sequence[Reservation],
    heads: dict[int, str],
) -> dict[Reservation, Entry]:
    """The newest commit of each file by the agent that holds it, since it was reserved."""
    from agentlock.git.patches import paths_of, raw_diffs, read_commits
    from agentlock.guard.take_in import Reader

    oids: dict[str, list[str]] = {}
    for base in {heads.get(one.id, "") for one in moved}:
        limit = (f"^{base}",) if base else ()
        asked = ("rev-list", "--ignore-missing", f"--max-count={_MOST}", head, *limit)
        oids[base] = git(*asked).stdout.decode("ascii", "replace").split()
    entries = Reader(store, repository).entries(oid for found in oids.values() for oid in found)
    made = read_commits(entries)
    diffs = raw_diffs([(one.oid, one.base) for one in made.values()])
    paths = {oid: set(paths_of(diff)) for oid, diff in zip(made, diffs, strict=True)}
    found = {}
    for one in moved:
        mine = [
            entries[oid]
            for oid in oids[heads.get(one.id, "")]
            if oid in paths
            and one.typed in paths[oid]
            and entries[oid].agent == one.agent
            and entries[oid].created_ts >= one.created_ts
        ]
        if mine:
            found[one] = mine[0]
    return found


def _on_remotes() -> list[bytes]:
    """The tips of the branches that the remotes were last seen to have."""
    listed = git("for-each-ref", "--format=%(objectname)", "refs/remotes")
    return listed.stdout.split()
