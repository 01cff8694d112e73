"""Takes over what an MCP Agent Mail has of this project: agents, messages, live reservations.

It can be repeated: what is here already is not entered again. The Agent Mail is only read.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from agentlock.agent_mail.contents import contents, names_of
from agentlock.agent_mail.live import SOURCE, leases, standing
from agentlock.agents.registry import require_distinct
from agentlock.errors import IdentityError, RefusedError, UsageError
from agentlock.git.identity import NAME_RULE, is_agent_name
from agentlock.mail.sending import IMPORTANCES, LONGEST_BODY, LONGEST_SUBJECT
from agentlock.model import MICROSECONDS, Value
from agentlock.patterns.matching import compile_pattern
from agentlock.patterns.syntax import Reading
from agentlock.reservations.granting import SHORTEST_TTL, Request, reserve
from agentlock.text import and_more, count, foreign, storable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agentlock.agent_mail.contents import Contents, Letter
    from agentlock.agent_mail.lease import Lease
    from agentlock.git.repository import Repository
    from agentlock.model import Reservation
    from agentlock.patterns.matching import Folding
    from agentlock.reservations.search import Conflict
    from agentlock.store.base import Store

_LONGEST_THREAD = 100
_CUT = "\n\n[cut by agentlock agent-mail import]"
_AT_ONCE = 200  # messages in one transaction


class TakenOver(Value):
    """How many agents and messages were entered, and what was granted.

    ``left`` are sentences about what was not taken over, and why.
    """

    agents: int
    messages: int
    granted: tuple[Reservation, ...]
    left: tuple[str, ...] = ()


def take_over(store: Store, repository: Repository, folding: Folding) -> TakenOver:
    """Enter everything; UsageError if no Agent Mail is recorded, DatabaseError if unreadable."""
    if store.beside is None:
        raise UsageError(
            "no Agent Mail is recorded in this repository", fix="agentlock init --agent-mail"
        )
    there = contents(store.beside)
    known, left = _names(store, there)
    agents = _enter_agents(store, there, known)
    messages, lost = _enter_letters(store, there.letters, known)
    granted, refused = _reserve(store, repository, folding, there, known)
    return TakenOver(agents, messages, tuple(granted), (*left, *lost, *refused))


def _names(store: Store, there: Contents) -> tuple[set[str], list[str]]:
    """The names that can be agents here, and sentences about the others."""
    wanted = {one.name for one in there.agents} | {*names_of(there.letters)} - {""}
    known, left = set(), []
    for name in sorted(wanted):
        if not is_agent_name(name):
            left.append(f"{foreign(name)} cannot be an agent's name here: use {NAME_RULE}")
            continue
        try:
            require_distinct(store, name)
        except IdentityError as error:
            left.append(error.message)
            continue
        known.add(name)
    return known, left


def _enter_agents(store: Store, there: Contents, known: set[str]) -> int:
    """Enter the names that are new; how many there were."""
    listed = {one.name: one for one in there.agents if one.name in known}
    with store.writing():
        new = known - store.agents.named(known).keys()
        for name in sorted(new):
            one = listed.get(name)
            told = ("", "") if one is None else (storable(one.program), storable(one.model))
            active = store.now() if one is None else one.active_ts
            store.agents.register(name, active, program=told[0], model=told[1])
    return len(new)


def _enter_letters(
    store: Store, letters: Sequence[Letter], known: set[str]
) -> tuple[int, list[str]]:
    """Enter the messages that are new: how many, and sentences about those that cannot be."""
    # Nobody writes two messages with one subject at once, so this tells one from every other.
    here = {(one.sender, one.created_ts, one.subject): one.id for one in store.messages.all()}
    numbers: dict[tuple[str, int], int] = {}
    entered, unknown, files = 0, 0, 0
    for start in range(0, len(letters), _AT_ONCE):
        with store.writing():
            for one in letters[start : start + _AT_ONCE]:
                to = [name for name in one.to if name in known]
                cc = [name for name in one.cc if name in known and name not in to]
                if one.sender not in known or not (to or cc):
                    unknown += 1
                    continue
                subject, body = _texts(one)
                key = (one.sender, one.created_ts, subject)
                if key not in here:
                    here[key] = _enter(store, one, (to, cc), (subject, body), numbers)
                    entered += 1
                    files += one.attachments
                numbers[one.project, one.number] = here[key]
    left = []
    if unknown:
        left.append(f"{count(unknown, 'message')} of or to nobody who can be an agent here")
    if files:
        left.append(f"{count(files, 'attachment')}: they stay in the Agent Mail")
    return entered, left


def _enter(
    store: Store,
    letter: Letter,
    whom: tuple[Sequence[str], Sequence[str]],
    texts: tuple[str, str],
    numbers: dict[tuple[str, int], int],
) -> int:
    importance = letter.importance if letter.importance in IMPORTANCES else "normal"
    number = store.messages.post(
        letter.sender,
        whom[0],
        *texts,
        letter.created_ts,
        cc=whom[1],
        thread=_thread(store, letter, numbers),
        importance=importance,
        ack_required=letter.ack_required,
    )
    for entered in store.messages.numbered([number]):
        for name in (*whom[0], *whom[1]):
            read, acknowledged = letter.seen.get(name, (None, None))
            if read is not None:
                store.messages.mark_read([entered], name, read)
            if acknowledged is not None:
                store.messages.acknowledge([entered], name, acknowledged)
    return number


def _texts(letter: Letter) -> tuple[str, str]:
    """Subject and body, as long as they may be here."""
    subject, body = storable(letter.subject).replace("\0", ""), storable(letter.body)
    subject = subject.strip() or "(no subject)"
    if len(subject) > LONGEST_SUBJECT:
        body, subject = f"{subject}\n\n{body}", subject[: LONGEST_SUBJECT - 1] + "…"
    data = body.replace("\0", "").encode()
    if len(data) > LONGEST_BODY:
        data = data[: LONGEST_BODY - len(_CUT.encode())]
        return subject, data.decode("utf-8", "ignore") + _CUT
    return subject, data.decode()


def _thread(store: Store, letter: Letter, numbers: dict[tuple[str, int], int]) -> str | None:
    """The name of its thread; there a number is that of the message that began it."""
    name = "".join(one for one in letter.thread if one.isprintable()).strip()[:_LONGEST_THREAD]
    if not (name.isascii() and name.isdecimal()):
        return name or None
    first = numbers.get((letter.project, int(name)))
    if int(name) == letter.number:
        return None
    if first is None:
        return f"agent-mail-{name}"
    return store.messages.numbered([first])[0].thread


def _reserve(
    store: Store, repository: Repository, folding: Folding, there: Contents, known: set[str]
) -> tuple[list[Reservation], list[str]]:
    """Reserve for each agent what it holds there and not here."""
    programs = {one.name: one for one in there.agents}
    granted: list[Reservation] = []
    left: list[str] = []
    live = standing(leases(store, None), store.now())
    for (name, _, _), each in _by_number(live).items():
        shown = f"{foreign(os.fsdecode(each[0].typed))} of {foreign(name)}"
        if name not in known:
            left.append(f"{shown}: no agent here can have that name")
            continue
        texts = [one.pattern for one in each]
        here = {one.pattern for one in store.reservations.all(agent=name, live_at=store.now())}
        if here.issuperset(texts):
            continue
        ttl = min(each[0].expires_ts - store.now(), store.policy.read().max_ttl)
        if ttl < SHORTEST_TTL:
            left.append(f"{shown}: it ends within a minute")
            continue
        who = programs.get(name)
        request = Request(
            name,
            [Reading(one, each[0].typed, compile_pattern(one).kind) for one in texts],
            ttl // MICROSECONDS * MICROSECONDS,
            exclusive=each[0].exclusive,
            reason=each[0].reason,
            program="" if who is None else who.program,
            model="" if who is None else who.model,
            worktree=each[0].worktree,
        )
        try:
            answer = reserve(store, request, folding, repository)
        except (RefusedError, UsageError) as error:
            left.append(f"{shown}: {error.message}")
            continue
        granted += answer.granted
        if not answer.granted:
            left.append(f"{shown}: {_why(answer.conflicts)}")
    return granted, left


def _by_number(live: Iterable[Lease]) -> dict[tuple[str, str, int], list[Lease]]:
    """The leases by the name that their agent has there, and by worktree and number."""
    found: dict[tuple[str, str, int], list[Lease]] = {}
    for one in live:
        name = one.agent.removesuffix(f" ({SOURCE})")
        found.setdefault((name, one.worktree, one.id), []).append(one)
    return found


def _why(conflicts: Sequence[Conflict]) -> str:
    if not conflicts:
        return "another branch has changed it"
    return f"it meets what {conflicts[0].other.agent} holds{and_more(len(conflicts) - 1)}"
