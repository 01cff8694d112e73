"""Which command somebody meant who typed one that does not exist."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import click

# What other programs, and people, call it.
_WORDS = {
    "reserve": ("lock", "claim", "acquire", "take", "hold", "checkout", "book"),
    "release": ("unlock", "unreserve", "free", "drop", "give", "done", "steal"),
    "renew": ("extend", "refresh", "touch", "prolong"),
    "list": ("ls", "locks", "leases", "reservations", "ps"),
    "show": ("info", "describe", "inspect", "cat"),
    "check": ("test", "can", "conflicts", "verify", "dry-run"),
    "status": ("st", "state", "mine"),
    "send": ("mail", "message", "msg", "tell", "write", "notify", "broadcast"),
    "inbox": ("messages", "mailbox", "unread"),
    "search": ("find", "grep"),
    "ask": ("question",),
    "answer": ("reply",),
    "ticket list": ("tickets",),
    "whoami": ("who", "id", "me", "name"),
    "agent list": ("agents", "who-else"),
    "log": ("history", "events", "audit", "logs"),
    "policy show": ("config", "settings", "rules"),
    "hooks install": ("install",),
    "hooks uninstall": ("uninstall", "deinit", "remove"),
    "init": ("setup", "start", "enable"),
    "guide": ("help", "docs", "teach"),
    "db backup": ("backup",),
    "db restore": ("restore",),
}
_UNKNOWN = re.compile(r"No such command '(.*?)'")


class Meant(NamedTuple):
    """A word that is no command, and the whole command that is nearest to it."""

    typed: str
    command: str


def meant(message: str, context: click.Context) -> Meant | None:
    """What somebody meant, by the error that click has for it; None if nothing is near."""
    unknown = _UNKNOWN.match(message)
    group = context.command
    if unknown is None or not hasattr(group, "list_commands"):
        return None
    name = unknown[1].lower()
    if context.parent is None:
        for command, words in _WORDS.items():
            if name in words:
                return Meant(unknown[1], f"{context.command_path} {command}")
    near = get_close_matches(name, group.list_commands(context), n=1)
    return Meant(unknown[1], f"{context.command_path} {near[0]}") if near else None
