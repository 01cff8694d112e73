"""May this commit, or this push, pass? Decided anew, from git's objects and a record of the leases.

It knows the rules of the ledger as people are told them (docs/explanation/adr/0015-judged-once.md),
and nothing of the program that it is compared with.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from histories.team_records import (
    DROPPED,
    EDITOR,
    HELD,
    LANDING,
    NO_RECORD,
    SECOND,
    UNCOVERED,
    Entry,
    Lease,
    Note,
    Reason,
    is_refused,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from histories.team_objects import Objects
    from histories.team_records import Elsewhere, Rules, Update


@dataclass
class Oracle:
    """``rules`` are the policy, ``before`` what was there when the table was made."""

    objects: Objects
    before: frozenset[str]
    rules: Rules
    leases: list[Lease] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)
    notes: dict[tuple[tuple[str, ...], str], list[Note]] = field(default_factory=dict)
    times: dict[str, int] = field(default_factory=dict)  # when a commit was made
    timed: set[str] = field(default_factory=set)  # whose exact time is known where it is asked
    clock: int = 0

    # Leases

    def grant(self, agent: str, pattern: str, second: int = 0) -> Lease:
        self.clock += 1
        lease = Lease(agent, pattern, self.clock, second)
        self.leases.append(lease)
        return lease

    def end(self, lease: Lease) -> None:
        self.clock += 1
        lease.ended = self.clock

    @property
    def live(self) -> list[Lease]:
        return [lease for lease in self.leases if lease.ended is None]

    def holders(self, path: str, agent: str) -> set[str]:
        """Who keeps an agent from a path."""
        return {one.agent for one in self.live if one.agent != agent and one.covers(path)}

    def is_uncovered(self, path: str, agent: str) -> bool:
        """Whether a path needs a reservation that its agent does not have."""
        mine = (one for one in self.live if one.agent == agent)
        return self.rules.cover and not any(one.covers(path) for one in mine)

    # Commits

    def judge(
        self,
        agent: str,
        bases: Sequence[str],
        tree: str,
        replayed: Iterable[str] = (),
        *,
        is_new: bool = False,
    ) -> list[Reason]:
        """Why an agent may not commit this tree on these parents, of all that it may replay."""
        if len(bases) > 1:
            paths = self._brought(tuple(bases), tree)
        elif self.is_foreign(bases[0]):
            paths = frozenset()
        else:
            paths = frozenset(self.objects.between(self.objects.tree(bases[0]), tree))
        why = [
            Reason(HELD, "", path, holder)
            for path in sorted(paths)
            for holder in sorted(self.holders(path, agent))
        ]
        held = {one.path for one in why}
        uncovered = [path for path in sorted(paths - held) if self.is_uncovered(path, agent)]
        why += [Reason(UNCOVERED, "", path, "") for path in uncovered]
        if why and len(bases) == 1 and not is_new:
            excused = self._replay_of(bases[0], tree, replayed)
            why = [one for one in why if one.path not in excused]
        return why

    def _replay_of(self, onto: str, tree: str, replayed: Iterable[str]) -> frozenset[str]:
        """The paths in which a tree only replays an entered commit."""
        present = self._origins(onto)
        patch = self.objects.patch(self.objects.tree(onto), tree)
        for oid, entry in self.entries.items():
            if entry.origin not in present and self._patch(oid) == patch:
                return frozenset(self.objects.between(self.objects.tree(onto), tree)) - entry.void
        for oid in replayed:
            found = self.entries.get(oid)
            if found and found.origin not in present and self._is_replay(oid, onto, tree):
                return self.objects.touched(oid) - found.void
        return frozenset()

    def note(self, agent: str, bases: Sequence[str], tree: str) -> None:
        self.clock += 1
        self.notes.setdefault((tuple(bases), tree), []).append(Note(agent, self.clock))

    def made(self, oid: str, replayed: Iterable[str] = ()) -> None:
        """Enter a commit that git has made, if it was judged, or is made of what was.

        It may be that later, too, when the same change was allowed to somebody.
        """
        self.clock += 1
        self.times.setdefault(oid, self.clock)
        if oid not in self.entries:
            entry = self._replaying(oid, replayed) or self._noted(oid) or self._amended(oid)
            if entry is not None:
                self.entries[oid] = entry

    def _replaying(self, oid: str, replayed: Iterable[str]) -> Entry | None:
        commit = self.objects.commit(oid)
        below = self._origins(oid)
        if len(commit.parents) > 1:
            same = (one for one in self.entries if self.objects.commit(one) == commit)
            return next((self.entries[one] for one in same), None)
        patch = self._patch(oid)
        for other, entry in self.entries.items():
            if patch and entry.origin not in below and self._patch(other) == patch:
                return entry
        for other in replayed:
            found = self.entries.get(other)
            if not found or found.origin in below or not commit.parents:
                continue
            if self._is_replay(other, commit.parents[0], commit.tree) and (
                self.objects.touched(other) >= self.objects.touched(oid)
            ):
                return found
        return None

    def _noted(self, oid: str) -> Entry | None:
        commit = self.objects.commit(oid)
        for note in self.notes.get((commit.parents, commit.tree), ()):
            paths = self.objects.touched(oid)
            return Entry(note.agent, oid, *self._void(note, oid, paths))
        return None

    def _amended(self, oid: str) -> Entry | None:
        """The entry of a commit that replaces an entered one by what a gate let pass."""
        commit = self.objects.commit(oid)
        for (bases, tree), notes in self.notes.items():
            if tree != commit.tree or len(bases) != 1 or bases[0] == oid:
                continue
            former = self.entries.get(bases[0])
            if former and self.objects.commit(bases[0]).parents == commit.parents:
                note = notes[-1]
                changed = self.objects.between(self.objects.tree(bases[0]), tree)
                void, unsure = self._void(note, oid, changed)
                agent = former.agent if former.agent == note.agent else note.agent
                return Entry(agent, former.origin, former.void | void, former.unsure | unsure)
        return None

    def _void(
        self, note: Note, oid: str, paths: Iterable[str]
    ) -> tuple[frozenset[str], frozenset[str]]:
        """Of these paths, those that another agent got after the note, before the commit.

        And those that another got in the second of the commit, after it.
        """
        others = [one for one in self.leases if note.at < one.granted and one.agent != note.agent]
        meanwhile = [one for one in others if one.granted < self.times[oid]]
        second = self.objects.second(oid)
        at_once = [one for one in others if one not in meanwhile and one.second <= second]
        void = frozenset(path for path in paths if any(one.covers(path) for one in meanwhile))
        return void, frozenset(
            path for path in paths if any(one.covers(path) for one in at_once)
        ) - void

    def _patch(self, oid: str) -> str:
        commit = self.objects.commit(oid)
        if len(commit.parents) > 1:
            return ""
        return self.objects.patch(self.objects.base(oid), commit.tree)

    def _is_replay(self, oid: str, onto: str, tree: str) -> bool:
        one = self.objects.commit(oid)
        return len(one.parents) == 1 and self.objects.is_replay(oid, onto, tree)

    def _origins(self, oid: str) -> set[str]:
        """The origins that a history has below a commit, and in it if it is entered."""
        below = self.objects.ancestors(oid)
        return {entry.origin for one, entry in self.entries.items() if one in below}

    def is_any_void(self, tips: Iterable[str]) -> bool:
        """Whether a note does not count for a path of any commit below these."""
        below = self.objects.reached(tip for tip in tips if tip)
        return any(entry.void and oid in below for oid, entry in self.entries.items())

    # Other histories

    def is_foreign(self, oid: str) -> bool:
        """Whether a commit does not descend from the project's first root."""
        return not oid or self._root not in self.objects.ancestors(oid)

    @property
    def _root(self) -> str:
        return self.objects.root(next(iter(self.before)))

    def _brought(self, parents: tuple[str, ...], tree: str) -> frozenset[str]:
        """The paths that a merge answers for."""
        ours = [parent for parent in parents if not self.is_foreign(parent)]
        if not ours:
            return frozenset()
        if len(ours) == len(parents):
            return self.objects.resolved(parents, tree)
        return frozenset(self.objects.between(self.objects.tree(ours[0]), tree))

    def _paths(self, oid: str) -> frozenset[str]:
        """The paths that an existing commit answers for."""
        commit = self.objects.commit(oid)
        if self.is_foreign(oid):
            return frozenset()
        if len(commit.parents) > 1:
            return self._brought(commit.parents, commit.tree)
        return self.objects.touched(oid)

    # Pushes

    def push(
        self,
        agent: str,
        updates: Sequence[Update],
        branches: Mapping[str, str],
        elsewhere: Elsewhere | None = None,
        *,
        drops_need_cover: bool = True,
        refused: bool = False,
    ) -> list[Reason]:
        """Why a push has to be refused; ``branches`` are those of the remote, by their full names.

        ``elsewhere`` is what another remote has, if it is asked. If the push may pass, and was not
        ``refused``, what was judged is entered.
        """
        has = self.objects.reached(branches.values())
        brings = self.objects.reached(one.new for one in updates if one.new) - has
        gains: set[str] = set()
        for one in updates:
            if one.old and one.new and self.rules.protects(one.ref):
                gains |= self.objects.ancestors(one.new) - self.objects.ancestors(one.old)
        lost = self.objects.reached(one.old for one in updates if one.old)
        self.look((lost | brings | gains) - self.before)
        judged, why = brings | gains, []
        for known in self._known(elsewhere, gains):
            judged -= known
            why = [
                reason
                for oid in sorted(judged)
                for reason in self.refused(
                    agent, oid, bound=self.rules.landing_now and oid in gains
                )
            ]
            if not why:
                break
        why += self._dropped(agent, updates, branches, cover=drops_need_cover)
        if not (refused or is_refused(why)):
            self.clock += 1
            for oid in (brings & judged) - self.before:
                self.enter(agent, oid)
        return why

    def _known(self, elsewhere: Elsewhere | None, gains: set[str]) -> Iterable[set[str]]:
        """What need not be judged, the last only if there would be a reason."""
        yield set()
        if elsewhere is not None:
            known = self.objects.reached(elsewhere.branches) - gains
            yield known | self.objects.reached(elsewhere.default)

    def look(self, oids: Iterable[str]) -> None:
        """Enter what may be entered: somebody may have been allowed the same change meanwhile."""
        new = set(oids) - self.entries.keys()
        for oid in sorted(new, key=lambda oid: len(self.objects.ancestors(oid))):
            self.made(oid)

    def enter(self, agent: str, oid: str) -> None:
        """A gate has judged a commit itself."""
        entry = self.entries.get(oid, Entry(agent, oid))
        self.entries[oid] = entry._replace(void=frozenset(), unsure=frozenset())

    def refused(self, agent: str, oid: str, *, bound: bool = False) -> list[Reason]:
        """Why a commit may not go to the remote, or to a branch where the hooks are strict."""
        if oid in self.before:
            return []
        entry = self.entries.get(oid)
        why: list[Reason] = []
        for path in sorted(self._paths(oid)):
            void, unsure = self._void_for(oid, path)
            if entry and not (bound or void or unsure):
                continue
            rule = NO_RECORD if entry is None else LANDING if bound else EDITOR if void else SECOND
            holders = self.holders(path, agent)
            why += [
                Reason(rule, oid, path, holder)
                for holder in holders
                if not (entry and entry.agent == holder)
            ]
            if not holders and self.is_uncovered(path, agent):
                why.append(Reason(SECOND if rule == SECOND else UNCOVERED, oid, path, ""))
        return why

    def _void_for(self, oid: str, path: str) -> tuple[bool, bool]:
        """Whether a commit's entry does not count for a path, and whether it may not."""
        entry = self.entries.get(oid)
        if entry is None:
            return False, False
        void, unsure = path in entry.void, path in entry.unsure
        return (void, False) if oid in self.timed else (False, void or unsure)

    def _dropped(
        self,
        agent: str,
        updates: Sequence[Update],
        branches: Mapping[str, str],
        *,
        cover: bool,
    ) -> list[Reason]:
        """What no branch has afterwards, by oid or origin, and must not go."""
        after = {**branches, **{one.ref: one.new for one in updates if one.is_branch}}
        kept = self.objects.reached(tip for tip in after.values() if tip)
        origins = {entry.origin for oid, entry in self.entries.items() if oid in kept}
        why: list[Reason] = []
        for one in updates:
            if not (one.is_branch and one.old):
                continue
            for oid in sorted(self.objects.ancestors(one.old) - kept):
                entry = self.entries.get(oid)
                if entry and entry.origin in origins:
                    continue
                always = self.rules.protects(one.ref)
                why += self._lost(agent, oid, entry, always, bool(cover or one.new))
        return why

    def _lost(
        self, agent: str, oid: str, entry: Entry | None, always: bool, cover: bool
    ) -> Iterable[Reason]:
        unknown = entry is None and oid not in self.before
        for path in sorted(self._paths(oid)):
            holders = self.holders(path, agent)
            void, unsure = self._void_for(oid, path)
            for holder in holders:
                if always or unknown or (entry and (entry.agent == holder or void)):
                    yield Reason(DROPPED, oid, path, holder)
                elif unsure:
                    yield Reason(SECOND, oid, path, holder)
            if not holders and cover and self.is_uncovered(path, agent):
                if always or unknown or void:
                    yield Reason(DROPPED, oid, path, "")
                elif unsure:
                    yield Reason(SECOND, oid, path, "")
