"""`agentlock mcp`: serve the Model Context Protocol, or let programs start it."""

from __future__ import annotations

import importlib.util
import os
import sys
from contextlib import suppress

from agentlock.cli import declared
from agentlock.cli.output import print_json, put, say, table
from agentlock.cli.workspace import json_option
from agentlock.errors import EXIT_OK, EXIT_REFUSED, NotARepositoryError, UsageError
from agentlock.git.identity import named
from agentlock.git.repository import discover
from agentlock.install import mcp_entries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    import click

    from agentlock.install.mcp_entries import Entry

_AS = declared.option(
    "--as", "name", metavar="NAME", help="The agent that calls (default: the program's session)."
)
_NAMES = declared.option(
    "--agent-mail-names",
    is_flag=True,
    help="Also offer tools with the names and arguments of MCP Agent Mail.",
)
_programs = declared.argument("programs", metavar="[PROGRAM]...", nargs=-1)
_place = declared.option(
    "--user/--project",
    "user",
    default=True,
    help="In your own settings (the default), or in this project's.",
)


@declared.group(invoke_without_command=True)
@_AS
@declared.option(
    "--http",
    metavar="HOST:PORT",
    help="Serve over HTTP on this machine's loopback, to whoever has the token (0: a free port).",
)
@_NAMES
def mcp(context: click.Context, name: str | None, http: str | None, agent_mail_names: bool) -> None:
    """Serve MCP over stdin and stdout, for an agent's program.

    The program starts it by itself, once it is in its settings. With --http, the address stands
    alone on a line of stdout once the server listens.

    \b
    Example:
      agentlock mcp install claude
    """
    _require_library()
    if context.invoked_subcommand is not None:
        return
    if name is not None:
        named(name, "--as")
    if http is not None:
        from agentlock.mcp.http import serve_http

        serve_http(name, http, _listens, agent_mail_names=agent_mail_names)
        return
    from agentlock.mcp.server import serve_stdio

    serve_stdio(name, agent_mail_names=agent_mail_names)


@mcp.command()
@_programs
@_place
@_AS
@_NAMES
@json_option
def install(
    programs: tuple[str, ...],
    user: bool,
    name: str | None,
    agent_mail_names: bool,
    as_json: bool,
) -> None:
    """Let programs start `agentlock mcp`.

    PROGRAM is claude, codex, gemini, cursor, copilot or opencode; without one, every program that
    this machine seems to have. What else is in their settings stays as it is.

    \b
    Example:
      agentlock mcp install claude codex
    """
    options = [] if name is None else ["--as", str(named(name, "--as").name)]
    options += ["--agent-mail-names"] if agent_mail_names else []
    root = _root(user)
    _print([mcp_entries.install(one, root, options) for one in _chosen(programs)], as_json)


@mcp.command()
@_programs
@_place
@json_option
def uninstall(programs: tuple[str, ...], user: bool, as_json: bool) -> None:
    """Take the entries out again.

    \b
    Example:
      agentlock mcp uninstall gemini
    """
    root = _root(user)
    chosen = programs or mcp_entries.NAMES
    if root is not None and not programs:
        chosen = tuple(one for one in chosen if mcp_entries.program(one).project_file)
    _print([mcp_entries.uninstall(one, root) for one in chosen], as_json)


@mcp.command()
@_programs
@json_option
def status(programs: tuple[str, ...], as_json: bool) -> int:
    """Show the entries; exit 1 if a program has none.

    \b
    Example:
      agentlock mcp status
    """
    root: str | None = None
    with suppress(NotARepositoryError):
        root = _root(user=False)
    found = mcp_entries.statuses(_chosen(programs), root)
    _print(found, as_json)
    covered = {one.program for one in found if one.state == "installed"}
    return EXIT_OK if all(one.program in covered for one in found) else EXIT_REFUSED


def _chosen(programs: Sequence[str]) -> list[str]:
    chosen = list(dict.fromkeys(programs)) or mcp_entries.found_here()
    if not chosen:
        names = ", ".join(mcp_entries.NAMES)
        raise UsageError("no agent's program was found here", fix=f"name one of: {names}")
    return chosen


def _root(user: bool) -> str | None:
    return None if user else os.fsdecode(discover().root)


def _print(found: Sequence[Entry], as_json: bool) -> None:
    if as_json:
        print_json([{name: getattr(one, name) for name in one._fields} for one in found])
        return
    rows = [(one.title, one.state, one.place, one.file) for one in found]
    table(("PROGRAM", "ENTRY", "FOR", "FILE"), rows)


def _listens(url: str, token_file: str) -> None:
    put(url)
    sys.stdout.flush()
    say(f"agentlock: serving; the token is in {token_file}: send it as Authorization: Bearer TOKEN")


def _require_library() -> None:
    if importlib.util.find_spec("mcp") is None:
        raise UsageError(
            "agentlock was installed without MCP's library",
            fix="./install.sh --mcp, or: pip install 'git-agentlock[mcp]' from the checkout",
        )
