"""`agentlock board`: what all agents do now, in a terminal or in a browser."""

from __future__ import annotations

import sys
import webbrowser
from functools import partial

import click

from agentlock.board.feed import Feed
from agentlock.cli import declared
from agentlock.cli.output import say
from agentlock.cli.workspace import Workspace, timeout_option
from agentlock.errors import ConfigurationError, UsageError
from agentlock.files import replace_file
from agentlock.git.identity import person
from agentlock.git.repository import reread
from agentlock.state import guard
from agentlock.workspace import migrated_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agentlock.rules.owner_key import Opened

_EXTRA = (
    "./install.sh --board, in the checkout of agentlock (or: pip install 'git-agentlock[board]')"
)


@declared.command()
@declared.option("--web", is_flag=True, help="Serve it to a browser on this machine.")
@declared.option(
    "--port",
    metavar="N",
    type=declared.Range(0, 65535),
    help="With --web: the port (default: any).",
)
@declared.option("--open", "opens", is_flag=True, help="With --web: open the browser, too.")
@declared.option("--allow-release", is_flag=True, help="With --web: leases can be ended by force.")
@declared.option(
    "--export",
    "file",
    metavar="FILE.html",
    type=click.Path(dir_okay=False),
    help="Write one picture as a page that can be sent to somebody.",
)
@declared.option("--once", is_flag=True, help="Print one picture, and return.")
@timeout_option
def board(
    web: bool,
    port: int | None,
    opens: bool,
    allow_release: bool,
    file: str | None,
    once: bool,
    timeout: str | None,
) -> None:
    """See what all agents do now, in a picture that is always true.

    \b
    Example:
      agentlock board
      agentlock board --web --open
    """
    if not web and (port is not None or opens or allow_release):
        raise UsageError("--port, --open and --allow-release belong to --web", fix="add --web")
    if web + once + (file is not None) > 1:
        raise UsageError(
            "--web, --once and --export exclude each other", fix="give only one of them"
        )
    workspace = Workspace(timeout=timeout)
    workspace.tells_news = False
    opened = partial(migrated_table, workspace.repository, timeout=workspace.timeout)
    with opened():
        pass  # a table that is missing or cannot be read is said before anything starts
    feed = Feed(
        workspace.repository,
        partial(opened, read_only=True),
        guarded=lambda: guard(reread(workspace.repository)).is_in_place,
        with_files=web or file is not None,
    )
    if web:
        _serve(workspace, feed, opened, port or 0, opens=opens, allow_release=allow_release)
    elif file is not None:
        _export(feed, opened, file)
    elif once or not _shows(feed):
        _put_once(feed)


def _serve(
    workspace: Workspace,
    feed: Feed,
    opened: Opened,
    port: int,
    *,
    opens: bool,
    allow_release: bool,
) -> None:
    try:
        from agentlock.board.web import Server
    except ImportError as error:
        raise ConfigurationError(
            f"the board in a browser needs the extra `board` ({error.name} is missing)", fix=_EXTRA
        ) from error
    actor = workspace.identity.name or person()
    server = Server(feed, workspace.repository, opened, actor=actor, allow_release=allow_release)

    def listens(address: str) -> None:
        print(address, flush=True)
        if opens:
            webbrowser.open(address)

    server.serve(port, listens)


def _export(feed: Feed, opened: Opened, path: str) -> None:
    from agentlock.board.export import page

    with opened(read_only=True) as store:
        text = page(feed, store)
    try:
        replace_file(path, text.encode())
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror}", fix="--export FILE.html"
        ) from error
    say(f"wrote {path}: it has what agents wrote, and the names of your files")


def _shows(feed: Feed) -> bool:
    """Show the board in this terminal until somebody quits; False where that cannot be."""
    if not (sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()):
        return False
    try:
        from agentlock.board.terminal import BoardApp
    except ImportError:
        say(f"the board that stays needs the extra `board`; fix: {_EXTRA}")
        return False
    BoardApp(feed).run()
    return True


def _put_once(feed: Feed) -> None:
    from rich.console import Console

    from agentlock.board.once import put

    now, picture = feed.once()
    put(Console(highlight=False, soft_wrap=False), picture, now)
