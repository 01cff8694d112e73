"""What the programs' dialects have in common, and how a call is read from what a hook is sent."""

from __future__ import annotations

import os

from agentlock.edit_hooks.tools import Use, use_of
from agentlock.environment import COPILOT_CLI
from agentlock.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Literal

# What a program's event means to us.
BEFORE = "before a tool"
AFTER = "after a tool"
START = "a session starts"
PROMPT = "a prompt is sent"
STOP = "a turn ends"
COMPACT = "before a compaction"
COMPACTED = "after a compaction"
END = "a session ends"


class Call(Value):
    """One call of a hook. ``program`` and ``session`` are who calls, ``cwd`` where.

    ``event`` is ours, ``name`` the program's own word for it. ``agent_id`` is the sub-agent's, ""
    in the main one.
    """

    program: str
    event: str
    session: str
    cwd: str
    tool: str
    use: Use
    given: Mapping[str, Any]
    agent_id: str = ""
    name: str = ""

    @property
    def tool_id(self) -> str:
        """The program's own name for this use of a tool; "" where it has none."""
        return _text(self.given.get("tool_use_id"))


class Dialect(Value):
    """How one program calls its hooks, what it understands, and where its entries stand.

    ``events`` are its names for ours. ``deny(event, reason)`` is what stops a tool, on stdout;
    ``tell(event, text)`` what the model is told at an event, None where nothing reaches it.
    ``keys`` are its names for event, session, cwd, tool and the tool's input. ``repair`` is the
    answer that lets a shell command run git's hooks, where the program switches them off.
    ``hold(text)`` is the answer at the end of a turn that lets it go on; None if none does.
    ``failed(event, given)`` is whether what it sends after a tool says that the tool failed; None
    if that is not known.
    ``wakes`` is the event after which a process may wait beside the program and wake its agent.

    ``user_file`` and ``project_file`` are where it always, or in one project, looks for entries;
    ``home`` is the variable that moves the folder of the first. An entry is for the tools that
    ``matcher`` names, and ends after ``second`` times the seconds of the deadline. The project's
    are read if the program starts in a folder below (``reads_below``), and only if the user trusts
    the project (``needs_trust``).
    """

    name: str
    title: str
    commands: tuple[str, ...]
    events: Mapping[str, str]
    deny: Callable[[str, str], Mapping[str, Any]]
    tell: Callable[[str, str], Mapping[str, Any] | None]
    user_file: str
    project_file: str
    home: tuple[str, str] = ("", "")
    matcher: str = ""
    second: int = 1
    reads_below: bool = True
    needs_trust: bool = False
    shape: Literal["nested", "flat", "own", "plugin"] = "nested"
    repair: Callable[[str], Mapping[str, Any] | None] | None = None
    hold: Callable[[str], Mapping[str, Any]] | None = None
    failed: Callable[[str, Mapping[str, Any]], bool] | None = None
    wakes: str = ""
    keys: tuple[str, str, str, str, str] = (
        *("hook_event_name", "session_id", "cwd"),
        *("tool_name", "tool_input"),
    )

    def event_of(self, kind: str) -> str:
        """The program's own name for one of our events; "" if it has none."""
        return next((name for name, one in self.events.items() if one == kind), "")

    def may_go_on(self, call: Call) -> bool:
        """Whether a turn that ends may be made to go on: not if it did already, or was stopped."""
        went_on = call.given.get("stop_hook_active") or call.given.get("loop_count")
        was_stopped = call.given.get("status") in ("aborted", "error")
        return self.hold is not None and not went_on and not was_stopped

    def read(self, event: str, given: Any) -> Call:
        """The call that the program means; ``event`` is the one its entry names."""
        payload = given if isinstance(given, dict) else {}
        named, session, cwd, tool, arguments = (payload.get(key) for key in self.keys)
        if not cwd and isinstance(roots := payload.get("workspace_roots"), list):
            cwd = next(iter(roots), "")
        host = _host(payload) or self.name
        use = use_of(_text(tool), _parsed(arguments))
        if not all(map(_can_be_a_path, (*use.writes, use.folder or "."))):
            use = Use(unreadable="a path in the input of the tool is one that no file can have")
        kind = self.events.get(event) or self.events.get(_text(named), "")
        if kind == BEFORE and (not payload or not _text(tool)):
            use = Use(unreadable="the hook was not sent what the tool does")
        return Call(
            host,
            kind,
            # A sub-agent's own is its own.
            _one_line(_text(payload.get("parentAgentId")) or _text(session)),
            _text(cwd) if _can_be_a_path(_text(cwd)) else os.getcwd(),
            _text(tool),
            use,
            payload,
            _text(payload.get("agent_id")),
            event if event in self.events else _text(named),
        )


def claudes(commands: tuple[str, ...], **places: Any) -> Dialect:
    """The dialect of Claude Code, which Codex speaks too; ``places`` are the fields that differ."""
    heard = ("PreToolUse", "PostToolUse", "SessionStart", "UserPromptSubmit")
    return Dialect(
        commands=commands,
        events={
            "PreToolUse": BEFORE,
            "PostToolUse": AFTER,
            "SessionStart": START,
            "UserPromptSubmit": PROMPT,
            "Stop": STOP,
            "PreCompact": COMPACT,
            "SessionEnd": END,
        },
        deny=nested_deny,
        hold=block,
        tell=lambda event, text: nested_context(event, text) if event in heard else None,
        **places,
    )


def untagged(text: str) -> str:
    """Text for a model, in which nothing can begin or end a block that its program puts around it.

    Programs wrap what hooks say in tags, such as ``<system-reminder>``, and escape nothing.
    """
    first, *rest = text.split("<")
    return first + "".join(
        ("< " if part[:1].isalpha() or part[:1] in ("/", "!", "?") else "<") + part for part in rest
    )


def nested_deny(event: str, reason: str) -> Mapping[str, Any]:
    """The form of Claude Code and Codex. Codex ignores a denial with any other key in it."""
    return {
        "hookSpecificOutput": {
            "hookEventName": event,
            "permissionDecision": "deny",
            "permissionDecisionReason": reason,
        }
    }


def block(reason: str) -> Mapping[str, Any]:
    """What most programs understand at the end of a turn: it goes on, with the reason as prompt."""
    return {"decision": "block", "reason": reason}


def nested_context(event: str, text: str) -> Mapping[str, Any]:
    return {"hookSpecificOutput": {"hookEventName": event, "additionalContext": text}}


def _host(payload: Mapping[str, Any]) -> str:
    """The program that calls, where it is another one than the entry was made for.

    Copilot and Cursor run the entries of Claude Code's settings as well.
    """
    if "cursor_version" in payload or "conversation_id" in payload:
        return "cursor"
    if os.environ.get(COPILOT_CLI) and "permission_mode" not in payload:
        return "copilot"
    return ""


def _parsed(given: Any) -> Any:
    """The tool's input; Copilot sends it as text that is JSON in some versions."""
    if isinstance(given, str) and given.lstrip().startswith("{"):
        from agentlock.json_text import loads

        try:
            return loads(given)
        except ValueError:
            return given
    return given


def _can_be_a_path(text: str) -> bool:
    """Whether the system could have a file of this name: a lone surrogate is no byte."""
    try:
        return bool(text) and b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def _one_line(text: str) -> str:
    """The text in letters that a line of a file can have."""
    return "".join(one if one.isprintable() else f"\\x{ord(one):x}" for one in text)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
