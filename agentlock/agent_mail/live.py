"""What the agents of an Agent Mail hold now, as reservations like ours.

Git's hooks load it where an Agent Mail is recorded, so it imports nothing heavy.
"""

from __future__ import annotations

import os

from agentlock.agent_mail.lease import Lease
from agentlock.agent_mail.moments import moment, written
from agentlock.errors import DatabaseError
from agentlock.git.repository import worktree_roots
from agentlock.patterns.keys import fold_key, keys_of
from agentlock.store.reservations import with_ancestors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from agentlock.model import Changes
    from agentlock.patterns.keys import Folding
    from agentlock.store import Recorded
    from agentlock.store.agent_mail import AgentMailDatabase
    from agentlock.store.base import Store

SOURCE = "Agent Mail"
INACTIVE = 1800 * 1_000_000
"""After so long without a tool of Agent Mail, its agents may lose what they hold."""
GRACE = 900 * 1_000_000
WAIT = 2 * 1_000_000  # for a database that somebody locks
_ODD = frozenset(b" \t\n\r/.")  # at the start or the end, these mean what `readings` knows
_GLOB = b"*?[{"
_FAR = 1 << 62  # so that -1, for "not found", comes after every place


def leases(
    store: Store, agent: str | None, wanted: Callable[[bytes, bool], bool] | None = None
) -> list[Lease]:
    """The live reservations of the Agent Mail that is recorded beside a table; [] without one.

    One that means several of our patterns is there several times. ``agent`` is who asks: what its
    namesake holds is its own. ``wanted`` may leave out patterns, as they stand there, that cannot
    matter; it is told how they are read. DatabaseError if the Agent Mail cannot be read.
    """
    beside = store.beside
    if beside is None or not beside.agent_mail:
        return []
    now, roots = store.now(), roots_of(beside)
    if os.path.isdir(beside.agent_mail):
        found = _of_archive(beside.agent_mail, roots, now, wanted)
    else:
        wait = min(store.timeout, WAIT)
        found = _of_database(beside.agent_mail, roots, now, wait, wanted)
    return [named_for(one, agent) for one in found]


def touching(store: Store, changes: Changes, agent: str | None, folding: Folding) -> list[Lease]:
    """Those that hold one of the changed paths."""
    if store.beside is None:
        return []
    prefixes, _ = keys_of(changes.paths)
    below = {*map(fold_key, changes.added)}
    is_plain = all(map(folding.has_own_keys, changes.paths))

    def wanted(raw: bytes, as_gitignore: bool) -> bool:
        start = head(raw, as_gitignore=as_gitignore)
        if start is None or not is_plain:
            return True
        key = fold_key(start)
        return key in prefixes or (bool(below) and not below.isdisjoint(with_ancestors(key)))

    found = leases(store, agent, wanted)
    if not found:
        return []
    from agentlock.patterns.index import PatternIndex

    index = PatternIndex([one.pattern for one in found], folding)
    hit = {
        position
        for path in changes.paths
        for position in index.matching(path, path in changes.submodules, path in changes.added)
    }
    return standing([found[position] for position in sorted(hit)], store.now())


def near(store: Store, agent: str | None, prefixes: Iterable[bytes]) -> list[Lease]:
    """Those that may overlap a pattern with one of these prefixes (`Pattern.prefix`)."""
    if store.beside is None:
        return []
    exact = {*map(fold_key, prefixes)}
    above = {one for prefix in exact for one in with_ancestors(prefix)}
    is_plain = all(prefix.isascii() for prefix in exact)

    def wanted(raw: bytes, as_gitignore: bool) -> bool:
        start = head(raw, as_gitignore=as_gitignore)
        if start is None or not is_plain:
            return True
        key = fold_key(start)
        return key in above or not exact.isdisjoint(with_ancestors(key))

    return leases(store, agent, wanted)


def standing(found: Iterable[Lease], now: int) -> list[Lease]:
    """Those that Agent Mail would not release because their agents do nothing any more.

    It looks at files and asks git for those of idle agents, so it comes after all other tests.
    """
    kept: list[Lease] = []
    for lease in found:
        if lease.idle:
            from agentlock.agent_mail.activity import stands

            if not stands(lease, now):
                continue
        kept.append(lease)
    return kept


def named_for(lease: Lease, agent: str | None) -> Lease:
    """The lease with the name of the agent that asks, if that is its namesake's."""
    if agent is not None and f"{agent} ({SOURCE})".casefold() == lease.agent.casefold():
        return lease.replace(agent=agent)
    return lease


