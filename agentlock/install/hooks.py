"""Install, restore and inspect git's hooks, wherever ``core.hooksPath`` has put them."""

from __future__ import annotations

import os

from agentlock.environment import GIT_CONFIG_COUNT
from agentlock.git import config, version
from agentlock.git.rehearsal import CONFIGURED_SINCE
from agentlock.git.repository import reread
from agentlock.hook_kinds import JUDGES, KINDS, MOVES_REFS, RECEIVES, RECORDS, with_role
from agentlock.install import chain, config_hooks, everybody, own_folder, shims
from agentlock.install.lock import exclusively
from agentlock.install.shims import INSTALL
from agentlock.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from agentlock.git.repository import Repository

    State = Literal[
        "installed",
        "framework",
        "missing",
        "foreign",
        "not executable",
        "broken",
        "not passed on",
        "not configured",
    ]

HOOKS = with_role(JUDGES, RECORDS, RECEIVES)  # of a worktree; reference-transaction if --strict
_OURS = with_role(JUDGES, RECORDS, RECEIVES, MOVES_REFS)
_SCOPE = b"agentlock hooks scope"  # in the settings: where core.hooksPath stands
_STRICT = "strict"  # agentlock.strict in the repository's own configuration
_FRAMEWORK_MARK = b"https://pre-commit.com"
_FRAMEWORK_FILE = ".pre-commit-config.yaml"

NOT_OVERRIDDEN = "unset GIT_CONFIG_COUNT"  # in the same shell as the git command


class HookStatus(Value):
    """One hook as git would find it now. ``guards``: it asks agentlock and can refuse.

    ``beside`` what guards: a hook of theirs that is not passed on, or one of ours that git's
    configuration does not run. ``mend`` is the command that puts it right.
    """

    hook: str
    path: str
    state: State
    detail: str = ""
    mend: str = INSTALL

    @property
    def guards(self) -> bool:
        return self.state in ("installed", "framework")

    @property
    def beside(self) -> bool:
        return self.state in ("not passed on", "not configured")


def install(repository: Repository, *, strict: bool | None = None) -> list[HookStatus]:
    """Write our hooks where git runs them, for all worktrees at once. Safe to repeat.

    A bare repository gets those that meet a push to it; what asks agentlock already is kept up.
    ``strict``: with reference-transaction, or without; None leaves that as it is.
    """
    root, common_dir = repository.root, repository.common_dir
    with exclusively(common_dir):
        everybody.copy_former(common_dir)
        if strict is False:
            _loosen(common_dir)
        elif strict:
            config.record(common_dir, _STRICT, "true")
        repository = reread(repository)
        pins, wanted = _pins(common_dir), _wanted(repository)
        setting = own_folder.configured(root, common_dir)
        _put(repository, own_folder.shared(common_dir), setting, wanted, pins)
        setting = own_folder.configured(root, common_dir, repository.git_dir)
        if setting is not None and setting.scope == "worktree":
            _put(repository, own_folder.alone(repository.git_dir), setting, wanted, pins)
        config_hooks.put(root, common_dir, wanted, pins)
        everybody.remove_former(common_dir)
        everybody.give_to_owner(common_dir)
    return status(repository)


def _put(
    repository: Repository,
    place: own_folder.Place,
    setting: own_folder.Setting | None,
    wanted: tuple[str, ...],
    pins: list[shims.Pin],
) -> None:
    """Write our hooks where this setting leads, into a folder of ours if need be.

    git's default folder gets them too: programs point core.hooksPath there, or unset it.
    """
    root, common_dir = repository.root, repository.common_dir
    default = own_folder.default(common_dir)
    plain = {hook: shims.guarding(hook, "", pins) for hook in wanted}
    if setting is None or not own_folder.is_needed(setting, common_dir):
        chain.put(default if setting is None else setting.value, plain)
        own_folder.remove(root, place)
        return
    former = own_folder.in_sh(root, setting.value)
    scripts = {hook: shims.guarding(hook, former, pins) for hook in wanted}
    own_folder.put_before(root, place, setting, scripts)
    runs_already = own_folder.is_same(
        root, setting.value, default
    )  # then each would be asked twice
    if own_folder.is_inside(default, common_dir) and not runs_already:
        chain.put(default, plain)


def put_back(repository: Repository) -> str:
    """Install again if ``core.hooksPath`` was led away from our hooks; where to, or "".

    Only then: a hook of ours that was removed or replaced where it is, is for `status` to tell.
    """
    if not is_led_away(repository):
        return ""
    folder = os.fsdecode(config.hooks_folder(repository.root))
    install(repository)
    return folder


