"""The types of the tools' results: the JSON of agentlock/shapes.py, for the SDK to describe.

A key that a shape has only sometimes is NotRequired. The functional form is for keys that are words
of Python, such as ``from``.
"""

from typing import Literal

from typing_extensions import NotRequired, TypedDict


class Holder(TypedDict):
    last_active_ts: str | None
    worktree: str | None
    branch: str | None
    host: str | None
    process: int | None
    program: str | None


class Forced(TypedDict):
    by: str | None
    reason: str


class Reservation(TypedDict):
    id: int
    agent: str
    pattern: str
    exclusive: bool
    reason: str
    created_ts: str
    expires_ts: str
    released_ts: str | None
    fence: int
    worktree: str
    offer: bool
    automatic: bool
    holder: NotRequired[Holder]
    forced: NotRequired[Forced]
    worktree_removed: NotRequired[bool]
    source: NotRequired[str]
    active_ts: NotRequired[str | None]


class Behind(TypedDict):
    agent: str
    pattern: str
    reservation: NotRequired[int]
    wait: NotRequired[int]


class Place(TypedDict):
    id: int
    agent: str
    patterns: list[str]
    exclusive: bool
    reason: str
    created_ts: str
    expires_ts: str
    place: int
    behind: list[Behind]


class Conflict(TypedDict):
    pattern: str
    witness: str | None
    reservation: NotRequired[Reservation]
    wait: NotRequired[Place]


class PathConflict(TypedDict):
    path: str
    reservation: Reservation


class StaleCopy(TypedDict):
    path: str
    commit: str
    agent: str | None
    branch: str


class Reserved(TypedDict):
    granted: list[Reservation]
    conflicts: list[Conflict]
    stale: list[StaleCopy]
    wait: NotRequired[Place | None]
    more: NotRequired[bool]
    stale_more: NotRequired[bool]
    free: NotRequired[list[str]]
    notes: NotRequired[list[str]]


class Waited(TypedDict):
    ready: bool
    granted: list[Reservation]
    waits: list[Place]
    stale: NotRequired[list[StaleCopy]]
    stale_more: NotRequired[bool]


Message = TypedDict(
    "Message",
    {
        "id": int,
        "thread": str,
        "from": str,
        "to": list[str],
        "cc": list[str],
        "subject": str,
        "body": str,
        "importance": str,
        "ack_required": bool,
        "created_ts": str,
        "read_ts": str | None,
        "ack_ts": str | None,
        "reservation": NotRequired[int | None],
    },
)

Ticket = TypedDict(
    "Ticket",
    {
        "id": int,
        "from": str,
        "to": str,
        "question": str,
        "answer": str | None,
        "status": str,
        "created_ts": str,
        "expires_ts": str,
        "answered_ts": str | None,
    },
)


class Renewed(TypedDict):
    renewed: list[Reservation]
    lost: NotRequired[list[Message]]
    limits: NotRequired[list[str]]


class Released(TypedDict):
    released: list[Reservation]
    handed_over: NotRequired[list[Reservation]]
    uncommitted: NotRequired[list[str]]


class Left(TypedDict):
    left: list[int]
    handed_over: NotRequired[list[Reservation]]


class PathStanding(TypedDict):
    path: str
    state: str
    reservation: Reservation | None
    waiting: list[Behind]


class Checked(TypedDict):
    verdict: Literal["allow", "refuse"]
    checked: int
    conflicts: list[PathConflict]
    conflicts_total: int
    uncovered: list[str]
    paths: list[PathStanding]
    paths_total: int
    stale: list[StaleCopy]
    stale_more: NotRequired[bool]


class Covered(TypedDict):
    count: int
    first: list[str]


class Matched(TypedDict):
    path: str
    matches: bool


class Met(TypedDict):
    witness: str
    reservation: Reservation


class Explained(TypedDict):
    typed: str
    pattern: str
    kind: str
    notes: list[str]
    covers: Covered
    paths: list[Matched]
    meets: list[Met]
    stale: list[StaleCopy]
    stale_more: NotRequired[bool]


class Hook(TypedDict):
    hook: str
    state: str


class Event(TypedDict):
    id: int
    ts: str
    kind: str
    agent: str | None
    reservation: int | None
    pattern: str | None
    detail: str


class Warned(TypedDict):
    message: str
    fix: str


class Status(TypedDict):
    agent: str | None
    source: str | None
    guarded: bool
    hooks: list[Hook]
    database: str | None
    project: str | None
    enforcement: str
    holds: list[Reservation]
    blocked_by: list[PathConflict]
    removed: NotRequired[list[Reservation]]
    identity_variables: NotRequired[list[str]]
    uncovered: list[str]
    messages: list[Message]
    unread: int
    interventions: list[Event]
    warnings: NotRequired[list[Warned]]


class Agent(TypedDict):
    name: str
    program: str | None
    model: str | None
    registered_ts: str
    status: str
    why: str
    since_ts: str | None
    last_active_ts: str | None
    worktree: str | None
    branch: str | None
    host: str | None
    process: int | None
    holds: int
    waits: int
    unread: int


class Session(TypedDict):
    id: int
    agent: str
    program: str
    program_session: str
    pid: int | None
    started_ts: str
    ended_ts: str | None
    turns: int
    tokens: int | None
    compactions: int
    tools: int
    errors: int
