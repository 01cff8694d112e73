"""An option whose value may be left out: the next word is its value only if it is a duration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from agentlock.duration import parse_duration
from agentlock.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    Function = TypeVar("Function", bound=Callable[..., Any])

_DEFAULT = "1h"


class WithDurations(click.Command):
    """A command with options that ``optional_duration`` made."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        names = {
            name
            for option in self.params
            if isinstance(option, _OptionalDuration)
            for name in option.opts
        }
        given, after = (args, []) if "--" not in args else _split(args)
        words: list[str] = []
        for position, word in enumerate(given):
            following = given[position + 1] if position + 1 < len(given) else ""
            is_alone = word in names and not _is_duration(following)
            words.append(f"{word}={_DEFAULT}" if is_alone else word)
        return super().parse_args(ctx, words + after)


class _OptionalDuration(click.Option):
    pass


def optional_duration(name: str, text: str) -> Callable[[Function], Function]:
    """An option of a command of the class ``WithDurations``."""
    return click.option(
        name, cls=_OptionalDuration, metavar="[DURATION]", help=f"{text} (default {_DEFAULT})."
    )


def _split(words: list[str]) -> tuple[list[str], list[str]]:
    end = words.index("--")
    return words[:end], words[end:]


def _is_duration(word: str) -> bool:
    try:
        parse_duration(word)
    except UsageError:
        return False
    return True
