"""The reader of the ledger: it matches commits with the notes of the gates, and enters them.

Every door but a commit's own hooks may call it. The post hooks only say which commits git has made,
and which it has replaced; a name that is missing there costs no more than a look at the notes.
"""

from __future__ import annotations

import os

from agentlock.errors import AgentlockError
from agentlock.git.asked_commits import AskedCommits
from agentlock.git.changes import digest
from agentlock.git.commits import beyond
from agentlock.git.patches import beginning_of, exact_patches, paths_of, raw_diffs, read_commits
from agentlock.git.remotes import missing
from agentlock.git.scratch import INDEX, Scratch
from agentlock.guard import made as guard_made
from agentlock.guard import notes as guard_notes
from agentlock.guard.entered import (
    Facts,
    amended,
    by_note,
    first_served,
    replay,
    replayed_by,
    voided,
)
from agentlock.guard.judge import folding_of
from agentlock.guard.made import MOST_NAMED
from agentlock.model import MICROSECONDS
from agentlock.store import write_aside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from agentlock.git.patches import Made
    from agentlock.git.repository import Repository
    from agentlock.guard.notes import Note
    from agentlock.model import Reservation
    from agentlock.records import Entry
    from agentlock.store.base import Store

_DEEPEST = 50  # amendments of amendments
_COARSE = 10_000  # microseconds by which the time of a file may lag behind the clock


