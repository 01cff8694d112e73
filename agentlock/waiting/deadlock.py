"""Finds the circle of agents that would wait for each other for ever.

Agent X waits for agent Y if a live wait of X meets, in a mode that conflicts, a live reservation
of Y (an offer is one) or an earlier live wait of Y. How soon these end does not matter.

Such an edge is added by a new wait, and by a shared reservation that becomes exclusive. No grant,
renewal or end of anything else adds one, with two exceptions. A wait that names what its agent
holds waits for nobody there, until that reservation ends. And if what it holds is shared and shall
become exclusive, it waits for no place, but for the shared reservation that an earlier place
becomes. So whoever refuses the first two when they would close a circle, and ends such a wait if
one of the others does, never has a circle.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque

from agentlock.errors import PatternError
from agentlock.model import Value
from agentlock.patterns.keys import extension_key, fold_key
from agentlock.patterns.matching import PatternIndex
from agentlock.patterns.overlap import overlap
from agentlock.patterns.pattern import TOOL, compile_pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from typing import Protocol

    from agentlock.model import Reservation
    from agentlock.patterns.keys import Folding
    from agentlock.patterns.pattern import Pattern

    class Wait(Protocol):
        """A place in the queue; places with a lower ``fence`` are earlier."""

        @property
        def agent(self) -> str: ...
        @property
        def patterns(self) -> Sequence[bytes]: ...
        @property
        def exclusive(self) -> bool: ...
        @property
        def created_ts(self) -> int: ...
        @property
        def fence(self) -> int: ...


_HELD, _RAISED = -2, -1  # a reservation comes before all waits, and so does shared → exclusive
_SPECIAL = b"*?[\\{"
_ANY = (b"*", b"*")  # any name, any extension


class Step(Value):
    """One agent of a circle: what it has that the agent before it waits for, and what it wants.

    ``queued``: it does not hold that, but comes earlier in the queue.
    """

    agent: str
    holds: bytes
    waits_for: bytes
    queued: bool = False


class Circle(Value):
    """The agents in the order in which each waits for the next; the last waits for the first.

    The first is the agent that asks. ``release`` are its reservations that others wait for in such
    circles, ``leave`` its places in the queue: without them it could wait.
    """

    steps: tuple[Step, ...]
    release: tuple[Reservation, ...]
    leave: tuple[Wait, ...]


class _Claim:
    """One pattern that an agent holds or wants, and which place in the order of all claims it has.

    It waits only for claims that come before ``limit``.
    """

    __slots__ = ("agent", "exclusive", "limit", "order", "source", "text")

    def __init__(
        self, source: Reservation | Wait, text: bytes, order: int, limit: int = _HELD
    ) -> None:
        self.agent = source.agent
        self.exclusive = source.exclusive
        self.source = source
        self.text = text
        self.order = order
        self.limit = limit


def circle(
    waits: Iterable[Wait],
    reservations: Iterable[Reservation],
    new: Wait,
    folding: Folding,
    *,
    is_changed: Callable[[Reservation], bool] = lambda _: False,
    check_time: Callable[[], object] = lambda: None,
) -> Circle | None:
    """The shortest circle that ``new`` would close, or None.

    It is a place after all others, or one that has been there and waits for more than before.
    ``waits`` and ``reservations`` are all live ones, without ``new``. Of a request that is granted
    at once only the patterns matter that become exclusive: it must be asked about before. Whether
    files of a reservation ``is_changed`` decides which come last in ``Circle.release``.
    ``check_time`` is called again and again, and may raise.
    """
    queue = [*waits]
    everybody = {new.agent, *(wait.agent for wait in queue)}
    held = [one for one in reservations if one.agent in everybody]  # the others wait for nobody
    mine = [one for one in held if one.agent == new.agent]
    if not mine and all(wait.agent != new.agent and wait.fence < new.fence for wait in queue):
        return None
    patterns = _Patterns(folding)
    own = {name: _Own(patterns, folding) for name in everybody}
    for one in held:
        own[one.agent].add(one)
    wanted = [claim for wait in queue for claim in own[wait.agent].claims(wait)]
    asked = own[new.agent].claims(new)
    raised = [claim for claim in asked if claim.order == _RAISED]
    before = [claim for claim in wanted if claim.agent == new.agent]
    goals = [*(_Claim(one, one.pattern, _HELD) for one in mine), *before, *asked]
    claims = [_Claim(one, one.pattern, _HELD) for one in held if one.agent != new.agent]
    claims += [claim for claim in wanted if claim.agent != new.agent]
    search = _Search(claims, goals, patterns, check_time)
    # Whoever waits for what becomes exclusive is a new edge too, and any wait may lead there.
    steps, blocking = search.run([*asked, *(before if raised else [])], new.agent)
    if not steps:
        return None
    release = [one for one in mine if one in blocking]
    release.sort(key=lambda one: (is_changed(one), one.id))
    leave = [wait for wait in queue if wait.agent == new.agent and wait in blocking]
    return Circle(steps, tuple(release), tuple(leave))


class _Own:
    """What one agent holds, which decides where each of its claims stands in the order.

    Only what it held before it asked counts: to take a file shared puts no older wait forward.
    """

    def __init__(self, patterns: _Patterns, folding: Folding) -> None:
        self._patterns = patterns
        self._folding = folding
        self._held: list[Reservation] = []
        self._by_text: dict[bytes, list[Reservation]] = {}
        self._index: PatternIndex | None = None

    def add(self, held: Reservation) -> None:
        self._held.append(held)
        self._by_text.setdefault(held.pattern, []).append(held)

    def claims(self, wait: Wait) -> list[_Claim]:
        return [_Claim(wait, text, *self._standing(wait, text)) for text in wait.patterns]

    def _standing(self, wait: Wait, text: bytes) -> tuple[int, int]:
        """Where the claim stands, and before which place stands what it waits for."""
        held = self._covering(text) if self._held else []
        modes = [one.exclusive for one in held if one.created_ts <= wait.created_ts]
        if not modes:
            return wait.fence, wait.fence
        if any(modes) or not wait.exclusive:  # the agent has it already, so it waits for nobody
            return wait.fence, _HELD
        return _RAISED, _RAISED

    def _covering(self, text: bytes) -> list[Reservation]:
        """The agent's reservations of this text, or of all of a single file."""
        if text in self._by_text:
            return self._by_text[text]
        path = self._patterns.file(text)
        if path is None:
            return []
        try:
            if self._index is None:
                self._index = PatternIndex([held.pattern for held in self._held], self._folding)
            return [self._held[place] for place in self._index.matching(path)]
        except PatternError:  # one of the rows is damaged, so all of this is as good as unknown
            return []


