"""The judge of histories, and the model it judges by, on histories whose verdict is known."""

from __future__ import annotations

from dataclasses import replace

import pytest
from histories.checker import Event, order_of
from histories.model import PLACED, apply, outcomes
from histories.table import PATTERNS, Answer, Call, Kind, Table
from support.glob_oracle import seeded

BLUE, GREEN = "BlueLake", "GreenHill"
Moment = tuple[Call, int, int, "Answer | None"]


def reserve(agent: str, *names: str, shared: bool = False) -> Call:
    return Call(agent, "reserve", names, shared=shared)


def whole(*moments: Moment) -> bool:
    return order_of([Event(*moment) for moment in moments], Table(), outcomes).whole


GRANTED = Answer(0, ((1, True, 1),))
SECOND = Answer(0, ((2, True, 2),))


NOTHING, FIRST = Answer(0), Answer(0, (1,))
REFUSED = Answer(1, (1,))
BLUE_ASKS, GREEN_ASKS = reserve(BLUE, "src/"), reserve(GREEN, "src/a.py")
LISTS = Call(GREEN, "list")
BOTH_ASKED = (reserve(BLUE, "src/a.py", "docs/x.md"), 0, 1, Answer(0, ((1, True, 1), (2, True, 2))))
FORCES, RENEWS = Call(GREEN, "force", number=1), Call(BLUE, "renew")
LEFT, LOST = Answer(0, (2,)), Answer(1, (2,), (1,))
COMMITS = Call(GREEN, "commit", ("src/a.py",))
RELEASES = Call(BLUE, "release")

QUEUES = Call(GREEN, "queue", ("src/a.py",))
HAS_A_PLACE = (QUEUES, 2, 3, PLACED)
HANDED = Answer(0, ((2, True, 3),))
TAKES = Call(GREEN, "queued", ("src/a.py",))
RED_ASKS, ENDS = reserve("RedStone", "src/a.py"), Call("RedStone", "force", number=1)
EXPIRES, RUNS_OUT = Call("", "expire", number=1), Call("", "run out", number=1)
BEHIND_A_PLACE, ONE = Answer(1, (1, -1)), Answer(0, (1,))
RELEASED_TO_A_PLACE = ((BLUE_ASKS, 0, 1, GRANTED), HAS_A_PLACE, (ENDS, 4, 5, FIRST))


