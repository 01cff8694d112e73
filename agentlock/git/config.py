"""Read and write agentlock's settings in a repository's own configuration, and hook settings."""

from __future__ import annotations

import os

from agentlock.git.process import git, output
from agentlock.model import Value

SECTION = "agentlock"


def hooks_folder(cwd: bytes) -> bytes:
    """The folder that git runs hooks from in ``cwd`` (githooks(5): core.hooksPath and all)."""
    return output("rev-parse", "--path-format=absolute", "--git-path", "hooks", cwd=cwd)[:-1]


def record(cwd: bytes, name: str, value: str) -> None:
    """Set ``agentlock.NAME`` in the repository's own file, which all its worktrees share."""
    output("config", "--local", f"{SECTION}.{name}", value, cwd=cwd)


def forget(cwd: bytes) -> None:
    """Remove every agentlock setting, if there are any."""
    result = git("config", "--local", "--remove-section", SECTION, cwd=cwd)
    if result.code not in (0, 128) or (
        result.code == 128 and b"no such section" not in result.stderr.lower()
    ):
        raise result.error()


def recorded(cwd: bytes, name: str) -> str | None:
    """The value of ``agentlock.NAME`` in the repository's own file."""
    result = git("config", "--local", "-z", "--get", f"{SECTION}.{name}", cwd=cwd)
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
        output("config", "--local", "--unset-all", setting, cwd=cwd)
    else:
        output("config", "--local", "--replace-all", setting, value, cwd=cwd)


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


def local_hooks_paths(cwd: bytes) -> list[str]:
    """The values of ``core.hooksPath`` in the repository's own file, without what it includes."""
    result = git("config", "--local", "--no-includes", "-z", "--get-all", "core.hooksPath", cwd=cwd)
    if result.code == 1:
        return []
    if result.code != 0:
        raise result.error()
    return os.fsdecode(result.stdout).split("\0")[:-1]


def set_hooks_path(cwd: bytes, value: str | None) -> None:
    """Set ``core.hooksPath`` in the repository's own file, or unset it there (None)."""
    if value is None:
        output("config", "--local", "--unset", "core.hooksPath", cwd=cwd)
    else:
        output("config", "--local", "core.hooksPath", value, cwd=cwd)


def expanded_path(cwd: bytes, value: str) -> str:
    """A path from git's configuration, with ``~user`` and ``%(prefix)`` resolved by git."""
    setting = f"{SECTION}.path"
    found = output("-c", f"{setting}={value}", "config", "-z", "--path", "--get", setting, cwd=cwd)
    return os.fsdecode(found[:-1])


def forget_one(cwd: bytes, name: str) -> None:
    """Remove ``agentlock.NAME`` from the repository's own file, if it is there."""
    result = git("config", "--local", "--unset", f"{SECTION}.{name}", cwd=cwd)
    if result.code not in (0, 5):
        raise result.error()
