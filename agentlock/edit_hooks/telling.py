"""What an agent is told by an edit hook: short, only what is new, others' words as data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentlock.agents.templates import read_first
from agentlock.duration import format_remaining
from agentlock.patterns.matching import displayed
from agentlock.reservations.losses import take
from agentlock.text import and_more, count, foreign, path_name, plural, printable, quoted

if TYPE_CHECKING:
    from agentlock.git.sessions import Session
    from agentlock.store.base import Store

MOST_CHARACTERS = 2_000
_ROWS = 8


def welcome(store: Store, session: Session, news: str) -> str:
    """Who the agent is, the rule, what it holds, who waits for that, and its news and mail.

    Also which files the template that it was started from gives it to read.
    """
    with store.reading():
        now = store.now()
        live = store.reservations.all(live_at=now)
        unread = store.messages.count_unread(session.agent)
        files = read_first(store, session.agent)
    mine = [one for one in live if one.agent == session.agent]
    who = f"agentlock: you are {session.agent} in this project."
    lines = [f"{who} What another agent has reserved cannot be edited or committed meanwhile."]
    if mine:
        lines.append("You hold:")
        lines += [
            f"  {path_name(displayed(one.pattern))}  for {format_remaining(one.expires_ts - now)}"
            for one in mine[:_ROWS]
        ]
        if len(mine) > _ROWS:
            lines.append(f"  {and_more(len(mine) - _ROWS)}")
        if waiting := store.waits.behind([one.id for one in mine]):
            names = f"{', '.join(waiting[:_ROWS])}{and_more(len(waiting) - _ROWS)}"
            lines.append(f"{names} {plural(len(waiting), 'waits', 'wait')} for some of it.")
    if others := len(live) - len(mine):
        lines.append(f"Other agents hold {count(others, 'reservation')}: agentlock list")
    if unread:
        lines.append(f"You have {count(unread, 'unread message')}: agentlock inbox --unread")
    if files:
        named = ", ".join(foreign(name) for name in files[:_ROWS])
        lines.append(f"Read first: {named}{and_more(len(files) - _ROWS)}")
    lines.append("Reserve what you will work on: agentlock reserve 'src/part/**' --reason WHY")
    return cut("\n".join(lines) + (f"\n{news}" if news else ""))


def news(store: Store, agent: str) -> str:
    """What the agent has not been told yet, each once; "" if there is nothing."""
    found = take(store, agent)
    lines = [
        f"agentlock: {printable(one.subject)}"
        + (f" (the reason given: {quoted(one.body)})" if one.body and not one.sender else "")
        if not one.sender
        else f"agentlock: message {one.id} from {one.sender}: {foreign(one.subject)}"
        for one in reversed(found)
    ]
    shown = lines[:_ROWS]
    if len(lines) > _ROWS:
        shown.append(and_more(len(lines) - _ROWS))
    return cut("\n".join(shown))


def cut(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 1]}…"