def head(raw: bytes, *, as_gitignore: bool) -> bytes | None:
    """The folder or path that all it matches lies in or is; None if only `readings` can tell."""
    if not raw or raw[0] in _ODD or raw[-1] in _ODD or b"\\" in raw or b"./" in raw or b"//" in raw:
        return None
    if as_gitignore and b"/" not in raw:
        return None
    if raw.translate(None, _GLOB) == raw:
        return raw
    wild = min(raw.find(b"*") % _FAR, raw.find(b"?") % _FAR, raw.find(b"[") % _FAR)
    wild = min(wild, raw.find(b"{") % _FAR)
    return raw[: max(raw.rfind(b"/", 0, wild), 0)]


def roots_of(beside: Recorded) -> dict[tuple[int, int], bytes]:
    """The worktrees of the repository, by device and inode."""
    found = {}
    for root in worktree_roots(beside.common_dir):
        status = os.stat(root)
        found[status.st_dev, status.st_ino] = root
    return found


def root_of(human_key: str, roots: dict[tuple[int, int], bytes]) -> bytes | None:
    """The worktree of ours that a project of Agent Mail is about, if it is one."""
    try:
        status = os.stat(os.path.expanduser(human_key)) if human_key else None
    except (OSError, ValueError):
        return None
    return None if status is None else roots.get((status.st_dev, status.st_ino))


def _of_database(
    path: str,
    roots: dict[tuple[int, int], bytes],
    now: int,
    wait: int,
    wanted: Callable[[bytes, bool], bool] | None,
) -> list[Lease]:
    from agentlock.store.agent_mail import AgentMailDatabase

    database = AgentMailDatabase(path, wait)
    try:
        ours = {
            number: root
            for number, key in database.projects()
            if (root := root_of(key, roots)) is not None
        }
        rows = _rows(database, [*ours], now, wanted) if ours else []
    finally:
        database.close()
    return [lease for row in rows for lease in _of_row(path, row, ours[row[9]], now)]


def _rows(
    database: AgentMailDatabase,
    projects: list[int],
    now: int,
    wanted: Callable[[bytes, bool], bool] | None,
) -> list[tuple[Any, ...]]:
    """The rows that are live and wanted; all of one of them is read only if its pattern is."""
    found = database.live(projects, written(now))
    if wanted is not None:
        found = [row for row in found if wanted(row[1], True)]
    if not found:
        return []
    return database.reservations([number for number, _ in found], written(now - INACTIVE))


def _of_row(path: str, row: tuple[Any, ...], root: bytes, now: int) -> list[Lease]:
    number, agent, pattern, exclusive, reason, *times = row[:9]
    moments = [moment(one) if isinstance(one, str) else None for one in times]
    created, expires, active, mail = moments
    if expires is None:
        raise DatabaseError(
            f"the end of reservation {number} in Agent Mail's database {path} cannot be read: "
            f"{times[1]!r}",
            see="agentlock doctor",
        )
    if expires <= now:
        return []
    lease = Lease(
        id=number,
        agent=f"{agent} ({SOURCE})",
        pattern=b"",
        exclusive=bool(exclusive),
        reason=str(reason or ""),
        created_ts=created or now,
        expires_ts=expires,
        released_ts=None,
        fence=0,
        typed=pattern,
        worktree=os.fsdecode(root),
        active_ts=active,
        idle=is_idle(active, mail, now),
    )
    return _each(lease, root, as_gitignore=True)


def _of_archive(
    archive: str,
    roots: dict[tuple[int, int], bytes],
    now: int,
    wanted: Callable[[bytes, bool], bool] | None,
) -> list[Lease]:
    from agentlock.agent_mail.archive import projects, records
    from agentlock.store.agent_mail import is_of_rust

    is_rust = is_of_rust(archive)
    found = []
    for folder, about in projects(archive):
        root = root_of(about, roots)
        if root is None:
            continue
        for one in records(folder, now, wanted, as_gitignore=not is_rust):
            lease = Lease(
                id=one.id,
                agent=f"{one.agent} ({SOURCE})",
                pattern=b"",
                exclusive=one.exclusive,
                reason=one.reason,
                created_ts=one.created_ts,
                expires_ts=one.expires_ts,
                released_ts=None,
                fence=0,
                typed=one.pattern,
                worktree=os.fsdecode(root),
            )
            found += _each(lease, root, as_gitignore=not (is_rust or one.generation))
    return found


def _each(lease: Lease, root: bytes, *, as_gitignore: bool) -> list[Lease]:
    """The lease once for each of our patterns that its own means."""
    from agentlock.agent_mail.reading import readings  # most commits come near no pattern

    texts = readings(lease.typed, root, as_gitignore=as_gitignore)
    return [lease.replace(pattern=text) for text in texts]


def is_idle(active: int | None, mail: int | None, now: int) -> bool:
    """Whether an agent that was last active, and had to do with mail, at these times is idle."""
    is_inactive = active is None or now - active > INACTIVE
    return is_inactive and (mail is None or now - mail > GRACE)
