"""Questions that want an answer: asked, answered and cancelled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentlock.duration import format_remaining
from agentlock.errors import RefusedError, UsageError
from agentlock.mail.names import register, require_known
from agentlock.mail.sending import LONGEST_SUBJECT, check_text, reply_subject
from agentlock.store.tickets import ANSWERED, CANCELLED, EXPIRED
from agentlock.store.wake import mail_of

if TYPE_CHECKING:
    from agentlock.store.base import Store
    from agentlock.store.tickets import Ticket


def ask(
    store: Store, sender: str, recipient: str, question: str, lasting: int, person: str | None
) -> Ticket:
    """Send a question that can be answered for so many microseconds."""
    if not question.strip():
        raise UsageError("the question is empty", fix="agentlock ask AGENT QUESTION")
    if lasting <= 0:
        raise UsageError("a question must be open for a while", fix="--expires 1h")
    subject, body = check_text(_first_line(question), question)
    with store.writing(durable=False):
        now = store.now()
        require_known(store, [recipient], person)
        register(store, sender, now)
        if recipient == person:
            register(store, recipient, now)
        number = store.messages.post(sender, (recipient,), subject, body, now)
        store.tickets.open(number, sender, recipient, now, now + lasting)
    return ticket(store, number)


def answer(store: Store, agent: str, number: int, text: str) -> Ticket:
    """Answer a question that was put to the agent; the answer is a message in its thread."""
    if not text.strip():
        raise UsageError("the answer is empty", fix=f"agentlock answer {number} TEXT")
    with store.writing(durable=False):
        now = store.now()
        asked = ticket(store, number)
        if asked.recipient != agent:
            raise RefusedError(
                f"ticket {number} was put to {asked.recipient}, not to {agent}",
                see=f"agentlock ticket show {number}",
            )
        _require_open(asked, now)
        question = store.messages.numbered([number], agent)
        subject, body = check_text(reply_subject(question[0]), text)
        reply = store.messages.post(agent, (asked.sender,), subject, body, now, thread=asked.thread)
        store.tickets.answer(number, reply, now)
        store.messages.mark_read(question, agent, now)
        register(store, agent, now)
    return ticket(store, number)


def cancel(store: Store, agent: str, number: int) -> Ticket:
    """Take back a question that the agent has asked."""
    with store.writing(durable=False):
        asked = ticket(store, number)
        if asked.sender != agent:
            raise RefusedError(
                f"ticket {number} was opened by {asked.sender}, not by {agent}",
                see=f"agentlock ticket show {number}",
            )
        _require_open(asked, store.now())
        store.tickets.cancel(number)
        store.concerned.add(mail_of(agent))  # it may wait for the answer elsewhere
    return ticket(store, number)


def ticket(store: Store, number: int) -> Ticket:
    """The ticket with this number; UsageError if there is none."""
    for one in store.tickets.find(store.now(), number=number):
        return one
    raise UsageError(f"there is no ticket {number}", see="agentlock ticket list")


def _require_open(asked: Ticket, now: int) -> None:
    if asked.status == EXPIRED:
        raise RefusedError(
            f"ticket {asked.id} expired {format_remaining(now - asked.expires_ts)} ago",
            fix=f"agentlock send {asked.sender} --reply-to {asked.id} --subject TEXT --body TEXT",
        )
    if asked.status in (ANSWERED, CANCELLED):
        raise RefusedError(
            f"ticket {asked.id} was {asked.status} already", see=f"agentlock ticket show {asked.id}"
        )


def _first_line(question: str) -> str:
    line = question.strip().splitlines()[0]
    return line if len(line) <= LONGEST_SUBJECT else line[: LONGEST_SUBJECT - 1] + "…"
