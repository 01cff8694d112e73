"""The values that every layer speaks in: plain, immutable, comparable.

They are no dataclasses because the git hooks use them: importing ``dataclasses`` costs a hook
more than its whole decision does.

All times are integers, microseconds since the epoch (UTC). All patterns and paths are bytes,
relative to the repository's root, with ``/`` between names, as git stores them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal

    from typing_extensions import Self, dataclass_transform
else:

    def dataclass_transform(**_options):  # noqa: ANN003, ANN201 -- what a type checker sees is above
        return lambda cls: cls


MICROSECONDS = 1_000_000


@dataclass_transform(frozen_default=True)
class Value:
    """An immutable value: its fields are the annotations of its class, in their order."""

    _fields: tuple[str, ...] = ()

    def __init_subclass__(cls) -> None:
        cls._fields = tuple(cls.__annotations__)

    def __init__(self, *positional: Any, **named: Any) -> None:
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

    def is_live(self, now: int) -> bool:
        return self.released_ts is None and self.expires_ts > now


class Keys(Value):
    """What a pattern can be found by in the table: two patterns meet only where these agree.

    All are folded (case, composition), so that they serve whatever a repository's settings are.
    ``prefix`` is the longest literal path that every match starts with; ``name`` the last name of
    every match, or ``*.ext``, or ``*`` where neither is fixed; ``extension`` that name's last
    ``.ext`` (empty for a name without a dot), or ``*``.
    """

    prefix: bytes
    name: bytes = b"*"
    extension: bytes = b"*"


class Conflict(Value):
    """Two overlapping claims: mine, theirs, and one path that both match (None: not known)."""

    pattern: bytes
    witness: bytes | None
    reservation: Reservation


class PathConflict(Value):
    """A path that somebody wants to change and the reservation it touches."""

    path: bytes
    reservation: Reservation


class Policy(Value):
    """A project's rules. They live in the database, where no agent's editor reaches them."""

    enforcement: Literal["block", "warn"] = "block"
    require_reservation: bool = False
    exempt: tuple[str, ...] = ()
    max_ttl: int = 24 * 3600 * MICROSECONDS
    allow_skip: bool = True
    retention: int | None = None


class Verdict(Value):
    """The guard's answer for a set of paths.

    ``conflicts`` holds every path × reservation that refuses, in path order; ``uncovered`` the
    paths that no reservation of one's own covers while the policy requires one. ``doubt`` says
    why commits are judged that a remote-tracking ref calls known, and what can be done.
    """

    checked: int
    conflicts: tuple[PathConflict, ...]
    uncovered: tuple[bytes, ...]
    policy: Policy
    doubt: str = ""

    @property
    def clean(self) -> bool:
        return not self.conflicts and not self.uncovered

    @property
    def allowed(self) -> bool:
        return self.clean or self.policy.enforcement == "warn"


class Agent(Value):
    """A name that holds reservations."""

    name: str
    program: str
    model: str
    registered_ts: int
    last_active_ts: int


class Event(Value):
    """One line of the append-only log."""

    id: int
    created_ts: int
    kind: str
    agent: str
    reservation_id: int | None
    pattern: bytes | None
    detail: str