class _Group:
    """The claims with one text, those that come first at the end of each list."""

    __slots__ = ("exclusive", "name", "shared", "text")

    def __init__(self, text: bytes, name: bytes) -> None:
        self.text = text
        self.name = name
        self.exclusive: list[_Claim] = []
        self.shared: list[_Claim] = []

    def lists(self, other: _Claim) -> list[list[_Claim]]:
        """Those whose mode conflicts with another claim's, if some come before its limit."""
        lists = (self.exclusive, self.shared) if other.exclusive else (self.exclusive,)
        return [claims for claims in lists if claims and claims[-1].order < other.limit]


class _Claims:
    """Claims, found by the keys of their patterns: prefix, extension and last name."""

    def __init__(self, claims: Sequence[_Claim], patterns: _Patterns) -> None:
        self._patterns = patterns
        self._groups: dict[bytes, dict[bytes, list[_Group]]] = {}
        groups: dict[bytes, _Group] = {}
        for claim in sorted(claims, key=lambda one: -one.order):
            group = groups.get(claim.text)
            if group is None:
                group = groups[claim.text] = self._filed(claim.text)
            (group.exclusive if claim.exclusive else group.shared).append(claim)
        self._prefixes = sorted(self._groups)

    def _filed(self, text: bytes) -> _Group:
        prefix, name, extension = self._patterns.keys(text)
        group = _Group(text, name)
        self._groups.setdefault(prefix, {}).setdefault(extension, []).append(group)
        return group

    def meeting(self, claim: _Claim) -> Iterator[list[_Claim]]:
        """Lists of claims that this one meets; see ``_Group.lists``."""
        for group in self._near(*self._patterns.keys(claim.text)):
            lists = group.lists(claim)
            if lists and self._patterns.overlap(claim.text, group.text):
                yield from lists

    def _near(self, prefix: bytes, name: bytes, extension: bytes) -> Iterator[_Group]:
        any_name = name.startswith(b"*")
        for near in self._prefixes_near(prefix):
            filed = self._groups[near]
            agreeing = filed if extension == b"*" else (b"*", extension)
            for key in agreeing:
                for group in filed.get(key, ()):
                    if any_name or group.name == name or group.name.startswith(b"*"):
                        yield group

    def _prefixes_near(self, prefix: bytes) -> Iterator[bytes]:
        if not prefix:
            yield from self._prefixes
            return
        first, last = (bisect_left(self._prefixes, prefix + end) for end in (b"/", b"0"))
        yield from self._prefixes[first:last]
        while prefix:
            if prefix in self._groups:
                yield prefix
            prefix = prefix.rpartition(b"/")[0]
        if prefix in self._groups:
            yield prefix


