"""Read and write agentlock's settings in a repository's own configuration, and hook settings."""

from __future__ import annotations

import os

from agentlock.errors import GitError
from agentlock.git.process import git, output
from agentlock.model import Value
from agentlock.text import shell_word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.git.process import Result

SECTION = "agentlock"
LOCAL = ("--local",)
"""The repository's own file, which all its worktrees share, as options of `git config`."""
_LOCK_SECONDS = 5.0
_LOCK_PAUSE = 0.05


def _write(cwd: bytes, *arguments: str, where: Sequence[str] = LOCAL) -> Result:
    """Change a file of git's configuration; wait for a git command that is changing it now.

    git itself does not wait for the lock file of its configuration.
    """
    import time

    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        result = git("config", *where, *arguments, cwd=cwd)
        is_locked = b"could not lock" in result.stderr and b"File exists" in result.stderr
        if not is_locked:
            return result
        if time.monotonic() > deadline:
            file = where[-1]
            if where == LOCAL:
                folder = os.fsdecode(output("rev-parse", "--git-common-dir", cwd=cwd)[:-1])
                file = os.path.join(os.fsdecode(os.path.abspath(cwd)), folder, "config")
            lock = f"{file}.lock"
            raise GitError(
                f"{lock} is there: a git command is changing the configuration, or died doing it",
                fix=f"when no git command runs any more: rm {shell_word(lock)}",
            )
        time.sleep(_LOCK_PAUSE)


def _must_write(cwd: bytes, *arguments: str, where: Sequence[str] = LOCAL) -> None:
    result = _write(cwd, *arguments, where=where)
    if result.code != 0:
        raise result.error()


def hooks_folder(cwd: bytes) -> bytes:
    """The folder that git runs hooks from in ``cwd`` (githooks(5): core.hooksPath and all)."""
    found = git("rev-parse", "--path-format=absolute", "--git-path", "hooks", cwd=cwd)
    if found.code == 0:
        return found.stdout[:-1]
    # An empty core.hooksPath is no path to rev-parse, but git looks for /pre-commit then.
    if git("config", "core.hooksPath", cwd=cwd).stdout == b"\n":
        return b"/"
    raise found.error()


def record(cwd: bytes, name: str, value: str, where: Sequence[str] = LOCAL) -> None:
    """Set ``agentlock.NAME`` in a file of git's configuration."""
    _must_write(cwd, f"{SECTION}.{name}", value, where=where)


def forget(cwd: bytes) -> None:
    """Remove every agentlock setting, if there are any."""
    result = _write(cwd, "--remove-section", SECTION)
    if result.code not in (0, 128) or (
        result.code == 128 and b"no such section" not in result.stderr.lower()
    ):
        raise result.error()


def recorded(cwd: bytes, name: str, where: Sequence[str] = LOCAL) -> str | None:
    """The value of ``agentlock.NAME`` in a file of git's configuration."""
    result = git("config", *where, "-z", "--get", f"{SECTION}.{name}", cwd=cwd)
    if result.code == 1:
        return None
    if result.code != 0:
        raise result.error()
    return os.fsdecode(result.stdout[:-1])


class HookSetting(Value):
    """``hook.NAME.KEY``, its value, and the scope of git's configuration that it stands in."""

    scope: str
    name: str
    key: str
    value: str


def hook_settings(cwd: bytes, *options: str) -> list[HookSetting]:
    """Every ``hook.NAME.KEY`` that git sees in ``cwd``, in the order in which git reads them."""
    asked = ("--show-scope", *options, "--get-regexp", r"^hook\..*\.")
    result = git("config", "-z", *asked, cwd=cwd)
    if result.code == 1:
        return []
    if result.code != 0:
        raise result.error()
    fields = os.fsdecode(result.stdout).split("\0")
    found = []
    for scope, item in zip(fields[::2], fields[1::2], strict=False):
        full, _, value = item.partition("\n")
        name, _, key = full.removeprefix("hook.").rpartition(".")
        found.append(HookSetting(scope, name, key, value))
    return found


def local_hook_settings(cwd: bytes) -> list[HookSetting]:
    """The same from the repository's own file only, without included files."""
    return hook_settings(cwd, "--local", "--no-includes")


def set_hook(cwd: bytes, name: str, key: str, value: str | None = None) -> None:
    """Set ``hook.NAME.KEY`` in the repository's own file, or unset it (None).

    git removes a section with its last key, unless there is a comment in it.
    """
    setting = f"hook.{name}.{key}"
    if value is None:
        _must_write(cwd, "--unset-all", setting)
    else:
        _must_write(cwd, "--replace-all", setting, value)


def is_false(value: str) -> bool:
    """A boolean of git's that is false (git-config(1), "boolean")."""
    return value.lower() in ("false", "no", "off", "0", "")


def hooks_path_settings(cwd: bytes) -> list[tuple[str, str]]:
    """Every ``core.hooksPath`` that git sees in ``cwd``: (scope, value), the last one counts."""
    result = git("config", "-z", "--show-scope", "--get-all", "core.hooksPath", cwd=cwd)
    if result.code == 1:
        return []
    if result.code != 0:
        raise result.error()
    fields = os.fsdecode(result.stdout).split("\0")
    return list(zip(fields[::2], fields[1::2], strict=False))


def hooks_path_source(cwd: bytes) -> str:
    """The file that sets the effective ``core.hooksPath``, as git says it: ``file:.git/config``."""
    found = output("config", "-z", "--show-origin", "--get", "core.hooksPath", cwd=cwd)
    return os.fsdecode(found.partition(b"\0")[0])


def hooks_paths_in(cwd: bytes, where: Sequence[str] = LOCAL) -> list[str]:
    """The values of ``core.hooksPath`` in a file of git's configuration, without its includes."""
    result = git("config", *where, "--no-includes", "-z", "--get-all", "core.hooksPath", cwd=cwd)
    if result.code == 1:
        return []
    if result.code != 0:
        raise result.error()
    return os.fsdecode(result.stdout).split("\0")[:-1]


def set_hooks_path(cwd: bytes, value: str | None, where: Sequence[str] = LOCAL) -> None:
    """Set ``core.hooksPath`` in a file of git's configuration, or unset it there (None)."""
    if value is None:
        _must_write(cwd, "--unset", "core.hooksPath", where=where)
    else:
        _must_write(cwd, "core.hooksPath", value, where=where)


def expanded_path(cwd: bytes, value: str) -> str:
    """A path from git's configuration, with ``~user`` and ``%(prefix)`` resolved by git."""
    setting = f"{SECTION}.path"
    found = output("-c", f"{setting}={value}", "config", "-z", "--path", "--get", setting, cwd=cwd)
    return os.fsdecode(found[:-1])


def forget_one(cwd: bytes, name: str, where: Sequence[str] = LOCAL) -> None:
    """Remove ``agentlock.NAME`` from a file of git's configuration, if it is there."""
    result = _write(cwd, "--unset", f"{SECTION}.{name}", where=where)
    if result.code not in (0, 5):
        raise result.error()
