"""Which commits count as judged when they were made: the rules, without any I/O.

A commit is entered if a note names its change, or if it is made of entered commits: a replay of
one, or one that was amended by a change that a note names. What is needed to decide stands in
``Facts``; ``guard.take_in`` collects it.
"""

from __future__ import annotations

from agentlock.guard.notes import REPLAY
from agentlock.model import Value
from agentlock.records import Entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from agentlock.git.patches import Made
    from agentlock.guard.notes import Note
    from agentlock.model import Reservation
    from agentlock.patterns.keys import Folding


class Facts(Value):
    """What is known of one commit.

    ``diff`` is the raw diff from its first parent, ``patch`` the digest of its exact change.
    ``notes`` are those that name it or its change.
    """

    made: Made
    diff: bytes
    patch: str | None
    notes: tuple[Note, ...]


def by_note(facts: Facts, note: Note, void: Collection[bytes], source: Entry | None) -> Entry:
    """The entry of a commit whose change was noted, but for the paths that are ``void``.

    ``source`` is the entered commit that the gate saw replayed. Its copy inherits agent, how and
    origin. What the source does not count for, the gate judged.
    """
    made = facts.made
    if source is not None:
        return replay(facts, source).without(source.void.intersection(void))
    return Entry(
        made.oid,
        note.agent,
        note.how,
        made.oid,
        facts.patch,
        made.base,
        note.fence,
        note.made_ts,
        note.reason,
    ).without(void)


def replay(facts: Facts, source: Entry) -> Entry:
    """The entry of a commit that is the same change as an entered one, on another base."""
    return source.replace(oid=facts.made.oid, patch=facts.patch, base=facts.made.base)


def amended(
    facts: Facts, former: Entry, note: Note, void: Collection[bytes], source: Entry | None
) -> Entry:
    """The entry of a commit that replaces an entered one; the rest of its change was noted.

    ``void`` are the paths of the rest for which the note does not count. ``source`` is the entered
    commit that was squashed into it, if the rest is that one's change.
    """
    how = source.how if source is not None else note.how
    how = former.how if how == "allowed" else how
    agent = former.agent if source is not None or note.agent == former.agent else note.agent
    entry = by_note(facts, note, former.void.union(void), None)
    return entry.replace(agent=agent, how=how, origin=former.origin)


def replayed_by(note: Note) -> str:
    """The oid of the commit that a noted change replays; "" where it replays none."""
    return note.how[len(REPLAY) :] if note.how.startswith(REPLAY) else ""


def voided(
    note: Note,
    paths: Sequence[bytes],
    there_by: int,
    granted: Iterable[Reservation],
    folding: Folding,
) -> list[bytes]:
    """The paths for which a note no longer counts when the commit is made.

    They are those of a lease of another that was granted after the judgement and before the commit,
    while an editor was open. ``there_by`` is when the commit was there, in microseconds.
    """
    meanwhile = [
        held
        for held in granted
        if held.fence > note.fence and held.agent != note.agent and held.created_ts < there_by
    ]
    if not meanwhile:
        return []
    from agentlock.guard.verdict import index_of

    index = index_of(meanwhile, folding)
    return [path for path in paths if index.matching(path, True, True)]


def first_served(sources: Iterable[Entry], present: Iterable[str]) -> Entry | None:
    """The first of these entries that may still serve a history; None where there is none.

    One origin serves a history once: ``present`` are the origins that it has already. So whoever
    lands again what was reverted makes a new change.
    """
    taken = set(present)
    return next((one for one in sources if one.counts and one.origin not in taken), None)
