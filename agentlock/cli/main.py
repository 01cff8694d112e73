"""`agentlock`: find the command, and turn every exception into an exit code and a sentence."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from agentlock import __version__
from agentlock.bug import report_bug
from agentlock.cli.output import print_error, say_how_to_start_afresh
from agentlock.errors import (
    EXIT_BUG,
    EXIT_INTERRUPTED,
    EXIT_OK,
    AgentlockError,
    LostTableError,
    UndecidedError,
    UsageError,
)
from agentlock.guard.early import hold_standard_descriptors
from agentlock.text import shell_word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.cli.workspace import Workspace

# name: (module, attribute); a command's module is imported when the command is called
COMMANDS = {
    "init": ("init", "init"),
    "reserve": ("reservations", "reserve"),
    "renew": ("reservations", "renew"),
    "release": ("reservations", "release"),
    "wait": ("queue", "wait"),
    "queue": ("queue", "queue"),
    "list": ("listing", "list_reservations"),
    "show": ("listing", "show"),
    "check": ("check", "check"),
    "explain": ("explain", "explain"),
    "status": ("status", "status"),
    "board": ("board", "board"),
    "doctor": ("doctor", "doctor"),
    "send": ("mail", "send"),
    "inbox": ("mail", "inbox"),
    "read": ("mail", "read"),
    "ack": ("mail", "ack"),
    "thread": ("mail", "thread"),
    "search": ("mail", "search"),
    "ask": ("tickets", "ask"),
    "answer": ("tickets", "answer"),
    "ticket": ("tickets", "ticket"),
    "whoami": ("agents", "whoami"),
    "agent": ("agents", "agent"),
    "run": ("run", "run"),
    "template": ("templates", "template"),
    "team": ("teams", "team"),
    "agent-mail": ("agent_mail", "agent_mail"),
    "session": ("sessions", "session"),
    "policy": ("policy", "policy"),
    "log": ("log", "log"),
    "ledger": ("ledger", "ledger"),
    "hooks": ("hooks", "hooks"),
    "hook": ("hooks", "hook"),
    "edit-hooks": ("edit_hooks", "edit_hooks"),
    "db": ("database", "db"),
    "mcp": ("mcp", "mcp"),
    "guide": ("guide", "guide"),
    "demo": ("demo", "demo"),
}
_BROKEN_PIPE = 141  # as a shell reports a program that SIGPIPE ended


class LazyGroup(click.Group):
    """A group that knows its commands by name and loads only the one that is asked for."""

    def list_commands(self, _context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, attribute = COMMANDS[name]
        command = getattr(importlib.import_module(f"agentlock.cli.{module}"), attribute)
        assert isinstance(command, click.Command)  # noqa: S101 -- for the type checker
        return command


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


def main(arguments: Sequence[str]) -> int:
    """Run the command line, then what every command ends with; the exit code."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    as_json = "--json" in options
    _stand_in_for_closed()
    opened: list[Workspace] = []
    code = _run(arguments, opened, as_json=as_json)
    try:
        for workspace in opened:
            workspace.end(quiet=as_json)
    except AgentlockError:
        pass  # it is told by the next command
    except Exception as error:  # noqa: BLE001 -- as below
        return _bug(error, as_json=as_json)
    return code


def _run(  # noqa: PLR0911 -- one return for each way to end
    arguments: Sequence[str], opened: list[Workspace], *, as_json: bool
) -> int:
    """Run one command, which enters its workspace in ``opened``; the exit code."""
    stderr = _silence_stderr() if as_json else 2
    try:
        result: Any = cli.main(
            list(arguments), prog_name="agentlock", standalone_mode=False, obj=opened
        )
        sys.stdout.flush()
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except click.ClickException as error:
        return _failed(_usage(error), as_json=as_json)
    except AgentlockError as error:
        code = _failed(error, as_json=as_json)
        if isinstance(error, LostTableError) and not as_json:
            say_how_to_start_afresh(opened[0].identity.name if opened else None)
        return code
    except (KeyboardInterrupt, click.exceptions.Abort):
        sys.stderr.write("agentlock: interrupted\n")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except OSError as error:
        if not _can_print():
            os.dup2(stderr, 2)
            return _failed(_unprinted(error), as_json=False)
        if error.errno in _NO_BUGS and error.filename:
            return _failed(_refused_by_system(error), as_json=as_json)
        return _bug(error, as_json=as_json)
    except Exception as error:  # noqa: BLE001 -- a bug: a log to attach, never a traceback
        return _bug(error, as_json=as_json)
    return result if isinstance(result, int) else EXIT_OK


# What the system refuses about a file is told in its words: read-only, another user's, a full disk.
_NO_BUGS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT)


def _stand_in_for_closed() -> None:
    """Open /dev/null for each of stdin, stdout and stderr that is closed."""
    hold_standard_descriptors()
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(2, "w")


def _silence_stderr() -> int:
    """Let nothing more reach stderr, so that JSON stands alone on both; where stderr is now."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    return kept


def _can_print() -> bool:
    """Whether stdout takes what is waiting to be printed; what it does not take is dropped."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True


def _unprinted(error: OSError) -> UndecidedError:
    return UndecidedError(
        f"the answer cannot be printed: {error.strerror}",
        see="agentlock list (the command may have taken effect)",
    )


def _refused_by_system(error: OSError) -> UndecidedError:
    path = os.fsdecode(error.filename)
    return UndecidedError(
        f"{path}: {error.strerror}", see=f"ls -ld {shell_word(os.path.dirname(path) or path)}"
    )


def _bug(error: Exception, *, as_json: bool) -> int:
    bug = AgentlockError(report_bug(error))
    bug.kind, bug.exit_code = "bug", EXIT_BUG
    return _failed(bug, as_json=as_json)


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


def _failed(error: AgentlockError, *, as_json: bool) -> int:
    print_error(error, as_json=as_json)
    return error.exit_code
