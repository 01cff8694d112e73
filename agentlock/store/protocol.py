"""What every store offers. Loaded for type checking only: the hot path never pays for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager

    from agentlock.model import Agent, Event, Keys, Policy, Reservation


class Store(Protocol):
    """One project's rows in one database.

    Reads see one snapshot inside ``reading()``. Everything that changes a row happens inside
    ``writing()``: a transaction that has the write lock from its first statement, is committed
    durably at its end and rolled back by any exception. All times are microseconds since the
    epoch by the clock that ``now`` reads.
    """

    def close(self) -> None: ...

    def reading(self) -> AbstractContextManager[None]: ...

    def writing(self, *, durable: bool = True) -> AbstractContextManager[None]:
        """What is not ``durable`` survives any crash of a process, but maybe no power failure."""

    def limit_wait(self, most: int) -> None:
        """From here on wait at most this many microseconds for the table."""

    def now(self) -> int: ...

    # What is there

    def policy(self) -> Policy: ...

    def standing(
        self, prefixes: Iterable[bytes], names: Iterable[bytes]
    ) -> tuple[int, Policy, list[Reservation]]:
        """What a verdict needs, from one snapshot: the time, the policy and ``live_on`` then."""

    def live_on(
        self, prefixes: Iterable[bytes], names: Iterable[bytes], now: int
    ) -> list[Reservation]:
        """Live ones found by one of these prefixes and, where they are few, by one of the names."""

    def live_near(self, keys: Keys, now: int, *, below: bool) -> list[Reservation]:
        """Live ones that a pattern with these keys can meet.

        Their prefix is its own, an ancestor of it or, with ``below``, a descendant; what is known
        of their last names agrees with its own.
        """

    def others_hold(self, agent: str, now: int) -> bool:
        """Whether anybody else ("": anybody) holds a live exclusive one."""

    def live_since(
        self, fence: int, now: int, near: Sequence[tuple[Keys, bool]] = ()
    ) -> list[Reservation]:
        """Live ones granted, or given a new mode, after the grant that had this fence.

        Those that no pattern of ``near`` (keys, and whether ``below``, as for ``live_near``) can
        meet may be left out.
        """

    def last_fence(self) -> int: ...

    def extended_since(
        self, event: int, now: int, near: Sequence[tuple[Keys, bool]] = ()
    ) -> list[Reservation]:
        """Live ones whose lease was extended after the event with this number was logged.

        ``near`` as for ``live_since``.
        """

    def last_event(self) -> int: ...

    def own(self, agent: str, pattern: bytes, keys: Keys, now: int) -> Reservation | None:
        """The live reservation of exactly this pattern that the agent holds."""

    def reservations(
        self, *, agent: str | None = None, live_at: int | None = None
    ) -> list[Reservation]:
        """By id; only ``agent``'s, and only those live at ``live_at``, where given."""

    def reservation(self, identifier: int) -> Reservation | None: ...

    def unreleased(self, agent: str | None) -> list[Reservation]:
        """Live and expired ones that nobody released: what a pattern can still name."""

    def kept(self, keys: Keys) -> Keys:
        """The keys as the store can keep them: at most less exact, so that more is found."""

    def keys_of_live(self, now: int) -> dict[int, Keys]:
        """What each live reservation is found by, as it stands in the table."""

    def owner_key(self) -> str | None:
        """The hash of the database's owner key; None where there is none."""

    def projects(self) -> list[str]:
        """The keys of all projects in the database, the oldest first."""

    def agents(self) -> list[Agent]: ...

    def events(
        self,
        *,
        after: int = 0,
        since: int | None = None,
        agent: str | None = None,
        reservation: int | None = None,
        limit: int | None = None,
    ) -> list[Event]:
        """Oldest first; with ``limit`` the newest that many."""

    def interventions(self, since: int) -> list[Event]:
        """What changed the rules for all or went round them, oldest first.

        Policy changes, reservations ended by force, skips, another database or owner's key.
        """

    def messages(self, recipient: str, since: int) -> list[tuple[int, str, str, str]]:
        """(created_ts, sender, subject, body) for an agent, oldest first."""

    def makers(self, oids: Iterable[str]) -> dict[str, str]:
        """The agents who made these commits, by oid; those in no record are left out."""

    def makers_by_patch(self, patch_ids: Iterable[str]) -> dict[str, str]:
        """The agents who first made commits with these patch ids."""

    # What changes it: inside writing() only

    def record_commit(self, oid: str, patch_id: str | None, agent: str, now: int) -> None:
        """Who made a commit; the first record of one stands."""

    def register(self, agent: str, now: int, *, program: str = "", model: str = "") -> None: ...

    def grant(
        self,
        agent: str,
        pattern: bytes,
        *,
        typed: bytes,
        keys: Keys,
        exclusive: bool,
        reason: str,
        now: int,
        expires: int,
    ) -> Reservation: ...

    def change(
        self,
        reservation: Reservation,
        *,
        expires: int | None = None,
        exclusive: bool | None = None,
        reason: str | None = None,
        released: int | None = None,
    ) -> Reservation:
        """The reservation with the given columns changed; a new mode is a new grant, so a fence."""

    def correct_keys(self, reservation: int, keys: Keys) -> None:
        """Have a reservation found by these."""

    def raise_fence(self, fence: int) -> None:
        """Give no fence again that is not above this one."""

    def log(
        self,
        kind: str,
        now: int,
        *,
        agent: str = "",
        reservation: Reservation | None = None,
        pattern: bytes | None = None,
        detail: str = "",
    ) -> None: ...

    def log_expired(self, now: int) -> None:
        """Log, once each, the leases that have run out since anybody looked (a few at a time)."""

    def prune(self, before: int, most: int, least: int = 1) -> tuple[int, int]:
        """Remove what is from before that moment; how many events and reservations went.

        The oldest first, ``most`` of either and none where fewer than ``least`` are due: events,
        and reservations that have ended and whose events are gone. Nothing live is ever removed.
        """

    def send(self, sender: str, recipient: str, subject: str, body: str, now: int) -> None: ...

    def set_policy(self, policy: Policy) -> None: ...

    def set_owner_key(self, hashed: str) -> None: ...
