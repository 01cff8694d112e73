"""How messages and tickets are shown: as JSON, in full, and in one line each.

What other agents wrote stands in quotation marks or behind ``>``, without control characters.
"""

from __future__ import annotations

from agentlock.cli.output import put, say
from agentlock.duration import format_remaining
from agentlock.moments import local_time
from agentlock.patterns.matching import displayed
from agentlock.text import and_more, count, foreign, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.reservations.losses import Loss
    from agentlock.store.messages import Message
    from agentlock.store.tickets import Ticket

_US = "agentlock"
_LONGEST_SUBJECT = 120
_URGENT = ("high", "urgent")


MESSAGE_HEADERS = ("id", "from", "when", "subject", "state")


def message_row(message: Message) -> tuple[str, ...]:
    state = [] if message.read_ts else ["unread"]
    state += [message.importance] if message.importance != "normal" else []
    state += ["question"] if message.is_question else []
    if message.ack_required:
        state.append("acknowledged" if message.ack_ts else "to be acknowledged")
    shown = (message.sender or _US, local_time(message.created_ts), _subject(message))
    return (str(message.id), *shown, ", ".join(state))


TICKET_HEADERS = ("id", "status", "from", "to", "until", "question")


def ticket_row(ticket: Ticket) -> tuple[str, ...]:
    people = (ticket.sender, ticket.recipient)
    question = quoted(ticket.question, _LONGEST_SUBJECT)
    return (str(ticket.id), ticket.status, *people, local_time(ticket.expires_ts), question)


def put_message(message: Message) -> None:
    """Print a whole message; each line of its body begins with ``>``."""
    put(f"message {message.id}, thread {foreign(message.thread)}, {local_time(message.created_ts)}")
    copies = f", copies to {', '.join(message.cc)}" if message.cc else ""
    put(f"  from     {message.sender or _US}")
    put(f"  to       {', '.join(message.to)}{copies}")
    put(f"  subject  {_subject(message)}")
    if message.importance != "normal":
        put(f"  this is of {message.importance} importance")
    if message.is_question:
        put(f"  this is a question; to answer it: agentlock answer {message.id} TEXT")
    if message.ack_required and not message.ack_ts:
        put(f"  to acknowledge it: agentlock ack {message.id}")
    _put_text(message.body)


def put_ticket(ticket: Ticket) -> None:
    """Print a whole ticket, with its answer if there is one."""
    put(f"ticket {ticket.id}, {ticket.status}, from {ticket.sender} to {ticket.recipient}")
    put(f"  asked {local_time(ticket.created_ts)}, open until {local_time(ticket.expires_ts)}")
    _put_text(ticket.question)
    if ticket.answered_ts is not None:
        put(f"  answered {local_time(ticket.answered_ts)}")
        _put_text(ticket.answer or "")


def _put_text(text: str) -> None:
    for line in text.splitlines():
        put(f"> {line.expandtabs()}")


def _subject(message: Message) -> str:
    """The subject; in quotation marks if another agent wrote it."""
    return quoted(message.subject, _LONGEST_SUBJECT) if message.sender else message.subject


def say_news(found: Sequence[Loss], unread: int) -> None:
    """Print on stderr what an agent is told, newest first; ``unread`` messages remain."""
    for one in found:
        say(f"agentlock: {_news_text(one)}")
    if found and unread:
        say(f"agentlock: {count(unread, 'more unread message')}: agentlock inbox --unread")


def say_losses(found: Sequence[Loss]) -> None:
    """Print on stderr what an agent has lost."""
    say_news(found, 0)


def _news_text(one: Loss) -> str:
    message = one.message
    text = f"{format_remaining(one.now - message.created_ts)} ago, "
    if message.sender:
        return text + _mail_text(message)
    text += message.subject
    if message.body:
        text += f": {quoted(message.body)}"
    if one.holders:
        first, *others = one.holders
        where = f"{foreign(displayed(first.pattern))} (id {first.id}){and_more(len(others))}"
        text += f"; now {first.agent} holds {where}"
    return text


def _mail_text(message: Message) -> str:
    """Who wrote, and how to read it: never the body."""
    urgent = f", {message.importance}" if message.importance in _URGENT else ""
    wrote = "asked" if message.is_question else "wrote"
    subject = quoted(message.subject)
    read = f"agentlock read {message.id}"
    return f"{message.sender} {wrote} {subject} (message {message.id}{urgent}): {read}"
