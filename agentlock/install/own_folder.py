"""Our own hooks folder, for repositories whose ``core.hooksPath`` we must not write into.

A relative one means another folder in every worktree, and a global one is every repository's. So
core.hooksPath is set, absolutely, to a folder in the common directory whose scripts run what the
former setting named. A worktree that has a setting of its own gets a folder of its own.
docs/explanation/adr/0006-own-hooks-folder.md says why, and what it costs.
"""

from __future__ import annotations

import os

from agentlock.errors import ConfigurationError
from agentlock.git import config
from agentlock.hook_kinds import KINDS
from agentlock.install import chain, everybody, shims
from agentlock.model import Value
from agentlock.text import shell_word, single_quoted

_MEMORY = ("hooksPath", "formerHooksPath", "formerHooksPathLocal")


class Setting(Value):
    """A value of ``core.hooksPath``, and the scope of git's configuration that sets it."""

    scope: str
    value: str


class Place(Value):
    """A folder of ours, and the file (as options of `git config`) that has git use it."""

    folder: str
    where: tuple[str, ...]


def shared(common_dir: bytes) -> Place:
    """The place for all worktrees that have no setting of their own."""
    return Place(everybody.folder_of(common_dir, everybody.HOOKS), config.LOCAL)


def alone(git_dir: bytes) -> Place:
    """The place for one worktree that has a setting of its own (git config --worktree)."""
    own = os.fsdecode(git_dir)
    folder = os.path.join(own, "agentlock-hooks")
    return Place(folder, ("--file", os.path.join(own, "config.worktree")))


def places(common_dir: bytes) -> list[Place]:
    """The places that can have a folder now: the shared one, and those of single worktrees."""
    linked = os.path.join(common_dir, b"worktrees")
    names = sorted(os.listdir(linked)) if os.path.isdir(linked) else []
    git_dirs = [common_dir, *(os.path.join(linked, name) for name in names)]
    single = [alone(git_dir) for git_dir in git_dirs]
    return [shared(common_dir), *(place for place in single if has_files(place))]


def has_files(place: Place) -> bool:
    """Whether our folder is there, or one that keeps what others wrote into it."""
    return os.path.isdir(place.folder) or bool(chain.kept_in(place.folder))


def is_inside(path: str, common_dir: bytes) -> bool:
    """Whether a hooks folder belongs to this repository only, and serves all its worktrees."""
    common = os.path.realpath(os.fsdecode(common_dir))
    return os.path.isabs(path) and os.path.realpath(path).startswith(common + os.sep)


def is_same(root: bytes, value: str, folder: str) -> bool:
    """Whether this value of ``core.hooksPath`` leads to the folder in this worktree."""
    return os.path.realpath(_in_worktree(root, value)) == os.path.realpath(folder)


def configured(cwd: bytes, common_dir: bytes, git_dir: bytes | None = None) -> Setting | None:
    """The ``core.hooksPath`` that git would use if we had never set ours.

    That is the one of the worktree with this ``git_dir``, or without it the one of all worktrees
    that have no setting of their own. git's own folder counts as a setting if it is a link that
    leads out of git's directory, to a tracked folder or to one that several repositories share.
    """
    ours = {"local": shared(common_dir)}
    if git_dir is not None:
        ours["worktree"] = alone(git_dir)
    found = None
    for scope, value in config.hooks_path_settings(cwd):
        place = ours.get(scope)
        if scope == "worktree" and place is None:
            continue
        if place is None or not _is_own(cwd, place, value):
            found = Setting(scope, value)
        elif config.recorded(cwd, "formerHooksPathLocal", place.where) == "true":
            found = Setting(scope, config.recorded(cwd, "formerHooksPath", place.where) or "")
    if found is None and not is_inside(default(common_dir), common_dir):
        return Setting("default", default(common_dir))
    return found


def default(common_dir: bytes) -> str:
    """The folder that git uses if ``core.hooksPath`` is not set."""
    return os.path.join(os.fsdecode(common_dir), "hooks")


def is_needed(setting: Setting | None, common_dir: bytes) -> bool:
    """Whether our hooks must not be written into the folder that this setting names.

    ConfigurationError where a setting of ours would not count either.
    """
    if setting is None:
        return False
    if setting.scope in ("local", "worktree") and is_inside(setting.value, common_dir):
        return False
    if setting.scope == "command":
        raise ConfigurationError(
            f"core.hooksPath is set to {setting.value!r} for one command (git -c or "
            "GIT_CONFIG_COUNT), which overrides the repository's setting",
            fix="remove it from the environment, then: agentlock hooks install",
        )
    return True


