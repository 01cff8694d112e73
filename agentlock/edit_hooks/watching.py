"""Which files of others a shell command has changed, found by looking before it and after it.

It is looked only while two or more sessions are open, and given up after 300 ms. Nothing is
reserved by that. What somebody else may have changed at the same time is nobody's.
"""

from __future__ import annotations

import os

from agentlock.errors import GitError
from agentlock.git import sessions
from agentlock.git.process import Running
from agentlock.guard.judge import folding_of
from agentlock.text import foreign, printable, shell_word, storable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agentlock.git.repository import Repository
    from agentlock.git.sessions import Session
    from agentlock.store.base import Store

_SECONDS = 0.3
_STATUS = ("status", "--porcelain", "-z", "--no-renames", "--untracked-files=all")
_MOST = 5


def look_before(repository: Repository, program: str, session: str) -> None:
    """Note what differs from HEAD before a shell command, if more than one session is open."""
    path = _kept(repository, program, session)
    if repository.is_bare or path is None:
        return
    _forget(path)
    if not sessions.are_several(repository):
        return
    state = _state(repository)
    if state is not None:
        try:
            with open(path, "wb") as file:
                file.write(b"\0".join(b"%b %b" % (mark, name) for name, mark in state.items()))
        except OSError:  # as in a sandbox
            return


def changed_by_command(store: Store, repository: Repository, session: Session) -> str:
    """Which files, that others hold in other worktrees, the command has changed; "" if none."""
    path = _kept(repository, session.program, session.id)
    before = None if path is None else _read(path)
    if before is None or path is None:
        return ""
    _forget(path)
    after = _state(repository)
    if after is None:
        return ""
    differing = [name for name, mark in after.items() if before.get(name) != mark]
    differing += [name for name in before if name not in after]
    here = storable(repository.root)
    if not differing or _shares_worktree(store, session, here):
        return ""
    from agentlock.guard.verdict import index_of

    live = store.reservations.all(live_at=store.now())
    theirs = [
        one
        for one in live
        if one.exclusive and one.agent != session.agent and one.worktree not in ("", here)
    ]
    index = index_of(theirs, folding_of(repository))
    lines = [
        _line(name, theirs[at].agent, was_clean=name not in before)
        for name in differing
        for at in index.matching(name)[:1]
    ]
    return "\n".join(lines[:_MOST])


def _line(name: bytes, holder: str, *, was_clean: bool) -> str:
    back = f"git checkout HEAD -- {shell_word(name)}"
    if not was_clean:
        back = f"git diff HEAD -- {shell_word(name)}"
    elif not _is_tracked(name):
        back = f"rm {shell_word(name)}"
    what = f"the command changed {foreign(printable(name))}, which {holder} has reserved"
    return f"agentlock: {what}; to {'go back' if was_clean else 'see it'}: {back}"


def _is_tracked(name: bytes) -> bool:
    asked = ("--literal-pathspecs", "ls-files", "--error-unmatch", "--", os.fsdecode(name))
    return Running(*asked).result().code == 0


def _shares_worktree(store: Store, session: Session, here: str) -> bool:
    """Whether another session works in this worktree: then nobody knows who changed what."""
    return any(
        one.worktree == here and (one.program, one.program_session) != (session.program, session.id)
        for one in store.sessions.all(active=True)
    )


def _state(repository: Repository) -> dict[bytes, bytes] | None:
    """What differs from HEAD, with a mark that another change changes; None if that takes long."""
    try:
        result = Running(*_STATUS, cwd=repository.root).result(_SECONDS)
    except GitError:
        return None
    if result.code != 0:
        return None
    return {
        entry[3:]: entry[:2].replace(b" ", b".") + _mark(os.path.join(repository.root, entry[3:]))
        for entry in result.stdout.split(b"\0")
        if entry
    }


def _mark(path: bytes) -> bytes:
    try:
        found = os.lstat(path)
    except OSError:
        return b"-"
    return b"%d.%d.%d" % (found.st_mtime_ns, found.st_size, found.st_ino)


def _kept(repository: Repository, program: str, session: str) -> bytes | None:
    return sessions.path_of(repository, program, session) + sessions.BEFORE if session else None


def _read(path: bytes) -> dict[bytes, bytes] | None:
    try:
        with open(path, "rb") as file:
            entries = file.read().split(b"\0")
    except OSError:
        return None
    return {
        entry[entry.index(b" ") + 1 :]: entry[: entry.index(b" ")] for entry in entries if entry
    }


def _forget(path: bytes) -> None:
    try:  # noqa: SIM105 -- contextlib would cost the hook an import
        os.unlink(path)
    except OSError:
        pass
