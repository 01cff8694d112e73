"""Which agent asks, and which names agents may have."""

from __future__ import annotations

import os

from agentlock.environment import AGENT, AGENT_NAME, is_ci
from agentlock.errors import IdentityError
from agentlock.git.process import git
from agentlock.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agentlock.git.repository import Repository

_NAME_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
_NAME_LENGTH = 32
CONFIGURED = "git config agentlock.agent"
# What programs and manuals write where an agent's own name should stand: several would share it.
_PLACEHOLDERS = (
    *("yourname", "your-name", "agent", "assistant"),
    *("claude", "codex", "gemini", "cursor", "copilot"),
)
_COLOURS = ("amber", "blue", "coral", "green", "ivory", "olive", "red", "teal")
NAME_RULE = "1 to 32 letters and digits, with single `-` or `_` between them, and one `.` at most"


def is_agent_name(name: str) -> bool:
    """Whether it can be an agent's name: it stands in messages to others, so it is no sentence."""
    signs = name.replace("_", "-").replace(".", "-")
    return (
        0 < len(name) <= _NAME_LENGTH
        and signs[0] != "-"
        and "--" not in signs
        and name.count(".") <= 1
        and _NAME_CHARACTERS.issuperset(name)
    )


def naming_command() -> str:
    """The command that gives a shell a name which, most likely, nobody else has."""
    drawn = os.urandom(3)
    return f"export {AGENT}={_COLOURS[drawn[0] % len(_COLOURS)]}-{drawn[1:].hex()}"


class Identity(Value):
    """The agent that asks, and where its name came from; None and "" if no name is set.

    ``overruled`` is the other name that is set here, if ``--agent`` overrules one.
    """

    name: str | None
    source: str
    overruled: str | None = None

    def required(self) -> str:
        """The name; IdentityError if none is set."""
        if self.name is None:
            raise IdentityError(
                "no agent name is set, and only a named agent can hold reservations",
                fix=f"{naming_command()}, or another name that nobody else has",
            )
        return self.name


def identify(repository: Repository, option: str | None = None) -> Identity:
    """The agent: the first of ``--agent``, AGENTLOCK_AGENT, git config agentlock.agent, AGENT_NAME.

    AGENT_NAME is ignored if it is not a valid name, and in a CI system, which gives every step the
    name of its machine; elsewhere an invalid name, or a placeholder, is an IdentityError.
    """
    if option is None:
        return _set_here(repository)
    _require_name(option, "--agent")
    try:
        here = _set_here(repository).name
    except IdentityError:
        here = None
    return Identity(option, "--agent", None if here == option else here)


def _set_here(repository: Repository) -> Identity:
    for source, name in (
        (AGENT, os.environ.get(AGENT)),
        (CONFIGURED, os.fsdecode(repository.settings.get(b"agentlock.agent", b""))),
        (AGENT_NAME, _agent_name()),
    ):
        if name:
            _require_name(name, source)
            return Identity(name, source)
    return Identity(None, "")


def _agent_name() -> str | None:
    name = os.environ.get(AGENT_NAME, "")
    if not is_agent_name(name) or name.lower() in _PLACEHOLDERS or is_ci(os.environ):
        return None
    return name


def _require_name(name: str, source: str) -> None:
    if not is_agent_name(name):
        raise IdentityError(
            f"{name!r} ({source}) is not a valid agent name", fix=f"use {NAME_RULE}"
        )
    if name.lower() in _PLACEHOLDERS:
        raise IdentityError(
            f"{name!r} ({source}) is a placeholder, which several agents would share",
            fix=f"{naming_command()}, or another name that nobody else has",
        )


def person() -> str | None:
    """Git's user.name as the name of whoever overrides, with other characters as ``-``."""
    result = git("config", "--get", "user.name")
    name = os.fsdecode(result.stdout.strip())
    shown = "".join(letter if letter.isascii() and letter.isalnum() else " " for letter in name)
    return "-".join(shown.split())[:_NAME_LENGTH].strip("-") or None


def identify_pusher(repository: Repository) -> Identity:
    """The agent that pushes, as the server knows it: the first identity variable that is set.

    Nothing else is believed: where a client shares the server's machine, it brings its own
    environment and configuration along.
    """
    for variable in repository.identity_variables:
        name = os.environ.get(variable)
        if not name:
            continue
        if not is_agent_name(name):
            raise IdentityError(
                f"{name!r} ({variable}, as this server sets it) is not a valid agent name",
                fix=f"use {NAME_RULE}",
            )
        return Identity(name, variable)
    return Identity(None, "")