class Reader:
    """What the ledger knows of commits: the table's entries, and those that the notes prove.

    What it finds it keeps, until ``save`` writes it to the table.
    """

    def __init__(self, store: Store, repository: Repository, listing: bytes = b"") -> None:
        """``listing`` is what ``git.commits.listing_changes`` gave of some commits."""
        self._store = store
        self._repository = repository
        self._known: dict[str, Entry | None] = {}
        self._old: dict[str, Entry] = {}
        self._partly: dict[str, Entry] = {}  # those that do not count for all paths
        self._found: dict[str, Entry] = {}
        self._commits = AskedCommits(listing)
        self._facts: dict[str, Facts] = {}
        self._notes: list[Note] | None = None
        self._by_change: dict[tuple[tuple[str, ...], str], list[Note]] = {}
        self._by_oid: dict[str, list[Note]] = {}
        self._granted: list[Reservation] | None = None
        self._named, self._pairs = guard_made.names(repository)

    # What it answers

    def entries(self, oids: Iterable[str]) -> dict[str, Entry]:
        """The entries that count, of those of these commits that are entered."""
        asked = list(dict.fromkeys(oid for oid in oids if oid))
        self._look(asked)
        return {oid: entry for oid in asked if (entry := self._known.get(oid)) and entry.counts}

    def wholly_entered(self, oids: Iterable[str]) -> set[str]:
        """Those of these commits that are entered for all of their paths."""
        return {oid for oid, entry in self.entries(oids).items() if not entry.void_paths}

    def makers(self, oids: Iterable[str]) -> dict[str, str]:
        """The agent of each commit that any entry knows, those of earlier versions too."""
        asked = list(oids)
        found = {oid: entry.agent for oid, entry in self.entries(asked).items()}
        return {oid: self._old[oid].agent for oid in asked if oid in self._old} | found

    def record(self, oid: str) -> Entry | None:
        """What the ledger has of a commit, even if it does not count."""
        self._look([oid])
        return self._known.get(oid) or self._old.get(oid)

    def before(self) -> list[bytes]:
        """What branches were at when the table was made, as far as those commits are here."""
        tips = [oid.encode() for oid in self._store.ledger.before()]
        gone = set(missing(tips))  # branches of another clone, or deleted ones
        return [oid for oid in tips if oid not in gone]

    def kept(self, entries: Iterable[Entry], tips: Sequence[bytes]) -> set[str]:
        """Those of the entered commits of which these tips have another copy."""
        by_origin: dict[str, list[str]] = {}
        for entry in entries:
            by_origin.setdefault(entry.origin or entry.oid, []).append(entry.oid)
        copies = {one.oid: one.origin or "" for one in self._store.ledger.of_origins(by_origin)}
        copies |= {oid: one.origin or "" for oid, one in self._found.items()}
        copies = {oid: origin for oid, origin in copies.items() if origin in by_origin}
        present = _ancestors(list(copies), tips)
        return {oid for copy in present for oid in by_origin[copies[copy]] if oid != copy}

    def may_be_replay(self, diff: bytes, hinted: Sequence[str]) -> bool:
        """Whether something is entered that changes the paths of a raw diff, and no others."""
        beginning = beginning_of(diff)
        if self._store.ledger.may_have_patch(beginning):
            return True
        named = self.entries([*hinted, *self._named])
        patches = [one.patch for one in named.values()]
        patches += [self._facts[oid].patch for oid in hinted if oid in self._facts]
        return any(patch is not None and patch.startswith(beginning) for patch in patches)

    def staged(self, patch: str | None, hinted: Sequence[str], head: str) -> Entry | None:
        """The entry that a commit of the index on ``head`` would replay, if one still may.

        ``patch`` is the digest of its exact change. ``hinted`` may be replayed cleanly, too.
        """
        named = self.entries([*hinted, *self._named])
        sources = self._store.ledger.of_patches([patch]) if patch else []
        sources += [one for one in named.values() if patch and one.patch == patch]
        hints = {oid: named[oid] for oid in hinted if oid in named}
        return self._serving(sources, head) or self._clean_source(hints, head, head, INDEX)

    def judged_paths(self, oid: str) -> set[bytes]:
        """The paths that a commit changes. Its replay may change others, where git sees renames."""
        made = self._commits.read([oid])[oid]
        return set(paths_of(raw_diffs([(oid, made.base)])[0])) if made is not None else set()

    def old_maker(self, patch: str | None, hinted: Sequence[str]) -> str | None:
        """The agent of a commit with this exact change, by a row of an earlier version."""
        self._look(hinted)
        facts = [self._facts[oid] for oid in hinted if oid in self._old and oid in self._facts]
        return next((self._old[one.made.oid].agent for one in facts if one.patch == patch), None)

    # What it writes

    def save(self) -> None:
        """Enter what was named and what was found in the table; forget the names.

        Nothing depends on it: what cannot be entered now is found again.
        """
        guard_made.take(self._repository)
        self._named, self._pairs = guard_made.names(self._repository)
        try:
            self._look(self._named)
        except AgentlockError:
            return
        if self.keep():
            guard_made.forget(self._repository)
            guard_notes.turn(self._repository)

    def keep(self) -> bool:
        """Enter what was found in the table, if anything; whether that could be done."""
        found = list(self._found.values())
        try:
            if found:
                write_aside(self._repository, lambda store: store.ledger.enter(found))
        except AgentlockError:
            return False
        self._found = {}
        return True

    # How it finds

    def _look(self, oids: Sequence[str]) -> None:
        unknown = self._unknown(oids)
        if not unknown:
            return
        if len(unknown) > MOST_NAMED:
            self._known.update({oid: self._partly.get(oid) for oid in unknown})
            return
        self._collect(unknown)
        for oid in unknown:
            self._derive(oid, 0)
        self._look_again()

    def _look_again(self) -> None:
        """Derive what was not entered and is a copy of what was found after it."""
        patches = {entry.patch for entry in self._found.values() if entry.patch}
        for oid, facts in list(self._facts.items()):
            if facts.patch in patches and self._known.get(oid, facts) is None:
                del self._known[oid]
                self._derive(oid, 0)

    def _unknown(self, oids: Iterable[str]) -> list[str]:
        """Those of these commits that the table does not know, or not for all of their paths."""
        asked = [oid for oid in oids if oid not in self._known]
        stored = self._store.ledger.entries(asked) if asked else {}
        for oid, entry in stored.items():
            if entry.how is None:
                self._old[oid] = entry
            elif entry.counts and entry.void_paths:
                self._partly[oid] = entry
            else:
                self._known[oid] = entry
        return [oid for oid in asked if oid not in self._known]

    def _derive(self, oid: str, depth: int) -> Entry | None:
        """The entry of a commit, which is looked for once; its ancestors' are found first."""
        if oid in self._known or depth > _DEEPEST:
            return self._known.get(oid)
        partly = self._known[oid] = self._partly.get(oid)
        facts = self._facts.get(oid)
        if facts is None:
            return partly
        for parent in facts.made.parents:
            if parent in self._facts:
                self._derive(parent, depth + 1)
        for entry in self._made_of(facts, depth):
            if self._known[oid] is None or not entry.void_paths:
                self._known[oid] = self._found[oid] = entry
            if not entry.void_paths:
                break
        return self._known[oid]

    def _made_of(self, facts: Facts, depth: int) -> Iterator[Entry]:
        """The entries that a commit can have, those that are found first, first."""
        if (replayed := self._replayed(facts, depth)) is not None:
            yield replayed
        yield from self._noted(facts)
        if (changed := self._amended(facts, depth)) is not None:
            yield changed

    def _noted(self, facts: Facts) -> Iterator[Entry]:
        """The entries of a commit that notes name, or whose change they name."""
        paths = paths_of(facts.diff)
        for note in facts.notes:
            void = [] if facts.made.oid in note.oids else self._voided(note, paths, facts.made)
            source = self._entry_of(replayed_by(note))
            if source is not None or not replayed_by(note):
                yield by_note(facts, note, void, source)

    def _voided(self, note: Note, paths: Sequence[bytes], made: Made) -> set[bytes]:
        """The paths of a commit for which a note of its change does not count, now as before."""
        if self._granted is None:
            oldest = min((one.fence for one in self._all_notes()), default=0)
            self._granted = self._store.reservations.granted_after(oldest)
        partly = self._partly.get(made.oid)
        known = partly.void.intersection(paths) if partly is not None else ()
        folding = folding_of(self._repository)
        return {*known, *voided(note, paths, self._there_by(made), self._granted, folding)}

    def _there_by(self, made: Made) -> int:
        """When a commit was there (microseconds).

        git's own time of it is that at which its editor opened (builtin/commit.c), and is told to
        the second. So of what a post hook has named here, its object's file tells.
        """
        if made.oid in self._named:
            path = os.path.join(
                *(self._repository.common_dir, b"objects"),
                *(made.oid[:2].encode(), made.oid[2:].encode()),
            )
            try:
                return os.stat(path).st_mtime_ns // 1000 + _COARSE
            except OSError:  # packed already
                pass
        return (made.committed + 1) * MICROSECONDS

    def _replayed(self, facts: Facts, depth: int) -> Entry | None:
        """The entry of a commit that is an exact or clean replay of an entered one."""
        made = facts.made
        sources = []
        if facts.patch is not None:
            sources = self._store.ledger.of_patches([facts.patch])
            sources += [one for one in self._found.values() if one.patch == facts.patch]
        replaced = [old for old, new in self._pairs if new == made.oid]
        self._collect(replaced)
        former = {old: entry for old in replaced if (entry := self._once(old, depth))}
        sources += [one for one in former.values() if one.patch == facts.patch and facts.patch]
        found = self._serving(sources, made.oid)
        if found is not None:
            return replay(facts, found)
        found = self._clean_source(former, made.oid, made.base, made.tree)
        if found is None or not self.judged_paths(found.oid).issuperset(paths_of(facts.diff)):
            return None
        return replay(facts, found)

    def _amended(self, facts: Facts, depth: int) -> Entry | None:
        """The entry of a commit that replaces an entered one by a change that a note names."""
        made = facts.made
        bases = [old for old, new in self._pairs if new == made.oid]
        bases += [one.bases[0] for one in self._all_notes() if len(one.bases) == 1]
        commits = self._commits.read(dict.fromkeys(bases))
        formers = [
            one
            for one in commits.values()
            if one is not None and one.parents == made.parents and one.oid != made.oid
        ]
        diffs = raw_diffs([(made.oid, one.oid) for one in formers])
        for former, diff in zip(formers, diffs, strict=True):
            for note in reversed(self._by_change.get(((former.oid,), digest(diff)), [])):
                void = self._voided(note, paths_of(diff), made)
                self._collect([former.oid])
                entry = self._once(former.oid, depth)
                if entry is not None:
                    return amended(facts, entry, note, void, self._entry_of(replayed_by(note)))
        return None

    def _clean_source(
        self, formers: Mapping[str, Entry], oid: str, onto: str, tree: str
    ) -> Entry | None:
        """The entry of a commit of which ``tree`` is git's own clean replay onto another one."""
        commits = self._commits.read(formers)
        repository = self._repository
        for former, entry in formers.items():
            original = commits.get(former)
            if original is None or not onto or not self._serving([entry], oid):
                continue
            with Scratch(repository.common_dir, former, repository.git_dir) as scratch:
                if scratch.is_replay(original, onto, tree):
                    return entry
        return None

    def _once(self, oid: str, depth: int) -> Entry | None:
        entry = self._derive(oid, depth + 1)
        return entry if entry is not None and entry.counts else None

    def _entry_of(self, oid: str) -> Entry | None:
        return self.entries([oid]).get(oid) if oid else None

    def _serving(self, sources: Sequence[Entry], oid: str) -> Entry | None:
        """The first of the sources whose origin the history of a commit has not been served by."""
        wanted = {one.origin for one in sources if one.origin}
        if not wanted:
            return None
        copies = {entry.oid: entry.origin for entry in self._store.ledger.of_origins(wanted)}
        copies |= {one.oid: one.origin for one in self._found.values() if one.origin in wanted}
        copies |= {origin: origin for origin in wanted if origin}
        below = _ancestors(list(copies), [oid.encode()]) - self._unplaced(oid)
        return first_served(sources, {origin for one in below if (origin := copies[one])})

    def _unplaced(self, oid: str) -> set[str]:
        """A commit that is being looked for serves no history yet: its own does not count."""
        return {oid} if oid in self._facts else set()

    # What it asks git and the notes

    def _collect(self, oids: Sequence[str]) -> None:
        """Read what is needed of commits that the table does not know."""
        asked = [oid for oid in oids if oid not in self._facts]
        here = self._commits.whole(self._unknown(asked))
        diffs = self._commits.diffs(here)
        patches = exact_patches(here, diffs)
        self._all_notes()
        for one, diff in zip(here, diffs, strict=True):
            noted = [
                *self._by_oid.get(one.oid, ()),
                *self._by_change.get((one.parents, digest(diff)), ()),
            ]
            noted.sort(key=lambda note: note.made_ts)  # the first judgement stands
            self._facts[one.oid] = Facts(one, diff, patches.get(one.oid), tuple(noted))

    def _all_notes(self) -> list[Note]:
        if self._notes is None:
            self._notes = guard_notes.read(self._repository, self._store.ledger.notes())
            for note in self._notes:
                for oid in note.oids:
                    self._by_oid.setdefault(oid, []).append(note)
                if not note.oids:
                    self._by_change.setdefault((note.bases, note.digest), []).append(note)
        return self._notes


def enter_made(store: Store, repository: Repository) -> None:
    """Enter what the post hooks have named since the last time, if anything."""
    if guard_made.is_any(repository):
        Reader(store, repository).save()


def _ancestors(oids: Sequence[str], tips: Sequence[bytes]) -> set[str]:
    """Those of the commits that the tips reach; what is not here is none."""
    here = [one.oid for one in read_commits(oids).values()]
    return set(here) - beyond([oid.encode() for oid in here], tips)