def put_before(root: bytes, place: Place, setting: Setting, scripts: dict[str, bytes]) -> None:
    """Make our folder, with ``scripts`` and the scripts that pass hooks on, and have git use it.

    The hooks are written before git is told, so that the repository is guarded at every moment.
    """
    former = in_sh(root, setting.value)
    there = config.hooks_paths_in(root, place.where)
    if len(there) > 1:
        options = " ".join(place.where)
        raise ConfigurationError(
            "core.hooksPath is set more than once in the repository's own configuration",
            fix=f"git config {options} --replace-all core.hooksPath {shell_word(there[-1])}, "
            "then: agentlock hooks install",
        )
    wanted = _hooks_in(root, setting.value)
    wanted |= {hook for hook, kind in KINDS.items() if kind.is_always_passed_on}
    wanted |= _ours_in(place.folder)
    passing = {hook: shims.passing(hook, former) for hook in sorted(wanted)}
    chain.put(place.folder, {**passing, **scripts})
    was_set = bool(there)
    if there and _is_own(root, place, there[0]):
        was_set = config.recorded(root, "formerHooksPathLocal", place.where) == "true"
    _remember(root, place, (place.folder, setting.value, "true" if was_set else "false"))
    if there != [place.folder]:
        config.set_hooks_path(root, place.folder, place.where)
    _require_effect(root, place)


def remove(cwd: bytes, place: Place) -> list[str]:
    """Restore the former setting and remove our scripts; return the names of the hooks."""
    there = config.hooks_paths_in(cwd, place.where)
    if len(there) == 1 and _is_own(cwd, place, there[0]):
        was_set = config.recorded(cwd, "formerHooksPathLocal", place.where) == "true"
        former = config.recorded(cwd, "formerHooksPath", place.where) or ""
        config.set_hooks_path(cwd, former if was_set else None, place.where)
    for name in _MEMORY:
        if config.recorded(cwd, name, place.where) is not None:
            config.forget_one(cwd, name, place.where)
    return chain.take_out(place.folder)


def not_passed_on(root: bytes, folder: str, setting: Setting | None) -> list[str]:
    """The hooks of the former setting that do not run, because our folder passes none on."""
    if setting is None:
        return []
    former = in_sh(root, setting.value)
    lost = []
    for hook in sorted(_hooks_in(root, setting.value) & KINDS.keys()):
        path = os.path.join(folder, hook)
        call = f"{former}/{hook}".encode("utf-8", "surrogateescape")
        wanted = b"for before in " + call + b" "  # hooks/*.sh
        if not os.access(path, os.X_OK) or wanted not in chain.head(path):
            lost.append(hook)
    return lost


def _hooks_in(root: bytes, value: str) -> set[str]:
    """What git could run if ``core.hooksPath`` were ``value``, also hooks of later versions."""
    folder = _in_worktree(root, value)
    names = os.listdir(folder) if os.path.isdir(folder) else []
    paths = {name: os.path.join(folder, name) for name in names if not name.endswith(".sample")}
    return {n for n, path in paths.items() if os.path.isfile(path) and os.access(path, os.X_OK)}


def _in_worktree(root: bytes, value: str) -> str:
    return os.path.join(os.fsdecode(root), config.expanded_path(root, value))


def _ours_in(folder: str) -> set[str]:
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return {name for name in names if chain.is_ours(os.path.join(folder, name))}


def in_sh(root: bytes, value: str) -> str:
    """The former folder as a script in sh writes it: relative to where git runs it, or to HOME."""
    if value == "~" or value.startswith("~/"):
        return f'"$HOME"{single_quoted(value[1:])}'
    if value.startswith(("~", "%(prefix)/")):
        value = config.expanded_path(root, value)
    return single_quoted(value)


def _is_own(cwd: bytes, place: Place, value: str) -> bool:
    """Whether it names our folder, here or where the repository was when it was set."""
    if not value:
        return False
    if value in (place.folder, config.recorded(cwd, "hooksPath", place.where)):
        return True
    path = os.path.join(os.fsdecode(cwd), value)
    return os.path.realpath(path) == os.path.realpath(place.folder)


def _remember(cwd: bytes, place: Place, values: tuple[str, str, str]) -> None:
    for name, value in zip(_MEMORY, values, strict=True):
        if config.recorded(cwd, name, place.where) != value:
            config.record(cwd, name, value, place.where)


def _require_effect(root: bytes, place: Place) -> None:
    settings = config.hooks_path_settings(root)
    if place.where == config.LOCAL:  # a worktree's own setting is for its own place
        settings = [one for one in settings if one[0] != "worktree"]
    if settings and settings[-1][1] == place.folder:
        return
    source = config.hooks_path_source(root).removeprefix("file:")
    raise ConfigurationError(
        f"{source} sets core.hooksPath after the repository's own configuration does",
        fix=f"remove core.hooksPath from {source}, then: agentlock hooks install",
    )