def is_led_away(repository: Repository) -> bool:
    """Whether git looks into a folder without any hook of ours, though they are installed."""
    value = repository.settings.get(b"core.hookspath")
    if repository.settings.get(_SCOPE) == b"command":
        return False
    if value is None:
        folder = own_folder.default(repository.common_dir)
    else:
        folder = os.fsdecode(value)
        if folder.startswith(("~", "%(prefix)/")):
            folder = config.expanded_path(repository.root, folder)
        folder = os.path.join(os.fsdecode(repository.root), folder)
    return not _has_ours(folder) and _is_installed(repository.common_dir)


def overridden(repository: Repository) -> str:
    """Why git runs no hook of ours for the commands of this shell, as a sentence, or "".

    Some agents' programs (Gemini CLI) do it to every command of their shell tool.
    """
    value = repository.settings.get(b"core.hookspath")
    is_set = GIT_CONFIG_COUNT in os.environ  # not so under `git -c`, which is for one command
    if value is None or not is_set or repository.settings.get(_SCOPE) != b"command":
        return ""
    folder = os.path.join(os.fsdecode(repository.root), os.fsdecode(value) or "/")
    if _has_ours(folder) or not _is_installed(repository.common_dir):
        return ""
    if version.installed() >= CONFIGURED_SINCE:  # its configuration names our hooks
        return ""
    return (
        f"the environment sets core.hooksPath to {os.fsdecode(value)!r} (GIT_CONFIG_COUNT), so git "
        "runs no hook of agentlock for the commands of this shell"
    )


def _is_installed(common_dir: bytes) -> bool:
    ours = own_folder.shared(common_dir).folder, own_folder.default(common_dir)
    return any(map(_has_ours, ours))


def _has_ours(folder: str) -> bool:
    return any(chain.is_ours(os.path.join(folder, hook)) for hook in _OURS)


def uninstall(common_dir: bytes) -> list[str]:
    """Remove our hooks, restore what was there, and return the names of the removed hooks."""
    with exclusively(common_dir):
        everybody.copy_former(common_dir)
        removed = config_hooks.remove(common_dir, common_dir)
        for place in own_folder.places(common_dir):
            removed += own_folder.remove(common_dir, place)
        for folder in _folders(common_dir):
            removed += chain.take_out(folder)
        everybody.remove_former(common_dir)
        config.forget_one(common_dir, _STRICT)
    return [hook for hook in _OURS if hook in removed]


def present(common_dir: bytes) -> list[str]:
    """The hooks that have a script of ours somewhere in the repository."""
    return [hook for hook in _OURS if any(shims.MARK in head for head in _heads(common_dir, hook))]


def status(repository: Repository) -> list[HookStatus]:
    """For each hook, what git would run in this worktree, and what it no longer runs."""
    return complete_status(reread(repository))


def guarding(repository: Repository) -> list[HookStatus]:
    """For each hook that should be here, what git would run, by the settings that were read."""
    folder = _folder(repository)
    found = [_status_of(repository, folder, hook) for hook in expected(repository)]
    if overridden(repository):
        found = [one if one.guards else one.replace(mend=NOT_OVERRIDDEN) for one in found]
    return found


def complete_status(repository: Repository) -> list[HookStatus]:
    """The same, and what git no longer runs."""
    root, common_dir = repository.root, repository.common_dir
    folder, found = _folder(repository), guarding(repository)
    own = own_folder.shared(common_dir).folder, own_folder.alone(repository.git_dir).folder
    if os.path.realpath(folder) in map(os.path.realpath, own):
        setting = own_folder.configured(root, common_dir, repository.git_dir)
        down = [status.hook for status in found if not status.guards]
        detail = "your own hook of that name does not run"
        found += [
            HookStatus(hook, os.path.join(folder, hook), "not passed on", detail)
            for hook in own_folder.not_passed_on(root, folder, setting)
            if hook not in down
        ]
    if any(one.state == "installed" for one in found):
        where = config_hooks.folder_of(common_dir)
        found += [
            HookStatus(
                fault.event,
                os.path.join(where, fault.event),
                "not configured",
                fault.detail,
                fault.mend,
            )
            for fault in config_hooks.faults(root, common_dir, expected(repository))
        ]
    return found


def scripts(repository: Repository) -> dict[str, bytes]:
    """Our hooks that git would run in this worktree, each with its script."""
    found = {one.hook: one for one in status(repository) if not one.beside}
    heads = {hook: chain.head(one.path) for hook, one in found.items()}
    return {hook: head for hook, head in heads.items() if shims.MARK in head}


def left_behind(common_dir: bytes) -> list[str]:
    """Hooks of others that git no longer runs: in a former folder of ours, or below a newer one."""
    former = [place.folder for place in own_folder.places(common_dir)]
    there = [folder for folder in former if os.path.isdir(folder)]
    left = [os.path.join(folder, name) for folder in there for name in sorted(os.listdir(folder))]
    folders = dict.fromkeys([*former, *_folders(common_dir)])
    return left + [path for folder in folders for path in chain.left_in(folder)]


