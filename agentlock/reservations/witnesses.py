"""Finds, of the paths that two patterns both match, one that exists."""

from __future__ import annotations

from itertools import islice

from agentlock.git.changes import below
from agentlock.patterns.matching import PatternIndex, compile_pattern
from agentlock.patterns.pattern import TOOL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from agentlock.git.repository import Repository
    from agentlock.patterns.matching import Folding

    Pair = tuple[bytes, bytes]

_MOST_PAIRS = 100
_MOST_FILES = 50_000


def existing(repository: Repository, pairs: Iterable[Pair], folding: Folding) -> dict[Pair, bytes]:
    """The first file of this worktree that both patterns match, for each pair that has one.

    Only so many pairs and files are looked at that a refusal comes without delay.
    """
    wanted = [pair for pair in dict.fromkeys(pairs) if not pair[0].startswith(TOOL)][:_MOST_PAIRS]
    if not wanted or repository.is_bare:
        return {}
    texts = list(dict.fromkeys(text for pair in wanted for text in pair))
    index = PatternIndex(texts, folding)
    place = {text: position for position, text in enumerate(texts)}
    prefixes = {compile_pattern(mine, folding).prefix for mine, _ in wanted}
    found: dict[Pair, bytes] = {}
    for path in islice(below(repository, prefixes).paths, _MOST_FILES):
        matching = set(index.matching(path, submodule=True))
        for pair in [one for one in wanted if place[one[0]] in matching]:
            if place[pair[1]] in matching:
                found[pair] = path
                wanted.remove(pair)
        if not wanted:
            break
    return found
