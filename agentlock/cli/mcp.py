"""`agentlock mcp`: serve the Model Context Protocol."""

from __future__ import annotations

import importlib.util

import click

from agentlock.errors import UsageError
from agentlock.git.identity import named


@click.command()
@click.option(
    "--as", "name", metavar="NAME", help="The agent that calls (default: the program's session)."
)
def mcp(name: str | None) -> None:
    """Serve MCP over stdin and stdout, for an agent's program.

    The program starts it by itself, once it is in its settings.

    \b
    Example:
      agentlock mcp --as BlueLake
    """
    _require_sdk()
    if name is not None:
        named(name, "--as")
    from agentlock.mcp.server import serve_stdio

    serve_stdio(name)


def _require_sdk() -> None:
    if importlib.util.find_spec("mcp") is None:
        raise UsageError(
            "agentlock was installed without MCP's library",
            fix="./install.sh --mcp, or: pip install 'git-agentlock[mcp]' from the checkout",
        )