def _folder(repository: Repository) -> str:
    """The folder that git runs hooks from; git is asked only about a path that it must expand."""
    value = repository.settings.get(b"core.hookspath")
    if value is None:
        return os.path.realpath(own_folder.default(repository.common_dir))
    if value.startswith(b"/"):
        return os.path.realpath(os.fsdecode(value))
    return os.fsdecode(config.hooks_folder(repository.root))


def is_guarded(hooks: list[HookStatus]) -> bool:
    """Whether commits and pushes of this worktree, or pushes to this server, meet the guard.

    All of it, where it is strict.
    """
    roles = {KINDS[one.hook].role for one in hooks}
    spared = RECEIVES if JUDGES in roles else ""
    return all(
        one.guards
        for one in hooks
        if (kind := KINDS[one.hook]).essential and kind.role != spared and not one.beside
    )


def expected(repository: Repository) -> tuple[str, ...]:
    """The hooks that a worktree, or a server, should have."""
    strict = repository.settings.get(f"agentlock.{_STRICT}".encode()) == b"true"
    usual = with_role(RECEIVES) if repository.is_bare else HOOKS
    return (*usual, *with_role(MOVES_REFS)) if strict else usual


def _wanted(repository: Repository) -> tuple[str, ...]:
    """The hooks to write: those that belong here, and those that run agentlock already."""
    belong = expected(repository)
    return tuple(
        hook
        for hook in _OURS
        if hook in belong
        or any(shims.pins_of(head) for head in _heads(repository.common_dir, hook))
    )


def _heads(common_dir: bytes, hook: str) -> list[bytes]:
    folders = (
        own_folder.shared(common_dir).folder,
        own_folder.default(common_dir),
        config_hooks.folder_of(common_dir),
    )
    return [chain.head(os.path.join(folder, hook)) for folder in folders]


def _loosen(common_dir: bytes) -> None:
    """Remove reference-transaction, and its setting last, so that ``status`` never misses it."""
    for folder in _folders(common_dir):
        chain.take_out(folder, with_role(MOVES_REFS))
    config.forget_one(common_dir, _STRICT)


def _folders(common_dir: bytes) -> list[str]:
    """The folders in which our hooks can be."""
    setting = own_folder.configured(common_dir, common_dir)
    folders = [own_folder.shared(common_dir).folder, own_folder.default(common_dir)]
    if setting is not None and own_folder.is_inside(setting.value, common_dir):
        folders.append(setting.value)
    return folders


def _pins(common_dir: bytes) -> list[shims.Pin]:
    """This interpreter, and those that our hooks here know already."""
    known = [
        pin for hook in _OURS for head in _heads(common_dir, hook) for pin in shims.pins_of(head)
    ]
    return shims.with_current(known)


def _status_of(repository: Repository, folder: str, hook: str) -> HookStatus:
    path = os.path.join(folder, hook)
    head = chain.head(path)
    if not os.path.lexists(path):
        return HookStatus(hook, path, "missing")
    if not os.access(path, os.X_OK):
        return HookStatus(hook, path, "not executable", "git ignores a hook that is not executable")
    if shims.MARK in head:
        fault = "it would run itself endlessly" if chain.runs_itself(path) else ""
        fault = (
            fault or _fault_of_pins(hook, head) or _fault_of_place(folder, repository.common_dir)
        )
        return HookStatus(hook, path, "broken" if fault else "installed", fault)
    moved = chain.run_by_theirs(path)
    if moved and not _fault_of_pins(hook, chain.head(moved)):
        return HookStatus(hook, path, "framework", os.path.basename(moved))
    if _FRAMEWORK_MARK in head and _in_framework(repository, hook):
        return HookStatus(hook, path, "framework", _FRAMEWORK_FILE)
    return HookStatus(hook, path, "foreign", "it does not run agentlock")


def _fault_of_pins(hook: str, head: bytes) -> str:
    if KINDS[hook].role == RECORDS:
        return ""
    pins = shims.pins_of(head)
    if not pins:
        return "it does not run agentlock"
    if any(shims.is_usable(pin) for pin in pins):
        return ""
    return f"{next((part for part in pins[0] if not os.path.exists(part)), pins[0][0])} is gone"


def _fault_of_place(folder: str, common_dir: bytes) -> str:
    return "" if own_folder.is_inside(folder, common_dir) else "it is outside this repository"


def _in_framework(repository: Repository, hook: str) -> bool:
    wanted = (KINDS[hook].framework or "agentlock").encode()
    try:
        with open(os.path.join(repository.root, os.fsencode(_FRAMEWORK_FILE)), "rb") as file:
            lines = file.read().splitlines()
    except OSError:
        return False
    names = {line.partition(b"id:")[2].partition(b"#")[0].strip(b" \t\"'") for line in lines}
    return wanted in names
