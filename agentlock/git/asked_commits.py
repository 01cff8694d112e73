"""What git says of commits, each of which it is asked for once."""

from __future__ import annotations

from agentlock.git.patches import diffs_in, raw_diffs, read_commits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agentlock.git.patches import Made

    Listed = tuple[tuple[str, ...], bytes]
    """The parents of a commit, and its raw diff."""


class AskedCommits:
    def __init__(self, listing: bytes = b"") -> None:
        """``listing`` is what ``commits.listing_changes`` gave of some of them."""
        self._listing = listing
        self._listed: dict[str, Listed] | None = None
        self._read: dict[str, Made | None] = {}

    def read(self, oids: Iterable[str]) -> dict[str, Made | None]:
        """The commits by oid; None is one that is not here."""
        asked = [oid for oid in oids if oid]
        new = [oid for oid in asked if oid not in self._read]
        if new:
            self._read.update(dict.fromkeys(new))
            self._read.update(read_commits(new))
        return {oid: self._read[oid] for oid in asked}

    def whole(self, oids: Sequence[str]) -> list[Made]:
        """Those of the commits that are here, and whose first parents are."""
        listed = self._in_listing()
        known = [listed[oid][0] for oid in oids if oid in listed]
        self.read([*oids, *(base for parents in known for base in parents[:1])])  # all at once
        here = [one for one in self.read(oids).values() if one is not None]
        bases = self.read([one.base for one in here])
        return [one for one in here if not one.base or bases[one.base]]

    def diffs(self, commits: Sequence[Made]) -> list[bytes]:
        """Their raw diffs from their first parents."""
        listed = self._in_listing()
        # git lists none of a merge, and takes other parents where a shallow clone cuts history off.
        found = {
            one.oid: listed[one.oid][1]
            for one in commits
            if len(one.parents) < 2 and one.oid in listed and listed[one.oid][0] == one.parents
        }
        rest = [(one.oid, one.base) for one in commits if one.oid not in found]
        found |= zip((oid for oid, _ in rest), raw_diffs(rest), strict=True)
        return [found[one.oid] for one in commits]

    def _in_listing(self) -> dict[str, Listed]:
        if self._listed is None:
            lines = ((line.decode().split(), diff) for line, diff in diffs_in(self._listing))
            self._listed = {oid: (tuple(parents), diff) for (oid, *parents), diff in lines}
        return self._listed
