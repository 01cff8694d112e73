"""`agentlock send`, `inbox`, `read`, `ack`, `thread` and `search`."""

from __future__ import annotations

import sys

from agentlock.cli import declared
from agentlock.cli.letters import MESSAGE_HEADERS, message_row, put_message
from agentlock.cli.optional_value import with_value_of_wait
from agentlock.cli.output import print_json, put, table
from agentlock.cli.workspace import (
    IDENTIFIER,
    Workspace,
    agent_option,
    completed,
    json_option,
    timeout_option,
)
from agentlock.duration import parse_duration
from agentlock.errors import EXIT_OK, EXIT_REFUSED, DatabaseError, UsageError
from agentlock.git.identity import person
from agentlock.mail import inbox as mailbox
from agentlock.mail.arrival import first_that
from agentlock.mail.sending import IMPORTANCES, LONGEST_BODY, Letter
from agentlock.mail.sending import send as send_letter
from agentlock.mail.threads import in_thread
from agentlock.moments import moment_of
from agentlock.shapes import message_json
from agentlock.text import storable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from agentlock.store.base import Store
    from agentlock.store.messages import Message

_NEWEST = 50
IDS = declared.argument("ids", nargs=-1, required=True, type=IDENTIFIER, metavar="ID...")
_LIMIT = declared.option(
    "--limit",
    type=declared.Range(1),
    default=_NEWEST,
    metavar="N",
    help=f"The newest N (default {_NEWEST}).",
)


@declared.command()
@declared.argument("agents", nargs=-1, metavar="AGENT...", shell_complete=completed("agents"))
@declared.option(
    "--all", "everybody", is_flag=True, help="To all who were active in the last week."
)
@declared.option("--subject", metavar="TEXT", help="What it is about (a reply has one already).")
@declared.option("--body", metavar="TEXT", help="The message, in Markdown.")
@declared.option("--body-file", metavar="FILE", help="The message from a file, or - for stdin.")
@declared.option("--reply-to", type=IDENTIFIER, metavar="ID", help="A reply to this message.")
@declared.option("--thread", metavar="NAME", help="In this thread: a name, or a message's number.")
@declared.option(
    "--cc",
    multiple=True,
    metavar="AGENT",
    shell_complete=completed("agents"),
    help="A copy to this agent (repeatable).",
)
@declared.option(
    "--importance", type=declared.Choice(IMPORTANCES), default="normal", help="How important it is."
)
@declared.option("--ack", is_flag=True, help="Ask the recipients to acknowledge it.")
@agent_option
@json_option
@timeout_option
def send(
    agents: Sequence[str],
    everybody: bool,
    subject: str | None,
    body: str | None,
    body_file: str | None,
    reply_to: int | None,
    thread: str | None,
    cc: Sequence[str],
    importance: str,
    ack: bool,
    agent: str | None,
    as_json: bool,
    timeout: str | None,
) -> None:
    """Write to other agents of this project.

    \b
    Example:
      agentlock send BlueLake --subject 'src/auth' --body 'I need it at noon. Is that fine?'
      agentlock send --reply-to 42 --body 'Yes.'
    """
    if everybody and agents:
        raise UsageError("names and --all exclude each other", fix="give only one of them")
    workspace = Workspace(agent, timeout)
    letter = Letter(
        workspace.writer(),
        tuple(agents),
        subject,
        _text(body, body_file),
        tuple(cc),
        everybody,
        reply_to,
        thread,
        importance,
        ack,
        person(),
    )
    with workspace.store() as store:
        sent = send_letter(store, letter)
    if as_json:
        print_json(message_json(sent))
        return
    put(f"sent message {sent.id} to {', '.join(sent.recipients)}")


