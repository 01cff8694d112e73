"""click's commands, made of ours: they parse what is out of the ordinary, explain and complete."""

from __future__ import annotations

import click

from agentlock import __version__
from agentlock.cli.commands import COMMANDS, find
from agentlock.cli.declared import Choice, Group, Identifier, Range
from agentlock.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, NoReturn

    from click.shell_completion import CompletionItem

    from agentlock.cli.declared import Command, Parameter


class _IdentifierType(click.types.IntParamType):
    """The number of a reservation, which is at most 2**63 - 1 in SQLite and PostgreSQL."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        number: int = super().convert(value, param, ctx)
        if not 0 < number < 2**63:
            self.fail(f"{value!r} is not the number of a reservation", param, ctx)
        return number

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from agentlock.cli import completing

        return completing.ids(ctx, param, incomplete)


class _Prepared(click.Command):
    """A command whose words are changed before they are parsed."""

    prepare: Callable[[Sequence[str]], list[str]]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, self.prepare(args))


class LazyGroup(click.Group):
    """The group of all commands, which loads only the one that is asked for."""

    def list_commands(self, _context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        found = find(name)
        return None if found is None else made(found)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="agentlock")
def cli() -> None:
    """Reserve files for one agent; git refuses everyone else's commits and pushes there.

    \b
    Example:
      agentlock init
      export AGENTLOCK_AGENT=BlueLake
      agentlock reserve 'src/auth/**' --ttl 1h --reason bd-42
    """


def made(command: Command) -> click.Command:
    """Click's command for one of ours."""
    callback: Callable[..., Any] = command
    if command.settings.get("invoke_without_command"):
        callback = click.pass_context(command)
    settings: dict[str, Any] = {
        "name": command.name,
        "callback": callback,
        "params": [_parameter(one) for one in command.parameters],
        "help": command.help,
        **command.settings,
    }
    if isinstance(command, Group):
        below = {name: made(one) for name, one in command.commands.items()}
        return click.Group(commands=below, **settings)
    if command.prepare is None:
        return click.Command(**settings)
    prepared = _Prepared(**settings)
    prepared.prepare = command.prepare
    return prepared


def run(arguments: Sequence[str]) -> Any:
    """Parse the command line and run its command; what that returns, or an exit code."""
    return _run(cli, arguments)


def end_with(error: BaseException) -> Any:
    """End as click does if a command that it runs raises this."""

    def fail() -> NoReturn:
        raise error

    return _run(click.Command(None, callback=fail), ())


def _run(command: click.Command, arguments: Sequence[str]) -> Any:
    try:
        return command.main(list(arguments), prog_name="agentlock", standalone_mode=False)
    except click.ClickException as error:
        raise _usage(error) from error
    except click.exceptions.Abort:
        raise KeyboardInterrupt from None


def _parameter(one: Parameter) -> click.Parameter:
    settings = dict(one.settings)
    kind = settings.get("type")
    if isinstance(kind, Identifier):
        settings["type"] = _IdentifierType()
    elif isinstance(kind, Range):
        settings["type"] = click.IntRange(kind.least, kind.most)
    elif isinstance(kind, Choice):
        settings["type"] = click.Choice(kind.words)
    return (
        click.Option(one.words, **settings)
        if one.options
        else click.Argument(one.words, **settings)
    )


def _usage(error: click.ClickException) -> UsageError:
    context: click.Context | None = getattr(error, "ctx", None)
    hint = f"{context.command_path} --help" if context is not None else "agentlock --help"
    # click 8.2 raises this where no command is given; its message is the whole help
    if context is not None and type(error).__name__ == "NoArgsIsHelpError":
        click.echo(context.get_help(), err=True)
        return UsageError("no command is given", see=hint)
    if context is not None and isinstance(context.command, click.Group):
        from agentlock.cli.suggesting import meant

        if found := meant(error.format_message(), context):
            return UsageError(f"No such command '{found.typed}'", fix=found.command)
    return UsageError(error.format_message(), see=hint)
