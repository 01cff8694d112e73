"""The rows that no verdict needs: the ledger, the agents, whether they are there, and the log.

They are values as those of model.py, and stand apart from those because each class costs a git hook
as much as ten of its functions.
"""

from __future__ import annotations

from agentlock.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

BEFORE = "before"  # a tip of a branch when the table was made: nobody held anything then
REVOKED = "revoked"  # a person took the entry back

OF_PATHS, OF_PATHS_LENGTH = "p", 9
"""How the digest of an exact change begins: with this letter and a digest of the paths alone.

Those of earlier versions did not; they are all hex.
"""


class Entry(Value):
    """One row of the ledger: a commit that was judged and let pass.

    ``how`` is ``model.ALLOWED``, WARNED or SKIPPED, or one of the words above, or None in a row of
    an earlier version, which counts only for ``agent`` ("" is nobody). ``origin`` is the commit
    that a replay was made from, or the commit itself; ``patch`` the digest of its exact change,
    None where there is no change. ``base`` is its first parent, ``fence`` the project's last one
    when it was judged, ``created_ts`` when. It does not count for ``void_paths`` (in hex, separated
    by spaces): somebody else reserved them after they were judged and before the commit was made.
    """

    oid: str
    agent: str
    how: str | None
    origin: str | None
    patch: str | None
    base: str
    fence: int
    created_ts: int
    reason: str = ""
    void_paths: str = ""

    @property
    def counts(self) -> bool:
        return self.how is not None and self.how != REVOKED

    @property
    def void(self) -> frozenset[bytes]:
        return frozenset(map(bytes.fromhex, self.void_paths.split()))

    def without(self, void: Iterable[bytes]) -> Entry:
        """The entry that does not count for these paths."""
        return self.replace(void_paths=" ".join(sorted(path.hex() for path in void)))


class Agent(Value):
    """A name under which reservations are held, and when and where it was last seen.

    ``located_ts`` is when the place was recorded. ``process_started`` and ``process_place`` tell
    the process from every other one; None and "" where nobody could tell. ``retired_ts`` counts
    until it is active again.
    """

    name: str
    program: str
    model: str
    registered_ts: int
    last_active_ts: int
    worktree: str = ""
    branch: str = ""
    host: str = ""
    process: int | None = None
    located_ts: int | None = None
    process_started: int | None = None
    process_place: str = ""
    retired_ts: int | None = None
    template: str = ""  # that it was started from


WORKING, AT_PROMPT, WAITING, SILENT, GONE = "working", "at-prompt", "waiting", "silent", "gone"
RECENTLY = "active within 2m"
"""Why most agents count as working."""


class Presence(Value):
    """An agent, and whether it is still there: one of the words above, why, and since when.

    ``why`` is the agent that it waits for, or half a sentence. `agents.presence` decides it.
    """

    agent: Agent
    status: str
    why: str
    since_ts: int


class Event(Value):
    """One line of the append-only log."""

    id: int
    created_ts: int
    kind: str
    agent: str
    reservation_id: int | None
    pattern: bytes | None
    detail: str