@declared.command(prepare=with_value_of_wait)
@declared.option("--unread", is_flag=True, help="Only what you have not read.")
@declared.option(
    "--since", metavar="WHEN", help="A duration (2h) or a time (2026-01-31T12:00:00Z)."
)
@_LIMIT
@declared.option(
    "--wait", metavar="[DURATION]", help="Wait until there is something unread (default 1h)."
)
@agent_option
@json_option
@timeout_option
def inbox(
    unread: bool,
    since: str | None,
    limit: int,
    wait: str | None,
    agent: str | None,
    as_json: bool,
    timeout: str | None,
) -> int:
    """List your messages, newest first. Nothing is marked as read.

    With --wait, exit 1: nothing unread came in time.

    \b
    Example:
      agentlock inbox --unread
      agentlock inbox --wait 10m
    """
    workspace = Workspace(agent, timeout)
    workspace.tells_news = False  # it is listed here
    name = workspace.correspondent
    waiting = None if wait is None else parse_duration(wait)

    def listed(store: Store) -> list[Message]:
        start = 0 if since is None else moment_of(since, store.now())
        only_unread = unread or waiting is not None
        return store.messages.inbox(name, unread=only_unread, since=start, limit=limit)

    def opened() -> AbstractContextManager[Store]:
        return workspace.store(read_only=True)

    if waiting is None:
        with opened() as store:
            found = listed(store)
    else:
        found = first_that(opened, name, listed, waiting) or []
    if as_json:
        print_json([message_json(one) for one in found])
    else:
        table(MESSAGE_HEADERS, [message_row(one) for one in found])
    return EXIT_REFUSED if waiting is not None and not found else EXIT_OK


@declared.command()
@IDS
@agent_option
@json_option
@timeout_option
def read(ids: Sequence[int], agent: str | None, as_json: bool, timeout: str | None) -> None:
    """Print messages, and mark yours as read.

    \b
    Example:
      agentlock read 42
    """
    workspace = Workspace(agent, timeout)
    name = workspace.correspondent
    is_own = workspace.identity.overruled is None
    try:
        with workspace.store(read_only=not is_own) as store:
            found = mailbox.read(store, name, ids, mark=is_own)
    except DatabaseError:  # it cannot be marked, but it may be readable
        with workspace.store(read_only=True) as store:
            found = mailbox.read(store, name, ids, mark=False)
    _put(found, as_json=as_json)


@declared.command()
@IDS
@agent_option
@json_option
@timeout_option
def ack(ids: Sequence[int], agent: str | None, as_json: bool, timeout: str | None) -> None:
    """Acknowledge messages that were sent to you.

    They count as read then.

    \b
    Example:
      agentlock ack 42
    """
    workspace = Workspace(agent, timeout)
    name = workspace.writer()
    with workspace.store() as store:
        done = mailbox.acknowledge(store, name, ids)
    if as_json:
        print_json([message_json(one) for one in done])
        return
    for one in done:
        put(f"acknowledged message {one.id} of {one.sender or 'agentlock'}")


@declared.command()
@declared.argument("thread", metavar="THREAD")
@agent_option
@json_option
@timeout_option
def thread(thread: str, agent: str | None, as_json: bool, timeout: str | None) -> None:
    """Print a thread, by its name or by the number of a message.

    \b
    Example:
      agentlock thread 42
    """
    workspace = Workspace(agent, timeout)
    with workspace.store(read_only=True) as store:
        _put(in_thread(store, thread, _viewer(workspace)), as_json=as_json)


@declared.command()
@declared.argument("text", nargs=-1, required=True, metavar="TEXT...")
@_LIMIT
@agent_option
@json_option
@timeout_option
def search(
    text: Sequence[str], limit: int, agent: str | None, as_json: bool, timeout: str | None
) -> None:
    """Find messages of this project by their words, newest first.

    Every word of TEXT has to begin a word of the subject or the body.

    \b
    Example:
      agentlock search migration auth
    """
    workspace = Workspace(agent, timeout)

    words, name = storable(" ".join(text)), _viewer(workspace)
    try:
        with workspace.store() as store:  # the search keeps an index
            found = mailbox.search(store, words, name, limit)
    except DatabaseError:
        with workspace.store(read_only=True) as store:
            found = mailbox.search(store, words, name, limit)
    if as_json:
        print_json([message_json(one) for one in found])
        return
    table(MESSAGE_HEADERS, [message_row(one) for one in found])


def _viewer(workspace: Workspace) -> str:
    """Whose marks are shown, if anybody's."""
    return workspace.identity.name or person() or ""


def _put(messages: Sequence[Message], *, as_json: bool) -> None:
    if as_json:
        print_json([message_json(one) for one in messages])
        return
    for number, one in enumerate(messages):
        if number:
            put("")
        put_message(one)


def _text(body: str | None, file: str | None) -> str | bytes:
    """The body that was given, or the beginning of a file that is too long for one."""
    if body is not None and file is not None:
        raise UsageError("--body and --body-file exclude each other", fix="give only one of them")
    if file is None:
        return body or ""
    try:
        if file == "-":
            return sys.stdin.buffer.read(LONGEST_BODY + 1)
        with open(file, "rb") as source:
            return source.read(LONGEST_BODY + 1)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error
