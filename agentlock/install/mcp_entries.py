"""Put `agentlock mcp` into the settings of agents' programs, look for it, and take it out.

What else stands in these files is kept to the byte, as for the edit hooks.
"""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

from agentlock.errors import UsageError
from agentlock.install import settings
from agentlock.install.json_files import Document
from agentlock.model import Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, Literal

    from tomlkit import TOMLDocument

SERVER = "agentlock"
_KIND = "mcp-entries"


class Program(Value):
    """Where a program looks for MCP servers: ``key`` names the object of the servers in a file.

    ``home`` is the variable that moves the user's file, and the file's name below it.
    ``project_file`` is "" if it reads none in a project. ``shape`` is how an entry is written.
    """

    name: str
    title: str
    user_file: str
    project_file: str
    home: tuple[str, str] = ("", "")
    key: str = "mcpServers"
    comments: bool = False
    shape: Literal["plain", "stdio", "local", "words", "toml"] = "plain"


_PROGRAMS = (
    Program(
        *("claude", "Claude Code", ".claude.json", ".mcp.json"),
        home=("CLAUDE_CONFIG_DIR", ".claude.json"),
        shape="stdio",
    ),
    Program(
        *("codex", "Codex", ".codex/config.toml", ".codex/config.toml"),
        home=("CODEX_HOME", "config.toml"),
        key="mcp_servers",
        shape="toml",
    ),
    Program(
        *("gemini", "Gemini CLI", ".gemini/settings.json", ".gemini/settings.json"), comments=True
    ),
    Program("cursor", "Cursor", ".cursor/mcp.json", ".cursor/mcp.json"),
    Program(
        *("copilot", "Copilot CLI", ".copilot/mcp-config.json", ""),
        home=("COPILOT_HOME", "mcp-config.json"),
        shape="local",
    ),
    Program(
        *("opencode", "OpenCode", ".config/opencode/opencode.json", "opencode.json"),
        home=("XDG_CONFIG_HOME", "opencode/opencode.json"),
        key="mcp",
        comments=True,
        shape="words",
    ),
)
NAMES = tuple(one.name for one in _PROGRAMS)


class Entry(Value):
    """How the entry of one program stands in one file.

    ``state``: "installed", "outdated" (it starts another installation) or "missing". ``changed``
    is whether this command changed the file.
    """

    program: str
    title: str
    place: Literal["user", "project"]
    file: str
    state: Literal["installed", "outdated", "missing"]
    changed: bool = False


def program(name: str) -> Program:
    """The program; UsageError if it is not one that can be set up."""
    for one in _PROGRAMS:
        if one.name == name:
            return one
    raise UsageError(
        f"{name!r} is not a program that agentlock knows", fix=f"one of: {', '.join(NAMES)}"
    )


def found_here() -> list[str]:
    """The programs that this machine seems to have: a command on PATH, or their settings."""
    return [
        one.name
        for one in _PROGRAMS
        if shutil.which(one.name) or os.path.exists(file_of(one, None))
    ]


def file_of(one: Program, root: str | None) -> str:
    """The file of the user, or of the project at ``root``; UsageError if it reads none there."""
    if root is not None:
        if not one.project_file:
            raise UsageError(
                f"{one.title} reads no MCP servers from a project", fix="leave out --project"
            )
        return os.path.join(root, one.project_file)
    return settings.of_user(one.home, one.user_file)


def install(name: str, root: str | None, options: Iterable[str] = ()) -> Entry:
    """Write the entry; UsageError if its file cannot be read as what it is."""
    one = program(name)
    path = file_of(one, root)
    old = settings.read(path)
    entry = _entry(one, root, options)
    _refuse_anothers(one, path, old or b"")
    if one.shape == "toml":
        new = _with_table(path, old, entry)
    else:
        new = _with_object(one, path, old, entry)
    changed = settings.put(_KIND, path, old, new)
    return status(name, root).replace(changed=changed)


def uninstall(name: str, root: str | None = None) -> Entry:
    """Take the entry out; if nothing else has changed since, the file is what it was before."""
    one = program(name)
    path = file_of(one, root)
    old = settings.read(path)
    if not old or not old.strip() or _current(one, path, old) is None:
        return status(name, root)
    new = settings.restored(_KIND, path, old)
    if new is settings.UNKNOWN:
        new = _without_table(path, old) if one.shape == "toml" else _without_object(one, path, old)
    if new is None:
        os.unlink(path)
    else:
        settings.write(path, new)
    settings.forget(_KIND, path)
    return status(name, root).replace(changed=True)


