"""Our own hooks folder, for repositories whose ``core.hooksPath`` we must not write into.

A relative one means another folder in every worktree, and a global one is every repository's. So
core.hooksPath is set, locally and absolutely, to a folder in the common directory whose scripts run
what the former setting named. docs/explanation/adr/0006-own-hooks-folder.md says why, and what it
costs.
"""

from __future__ import annotations

import os

from agentlock.errors import ConfigurationError
from agentlock.git import config
from agentlock.hook_kinds import KINDS
from agentlock.install import chain, shims
from agentlock.model import Value
from agentlock.text import shell_word, single_quoted

_MEMORY = ("hooksPath", "formerHooksPath", "formerHooksPathLocal")


class Setting(Value):
    """A value of ``core.hooksPath``, and the scope of git's configuration that sets it."""

    scope: str
    value: str


def folder_of(common_dir: bytes) -> str:
    return os.path.join(os.fsdecode(common_dir), "agentlock", "hooks")


def is_inside(path: str, common_dir: bytes) -> bool:
    """Whether a hooks folder belongs to this repository only, and serves all its worktrees."""
    common = os.path.realpath(os.fsdecode(common_dir))
    return os.path.isabs(path) and os.path.realpath(path).startswith(common + os.sep)


def configured(cwd: bytes, common_dir: bytes) -> Setting | None:
    """The ``core.hooksPath`` that git would use if we had never set ours."""
    found = None
    own = _own_values(cwd, common_dir)
    for scope, value in config.hooks_path_settings(cwd):
        if scope != "local" or not _is_own(cwd, common_dir, value, own):
            found = Setting(scope, value)
        elif config.recorded(cwd, "formerHooksPathLocal") == "true":
            found = Setting(scope, config.recorded(cwd, "formerHooksPath") or "")
    return found


def is_needed(setting: Setting | None, common_dir: bytes) -> bool:
    """Whether our hooks must not be written into the folder that this setting names.

    ConfigurationError where a setting of ours would not count either.
    """
    if setting is None:
        return False
    if setting.scope in ("local", "worktree") and is_inside(setting.value, common_dir):
        return False
    if setting.scope == "worktree":
        raise ConfigurationError(
            f"core.hooksPath is set to {setting.value!r} for this worktree alone, which "
            "overrides the repository's setting",
            fix="git config --worktree --unset core.hooksPath, then: agentlock hooks install",
        )
    if setting.scope == "command":
        raise ConfigurationError(
            f"core.hooksPath is set to {setting.value!r} for one command (git -c or "
            "GIT_CONFIG_COUNT), which overrides the repository's setting",
            fix="remove it from the environment, then: agentlock hooks install",
        )
    return True


def put_before(root: bytes, common_dir: bytes, setting: Setting, scripts: dict[str, bytes]) -> None:
    """Make our folder, with ``scripts`` and the scripts that pass hooks on, and have git use it.

    The hooks are written before git is told, so that the repository is guarded at every moment.
    """
    folder = folder_of(common_dir)
    former = in_sh(root, setting.value)
    local = config.local_hooks_paths(root)
    if len(local) > 1:
        raise ConfigurationError(
            "core.hooksPath is set more than once in the repository's own configuration",
            fix=f"git config --local --replace-all core.hooksPath {shell_word(local[-1])}, "
            "then: agentlock hooks install",
        )
    os.makedirs(folder, exist_ok=True)
    for hook, script in scripts.items():
        chain.put(os.path.join(folder, hook), script)
    there = _hooks_in(root, setting.value)
    for hook, kind in KINDS.items():
        path = os.path.join(folder, hook)
        wanted = kind.is_always_passed_on or hook in there or chain.is_ours(path)
        if wanted and hook not in scripts:
            chain.put(path, shims.passing(hook, former))
    is_local = bool(local)
    if local and _is_own(root, common_dir, local[0], _own_values(root, common_dir)):
        is_local = config.recorded(root, "formerHooksPathLocal") == "true"
    _remember(root, (folder, setting.value, "true" if is_local else "false"))
    if local != [folder]:
        config.set_hooks_path(root, folder)
    _require_effect(root, folder)


def remove(cwd: bytes, common_dir: bytes) -> list[str]:
    """Restore the former setting and remove our scripts; return the names of the hooks."""
    local = config.local_hooks_paths(cwd)
    if len(local) == 1 and _is_own(cwd, common_dir, local[0], _own_values(cwd, common_dir)):
        was_local = config.recorded(cwd, "formerHooksPathLocal") == "true"
        former = config.recorded(cwd, "formerHooksPath") or ""
        config.set_hooks_path(cwd, former if was_local else None)
    for name in _MEMORY:
        if config.recorded(cwd, name) is not None:
            config.forget_one(cwd, name)
    folder = folder_of(common_dir)
    if not os.path.isdir(folder):
        return []
    names = [name for name in os.listdir(folder) if "." not in name]
    removed = [name for name in sorted(names) if chain.take_out(os.path.join(folder, name))]
    if not os.listdir(folder):
        os.rmdir(folder)
    return removed


def not_passed_on(root: bytes, common_dir: bytes, scripts: tuple[str, ...]) -> list[str]:
    """The hooks of the former folder that do not run now, because we pass none on to them."""
    setting = configured(root, common_dir)
    if setting is None:
        return []
    former = in_sh(root, setting.value)
    folder = folder_of(common_dir)
    lost = []
    for hook in sorted(_hooks_in(root, setting.value)):
        path = os.path.join(folder, hook)
        call = f"{former}/{hook}".encode("utf-8", "surrogateescape")
        wanted = call + b' "$beside"' if hook in scripts else b"theirs=" + call + b"\n"
        if not os.access(path, os.X_OK) or wanted not in chain.head(path):
            lost.append(hook)
    return lost


def _hooks_in(root: bytes, value: str) -> set[str]:
    """The hooks that git would run if ``core.hooksPath`` were ``value``, in this worktree."""
    folder = os.path.join(os.fsdecode(root), config.expanded_path(root, value))
    return {hook for hook in KINDS if os.access(os.path.join(folder, hook), os.X_OK)}


def in_sh(root: bytes, value: str) -> str:
    """The former folder as a script in sh writes it: relative to where git runs it, or to HOME."""
    if value == "~" or value.startswith("~/"):
        return f'"$HOME"{single_quoted(value[1:])}'
    if value.startswith(("~", "%(prefix)/")):
        value = config.expanded_path(root, value)
    return single_quoted(value)


def _own_values(cwd: bytes, common_dir: bytes) -> tuple[str, ...]:
    """The paths of our folder: here, and where the repository was when it was set."""
    return folder_of(common_dir), config.recorded(cwd, "hooksPath") or ""


def _is_own(cwd: bytes, common_dir: bytes, value: str, own: tuple[str, ...]) -> bool:
    if not value:
        return False
    path = os.path.join(os.fsdecode(cwd), value)
    return value in own or os.path.realpath(path) == os.path.realpath(folder_of(common_dir))


def _remember(cwd: bytes, values: tuple[str, str, str]) -> None:
    for name, value in zip(_MEMORY, values, strict=True):
        if config.recorded(cwd, name) != value:
            config.record(cwd, name, value)


def _require_effect(root: bytes, folder: str) -> None:
    settings = config.hooks_path_settings(root)
    if settings and settings[-1][1] == folder:
        return
    source = config.hooks_path_source(root).removeprefix("file:")
    raise ConfigurationError(
        f"{source} sets core.hooksPath after the repository's own configuration does",
        fix=f"remove core.hooksPath from {source}, then: agentlock hooks install",
    )
