"""What the table must do: every call as a function of plain tuples.

It knows nothing of globs: each pattern stands for the paths written down beside it, and two
patterns meet where they share one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from histories.table import NOW, PATTERNS, RULES, Answer, Call, Kind, Place, Row, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

NOTHING, PLACED, DEADLOCK = Answer(0), Answer(0, ("placed",)), Answer(1, ("deadlock",))


def apply(table: Table, call: Call) -> tuple[Table, Answer]:
    """The table after a call, and what the call must answer."""
    return _CALLS[call.kind](table, call)


def outcomes(table: Table, call: Call) -> Iterator[tuple[Table, Answer]]:
    """What may come of a call while others are at work.

    Somebody else may hand over, just before it, what had run out. A request for a place looks first
    and takes the place then, though what was in the way may be gone. A release that saw nobody wait
    leaves the hand-over to whoever comes next. A command that finds the table busy for too long
    takes nothing when it arrives.
    """
    for before in {table, settled(table)}:
        yield apply(before, call)
        if call.kind == "queue" and not _in_the_way(before, call):
            yield _take_place(before, call)
        if call.kind == "release":
            yield _end(before, call)
        if call.kind == "arrive":
            yield _asks_anew(before, call), NOTHING


def settled(table: Table) -> Table:
    """The table after all that is due was handed over, the first place first."""
    for number in [one.number for one in table.places if one.outcome in ("", "over")]:
        place = table.places[number - 1]
        if place.outcome == "over":
            table = table.moved(place._replace(outcome="expired"))
            continue
        waiting, live = table.waiting(), table.live()
        before = [one for one in waiting if one.number < place.number]
        if not RULES.blockers(place, live, before):
            table = _handed_over(table, place)
        elif place.lost and RULES.is_in_circle(place, live, waiting):
            table = table.moved(place._replace(outcome="deadlock", lost=False))
        elif place.lost:
            table = table.moved(place._replace(lost=False))
    return table


def _handed_over(table: Table, place: Place) -> Table:
    live = table.live()
    table = table.changed(*_over(table, place))
    for name in place.patterns:
        new = _new(table, place.agent, name, place.exclusive, live)
        table = table.changed(new._replace(offer=True, place=place.number))
    table = table.moved(place._replace(outcome="granted", lost=False))
    if place.exclusive:
        return table
    # What becomes exclusive did not wait for the place, but it waits for the grant.
    return _lost(table, [row for row in live if row.agent != place.agent])


def _new(table: Table, agent: str, name: str, exclusive: bool, live: Sequence[Row]) -> Row:
    fence = table.fence + 1
    own = [row.since for row in live if row.agent == agent and RULES.covers(row, name)]
    since = min(own, default=NOW + fence)
    return Row(len(table.rows) + 1, agent, name, exclusive, fence, since=since)


def _reserve(table: Table, call: Call) -> tuple[Table, Answer]:
    if in_the_way := _in_the_way(table, call):
        return table, Answer(1, in_the_way)
    claim, waiting = _claim(table, call), table.waiting()
    if RULES.would_close_circle(claim, table.live(), waiting, only_raised=True):
        return table, DEADLOCK
    live = table.live()
    table = table.changed(*_over(table, claim))
    granted = []
    for name in call.names:
        own = [row for row in table.live() if (row.agent, row.pattern) == (call.agent, name)]
        new = _new(table, call.agent, name, not call.shared, live)
        if own:
            row = max(own, key=lambda one: one.exclusive)
            if row.exclusive and call.shared:
                table = _lost(table, [row])
            same = row._replace(offer=False)
            new = new._replace(number=row.number, since=row.since, place=row.place)
            new = same if row.exclusive is not call.shared else new
        table = table.changed(new)
        granted.append((new.number, new.exclusive, new.fence))
    if waiting:
        table = _fulfilled(table, call, [number for number, _, _ in granted])
        table = settled(table)
    return table, Answer(0, tuple(granted))


def _in_the_way(table: Table, call: Call) -> tuple[int, ...]:
    blockers = RULES.blockers(_claim(table, call), table.live(), table.waiting())
    held = {one.number for one in blockers if isinstance(one, Row)}
    places = {-one.number for one in blockers if isinstance(one, Place)}
    return (*sorted(held), *sorted(places))


def _claim(table: Table, call: Call) -> Place:
    """What a call asks for, as a place after all others."""
    fence = table.fence + 1
    number = len(table.places) + 1
    return Place(number, call.agent, call.names, not call.shared, fence, since=NOW + fence)


def _fulfilled(table: Table, call: Call, numbers: Sequence[int]) -> Table:
    """The places end that asked for what the agent was granted."""
    for place in table.places:
        is_same = place.agent == call.agent and {*place.patterns} == {*call.names}
        if place.outcome in ("", "over") and is_same and (place.exclusive <= (not call.shared)):
            table = table.moved(place._replace(outcome="granted"))
            rows = [row for row in table.rows if row.number in numbers]
            table = table.changed(*(row._replace(place=place.number) for row in rows))
    return table


def _queue(table: Table, call: Call) -> tuple[Table, Answer]:
    """Reserve, or take a place: what comes of that, ``queued`` says."""
    if not _in_the_way(table, call):
        return _reserve(table, call)
    return _take_place(table, call)


def _take_place(table: Table, call: Call) -> tuple[Table, Answer]:
    claim = _claim(table, call)._replace(asked=True)
    same = [
        one
        for one in table.waiting()
        if one.agent == claim.agent
        and {*one.patterns} == {*claim.patterns}
        and one.exclusive == claim.exclusive
    ]
    if same:
        claim = same[0]._replace(asked=True)
    elif RULES.would_close_circle(claim, table.live(), table.waiting()):
        return table, DEADLOCK
    return settled(table.moved(claim)), PLACED


def _queued(table: Table, call: Call) -> tuple[Table, Answer]:
    """Take what the place became, if the call before did not grant everything at once."""
    asked = [one for one in table.places if one.asked and one.agent == call.agent]
    if not asked:
        return table, NOTHING
    table = table.moved(*(one._replace(asked=False) for one in asked))
    place = asked[-1]
    mine = [one.number for one in table.live() if one.offer and one.place == place.number]
    if mine:
        table = _taken(table, mine)
        rows = (table.rows[number - 1] for number in mine)
        return table, Answer(0, tuple((row.number, row.exclusive, row.fence) for row in rows))
    return table, Answer(1, (-place.number,) if place.outcome in ("", "over") else ())


def _arrive(table: Table, call: Call) -> tuple[Table, Answer]:
    """A command begins: it takes what was handed over to its agent."""
    table = _asks_anew(table, call)
    offers = [row.number for row in table.live() if row.agent == call.agent and row.offer]
    return _taken(table, offers) if offers else table, NOTHING


def _asks_anew(table: Table, call: Call) -> Table:
    """No command of the agent is under way, not even one that was killed."""
    return table.moved(
        *(
            one._replace(asked=False)
            for one in table.places
            if one.agent == call.agent and one.asked
        )
    )


def _taken(table: Table, numbers: Sequence[int]) -> Table:
    """Offers are taken; what the agent held of the same, in no stronger mode, ends."""
    taken = [table.rows[number - 1]._replace(offer=False) for number in numbers]
    table = table.changed(*taken)
    replaced = [
        row._replace(ended="released")
        for row in table.live()
        for new in taken
        if (row.agent, row.pattern) == (new.agent, new.pattern)
        and row.number < new.number
        and row.exclusive <= new.exclusive
    ]
    return settled(_lost(table.changed(*replaced), replaced))


def _leave(table: Table, call: Call) -> tuple[Table, Answer]:
    if call.number is None:
        chosen = [one for one in table.places if one.agent == call.agent]
        chosen = [one for one in chosen if one.outcome in ("", "over")]
    elif not 0 < call.number <= len(table.places):
        return table, Answer(2)
    else:
        chosen = [table.places[call.number - 1]]
    is_mine = all(one.agent == call.agent and one.outcome in ("", "over") for one in chosen)
    if not chosen or not is_mine:
        return table, Answer(1)
    table = table.moved(*(one._replace(outcome="left") for one in chosen))
    return settled(table), Answer(0, tuple(one.number for one in chosen))


def _run_out(table: Table, call: Call) -> tuple[Table, Answer]:
    """What time does to a place, done by an UPDATE: it tells how many it concerned."""
    places = [one for one in table.places if one.number == call.number]
    live = [one for one in places if one.outcome in ("", "over")]
    return table.moved(*(one._replace(outcome="over") for one in live)), Answer(0, (len(live),))


def _lost(table: Table, ended: Sequence[Row]) -> Table:
    """Places that name what their agents held until now."""
    return table.moved(
        *(one._replace(lost=True) for one in table.waiting() if RULES.names(one, ended))
    )


def _over(table: Table, claim: Place) -> list[Row]:
    """What had run out, and is ended for good by what somebody else is granted over it."""
    return [
        row._replace(ended="released")
        for row in table.rows
        if row.ended == "expired"
        and any(RULES.meet(claim, name, row, row.pattern) for name in claim.patterns)
    ]


def _renew(table: Table, call: Call) -> tuple[Table, Answer]:
    """Whoever renews all that is left hears, once, what is lost."""
    if call.number is None:
        mine = tuple(row.number for row in table.live() if row.agent == call.agent)
        if not mine:
            return table, Answer(1)
        lost = [row for row in table.rows if row.agent == call.agent and row.untold]
        numbers = tuple(row.number for row in lost)
        table = table.changed(*(row._replace(untold=False) for row in lost))
        return table, Answer(1 if lost else 0, mine, numbers)
    row = table.get(call.number)
    if row is None:
        return table, Answer(2)
    return table, Answer(1) if row.ended or row.agent != call.agent else Answer(0, (row.number,))


def _release(table: Table, call: Call) -> tuple[Table, Answer]:
    table, answer = _end(table, call)
    return settled(table) if answer.code == 0 else table, answer


def _end(table: Table, call: Call) -> tuple[Table, Answer]:
    """Whether its lease has run out makes no difference to a release.

    Whose reservation is ended by somebody else has yet to hear of it, or of its end before that.
    """
    if call.number is None:
        chosen = [row for row in table.rows if row.agent == call.agent]
    else:
        row = table.get(call.number)
        if row is None:
            return table, Answer(2)
        if row.agent != call.agent and call.kind != "force":
            return table, Answer(1)
        chosen = [row]
    ended = [
        row._replace(
            ended="released", untold=row.agent != call.agent and (row.untold or not row.ended)
        )
        for row in chosen
        if row.ended != "released"
    ]
    if not ended:
        return table, Answer(1)
    table = _lost(table.changed(*ended), ended)
    return table, Answer(0, tuple(row.number for row in ended))


def _expire(table: Table, call: Call) -> tuple[Table, Answer]:
    """What time does, done by an UPDATE: it tells how many leases it ended.

    It knows no patterns, so all places of the agent are looked at, as if each had named the lease.
    """
    row = table.get(call.number or 0)
    if row is None or row.ended == "released":
        return table, Answer(0, (0,))
    untold = row.untold or not row.ended
    mine = [one for one in table.waiting() if one.agent == row.agent]
    table = table.changed(row._replace(ended="expired", untold=untold))
    return table.moved(*(one._replace(lost=True) for one in mine)), Answer(0, (1,))


def _list(table: Table, _call: Call) -> tuple[Table, Answer]:
    return table, Answer(0, tuple(row.number for row in table.live()))


def _check(table: Table, call: Call) -> tuple[Table, Answer]:
    theirs = {
        row.number
        for row in table.live()
        if row.exclusive and row.agent != call.agent and PATTERNS[row.pattern] & {*call.names}
    }
    return table, Answer(1 if theirs else 0, tuple(sorted(theirs)))


def _commit(table: Table, call: Call) -> tuple[Table, Answer]:
    """As ``check``; git tells only whether."""
    table, answer = _check(table, call)
    return table, Answer(answer.code)


def _look(table: Table, _call: Call) -> tuple[Table, Answer]:
    """The whole table, as an SQLite client reads it once nobody is at work."""
    return table, Answer(0, (settled(table).without_ages(),))


_CALLS: Mapping[Kind, Callable[[Table, Call], tuple[Table, Answer]]] = {
    "reserve": _reserve,
    "renew": _renew,
    "release": _release,
    "force": _release,
    "expire": _expire,
    "list": _list,
    "check": _check,
    "commit": _commit,
    "look": _look,
    "arrive": _arrive,
    "queue": _queue,
    "queued": _queued,
    "leave": _leave,
    "run out": _run_out,
}
