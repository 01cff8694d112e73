"""What a tool of an agent's program is about to write, read from its input.

One table serves all programs, because several run the same settings file, each with its own names.
"""

from __future__ import annotations

from agentlock.edit_hooks.patch import paths_in
from agentlock.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# As the programs name them, in lower case and without `_`.
_EDITS = frozenset(
    (
        *("edit", "write", "multiedit", "notebookedit", "editnotebook", "replace", "writefile"),
        *("create", "createfile", "strreplace", "strreplaceeditor", "delete", "deletefile"),
        *("move", "searchreplace", "editfile", "insert"),
    )
)
_PATCHES = frozenset(("applypatch", "patch"))
_SHELLS = frozenset(("bash", "shell", "runshellcommand", "execcommand", "runterminalcmd", "exec"))
# Where the input names a file. A tool that only reads has them too, so the tool's name decides.
_PATH_KEYS = (
    *("file_path", "path", "filePath", "notebook_path", "target_file", "target_notebook"),
    *("new_path", "old_path", "source", "destination", "source_path", "destination_path"),
)
_PATCH_KEYS = ("command", "input", "patchText", "patch", "patch_text")
_COMMAND_KEYS = ("command", "cmd")
# Where the input of a shell tool names another folder than the one where the program works.
_FOLDER_KEYS = ("workdir", "working_directory", "cwd", "dir_path", "directory")


class Use(Value):
    """One use of a tool: the paths that it writes as it names them, or the shell command it runs.

    ``folder`` is where the command runs, "" if its input does not say. ``unreadable`` says why the
    paths of an edit are not known.
    """

    writes: tuple[str, ...] = ()
    command: str = ""
    folder: str = ""
    unreadable: str = ""


def use_of(tool: str, given: Any) -> Use:
    """What a tool is about to do with this input; nothing if it does not edit."""
    name = tool.lower().replace("_", "").replace("-", "")
    if name in _SHELLS:
        return _command(given)
    if name in _PATCHES or (name in _EDITS and isinstance(given, str)):
        text = given if isinstance(given, str) else _first(given, _PATCH_KEYS)
        paths = paths_in(text) if text else []
        if paths:
            return Use(tuple(paths))
        return _edited(given, tool)
    if name in _EDITS:
        return _edited(given, tool)
    return Use()


def _edited(given: Any, tool: str) -> Use:
    found: list[str] = []
    entries = [given]
    if isinstance(given, dict):
        entries += [one for value in given.values() if isinstance(value, list) for one in value]
    for entry in entries:
        if isinstance(entry, dict):
            found += [
                value for key in _PATH_KEYS if isinstance(value := entry.get(key), str) and value
            ]
    if found:
        return Use(tuple(dict.fromkeys(found)))
    return Use(unreadable=f"the input of the tool {tool[:40]!r} names no file")


def _command(given: Any) -> Use:
    if isinstance(given, str):
        return Use(command=given)
    if isinstance(given, dict):
        folder = _first(given, _FOLDER_KEYS)
        for key in _COMMAND_KEYS:
            value = given.get(key)
            if isinstance(value, str):
                return Use(command=value, folder=folder)
            if isinstance(value, list):
                words = (word for word in value if isinstance(word, str))
                return Use(command=" ".join(words), folder=folder)
    return Use()


def _first(given: Any, keys: tuple[str, ...]) -> str:
    if not isinstance(given, dict):
        return ""
    return next((value for key in keys if isinstance(value := given.get(key), str)), "")