@pytest.mark.parametrize(
    ("moments", "verdict"),
    [
        # One after the other
        ([(BLUE_ASKS, 0, 1, GRANTED), (GREEN_ASKS, 2, 3, REFUSED)], True),
        ([(BLUE_ASKS, 0, 1, GRANTED), (GREEN_ASKS, 2, 3, SECOND)], False),
        ([(BLUE_ASKS, 2, 3, GRANTED), (GREEN_ASKS, 0, 1, REFUSED)], False),
        # At once: either may have been first
        ([(BLUE_ASKS, 0, 3, GRANTED), (GREEN_ASKS, 1, 2, REFUSED)], True),
        ([(BLUE_ASKS, 0, 3, GRANTED), (GREEN_ASKS, 1, 2, SECOND)], False),
        # A grant that is lost, a refusal because of nobody
        ([(BLUE_ASKS, 0, 1, GRANTED), (LISTS, 2, 3, NOTHING)], False),
        ([(BLUE_ASKS, 0, 1, REFUSED)], False),
        # Killed: it happened, or not; not before it began, and not both
        ([(BLUE_ASKS, 0, 1, None), (LISTS, 2, 3, NOTHING)], True),
        ([(BLUE_ASKS, 0, 1, None), (LISTS, 2, 3, FIRST)], True),
        ([(LISTS, 0, 1, FIRST), (BLUE_ASKS, 2, 3, None)], False),
        ([(BLUE_ASKS, 0, 1, None), (LISTS, 2, 3, FIRST), (LISTS, 4, 5, NOTHING)], False),
        # A loss is told with what is left, and told once, also by whoever was killed
        ([BOTH_ASKED, (FORCES, 2, 3, FIRST), (RENEWS, 4, 5, LOST), (RENEWS, 6, 7, LEFT)], True),
        ([BOTH_ASKED, (FORCES, 2, 3, FIRST), (RENEWS, 4, 5, LEFT)], False),
        ([BOTH_ASKED, (FORCES, 2, 3, FIRST), (RENEWS, 4, 5, LOST), (RENEWS, 6, 7, LOST)], False),
        ([BOTH_ASKED, (FORCES, 2, 5, FIRST), (RENEWS, 3, 4, LOST), (RENEWS, 6, 7, LEFT)], True),
        ([BOTH_ASKED, (FORCES, 2, 3, FIRST), (RENEWS, 4, 5, None), (RENEWS, 6, 7, LEFT)], True),
        # A commit over what was held all the while, and over what was given up meanwhile
        ([(BLUE_ASKS, 0, 1, GRANTED), (COMMITS, 2, 5, NOTHING)], False),
        ([(BLUE_ASKS, 0, 1, GRANTED), (COMMITS, 2, 5, NOTHING), (RELEASES, 3, 4, FIRST)], True),
        # A place refuses later claims, also when what it waited for has ended
        ([(BLUE_ASKS, 0, 1, GRANTED), HAS_A_PLACE, (RED_ASKS, 4, 5, BEHIND_A_PLACE)], True),
        ([(BLUE_ASKS, 0, 1, GRANTED), HAS_A_PLACE, (RED_ASKS, 4, 5, REFUSED)], False),
        ([*RELEASED_TO_A_PLACE, (RED_ASKS, 6, 7, Answer(1, (2,)))], True),
        ([*RELEASED_TO_A_PLACE, (RED_ASKS, 6, 7, Answer(0, ((2, True, 3),)))], False),
        # What was handed over is taken by whoever waited, and whose place ran out gets nothing
        ([*RELEASED_TO_A_PLACE, (TAKES, 6, 7, HANDED)], True),
        ([*RELEASED_TO_A_PLACE, (TAKES, 6, 7, Answer(1, (-1,)))], False),
        (
            [(BLUE_ASKS, 0, 1, GRANTED), HAS_A_PLACE, (EXPIRES, 4, 5, ONE), (TAKES, 6, 7, HANDED)],
            True,
        ),
        (
            [(BLUE_ASKS, 0, 1, GRANTED), HAS_A_PLACE, (RUNS_OUT, 4, 5, ONE), (TAKES, 6, 7, HANDED)],
            False,
        ),
    ],
)
def test_a_history_is_believed_where_one_order_explains_it(
    moments: list[Moment], verdict: bool
) -> None:
    assert whole(*moments) is verdict


KINDS: tuple[Kind, ...] = ("reserve", "renew", "release", "force", "expire", "list", "check")


def overlapping_history(seed: int) -> list[Event[Call, Answer]]:
    """Calls that were made one after the other, with times that overlap."""
    chance = seeded(seed)
    table, events = Table(), []
    for at in range(60):
        kind = chance.choice(KINDS)
        names = (chance.choice(sorted(PATTERNS)),) if kind in ("reserve", "check") else ()
        number = chance.randint(1, 5) if kind in ("expire", "force") else None
        call = Call(chance.choice((BLUE, GREEN)), kind, names, number, chance.random() < 0.3)
        table, answer = apply(table, call)
        assert not table.overlaps()
        moment = at * 10
        events.append(
            Event(call, moment - chance.randint(0, 30), moment + chance.randint(0, 30), answer)
        )
    return events


@pytest.mark.parametrize("seed", range(10))
def test_what_happened_in_some_order_is_explained_and_one_wrong_answer_is_not(seed: int) -> None:
    history = overlapping_history(seed)
    chance = seeded(seed)
    chance.shuffle(history)
    assert order_of(history, Table(), outcomes).whole
    granted = [at for at, event in enumerate(history) if event.call.kind == "reserve"]
    at = chance.choice(granted)
    wrong = Answer(0, ((99, True, 99),))
    history[at] = replace(history[at], answer=wrong)
    found = order_of(history, Table(), outcomes)
    assert not found.whole
    assert at not in found.positions
