"""Read an ordinary command line as click would, without loading click.

Whatever it does not know, or what click would refuse, it leaves to click: `tests/cli/test_quick.py`
compares the two.
"""

from __future__ import annotations

import os

from agentlock.cli.declared import Choice, Group, Range

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from agentlock.cli.declared import Command, Parameter

_COMPLETE = "_AGENTLOCK_COMPLETE"  # set by a shell that completes
_LONGEST = 18  # digits: of a number that no type of ours finds too large
_KNOWN = {
    *("default", "envvar", "help", "is_flag", "metavar", "multiple", "nargs", "required"),
    *("shell_complete", "type"),
}


class _LeaveItToClickError(Exception):
    """This line is out of the ordinary, or wrong."""


def read(
    find: Callable[[str], Command | None], words: Sequence[str]
) -> tuple[Command, dict[str, Any]] | None:
    """The command that is called, and its parameters; None if click has to read the line.

    ``find`` finds a command by the first word.
    """
    if os.environ.get(_COMPLETE):
        return None
    command, rest = find(words[0]) if words else None, list(words[1:])
    while isinstance(command, Group):
        if command.parameters or command.settings or not rest:
            return None
        command = command.commands.get(rest.pop(0))
    if command is None or command.settings:
        return None
    try:
        return command, parameters(command, rest)
    except _LeaveItToClickError:
        return None


def parameters(command: Command, words: Sequence[str]) -> dict[str, Any]:
    """The parameters of a command by these words; _LeaveItToClickError if it does not know."""
    options: dict[str, Parameter] = {}
    arguments: list[Parameter] = []
    for one in command.parameters:
        if not _KNOWN.issuperset(one.settings) or any("/" in word for word in one.words):
            raise _LeaveItToClickError
        options.update(dict.fromkeys(one.options, one))
        arguments += [] if one.options else [one]
    rest = command.prepare(words) if command.prepare is not None else list(words)
    given, values = _given(rest, options)
    given.update(_positional(arguments, values))
    return {one.name: _value(one, given) for one in command.parameters}


def _given(
    words: Sequence[str], options: Mapping[str, Parameter]
) -> tuple[dict[str, list[Any]], list[str]]:
    """What options are given, by their name, and the words that belong to none."""
    given: dict[str, list[Any]] = {}
    values: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            values += rest
        elif not word.startswith("-") or word == "-":
            values.append(word)
        else:
            name, equals, value = word.partition("=")
            one = options.get(name)
            if one is None or (equals and one.settings.get("is_flag")):
                raise _LeaveItToClickError
            found: Any = (
                True if one.settings.get("is_flag") else value if equals else next(rest, None)
            )
            if found is None:
                raise _LeaveItToClickError
            given.setdefault(one.name, []).append(found)
    return given, values


def _positional(arguments: Sequence[Parameter], values: Sequence[str]) -> dict[str, list[str]]:
    """The words of each argument; only the last one takes any number of them."""
    found: dict[str, list[str]] = {}
    rest = list(values)
    for one in arguments:
        if one.settings.get("nargs") == -1:
            if one is not arguments[-1]:
                raise _LeaveItToClickError
            found[one.name], rest = rest, []
        elif rest:
            found[one.name] = [rest.pop(0)]
    if rest:
        raise _LeaveItToClickError
    return found


def _value(one: Parameter, given: Mapping[str, list[Any]]) -> Any:
    settings = one.settings
    words = given.get(one.name, [])
    if not words and (variable := settings.get("envvar")) and os.environ.get(variable):
        words = [os.environ[variable]]
    found = [_converted(settings, word) for word in words]
    if settings.get("nargs") == -1 or settings.get("multiple"):
        if settings.get("required") and not found:
            raise _LeaveItToClickError
        return tuple(found)
    if found:
        return found[-1]
    if settings.get("is_flag"):
        return False
    if not one.options or settings.get("required"):
        raise _LeaveItToClickError  # an argument is missing, or has a default
    return settings.get("default")


def _converted(settings: Mapping[str, Any], word: Any) -> Any:
    kind, default = settings.get("type"), settings.get("default")
    if settings.get("is_flag") or (kind is None and (default is None or type(default) is str)):
        return word
    if type(kind) is Choice and word in kind.words:
        return word
    if isinstance(kind, Range) and word.isascii() and word.isdigit() and len(word) <= _LONGEST:
        number = int(word)
        least, most = kind.least or 0, number if kind.most is None else kind.most
        if least <= number <= most:
            return number
    raise _LeaveItToClickError
