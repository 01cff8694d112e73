"""The values that all layers share, plain and immutable, and the two rules that compare them.

`Policy.blocks` says who blocks whom, `Reservation.meets` which two reservations conflict.

The values are not dataclasses because the git hooks use them: importing ``dataclasses`` costs a
hook more than its whole decision.

All times are integers, in microseconds since the epoch (UTC). All patterns and paths are bytes,
relative to the repository's root, with ``/`` between names, as git stores them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import Any, Literal, Protocol, TypeVar

    from typing_extensions import Self, dataclass_transform

    from agentlock.records import Presence

    Default = TypeVar("Default")

    class Claim(Protocol):
        """What two reservations, or a request and a reservation, are compared by."""

        @property
        def agent(self) -> str: ...
        @property
        def exclusive(self) -> bool: ...
else:

    def dataclass_transform(**_options):  # noqa: ANN003, ANN201 -- what a type checker sees is above
        return lambda cls: cls


MICROSECONDS = 1_000_000
MOST_CONFLICTS = 1_000
"""So many conflicts of one request are looked for and shown: who is in the way is known by then."""


@dataclass_transform(frozen_default=True)
class Value:
    """An immutable value, whose fields are the annotations of its class, in their order."""

    _fields: tuple[str, ...] = ()

    def __init_subclass__(cls) -> None:
        cls._fields = (*cls._fields, *cls.__annotations__)

    def __init__(self, *positional: Any, **named: Any) -> None:
        if len(positional) == len(self._fields) and not named:  # as of each path of a commit
            self.__dict__.update(zip(self._fields, positional))  # noqa: B905 -- of one length
            return
        values = dict(zip(self._fields, positional), **named)  # noqa: B905 -- checked below
        for field in self._fields:
            if field not in values and not hasattr(type(self), field):
                raise TypeError(f"{type(self).__name__} misses {field}")
        if len(positional) > len(self._fields) or not values.keys() <= set(self._fields):
            raise TypeError(f"{type(self).__name__} has no such field in {values}")
        self.__dict__.update(values)

    def __setattr__(self, name: str, _value: object) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} cannot be changed")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} cannot be deleted")

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, field) for field in self._fields)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), *self._values()))

    def __repr__(self) -> str:
        pairs = zip(self._fields, self._values(), strict=True)
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in pairs)})"

    def replace(self, **changes: Any) -> Self:
        """The same value with other fields."""
        return type(self)(**{**dict(zip(self._fields, self._values(), strict=True)), **changes})


class Reservation(Value):
    """One row of ``file_reservations``: pattern + mode + holder + lease."""

    id: int
    agent: str
    pattern: bytes
    exclusive: bool
    reason: str
    created_ts: int
    expires_ts: int
    released_ts: int | None
    fence: int
    typed: bytes = b""
    worktree: str = ""  # where it was made; "" if that is not known
    offer: bool = False  # handed over to its agent, who has not taken it yet
    automatic: bool = False  # made before an edit; it ends by itself

    source = ""  # where it stands if not in our table; no field, so no column either

    def is_live(self, now: int) -> bool:
        return self.released_ts is None and self.expires_ts > now

    def had_expired(self, now: int) -> bool:
        """Whether its lease ran out, even if somebody released it after that."""
        return self.expires_ts <= (now if self.released_ts is None else self.released_ts)

    def meets(self, other: Claim) -> bool:
        """Whether it conflicts with another reservation, or a request, if their patterns overlap.

        It does if the other one is another agent's and one of the two is exclusive.
        ``patterns.overlap`` says whether patterns overlap.
        """
        return self.agent != other.agent and (self.exclusive or other.exclusive)


class Keys(Value):
    """What a pattern is found by in the table: two patterns can overlap only if their keys agree.

    All are folded (case, composition), so they serve every setting of a repository. ``prefix`` is
    the longest literal path that every match starts with. ``name`` is the last name of every match,
    or ``*.ext``, or ``*`` if neither is fixed. ``extension`` is the last ``.ext`` of that name
    (empty for a name without a dot), or ``*``.
    """

    prefix: bytes
    name: bytes = b"*"
    extension: bytes = b"*"


class Changes(Value):
    """Paths relative to the root, sorted, each once.

    ``submodules`` are those with a gitlink, ``added`` those that become a file, a link or a
    submodule, or another one of these.
    """

    paths: tuple[bytes, ...]
    submodules: frozenset[bytes] = frozenset()
    added: Collection[bytes] = frozenset()


class PathConflict(Value):
    """A path that an agent wants to change, and the reservation that it touches.

    ``exists`` is False for a path that is only an example of what could be changed in a folder.
    """

    path: bytes
    reservation: Reservation
    exists: bool = True


ALLOWED, WARNED, SKIPPED = "allowed", "warned", "skipped"  # by a gate, when the change was judged


class Setting:
    """One setting of the policy. Its name is also the name of its column.

    ``kind`` says which values it takes: "choice" (one of ``choices``), "switch" (a bool),
    "patterns" (a tuple of texts) or "duration" (microseconds, at least ``shortest``; if the default
    is None, None stands for ``off``). ``rules.policy`` parses and shows the values of each kind,
    ``store.policy`` keeps them.
    """

    def __init__(
        self, default: Any, kind: str, meaning: str, choices: Sequence[str], shortest: int
    ) -> None:
        self.default = default
        self.kind = kind
        self.meaning = meaning
        self.choices = choices
        self.shortest = shortest

    def __get__(self, _instance: object, _owner: type) -> Any:
        return self.default


def _setting(
    default: Default, kind: str, meaning: str, *, choices: Sequence[str] = (), shortest: int = 0
) -> Default:
    setting: Any = Setting(default, kind, meaning, choices, shortest)
    return setting  # type: ignore[no-any-return]


class Policy(Value):
    """A project's rules. They are in the database, where no agent edits them by accident."""

    enforcement: Literal["block", "warn"] = _setting(
        "block",
        "choice",
        "whether git hooks refuse, or only warn",
        choices=("block", "warn"),
    )
    require_reservation: bool = _setting(
        False,
        "switch",
        "whether a commit must be covered by one's own reservations",
    )
    exempt: tuple[str, ...] = _setting(
        (),
        "patterns",
        "files that need no reservation; the last pattern that matches decides, a leading ! "
        "makes an exception, no pattern clears the list",
    )
    max_ttl: int = _setting(
        24 * 3600 * MICROSECONDS,
        "duration",
        "the longest lease",
        shortest=60 * MICROSECONDS,
    )
    allow_skip: bool = _setting(
        True,
        "switch",
        "whether a person may let one command pass, which is logged",
    )
    retention: int | None = _setting(
        None,
        "duration",
        "how long to keep what has ended; each change removes a little of what is older "
        "(to remove all of it: agentlock db prune)",
        shortest=3600 * MICROSECONDS,
    )
    stale: Literal["note", "refuse", "off"] = _setting(
        "note",
        "choice",
        "reserving what another branch has changed and HEAD lacks: a note, a refusal if another "
        "agent is on record for it, or nothing",
        choices=("note", "refuse", "off"),
    )

    protected: tuple[str, ...] = _setting(
        (),
        "patterns",
        "branches that are judged by all that they gain, such as release/*; the last pattern that "
        "matches decides; no pattern means the remote's default branch",
    )
    landing: Literal["made", "now"] = _setting(
        "made",
        "choice",
        "whether what was allowed when it was made may land on a protected branch while somebody "
        "else holds its paths",
        choices=("made", "now"),
    )
    max_hold: int | None = _setting(
        None,
        "duration",
        "how long after its grant a lease may last at most, once somebody waits for it",
        shortest=60 * MICROSECONDS,
    )
    offer: int = _setting(
        5 * 60 * MICROSECONDS,
        "duration",
        "how long a hand-over waits for the next command of its agent",
        shortest=MICROSECONDS,
    )
    idle_limit: int = _setting(
        15 * 60 * MICROSECONDS,
        "duration",
        "renewal that nobody asked for ends after so long without activity, while somebody waits",
        shortest=60 * MICROSECONDS,
    )

    on_edit: Literal["reserve", "check", "off"] = _setting(
        "reserve",
        "choice",
        "what edit hooks do before an edit: reserve a free file and refuse a held one, only the "
        "latter, or nothing",
        choices=("reserve", "check", "off"),
    )
    edit_ttl: int = _setting(
        30 * 60 * MICROSECONDS,
        "duration",
        "how long a file is reserved by an edit",
        shortest=60 * MICROSECONDS,
    )
    release_on: Literal["commit", "push"] = _setting(
        "commit",
        "choice",
        "when a reservation that an edit made ends: with the commit of the file, or with its push",
        choices=("commit", "push"),
    )

    keep_turns: Literal["off", "counts", "text"] = _setting(
        "counts",
        "choice",
        "what is kept of the turns of agents' sessions: nothing, how many and how long, or their "
        "text for 7 days",
        choices=("off", "counts", "text"),
    )

    @property
    def blocking_modes(self) -> tuple[bool, ...]:
        """In which modes (exclusive or not) other agents' reservations block a change."""
        return (True,)

    def blocks(self, held: Reservation, agent: str | None) -> bool:
        """Whether a live reservation keeps the agent (None: no name is set) from its paths."""
        return held.agent != agent and held.exclusive in self.blocking_modes


