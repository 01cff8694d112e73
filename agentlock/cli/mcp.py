"""`agentlock mcp`: serve the Model Context Protocol."""

from __future__ import annotations

import importlib.util
import sys

import click

from agentlock.cli.output import put, say
from agentlock.errors import UsageError
from agentlock.git.identity import named


@click.command()
@click.option(
    "--as", "name", metavar="NAME", help="The agent that calls (default: the program's session)."
)
@click.option(
    "--http",
    metavar="HOST:PORT",
    help="Serve over HTTP on this machine's loopback, to whoever has the token (0: a free port).",
)
def mcp(name: str | None, http: str | None) -> None:
    """Serve MCP over stdin and stdout, for an agent's program.

    The program starts it by itself, once it is in its settings. With --http, the address stands
    alone on a line of stdout once the server listens.

    \b
    Example:
      agentlock mcp --as BlueLake
    """
    _require_sdk()
    if name is not None:
        named(name, "--as")
    if http is not None:
        from agentlock.mcp.http import serve_http

        serve_http(name, http, _listens)
        return
    from agentlock.mcp.server import serve_stdio

    serve_stdio(name)


def _listens(url: str, token_file: str) -> None:
    put(url)
    sys.stdout.flush()
    say(f"agentlock: serving; the token is in {token_file}: send it as Authorization: Bearer TOKEN")


def _require_sdk() -> None:
    if importlib.util.find_spec("mcp") is None:
        raise UsageError(
            "agentlock was installed without MCP's library",
            fix="./install.sh --mcp, or: pip install 'git-agentlock[mcp]' from the checkout",
        )
