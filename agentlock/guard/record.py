"""What the guard writes to the log: a refusal, or a skip before anything passes.

It is loaded only if something is refused.
"""

from __future__ import annotations

import os

from agentlock.environment import OWNER_KEY_FILE, SKIP
from agentlock.errors import DatabaseError
from agentlock.event_kinds import REFUSED, SKIPPED, Kind
from agentlock.git.process import output
from agentlock.guard.notes import salt_of
from agentlock.model import SKIPPED as HOW_SKIPPED
from agentlock.store import BRIEF_TIMEOUT, open_table, write_aside
from agentlock.text import check_reason, count, storable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agentlock.git.identity import Identity
    from agentlock.git.repository import Repository
    from agentlock.guard.notes import Note
    from agentlock.model import Verdict
    from agentlock.store.base import Store

POLICY = "a policy that allows it"
_LOGGED_PATHS = 100


def skip(
    repository: Repository,
    identity: Identity,
    verdict: Verdict,
    what: str,
    timeout: int,
    note: Note | None,
) -> str:
    """Take the escape hatch, which is for people: "" where it is recorded, else what it lacks.

    It takes a reason, a policy that allows it and, where the project has one, the owner's key.
    UsageError where the reason is too long, DatabaseError where it cannot be recorded. ``note`` is
    written with it, so that the ledger knows what passed.
    """
    reason = check_reason(os.environ[SKIP])
    if not reason.strip():
        return "a reason"
    if not verdict.policy.allow_skip:
        return POLICY
    if not _owner_agrees(repository, timeout):
        return "the owner's key"
    # A person seldom has an agent's name: git knows who they are.
    person = output("var", "GIT_COMMITTER_IDENT").decode("utf-8", "replace").rpartition(">")[0]
    line = ""
    if note is not None:
        line = note.replace(how=HOW_SKIPPED, reason=reason).line(salt_of(repository))
    _log(repository, identity, verdict, SKIPPED, f"{what} by {person}>: {reason}", timeout, line)
    return ""


def refusal(
    repository: Repository, identity: Identity, verdict: Verdict, what: str, timeout: int
) -> None:
    try:  # noqa: SIM105 -- contextlib would cost the hook an import
        _log(repository, identity, verdict, REFUSED, what, min(timeout, BRIEF_TIMEOUT))
    except DatabaseError:
        pass  # the refusal stands without its line in the log


def _owner_agrees(repository: Repository, timeout: int) -> bool:
    """Whether the named file has the owner's key, or the project has no owner's key."""
    store = open_table(repository, timeout, read_only=True)
    try:
        kept = store.owner.key() or repository.owner_key
    finally:
        store.close()
    if kept is None:
        return True
    from agentlock.rules import owner_key

    try:
        return owner_key.is_key(owner_key.read(os.environ.get(OWNER_KEY_FILE, "")), kept)
    except (OSError, ValueError):
        return False


def _log(
    repository: Repository,
    identity: Identity,
    verdict: Verdict,
    kind: Kind,
    detail: str,
    timeout: int,
    note: str = "",
) -> None:
    paths = dict.fromkeys([conflict.path for conflict in verdict.conflicts])
    paths.update(dict.fromkeys(verdict.uncovered))
    shown = b" ".join(list(paths)[:_LOGGED_PATHS])
    of = f"{len(paths)} of {count(verdict.checked, 'path')}"
    detail = storable(f"{detail} ({of}: {storable(shown)})")
    ours = (one.reservation for one in verdict.conflicts if not one.reservation.source)
    first = next(ours, None)

    def write(store: Store) -> None:
        store.events.log(
            kind, store.now(), agent=identity.name or "", reservation=first, detail=detail
        )
        if note:
            store.ledger.note(note)

    write_aside(repository, write, timeout, durable=kind is SKIPPED)