def status(name: str, root: str | None = None) -> Entry:
    """How a program's entry stands."""
    one = program(name)
    path = file_of(one, root)
    place: Literal["user", "project"] = "user" if root is None else "project"
    shown = Entry(name, one.title, place, path, "missing")
    data = settings.read(path)
    current = _current(one, path, data) if data and data.strip() else None
    if current is None:
        return shown
    wanted = _words(_entry(one, root, ()))  # options may follow
    is_ours = _words(current)[: len(wanted)] == wanted
    return shown.replace(state="installed" if is_ours else "outdated")


def statuses(names: Iterable[str], root: str | None) -> list[Entry]:
    """How each of these programs' entries stand: the user's and, if given, a project's."""
    chosen = list(names)
    found = [status(name) for name in chosen]
    if root is None:
        return found
    return found + [status(name, root) for name in chosen if program(name).project_file]


def _entry(one: Program, root: str | None, options: Iterable[str]) -> dict[str, Any]:
    """The server's entry. A project's file is shared, so it names no path of this machine."""
    command = ["agentlock"] if root is not None else [sys.executable, "-I", "-m", "agentlock"]
    command += ["mcp", *options]
    if one.shape == "words":
        return {"type": "local", "command": command, "enabled": True}
    plain = {"command": command[0], "args": command[1:]}
    if one.shape == "stdio":
        return {"type": "stdio", **plain}
    if one.shape == "local":
        return {"type": "local", **plain, "tools": ["*"]}
    # Codex's own limit of 60 s would cut off a wait that starts late.
    return {**plain, "tool_timeout_sec": 90} if one.shape == "toml" else plain


def _words(entry: Mapping[str, Any]) -> list[str]:
    """The command line of an entry."""
    command, more = entry.get("command"), entry.get("args")
    words = list(command) if isinstance(command, list) else [command]
    return [str(word) for word in [*words, *(more if isinstance(more, list) else ())]]


def _current(one: Program, path: str, data: bytes) -> dict[str, Any] | None:
    """The entry of agentlock that the file has; UsageError if it is not what it should be."""
    entry = _named_so(one, path, data)
    return entry if isinstance(entry, dict) and "mcp" in _words(entry) else None


def _named_so(one: Program, path: str, data: bytes) -> Any:
    """The entry under our name, which may be another server's."""
    if one.shape == "toml":
        servers: Any = _toml(path, data).unwrap().get(one.key)
    else:
        servers = _document(one, path, data).value(one.key)
    if servers is not None and not isinstance(servers, dict):
        raise UsageError(
            f"{settings.shown(path)} has {one.key} in a form that agentlock does not know, so "
            "nothing was changed",
            fix=f"repair {settings.shown(path)} first",
        )
    return (servers or {}).get(SERVER)


def _refuse_anothers(one: Program, path: str, data: bytes) -> None:
    if not data.strip():
        return
    if _named_so(one, path, data) is not None and _current(one, path, data) is None:
        raise UsageError(
            f"{settings.shown(path)} has another server that is called {SERVER}",
            fix="give that one another name",
        )


def _document(one: Program, path: str, data: bytes) -> Document:
    return Document(data, settings.shown(path), comments=one.comments)


def _with_object(one: Program, path: str, old: bytes | None, entry: dict[str, Any]) -> bytes:
    data = old if old and old.strip() else b"{}\n"
    current = _current(one, path, data)
    if current == entry:
        return data
    if current is not None:
        data = _document(one, path, data).remove((one.key, SERVER))
    return _document(one, path, data).insert((one.key, SERVER), entry)


def _without_object(one: Program, path: str, data: bytes) -> bytes:
    data = _document(one, path, data).remove((one.key, SERVER))
    document = _document(one, path, data)
    return document.remove((one.key,)) if document.value(one.key) == {} else data


def _toml(path: str, data: bytes) -> TOMLDocument:
    """UsageError if it is not TOML."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        return tomlkit.parse(data.decode())
    except (TOMLKitError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{settings.shown(path)} is not valid TOML, so nothing was changed",
            fix=f"repair {settings.shown(path)} first",
        ) from error


def _with_table(path: str, old: bytes | None, entry: dict[str, Any]) -> bytes:
    import tomlkit

    data = old or b""
    current = _current(program("codex"), path, data)
    if current is not None and entry.items() <= current.items():
        return data
    document = _toml(path, data)
    servers: Any = document.get("mcp_servers")
    if servers is None:
        document["mcp_servers"] = servers = tomlkit.table(is_super_table=True)
    table: Any = servers.get(SERVER) if current is not None else tomlkit.table()
    for name, value in entry.items():
        table[name] = value
    if current is None:
        servers[SERVER] = table
    return tomlkit.dumps(document).encode()


def _without_table(path: str, data: bytes) -> bytes:
    import tomlkit

    document = _toml(path, data)
    servers: Any = document["mcp_servers"]
    del servers[SERVER]
    if not servers:
        del document["mcp_servers"]
    return tomlkit.dumps(document).encode()