SETTINGS: dict[str, Setting] = {name: vars(Policy)[name] for name in Policy._fields}


class Blocked(Value):
    """The commits that a push is refused for, in text.

    ``rows`` are the first of them (short oid, agent, subject, branch, why), and there are ``more``.
    ``steps`` are what to do about them: a label, and a sentence or a command.
    """

    rows: tuple[tuple[str, ...], ...]
    more: int
    steps: tuple[tuple[str, str], ...]


class Verdict(Value):
    """The guard's answer for a set of paths.

    ``conflicts`` has every pair of path and reservation that refuses, in the order of the paths.
    ``uncovered`` has the paths that none of the agent's own reservations covers, if the policy
    requires one. ``holders`` is what is known of the agents in the conflicts, by name, if somebody
    asked. ``doubt`` says why commits are judged that a remote-tracking ref calls known, and
    what to do. ``fence`` is the last one that the project had given. ``blocked`` names the commits
    that a push is refused for.
    """

    checked: int
    conflicts: tuple[PathConflict, ...]
    uncovered: tuple[bytes, ...]
    policy: Policy
    doubt: str = ""
    holders: Mapping[str, Presence] = {}
    fence: int = 0
    blocked: Blocked | None = None

    @property
    def clean(self) -> bool:
        return not self.conflicts and not self.uncovered

    @property
    def allowed(self) -> bool:
        return self.clean or self.policy.enforcement == "warn"