class _Patterns:
    """Patterns and their keys, each made once and only if somebody asks."""

    def __init__(self, folding: Folding) -> None:
        self._folding = folding
        self._compiled: dict[bytes, Pattern | None] = {}
        self._keys: dict[bytes, tuple[bytes, bytes, bytes]] = {}

    def compiled(self, text: bytes) -> Pattern | None:
        """The pattern; None if its row is damaged."""
        if text not in self._compiled:
            try:
                self._compiled[text] = compile_pattern(text, self._folding)
            except PatternError:
                self._compiled[text] = None
        return self._compiled[text]

    def overlap(self, one: bytes, other: bytes) -> bool:
        """Whether they overlap; a pattern that cannot be read overlaps any other."""
        mine, theirs = self.compiled(one), self.compiled(other)
        return one == other or not mine or not theirs or overlap(mine, theirs) is not None

    def keys(self, text: bytes) -> tuple[bytes, bytes, bytes]:
        """The prefix, the name and the extension of ``Pattern.keys``; none if they may mislead."""
        keys = self._keys.get(text)
        if keys is None:
            keys = quick_keys(text) or self._compiled_keys(text)
            if not self._folding.has_own_keys(text):
                keys = (b"", *_ANY)
            self._keys[text] = keys
        return keys

    def file(self, text: bytes) -> bytes | None:
        """The path of a pattern that is a single file; None for any other."""
        if text.startswith(b"/") and text.translate(None, _SPECIAL) == text:
            return None if text.endswith(b"/") else text[1:]
        pattern = self.compiled(text)
        is_file = pattern and pattern.kind == "literal" and not text.startswith(TOOL)
        return pattern.prefix if pattern and is_file else None

    def _compiled_keys(self, text: bytes) -> tuple[bytes, bytes, bytes]:
        pattern = self.compiled(text)
        if pattern is None:
            return (b"", *_ANY)
        return pattern.keys.prefix, pattern.keys.name, pattern.keys.extension


