"""Commands as data: the words that each takes, and the function that answers.

To load click takes half of a command's time, and hardly any call needs it. So commands are written
down here without it. ``cli.quick`` reads an ordinary command line by them; for help, errors,
completion and everything else that is out of the ordinary, ``cli.tree`` makes click's commands of
them. The options have the names and the meaning that they have in click.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeVar

    Function = TypeVar("Function", bound=Callable[..., Any])

_PARAMETERS = "__parameters__"


class Call:
    """The call that this process answers: its workspaces, and whether it is to print JSON."""

    def __init__(self) -> None:
        self.workspaces: list[Any] = []
        self.as_json = False


class _Calls:
    current = Call()


def begin_call() -> Call:
    """A new call, which commands and their workspaces enter themselves in."""
    _Calls.current = Call()
    return _Calls.current


def current_call() -> Call:
    return _Calls.current


class Range:
    """The type of a whole number between these limits."""

    def __init__(self, least: int | None = None, most: int | None = None) -> None:
        self.least = least
        self.most = most


class Identifier(Range):
    """The type of the number of a reservation, a place or a message."""

    def __init__(self) -> None:
        super().__init__(1)


class Choice:
    """The type of a word that is one of these."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = words


class Parameter:
    """An argument or an option; ``settings`` are click's, but for the types of this module."""

    def __init__(self, words: tuple[str, ...], settings: dict[str, Any]) -> None:
        self.words = words
        self.settings = settings

    @property
    def name(self) -> str:
        """What the function calls it: the word without dashes, if there is one."""
        found = [word for word in self.words if not word.startswith("-")]
        return found[0] if found else self.words[0].partition("/")[0].lstrip("-").replace("-", "_")

    @property
    def options(self) -> list[str]:
        """The words on a command line that stand for it; [] for an argument."""
        return [word for word in self.words if word.startswith("-")]


class Command:
    """What a word on the command line stands for.

    ``prepare`` changes the words that follow before they are read; ``help`` is the function's
    docstring, if nothing else is said; other ``settings`` are click's.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        name: str | None,
        prepare: Callable[[Sequence[str]], list[str]] | None,
        settings: dict[str, Any],
    ) -> None:
        self.function = function
        self.name = name or function.__name__.replace("_", "-")
        self.prepare = prepare
        self.settings = settings
        self.help: str | None = settings.pop("help", None) or function.__doc__
        self.parameters: list[Parameter] = getattr(function, _PARAMETERS, [])[::-1]

    def __call__(self, *positional: Any, **parameters: Any) -> Any:
        """Answer with these parameters."""
        current_call().as_json = bool(parameters.get("as_json"))
        return self.function(*positional, **parameters)


class Group(Command):
    """A command that has commands below it."""

    def __init__(
        self, function: Callable[..., Any], name: str | None, settings: dict[str, Any]
    ) -> None:
        super().__init__(function, name, None, settings)
        self.commands: dict[str, Command] = {}

    def add(self, command: Command) -> None:
        self.commands[command.name] = command

    def command(
        self,
        name: str | None = None,
        *,
        prepare: Callable[[Sequence[str]], list[str]] | None = None,
        **settings: Any,
    ) -> Callable[[Callable[..., Any]], Command]:
        """Make the function a command of this group."""

        def made(function: Callable[..., Any]) -> Command:
            found = Command(function, name, prepare, settings)
            self.add(found)
            return found

        return made


def command(
    name: str | None = None,
    *,
    prepare: Callable[[Sequence[str]], list[str]] | None = None,
    **settings: Any,
) -> Callable[[Callable[..., Any]], Command]:
    """Make the function a command."""
    return lambda function: Command(function, name, prepare, settings)


def group(name: str | None = None, **settings: Any) -> Callable[[Callable[..., Any]], Group]:
    """Make the function a command that has others below it."""
    return lambda function: Group(function, name, settings)


def option(*words: str, **settings: Any) -> Callable[[Function], Function]:
    return _with(Parameter(words, settings))


def argument(name: str, **settings: Any) -> Callable[[Function], Function]:
    return _with(Parameter((name,), settings))


def _with(parameter: Parameter) -> Callable[[Function], Function]:
    def added(function: Function) -> Function:
        if not hasattr(function, _PARAMETERS):
            setattr(function, _PARAMETERS, [])
        getattr(function, _PARAMETERS).append(parameter)  # the last decorator comes first
        return function

    return added
