"""Which agent asks, and which names agents may have."""

from __future__ import annotations

import os

from agentlock.environment import AGENT, AGENT_NAME, is_ci
from agentlock.errors import IdentityError
from agentlock.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentlock.git.repository import Repository

_NAME_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
_NAME_LENGTH = 32
CONFIGURED = "git config agentlock.agent"
IN_SESSION = "this session"
SESSIONS = b"agentlock/sessions"  # in the common directory; see agentlock/git/sessions.py
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
    return f"export {_drawn_setting()}"


def naming_hint() -> str:
    """How an agent gets such a name, also one whose next command runs in another shell."""
    setting = _drawn_setting()
    return f"export {setting}, or put {setting} before each command if each gets a new shell"


def _drawn_setting() -> str:
    drawn = os.urandom(3)
    return f"{AGENT}={_COLOURS[drawn[0] % len(_COLOURS)]}-{drawn[1:].hex()}"


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
                fix=naming_hint(),
            )
        return self.name


def identify(repository: Repository, option: str | None = None) -> Identity:
    """The agent: the first name that is set.

    By ``--agent``, AGENTLOCK_AGENT, an open session, git config agentlock.agent, or AGENT_NAME.

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


def named(name: str, source: str) -> Identity:
    """The agent with this name, as ``source`` says it; IdentityError if it cannot be a name."""
    _require_name(name, source)
    return Identity(name, source)


def name_without_session(repository: Repository) -> str | None:
    """The name that is set for a session which begins here; None if it must be drawn."""
    return _set_here(repository, in_session=False).name


def _set_here(repository: Repository, *, in_session: bool = True) -> Identity:
    for source, name in _names(repository, in_session=in_session):
        if name:
            _require_name(name, source)
            return Identity(name, source)
    return Identity(None, "")


def _names(repository: Repository, *, in_session: bool) -> Iterator[tuple[str, str | None]]:
    """Where a name can come from, and the name; whoever finds one asks no further."""
    yield AGENT, os.environ.get(AGENT)
    if in_session and os.path.isdir(os.path.join(repository.common_dir, SESSIONS)):
        from agentlock.git.sessions import open_here

        session = open_here(repository)
        yield IN_SESSION, None if session is None else session.agent
    yield CONFIGURED, os.fsdecode(repository.settings.get(b"agentlock.agent", b""))
    yield AGENT_NAME, _agent_name()


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
            fix=naming_hint(),
        )


def person() -> str | None:
    """Git's user.name as the name of whoever overrides, with other characters as ``-``."""
    from agentlock.git.process import git

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
