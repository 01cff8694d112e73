"""Finds stale copies: files that another branch has changed, and HEAD does not have the change."""

from __future__ import annotations

from agentlock.git.branches import changed_elsewhere
from agentlock.model import Value
from agentlock.patterns.matching import PatternIndex, compile_pattern
from agentlock.patterns.pattern import TOOL
from agentlock.text import path_name, printable, shell_word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from agentlock.git.repository import Repository
    from agentlock.model import Policy
    from agentlock.patterns.matching import Folding
    from agentlock.store.base import Store

_SECONDS = 0.3  # an agent waits for this


class StaleCopy(Value):
    """A path, the commit that HEAD lacks, who made it (None: no record), and its branch."""

    path: bytes
    commit: str
    agent: str | None
    branch: str

    def line(self) -> str:
        """What happened, in words."""
        maker = f" by {self.agent}" if self.agent else ""
        commit = f"{self.commit[:7]} ({printable(self.branch)})"
        path = path_name(self.path)
        return f"{path} was changed{maker} in {commit}, which HEAD does not contain"

    def merging(self) -> str:
        """The command that brings the change here."""
        return f"git merge {shell_word(self.branch)}"


class StaleCopies(Value):
    """What was found, newest first; ``complete``: every branch was looked at in time."""

    copies: tuple[StaleCopy, ...] = ()
    complete: bool = True

    def of_others(self, agent: str) -> tuple[StaleCopy, ...]:
        """Those that other agents are on record for."""
        return tuple(one for one in self.copies if one.agent not in (None, agent))


def stale_copies(
    store: Store,
    repository: Repository,
    policy: Policy,
    folding: Folding,
    *,
    patterns: Iterable[bytes] = (),
    paths: Iterable[bytes] = (),
) -> StaleCopies:
    """The stale copies among these paths and all that the patterns match."""
    if policy.stale == "off" or repository.is_bare:
        return StaleCopies()
    texts = [text for text in patterns if not text.startswith(TOOL)]
    index = PatternIndex(texts, folding)
    literal = {folding.apply(path) for path in paths}
    places = [*paths, *(compile_pattern(text).prefix for text in texts)]
    if not places:
        return StaleCopies()
    found = changed_elsewhere(
        repository,
        places,
        lambda path: folding.apply(path) in literal or bool(index.matching(path, submodule=True)),
        seconds=_SECONDS,
    )
    made_by = store.ledger.makers({one.commit for one in found.changes}) if found.changes else {}
    return StaleCopies(
        tuple(
            StaleCopy(one.path, one.commit, made_by.get(one.commit), one.branch)
            for one in found.changes
        ),
        found.complete,
    )
