"""`agentlock ask`, `answer` and `ticket list|show|cancel`."""

from __future__ import annotations

from agentlock.cli import declared
from agentlock.cli.letters import TICKET_HEADERS, put_ticket, ticket_row
from agentlock.cli.optional_value import with_value_of_wait
from agentlock.cli.output import print_json, put, say, table
from agentlock.cli.workspace import (
    IDENTIFIER,
    Workspace,
    agent_option,
    completed,
    json_option,
    timeout_option,
)
from agentlock.duration import parse_duration
from agentlock.errors import EXIT_OK, EXIT_REFUSED, UsageError
from agentlock.git.identity import person
from agentlock.mail import tickets
from agentlock.mail.arrival import first_that
from agentlock.moments import local_time
from agentlock.shapes import ticket_json
from agentlock.store.tickets import STATUSES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from agentlock.store.base import Store
    from agentlock.store.tickets import Ticket

ID = declared.argument("identifier", metavar="ID", type=IDENTIFIER)


@declared.command(prepare=with_value_of_wait)
@declared.argument("recipient", metavar="AGENT", shell_complete=completed("agents"))
@declared.argument("question")
@declared.option("--expires", default="1h", metavar="DURATION", help="How long it is open (1h).")
@declared.option("--wait", metavar="[DURATION]", help="Wait for the answer (default 1h).")
@agent_option
@json_option
@timeout_option
def ask(
    recipient: str,
    question: str,
    expires: str,
    wait: str | None,
    agent: str | None,
    as_json: bool,
    timeout: str | None,
) -> int:
    """Ask an agent a question that wants an answer: a ticket.

    With --wait, exit 1: there was no answer in time.

    \b
    Example:
      agentlock ask BlueLake 'May I change src/auth/token.py?' --wait 10m
    """
    workspace = Workspace(agent, timeout)
    name = workspace.writer()
    lasting = parse_duration(expires)
    waiting = None if wait is None else parse_duration(wait)
    with workspace.store() as store:
        asked = tickets.ask(store, name, recipient, question, lasting, person())
    if waiting is not None:
        if not as_json:
            say(f"agentlock: ticket {asked.id} waits for an answer of {recipient}")
        asked = _settled(workspace, asked, name, waiting)
    if as_json:
        print_json(ticket_json(asked))
    elif waiting is not None:
        put_ticket(asked)
    else:
        until = local_time(asked.expires_ts)
        put(f"ticket {asked.id} to {asked.recipient}, open until {until}")
    return EXIT_OK if waiting is None or asked.answered_ts is not None else EXIT_REFUSED


def _settled(workspace: Workspace, asked: Ticket, name: str, waiting: int) -> Ticket:
    """The ticket once it is no longer open, or as it is after that time."""

    def opened() -> AbstractContextManager[Store]:
        return workspace.store(read_only=True)

    def settled(store: Store) -> Ticket | None:
        now = tickets.ticket(store, asked.id)
        return None if now.is_open else now

    lasting = asked.expires_ts - asked.created_ts
    done = first_that(opened, name, settled, min(waiting, lasting))
    if done is None:
        with opened() as store:
            done = tickets.ticket(store, asked.id)
    return done


@declared.command()
@ID
@declared.argument("text")
@agent_option
@json_option
@timeout_option
def answer(
    identifier: int, text: str, agent: str | None, as_json: bool, timeout: str | None
) -> None:
    """Answer a question that was put to you.

    \b
    Example:
      agentlock answer 42 'Yes, I am done with it.'
    """
    workspace = Workspace(agent, timeout)
    name = workspace.writer()
    with workspace.store() as store:
        _show(tickets.answer(store, name, identifier, text), "answered", as_json=as_json)


@declared.group()
def ticket() -> None:
    """Questions that want an answer.

    \b
    Example:
      agentlock ticket list --to-me
    """


@ticket.command("list")
@declared.option("--mine", is_flag=True, help="Those that you have asked.")
@declared.option("--to-me", is_flag=True, help="Those that were put to you.")
@declared.option("--status", type=declared.Choice(STATUSES), help="Those that are in this state.")
@agent_option
@json_option
@timeout_option
def list_tickets(
    mine: bool,
    to_me: bool,
    status: str | None,
    agent: str | None,
    as_json: bool,
    timeout: str | None,
) -> None:
    """List the questions of this project, newest first.

    \b
    Example:
      agentlock ticket list --to-me --status pending
    """
    if mine and to_me:
        raise UsageError("--mine and --to-me exclude each other", fix="give only one of them")
    workspace = Workspace(agent, timeout)
    name = workspace.correspondent if mine or to_me else None
    with workspace.store(read_only=True) as store:
        found = store.tickets.find(
            store.now(),
            asker=name if mine else None,
            receiver=name if to_me else None,
            status=status,
        )
    if as_json:
        print_json([ticket_json(one) for one in found])
        return
    table(TICKET_HEADERS, [ticket_row(one) for one in found])


@ticket.command()
@ID
@json_option
@timeout_option
def show(identifier: int, as_json: bool, timeout: str | None) -> None:
    """Show a question and its answer.

    \b
    Example:
      agentlock ticket show 42
    """
    with Workspace(timeout=timeout).store(read_only=True) as store:
        found = tickets.ticket(store, identifier)
    if as_json:
        print_json(ticket_json(found))
        return
    put_ticket(found)


@ticket.command()
@ID
@agent_option
@json_option
@timeout_option
def cancel(identifier: int, agent: str | None, as_json: bool, timeout: str | None) -> None:
    """Take back a question that you have asked.

    \b
    Example:
      agentlock ticket cancel 42
    """
    workspace = Workspace(agent, timeout)
    name = workspace.writer()
    with workspace.store() as store:
        _show(tickets.cancel(store, name, identifier), "cancelled", as_json=as_json)


def _show(done: Ticket, what: str, *, as_json: bool) -> None:
    if as_json:
        print_json(ticket_json(done))
        return
    put(f"{what} ticket {done.id}")
