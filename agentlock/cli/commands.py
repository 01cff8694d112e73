"""The commands by name; a command's module is imported when the command is called."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agentlock.cli.declared import Command

# name: (module, attribute)
COMMANDS = {
    "init": ("init", "init"),
    "reserve": ("reservations", "reserve"),
    "renew": ("reservations", "renew"),
    "release": ("reservations", "release"),
    "wait": ("queue", "wait"),
    "queue": ("queue", "queue"),
    "list": ("listing", "list_reservations"),
    "show": ("listing", "show"),
    "check": ("check", "check"),
    "explain": ("explain", "explain"),
    "status": ("status", "status"),
    "board": ("board", "board"),
    "doctor": ("doctor", "doctor"),
    "send": ("mail", "send"),
    "inbox": ("mail", "inbox"),
    "read": ("mail", "read"),
    "ack": ("mail", "ack"),
    "thread": ("mail", "thread"),
    "search": ("mail", "search"),
    "ask": ("tickets", "ask"),
    "answer": ("tickets", "answer"),
    "ticket": ("tickets", "ticket"),
    "whoami": ("agents", "whoami"),
    "agent": ("agents", "agent"),
    "run": ("run", "run"),
    "template": ("templates", "template"),
    "team": ("teams", "team"),
    "agent-mail": ("agent_mail", "agent_mail"),
    "session": ("sessions", "session"),
    "policy": ("policy", "policy"),
    "log": ("log", "log"),
    "ledger": ("ledger", "ledger"),
    "hooks": ("hooks", "hooks"),
    "hook": ("hooks", "hook"),
    "edit-hooks": ("edit_hooks", "edit_hooks"),
    "db": ("database", "db"),
    "mcp": ("mcp", "mcp"),
    "guide": ("guide", "guide"),
    "demo": ("demo", "demo"),
}


def find(name: str) -> Command | None:
    """The command of this name; None if there is none."""
    if name not in COMMANDS:
        return None
    module, attribute = COMMANDS[name]
    __import__(f"agentlock.cli.{module}")  # importlib would be one more module to load
    found: Command = getattr(sys.modules[f"agentlock.cli.{module}"], attribute)
    return found
