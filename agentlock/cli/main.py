"""`agentlock`: find the command, and turn every exception into an exit code and a sentence."""

from __future__ import annotations

import errno
import os
import sys

from agentlock.bug import report_bug
from agentlock.cli.commands import find
from agentlock.cli.declared import begin_call
from agentlock.cli.output import print_error, say_how_to_start_afresh
from agentlock.cli.quick import read
from agentlock.errors import EXIT_BUG, EXIT_INTERRUPTED, EXIT_OK, AgentlockError, UndecidedError
from agentlock.guard.early import hold_standard_descriptors
from agentlock.table_errors import LostTableError
from agentlock.text import shell_word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from agentlock.cli.workspace import Workspace

_BROKEN_PIPE = 141  # as a shell reports a program that SIGPIPE ended


def main(arguments: Sequence[str]) -> int:
    """Run the command line, then what every command ends with; the exit code."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    as_json = "--json" in options
    _stand_in_for_closed()
    opened: list[Workspace] = begin_call().workspaces
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
        result = _answer(arguments)
        sys.stdout.flush()
    except AgentlockError as error:
        code = _failed(error, as_json=as_json)
        if isinstance(error, LostTableError) and not as_json:
            say_how_to_start_afresh(opened[0].identity.name if opened else None)
        return code
    except KeyboardInterrupt:
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


def _answer(arguments: Sequence[str]) -> Any:
    """Answer without click, unless the line or its answer is out of the ordinary."""
    found = read(find, arguments)
    if found is None:
        from agentlock.cli.tree import run

        return run(arguments)
    command, parameters = found
    try:
        return command(**parameters)
    except AgentlockError:
        raise
    except BaseException as error:  # noqa: BLE001 -- raised again, or ended with
        from agentlock.cli.tree import end_with

        return end_with(error)


# What the system refuses about a file is told in its words: read-only, another user's, a full disk.
_NO_BUGS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT)


def _stand_in_for_closed() -> None:
    """Open /dev/null for each of stdin, stdout and stderr that is closed."""
    hold_standard_descriptors()
    sys.stdin = sys.stdin or os.fdopen(0)
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


def _failed(error: AgentlockError, *, as_json: bool) -> int:
    print_error(error, as_json=as_json)
    return error.exit_code
