"""Is there one order of these calls that explains every answer?

The search of Wing and Gong (1993) with Lowe's memory of what was tried (2017): of the calls not
yet placed, one that began before any other of them ended comes next, if the model then answers as
it did. A state that was reached before with the same calls placed is not tried again. A call that
was never answered took effect between its begin and the death of its process, or never.
A command may be several calls, one after the other, between the same two times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

State = TypeVar("State")
Operation = TypeVar("Operation")
Reply = TypeVar("Reply")


# No NamedTuple: one that is generic cannot be defined on CPython 3.10.
@dataclass(frozen=True)
class Event(Generic[Operation, Reply]):
    """A call and the times (by one clock) between which its process was there; no answer: killed.

    ``also`` is another answer that would explain what was seen. ``follows``: it comes after the
    call before it in the history, if that was answered.
    """

    call: Operation
    began: int
    ended: int
    answer: Reply | None
    also: Reply | None = None
    follows: bool = False


class Order(NamedTuple):
    """Positions in a history, in the order found; ``whole``: it explains every answer."""

    positions: tuple[int, ...]
    whole: bool


def order_of(
    history: Sequence[Event[Operation, Reply]],
    state: State,
    outcomes: Callable[[State, Operation], Iterable[tuple[State, Reply]]],
) -> Order:
    """An order that explains the history, or the longest that explains a beginning of it.

    States must be hashable; ``outcomes`` gives the states that may come after a call, each with
    the call's answer.
    """
    by_begin = sorted(range(len(history)), key=lambda at: history[at].began)
    answered = sum(1 << at for at in by_begin if history[at].answer is not None)
    later = [
        sum(1 << at for at in by_begin if history[at].began > event.ended) for event in history
    ]
    tried: set[tuple[int, State]] = set()
    path: list[int] = []
    longest: tuple[int, ...] = ()

    def next_ones(placed: int) -> list[int]:
        """Calls that may come next; the one that ended first, first: most took effect in turn."""
        first_end: int | None = None
        found = []
        for at in by_begin:
            event = history[at]
            if placed >> at & 1:
                continue
            if first_end is not None and event.began > first_end:
                break
            if event.answer is not None:
                first_end = event.ended if first_end is None else min(first_end, event.ended)
            if event.answer is None and placed & later[at]:
                continue
            if event.follows and history[at - 1].answer is not None and not placed >> at - 1 & 1:
                continue
            found.append(at)
        return sorted(found, key=lambda at: history[at].ended)

    def following(placed: int, state: State) -> Iterator[tuple[int, State]]:
        never_answered = []
        for at in next_ones(placed):
            event = history[at]
            for after, answer in outcomes(state, event.call):
                if event.answer is None:
                    if after != state:  # without effect, it may as well be left out
                        never_answered.append((at, after))
                elif answer in (event.answer, event.also):
                    yield at, after
        yield from never_answered

    stack = [(0, following(0, state))]
    while stack:
        placed, choices = stack[-1]
        if placed & answered == answered:
            return Order(tuple(path), whole=True)
        for at, after in choices:
            reached = (placed | 1 << at, after)
            if reached not in tried:
                tried.add(reached)
                path.append(at)
                stack.append((reached[0], following(*reached)))
                break
        else:
            longest = max(longest, tuple(path), key=len)
            stack.pop()
            del path[-1:]
    return Order(longest, whole=False)
