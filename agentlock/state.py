"""The state of a worktree: its agent, its guard, what the agent holds and what blocks it."""

from __future__ import annotations

from collections import Counter

from agentlock.agents.activity import holders
from agentlock.agents.presence import presences
from agentlock.agents.registry import in_removed_worktrees
from agentlock.agents.strain import strain
from agentlock.agents.templates import teams_of
from agentlock.git.changes import uncommitted
from agentlock.guard.judge import folding_of, judge, with_holders
from agentlock.hook_kinds import KINDS, MOVES_REFS, RECEIVES
from agentlock.install.hooks import complete_status, is_guarded
from agentlock.install.other_tools import tools_without_hooks
from agentlock.install.siblings import troubles
from agentlock.model import Changes, Value
from agentlock.patterns.matching import PatternIndex
from agentlock.reservations.losses import untold
from agentlock.rules.interventions import new_to

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.git.identity import Identity
    from agentlock.git.repository import Repository
    from agentlock.install.hooks import HookStatus
    from agentlock.install.siblings import Trouble
    from agentlock.model import Reservation, Verdict
    from agentlock.patterns.keys import Folding
    from agentlock.records import Event, Presence
    from agentlock.store.base import Store
    from agentlock.store.messages import Message
    from agentlock.store.sessions import Conversation
    from agentlock.store.waits import Wait
    from agentlock.waiting.standing import Standing


class Guard(Value):
    """The hooks that git would run in a worktree now, and whether they guard it."""

    hooks: tuple[HookStatus, ...]

    @property
    def is_in_place(self) -> bool:
        """Whether commits and pushes here run agentlock."""
        return is_guarded(list(self.hooks))

    @property
    def is_strict(self) -> bool:
        return any(KINDS[one.hook].role == MOVES_REFS for one in self.hooks)

    @property
    def lacking(self) -> list[HookStatus]:
        """The hooks that should run agentlock and do not."""
        return [one for one in self.hooks if not one.guards and not one.beside]

    @property
    def gaps(self) -> list[str]:
        """What nobody judges before the push, because these hooks are lacking."""
        kinds = [KINDS[one.hook] for one in self.lacking]
        return [kind.misses for kind in kinds if kind.misses and kind.role != RECEIVES]


class State(Value):
    """What `status` shows of a worktree and its agent, at the time ``now``.

    ``verdict`` is about the uncommitted changes (none in a bare repository). ``messages`` are what
    the agent is to be told now, of ``unread`` messages, ``presence`` is its state, ``strained``
    are its sessions that should be compacted, ``waits`` are its places in the queue and how they
    stand, ``interventions`` are those of the last day that are new to it. ``removed`` are anybody's
    live reservations from worktrees that are gone.
    """

    repository: Repository
    identity: Identity
    guard: Guard
    verdict: Verdict
    holds: tuple[Reservation, ...]
    messages: tuple[Message, ...]
    interventions: tuple[Event, ...]
    now: int
    presence: Presence | None = None
    strained: tuple[Conversation, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    removed: tuple[Reservation, ...] = ()
    unread: int = 0
    waits: tuple[tuple[Wait, Standing], ...] = ()


class Listed(Value):
    """An agent of the project, how many reservations and places it has, and its unread messages.

    ``teams`` are the names of those that it belongs to.
    """

    presence: Presence
    holds: int
    waits: int
    unread: int
    teams: tuple[str, ...] = ()


def guard(repository: Repository) -> Guard:
    """The hooks of a worktree, as git would run them by the settings that were read."""
    return Guard(tuple(complete_status(repository)))


def state(repository: Repository, identity: Identity, store: Store) -> State:
    """The state of a worktree and of its table now."""
    name = identity.name
    changes = Changes((), frozenset()) if repository.is_bare else uncommitted(repository)
    verdict, now = judge(store, changes, name, folding_of(repository))
    verdict = with_holders(store, verdict)
    return State(
        repository,
        identity,
        guard(repository),
        verdict,
        tuple(store.reservations.all(agent=name, live_at=now)) if name else (),
        tuple(untold(store, name)) if name else (),
        tuple(new_to(store, name, now)),
        now,
        presence_of(store, name),
        _strained(store, name) if name else (),
        (*troubles(repository), *tools_without_hooks(repository)),
        tuple(in_removed_worktrees(store, store.reservations.all(live_at=now))),
        store.messages.count_unread(name) if name else 0,
        places_of(store, name) if name else (),
    )


def places_of(store: Store, name: str) -> tuple[tuple[Wait, Standing], ...]:
    """The agent's places in the queue, and how they stand."""
    if not store.waits.of_agent(name):
        return ()
    from agentlock.waiting.queue import listed  # loads all that `reserve` does

    waits, standing = listed(store, name)
    return tuple((one, standing[one.id]) for one in waits)


def presence_of(store: Store, name: str | None) -> Presence | None:
    """The state of an agent; None if it has never been seen here."""
    known = store.agents.named([name]) if name else {}
    return presences(store, known).get(name) if name else None


def _strained(store: Store, name: str) -> tuple[Conversation, ...]:
    """The agent's open sessions that have gathered too much."""
    opened = store.sessions.all(active=True)
    return tuple(one for one in opened if one.agent == name and strain(one))


def uncommitted_of(
    repository: Repository, held: Sequence[Reservation], folding: Folding
) -> list[bytes]:
    """The paths under these reservations that have uncommitted changes in this worktree."""
    if repository.is_bare or not held:
        return []
    changes = uncommitted(repository)
    index = PatternIndex([one.pattern for one in held], folding)
    return [path for path in changes.paths if index.matching(path, path in changes.submodules)]


def agents(store: Store, names: Sequence[str] | None = None) -> list[Listed]:
    """Every agent of the project, or those with these names, by name."""
    live = store.reservations.all(live_at=store.now())
    names = [one.name for one in store.agents.all()] if names is None else names
    there, unread = holders(store, live, names), store.messages.unread_by_agent()
    holds = Counter(held.agent for held in live)
    teams = teams_of(store)
    waits = Counter(one.agent for one in store.whereabouts.blocked(names, store.now()))
    return [
        Listed(
            *(there[name], holds[name], waits[name], unread.get(name, 0)),
            tuple(teams.get(name, ())),
        )
        for name in sorted(names)
    ]
