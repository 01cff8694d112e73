"""What an Agent Mail has of a repository's projects but for reservations: agents and messages."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from agentlock.agent_mail.archive import file_text, json_of, projects
from agentlock.agent_mail.live import WAIT, root_of, roots_of
from agentlock.agent_mail.moments import moment
from agentlock.model import Value
from agentlock.store.agent_mail import AgentMailDatabase

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from agentlock.store import Recorded

_MARK = "---json"
_END = "\n---"


class Correspondent(Value):
    """An agent there, and when it was last active."""

    name: str
    program: str
    model: str
    active_ts: int


class Letter(Value):
    """A message there. ``number`` is the one that it has there, unique in its ``project``.

    ``seen`` says for each recipient when it was read and acknowledged, as far as that is known.
    """

    project: str
    number: int
    sender: str
    to: tuple[str, ...]
    cc: tuple[str, ...]
    subject: str
    body: str
    created_ts: int
    thread: str
    importance: str
    ack_required: bool
    seen: Mapping[str, tuple[int | None, int | None]]
    attachments: int = 0


class Contents(Value):
    """The agents, and the messages with the oldest first."""

    agents: tuple[Correspondent, ...]
    letters: tuple[Letter, ...]


def contents(beside: Recorded) -> Contents:
    """What the recorded Agent Mail has; DatabaseError if it cannot be read."""
    place, roots = beside.agent_mail or "", roots_of(beside)
    if os.path.isdir(place):
        agents, letters = _of_archive(place, roots)
    else:
        agents, letters = _of_database(place, roots)
    letters.sort(key=lambda one: (one.created_ts, one.number))
    return Contents(tuple(agents), tuple(letters))


def _of_database(
    place: str, roots: dict[tuple[int, int], bytes]
) -> tuple[list[Correspondent], list[Letter]]:
    database = AgentMailDatabase(place, WAIT)
    try:
        ours = [one for one, key in database.projects() if root_of(key, roots) is not None]
        people = [] if not ours else database.agents(ours)
        names = dict(database.names())
        rows = [] if not ours else database.messages(ours)
        addressed = database.recipients(ours) if ours else []
    finally:
        database.close()
    agents = [_correspondent(*row) for row in people]
    got: dict[int, list[tuple[Any, ...]]] = {}
    for message, *recipient in addressed:
        if recipient[0] in names:  # else its agent has been deleted there
            got.setdefault(message, []).append(tuple(recipient))
    letters = []
    for number, project, sender, subject, body, created, thread, importance, ack, files in rows:
        recipients = got.get(number, [])
        letters.append(
            Letter(
                project=str(project),
                number=number,
                sender=names.get(sender, ""),
                to=tuple(names[one] for one, kind, *_ in recipients if kind == "to"),
                cc=tuple(names[one] for one, kind, *_ in recipients if kind != "to"),
                subject=_text(subject),
                body=_text(body),
                created_ts=_moment(created) or 0,
                thread=_text(thread),
                importance=_text(importance),
                ack_required=bool(ack),
                seen={
                    names[one]: (_moment(read), _moment(acknowledged))
                    for one, _, read, acknowledged in recipients
                },
                attachments=len(json_of(files or "[]")),
            )
        )
    return agents, letters


def _of_archive(
    place: str, roots: dict[tuple[int, int], bytes]
) -> tuple[list[Correspondent], list[Letter]]:
    agents, letters = [], []
    for folder, about in projects(place):
        if root_of(about, roots) is None:
            continue
        for path in _files(os.path.join(folder, "agents"), "profile.json"):
            profile = json_of(file_text(path))
            told = ("name", "program", "model", "last_active_ts")
            agents.append(_correspondent(*map(profile.get, told)))
        for path in _files(os.path.join(folder, "messages"), ".md"):
            letter = _letter(folder, file_text(path))
            if letter is not None:
                letters.append(letter)
    return agents, letters


def _correspondent(name: object, program: object, model: object, active: object) -> Correspondent:
    return Correspondent(_text(name), _text(program), _text(model), _moment(active) or 0)


def _files(folder: str, ending: str) -> Iterator[str]:
    for above, _, names in os.walk(folder):
        yield from (os.path.join(above, name) for name in sorted(names) if name.endswith(ending))


def _letter(project: str, text: str) -> Letter | None:
    """The message in a file that begins with its head as JSON; None if it is something else.

    The archive does not say what was read, so everything counts as read.
    """
    head, mark, body = text.removeprefix(_MARK).partition(_END)
    if not text.startswith(_MARK) or not mark:
        return None
    value = json_of(head)
    created = _moment(value.get("created") or value.get("created_ts"))
    number = value.get("id")
    if created is None or type(number) is not int:
        return None
    to, cc = _names(value.get("to")), (*_names(value.get("cc")), *_names(value.get("bcc")))
    return Letter(
        project=project,
        number=number,
        sender=_text(value.get("from")),
        to=to,
        cc=cc,
        subject=_text(value.get("subject")),
        body=body.strip("\n"),
        created_ts=created,
        thread=_text(value.get("thread_id")),
        importance=_text(value.get("importance")),
        ack_required=bool(value.get("ack_required")),
        seen=dict.fromkeys((*to, *cc), (created, None)),
        attachments=len(value.get("attachments") or ()),
    )


def _names(value: object) -> tuple[str, ...]:
    return tuple(map(_text, value)) if isinstance(value, list) else ()


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _moment(value: object) -> int | None:
    if isinstance(value, str):
        return moment(value)
    return int(value) if type(value) is int else None


def names_of(letters: Iterable[Letter]) -> Iterator[str]:
    """Everybody who wrote or got one of them."""
    for one in letters:
        yield from (one.sender, *one.to, *one.cc)
