"""Options whose value may be left out: the next word is their value only if it is a duration."""

from __future__ import annotations

from contextlib import suppress

from agentlock.duration import parse_duration
from agentlock.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_WAIT = "1h"
_OPTIONAL = ("--wait", "--queue")


def with_values(words: Sequence[str], options: Sequence[str] = _OPTIONAL) -> list[str]:
    """The words of a command line in which each of these options has its value.

    The word after it is its value only if it is a duration.
    """
    found: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            return [*found, word, *rest]
        if word in options:
            value = rest.pop(0) if rest and _is_duration(rest[0]) else DEFAULT_WAIT
            word = f"{word}={value}"
        found.append(word)
    return found


def _is_duration(text: str) -> bool:
    with suppress(UsageError):
        parse_duration(text)
        return True
    return False


def with_value_of_wait(words: Sequence[str]) -> list[str]:
    """The same for commands that have only ``--wait``."""
    return with_values(words, ("--wait",))
