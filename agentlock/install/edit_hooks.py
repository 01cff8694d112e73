"""Put agentlock's entries into the settings of agents' programs, look for them, and take them out.

What else stands in these files is kept to the byte. The file as it was is kept in the data folder,
so that taking the entries out restores it if nobody has changed it since.
"""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

from agentlock.edit_hooks.dialect import BEFORE, END
from agentlock.edit_hooks.programs import NAMES, dialect_of
from agentlock.edit_hooks.run import WAKE
from agentlock.edit_hooks.turns import LONGEST, WOKEN
from agentlock.errors import UsageError
from agentlock.install import settings
from agentlock.install.json_files import Document
from agentlock.install.shims import current_pin, script
from agentlock.model import Value
from agentlock.text import single_quoted

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Literal

    from agentlock.edit_hooks.dialect import Dialect

SECONDS = 30  # what the entries give the program; the door's own deadline is 5
_MARK = "agentlock"
_KIND = "edit-hooks"
_COMMENTS = ("gemini",)  # whose settings may have comments


class Installed(Value):
    """How the entries of one program stand in one file.

    ``state``: "installed", "outdated" (written by another installation), "partly" or "missing".
    ``changed`` is whether this command changed the file.
    """

    program: str
    title: str
    place: Literal["user", "project"]
    file: str
    state: Literal["installed", "outdated", "partly", "missing"]
    changed: bool = False


def found_here() -> list[str]:
    """The programs that this machine seems to have: a command on PATH, or a folder in HOME."""
    return [name for name in NAMES if _is_here(dialect_of(name))]


def file_of(dialect: Dialect, root: str | None) -> str:
    """Where the entries stand: in the user's own settings, or in the project at ``root``."""
    if root is not None:
        return os.path.join(root, dialect.project_file)
    return settings.of_user(dialect.home, dialect.user_file)


def install(name: str, root: str | None = None) -> Installed:
    """Write the entries of a program; UsageError if its file cannot be read as what it is."""
    dialect = dialect_of(name)
    path = file_of(dialect, root)
    old = settings.read(path)
    new = (
        _whole(dialect, path) if dialect.shape in ("own", "plugin") else _merged(dialect, path, old)
    )
    changed = settings.put(_KIND, path, old, new)
    return status(name, root).replace(changed=changed)


def uninstall(name: str, root: str | None = None) -> Installed:
    """Take the entries out; if nothing else has changed since, the file is what it was before."""
    dialect = dialect_of(name)
    path = file_of(dialect, root)
    old = settings.read(path)
    new = settings.restored(_KIND, path, old)
    if new is settings.UNKNOWN:
        new = _without(dialect, path, old)
    changed = new != old
    if changed and new is None:
        os.unlink(path)
    elif changed:
        settings.write(path, new or b"")
    settings.forget(_KIND, path)
    return status(name, root).replace(changed=changed)


def status(name: str, root: str | None = None) -> Installed:
    """How a program's entries stand."""
    dialect = dialect_of(name)
    path = file_of(dialect, root)
    place: Literal["user", "project"] = "user" if root is None else "project"
    shown = Installed(name, dialect.title, place, path, "missing")
    data = settings.read(path)
    if data is None:
        return shown
    if dialect.shape in ("own", "plugin"):
        if _MARK.encode() not in data:
            return shown
        return shown.replace(state="installed" if data == _whole(dialect, path) else "outdated")
    document = _document(dialect, path, data)
    ours = {event: _ours(document, event) for event in dialect.events}
    if not any(ours.values()):
        return shown
    expected = {event: _commands(dialect, event, path) for event in dialect.events}
    texts = {event: [text for _, text in found] for event, found in ours.items() if found}
    if texts == expected:
        return shown.replace(state="installed")
    return shown.replace(state="outdated" if texts.keys() == expected.keys() else "partly")


def lines_before_a_tool(name: str, root: str | None = None) -> list[str]:
    """The shell lines that the program runs before a tool, as they stand in its settings now.

    A plugin runs none: for one that is as we wrote it, this is the line that asks the same.
    """
    dialect = dialect_of(name)
    path = file_of(dialect, root)
    data = settings.read(path)
    event = dialect.event_of(BEFORE)
    if data is None:
        return []
    if dialect.shape == "plugin":
        return [_asking(dialect, event)] if data == _whole(dialect, path) else []
    return [text for _, text in _ours(_document(dialect, path, data), event)]


def _command(dialect: Dialect, event: str, path: str) -> str:
    """The shell line of an entry. Programs run it with sh, bash or the user's own shell."""
    python, program = (single_quoted(word) for word in current_pin())
    asked = f"hook edit {dialect.name} {event}"
    if dialect.events[event] != BEFORE:
        return f"{_asking(dialect, event)} || exit 0"
    broken = (
        f"agentlock: edit refused: the program that answers for agentlock gave no answer ($2). "
        f"Install agentlock again, or take the agentlock entries out of {settings.shown(path)}"
    )
    script = (
        f'"$1" -I -S "$2" {asked}; case $? in 100) exit 0 ;; 101) exit 2 ;; esac; '
        f'git config agentlock.database >/dev/null 2>&1 || exit 0; echo "{broken}" >&2; exit 2'
    )
    return f"sh -c {single_quoted(script)} agentlock {python} {program}"


def _asking(dialect: Dialect, event: str) -> str:
    python, program = (single_quoted(word) for word in current_pin())
    return f"{python} -I -S {program} hook edit {dialect.name} {event}"


def _commands(dialect: Dialect, event: str, path: str) -> list[str]:
    """The shell lines of all entries for an event."""
    lines = [_command(dialect, event, path)]
    if event == dialect.wakes:
        lines.append(f"{_asking(dialect, WAKE)}; [ $? -ne {WOKEN} ] || exit 2; exit 0")
    return lines