def quick_keys(text: bytes) -> tuple[bytes, bytes, bytes] | None:
    """What ``Pattern.keys`` would be, without compiling; None for an unusual text."""
    if not text.startswith((b"/", b"**/")) or text.translate(None, b"[\\{") != text:
        return None
    above, _, last = text.rpartition(b"/")
    places = [place for place in (text.find(b"*"), text.find(b"?")) if place >= 0]
    if not places:
        path = text[1:] if last else above[1:]
        return (fold_key(path), *((fold_key(last), extension_key(last)) if last else _ANY))
    literal = text[1 : max(text.rfind(b"/", 0, min(places)), 1)] if text[:1] == b"/" else b""
    prefix = fold_key(literal)
    end = last[max(last.rfind(b"*"), last.rfind(b"?")) + 1 :]
    if not end:
        return (prefix, *_ANY)
    if end == last:
        return prefix, fold_key(last), extension_key(last)
    extension = extension_key(end)
    return prefix, b"*" + extension, extension or b"*"


class _Search:
    """A breadth-first walk from agent to agent, which takes each claim out once it is found."""

    def __init__(
        self,
        claims: Sequence[_Claim],
        goals: Sequence[_Claim],
        patterns: _Patterns,
        check_time: Callable[[], object],
    ) -> None:
        self._all = claims
        self._goals = goals
        self._patterns = patterns
        self._check_time = check_time
        self._came_from: dict[str, tuple[_Claim, _Claim]] = {}

    def run(
        self, first: Sequence[_Claim], asker: str
    ) -> tuple[tuple[Step, ...], Collection[Reservation | Wait]]:
        """The shortest circle, and all claims of the asker that are met in one; () if none."""
        ends = self._ends()
        steps: tuple[Step, ...] = ()
        blocking: set[Reservation | Wait] = set()
        for agent in self._reached_from(asker, first) if ends else ():
            for claim, goal in ends.get(agent, ()):
                steps = steps or self._spelled_out(claim, goal, asker)
                blocking.add(goal.source)
        return steps, blocking

    def _ends(self) -> dict[str, list[tuple[_Claim, _Claim]]]:
        """Which claims of each agent wait for which goals."""
        goals = _Claims(self._goals, self._patterns)
        ends: dict[str, list[tuple[_Claim, _Claim]]] = {}
        for claim in self._all:
            if claim.limit > _HELD:
                self._check_time()
                for met in goals.meeting(claim):
                    pairs = [(claim, goal) for goal in met if goal.order < claim.limit]
                    ends.setdefault(claim.agent, []).extend(pairs)
        return ends

    def _reached_from(self, asker: str, first: Sequence[_Claim]) -> Iterator[str]:
        """The agents that the asker waits for, directly or through others, the nearest first."""
        claims = _Claims(self._all, self._patterns)
        waiting: dict[str, list[_Claim]] = {}
        for claim in self._all:
            if claim.limit > _HELD:
                waiting.setdefault(claim.agent, []).append(claim)
        following = deque([asker])
        while following:
            agent = following.popleft()
            for claim in first if agent == asker else waiting.get(agent, ()):
                self._check_time()
                for theirs in self._taken(claim, claims):
                    if theirs.agent != agent and theirs.agent not in self._came_from:
                        self._came_from[theirs.agent] = claim, theirs
                        following.append(theirs.agent)
                        yield theirs.agent

    @staticmethod
    def _taken(claim: _Claim, claims: _Claims) -> Iterator[_Claim]:
        """What the claim waits for, taken out of the claims."""
        for met in claims.meeting(claim):
            while met and met[-1].order < claim.limit:
                yield met.pop()

    def _spelled_out(self, last: _Claim, goal: _Claim, asker: str) -> tuple[Step, ...]:
        """The circle that ends with ``last``, which waits for the asker's ``goal``."""
        links = [(last, goal)]
        while links[0][0].agent != asker:
            links.insert(0, self._came_from[links[0][0].agent])
        held = [links[-1][1], *(theirs for _, theirs in links[:-1])]
        return tuple(
            Step(waiting.agent, mine.text, waiting.text, mine.order != _HELD)
            for (waiting, _), mine in zip(links, held, strict=True)
        )
