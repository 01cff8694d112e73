"""Sends a message: checked as a whole before anything is written."""

from __future__ import annotations

from agentlock.errors import UsageError
from agentlock.mail.names import active_lately, register, require_known
from agentlock.mail.threads import found, thread_of
from agentlock.model import Value
from agentlock.text import count, storable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agentlock.store.base import Store
    from agentlock.store.messages import Message

IMPORTANCES = ("low", "normal", "high", "urgent")
MOST_RECIPIENTS = 100
LONGEST_BODY = 64 * 1024
LONGEST_SUBJECT = 200
_ELSEWHERE = "put the rest into a file of the repository, and name it"


class Letter(Value):
    """A message that is to be sent.

    ``everybody``: to all that were active lately. ``reply_to`` is the number of a message, whose
    thread it joins, and whose sender gets it if nobody is named. ``person`` is who works here
    without an agent's name, and can get mail before ever having asked for something.
    """

    sender: str
    to: tuple[str, ...]
    subject: str | None
    body: str | bytes = ""
    cc: tuple[str, ...] = ()
    everybody: bool = False
    reply_to: int | None = None
    thread: str | None = None
    importance: str = "normal"
    ack_required: bool = False
    person: str | None = None


def send(store: Store, letter: Letter) -> Message:
    """Send it, to everybody named or to nobody."""
    with store.writing(durable=False):
        now = store.now()
        subject, body = check_text(_subject(store, letter), letter.body)
        thread = thread_of(store, letter.thread, letter.reply_to)
        to, cc = _recipients(store, letter, now)
        register(store, letter.sender, now)
        for name in {letter.person} & {*to, *cc}:
            register(store, str(name), now)
        number = store.messages.post(
            letter.sender,
            to,
            subject,
            body,
            now,
            cc=cc,
            thread=thread,
            importance=letter.importance,
            ack_required=letter.ack_required,
        )
    return store.messages.numbered([number])[0]


def check_text(subject: str, body: str | bytes) -> tuple[str, str]:
    """Both as the database takes them; UsageError if one is too long, or cannot be kept."""
    subject, body = storable(subject), storable(body)
    if not subject.strip():
        raise UsageError("the subject is empty", fix="--subject TEXT")
    if len(subject) > LONGEST_SUBJECT:
        raise UsageError(
            f"a subject of {len(subject)} characters is too long",
            fix=f"{LONGEST_SUBJECT} at most; put the rest into the body",
        )
    size = len(body.encode())
    if size > LONGEST_BODY:
        raise UsageError(
            f"a body of {size:,} bytes is more than {LONGEST_BODY // 1024} KiB", fix=_ELSEWHERE
        )
    if "\0" in subject + body:
        raise UsageError("the body has a NUL byte, so it is not text", fix=_ELSEWHERE)
    return subject, body


def reply_subject(message: Message) -> str:
    subject = f"Re: {message.subject.removeprefix('Re: ')}"
    return subject if len(subject) <= LONGEST_SUBJECT else subject[: LONGEST_SUBJECT - 1] + "…"


def _subject(store: Store, letter: Letter) -> str:
    if letter.subject is not None:
        return letter.subject
    if letter.reply_to is None:
        raise UsageError("the message has no subject", fix="--subject TEXT")
    return reply_subject(found(store, [letter.reply_to])[0])


def _recipients(store: Store, letter: Letter, now: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Who gets it, and who gets a copy, each once."""
    to = letter.to
    if letter.everybody:
        to = active_lately(store, now, but=letter.sender)
        if not to:
            raise UsageError("no other agent was active lately", see="agentlock agent list")
    elif not to and letter.reply_to is not None:
        to = _sender_of(store, letter.reply_to)
    to = tuple(dict.fromkeys(to))
    cc = tuple(one for one in dict.fromkeys(letter.cc) if one not in to)
    if not to:
        raise UsageError("no recipient is named", fix="agentlock send AGENT --subject TEXT")
    if len(to) + len(cc) > MOST_RECIPIENTS:
        raise UsageError(
            f"{count(len(to) + len(cc), 'recipient')} are too many for one message",
            fix=f"name {MOST_RECIPIENTS} at most",
        )
    require_known(store, (*to, *cc), letter.person)
    return to, cc


def _sender_of(store: Store, number: int) -> tuple[str, ...]:
    (answered,) = found(store, [number])
    if not answered.sender:
        raise UsageError(
            f"message {number} is from agentlock itself", fix="name whom you want to write to"
        )
    return (answered.sender,)