def _entry(dialect: Dialect, event: str, command: str) -> dict[str, Any]:
    if f" {WAKE};" in command:
        hook: dict[str, Any] = {"type": "command", "command": command, "timeout": LONGEST + 60}
        return {"hooks": [{**hook, "async": True, "asyncRewake": True}]}
    seconds = SECONDS if dialect.events[event] != END else 1
    is_for_tools = dialect.matcher and dialect.events[event] == BEFORE
    matcher = {"matcher": dialect.matcher} if is_for_tools else {}
    if dialect.shape == "own":
        return {"type": "command", "bash": command, "timeoutSec": seconds, **matcher}
    if dialect.shape == "flat":
        return {"command": command, "timeout": seconds, **matcher}
    hook = {"type": "command", "command": command, "timeout": seconds * dialect.second}
    return {**matcher, "hooks": [hook]}


def _whole(dialect: Dialect, path: str) -> bytes:
    """The text of a file that is all ours."""
    if dialect.shape == "plugin":
        with open(script("opencode.js"), encoding="utf-8") as file:
            text = file.read()
        for word, value in zip(("@PYTHON@", "@PROGRAM@"), current_pin(), strict=True):
            text = text.replace(word, json.dumps(value)[1:-1])
        return text.encode()
    hooks = {
        event: [_entry(dialect, event, line) for line in _commands(dialect, event, path)]
        for event in dialect.events
    }
    return (json.dumps({"version": 1, "hooks": hooks}, indent=2) + "\n").encode()


def _merged(dialect: Dialect, path: str, old: bytes | None) -> bytes:
    """The file with our entries: new ones at the end, those of another installation renewed."""
    start = b'{\n  "version": 1\n}\n' if dialect.shape == "flat" else b"{}\n"
    data = start if old is None or not old.strip() else old
    for event in dialect.events:
        lines = _commands(dialect, event, path)
        _require_list(_document(dialect, path, data), event, path)
        for at, line in enumerate(lines):
            document = _document(dialect, path, data)
            found = _ours(document, event)
            if at < len(found):
                if found[at][1] != line:
                    data = document.replace(found[at][0], line)
            elif document.value("hooks", event) is None:
                data = document.insert(("hooks", event), [_entry(dialect, event, line)])
            else:
                data = document.insert(("hooks", event), _entry(dialect, event, line))
        for place, text in _ours(_document(dialect, path, data), event)[len(lines) :]:
            if text != lines[0]:  # written twice by hand: each later one only repeats
                data = _document(dialect, path, data).replace(place, lines[0])
    return data


def _without(dialect: Dialect, path: str, data: bytes | None) -> bytes | None:
    """The file without our entries and the lists that they leave empty; None if all is ours."""
    if data is None:
        return None
    if dialect.shape in ("own", "plugin"):
        return None if _MARK.encode() in data else data
    for event in dialect.events:
        while found := _ours(document := _document(dialect, path, data), event):
            place = found[-1][0]
            entry = place[:3]
            group = document.value(*entry)
            if dialect.shape == "nested" and len(group["hooks"]) > 1:
                data = document.remove(place[:-1])
            else:
                data = document.remove(entry)
                document = _document(dialect, path, data)
                if document.value("hooks", event) == []:
                    data = document.remove(("hooks", event))
    document = _document(dialect, path, data)
    if document.value("hooks") == {}:
        data = document.remove(("hooks",))
    return data


def _ours(document: Document, event: str) -> list[tuple[tuple[str | int, ...], str]]:
    """Where the commands of our entries for an event stand, and their text."""
    found: list[tuple[tuple[str | int, ...], str]] = []
    groups = document.value("hooks", event)
    for at, group in enumerate(groups if isinstance(groups, list) else ()):
        if not isinstance(group, dict):
            continue
        if _is_ours(group.get("command")):
            found.append((("hooks", event, at, "command"), group["command"]))
        if _is_ours(group.get("bash")):
            found.append((("hooks", event, at, "bash"), group["bash"]))
        hooks = group.get("hooks")
        for place, hook in enumerate(hooks if isinstance(hooks, list) else ()):
            if isinstance(hook, dict) and _is_ours(hook.get("command")):
                where = ("hooks", event, at, "hooks", place, "command")
                found.append((where, hook["command"]))
    return found


def _is_ours(command: object) -> bool:
    return isinstance(command, str) and _MARK in command and " hook edit " in command


def _require_list(document: Document, event: str, path: str) -> None:
    hooks = document.value("hooks")
    groups = document.value("hooks", event)
    if not isinstance(hooks, dict | None) or not isinstance(groups, list | None):
        raise UsageError(
            f"{settings.shown(path)} has hooks in a form that agentlock does not know, so nothing "
            "was changed",
            fix=f"repair {settings.shown(path)} first",
        )


def _document(dialect: Dialect, path: str, data: bytes) -> Document:
    return Document(data, settings.shown(path), comments=dialect.name in _COMMENTS)


def _is_here(dialect: Dialect) -> bool:
    folder = file_of(dialect, None)
    inside = dialect.user_file.split("/")
    depth = len(inside) - (2 if inside[0] == ".config" else 1)
    for _ in range(depth):
        folder = os.path.dirname(folder)
    return os.path.isdir(folder) or any(map(shutil.which, dialect.commands))


def statuses(names: Iterable[str], root: str | None) -> list[Installed]:
    """How each of these programs' entries stand: the user's and, if given, a project's."""
    found = [status(name) for name in names]
    return found + ([status(name, root) for name in names] if root is not None else [])
