"""Hooks of git's configuration (git 2.54 and newer), for where git looks into another hooks folder.

Each stands in for the hook of ours that the folder lacks, and leaves everything to it where it is
there: docs/explanation/adr/0010-configuration-hooks.md. An older git takes no notice of them.
"""

from __future__ import annotations

import os
from contextlib import suppress

from agentlock.git import config
from agentlock.hook_kinds import KINDS
from agentlock.install import chain, everybody, shims
from agentlock.install.shims import INSTALL
from agentlock.model import Value
from agentlock.text import shell_word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agentlock.git.config import HookSetting

EVENTS = tuple(kind.name for kind in KINDS.values() if kind.stands_in)
_KEYS = ("command", "event", "enabled", "parallel")  # in this order: git dies of an event alone
STAND_IN = "stand-in"
_PUT_BACK = "put-back"  # written by hooks/shim.sh
# git adds "$@" and runs this with sh, in the root of the worktree. GIT_DIR is set where it is not
# .git; a repository that is moved, or mounted elsewhere, finds its own scripts.
_COMMAND = (
    "hook={}; common=${{GIT_DIR:-.git}}; "
    'if [ -f "$common/commondir" ]; then read -r up <"$common/commondir"; '
    "case $up in /*) common=$up ;; *) common=$common/$up ;; esac; fi; "
    '[ -f "$common/agentlock-guard/configured/stand-in" ] || '
    "{{ echo 'agentlock: refused: its hook scripts are missing; fix: agentlock hooks install' >&2; "
    'exit 3; }}; . "$common/agentlock-guard/configured/stand-in"'
)


class Fault(Value):
    """Why git would not run one of our hooks; ``mend`` is the command that repairs it."""

    event: str
    detail: str
    mend: str = INSTALL


def folder_of(common_dir: bytes) -> str:
    return everybody.folder_of(common_dir, everybody.CONFIGURED)


def put(root: bytes, common_dir: bytes, hooks: tuple[str, ...], pins: list[shims.Pin]) -> None:
    """Write the scripts, then the settings that name them; leave alone what is right already."""
    events = [event for event in EVENTS if event in hooks]
    folder = folder_of(common_dir)
    scripts = {event: shims.guarding(event, "", pins) for event in events}
    chain.put(folder, {STAND_IN: shims.standing_in(), **scripts})
    there = config.local_hook_settings(root)
    for event in events:
        wanted = {"command": [_COMMAND.format(event)], "event": [event]}
        for key in _KEYS:
            values = [one.value for one in there if (one.name, one.key) == (_name(event), key)]
            if values != wanted.get(key, []):
                config.set_hook(root, _name(event), key, *wanted.get(key, []))


def remove(cwd: bytes, common_dir: bytes) -> list[str]:
    """Remove the settings, then the scripts; return the events that had either."""
    there = {(one.name, one.key) for one in config.local_hook_settings(cwd)}
    removed = [event for event in EVENTS if (_name(event), "command") in there]
    for event in EVENTS:
        for key in reversed(_KEYS):
            if (_name(event), key) in there:
                config.set_hook(cwd, _name(event), key)
    folder = folder_of(common_dir)
    if os.path.isdir(folder):
        with suppress(FileNotFoundError):
            os.unlink(os.path.join(folder, _PUT_BACK))
        chain.take_out(folder)
    return removed


def faults(cwd: bytes, common_dir: bytes, hooks: tuple[str, ...]) -> list[Fault]:
    """Those of these hooks that git 2.54 and newer would not run from its configuration."""
    settings = config.hook_settings(cwd)
    found = [
        _fault(cwd, event, settings) or _fault_of_files(event, common_dir)
        for event in EVENTS
        if event in hooks
    ]
    return [fault for fault in found if fault is not None]


def _fault(cwd: bytes, event: str, settings: list[HookSetting]) -> Fault | None:
    """What git reads from the settings (hook.c, hook_config_lookup_all): the last value counts."""
    mine = [one for one in settings if one.name == _name(event)]
    command = next((one for one in reversed(mine) if one.key == "command"), None)
    events = [one for one in mine if one.key == "event"]
    if command is None or not events:
        return Fault(event, "git's configuration does not name it")
    if command.value != _COMMAND.format(event):
        return _overridden(cwd, event, command, "is another")
    if event not in _after_the_last_empty([one.value for one in events]):
        return _overridden(cwd, event, events[-1], "takes it away")
    for name in (_name(event), event):
        switches = [one for one in settings if (one.name, one.key) == (name, "enabled")]
        if switches and config.is_false(switches[-1].value):
            return _overridden(cwd, event, switches[-1], "switches it off")
    return None


def _overridden(cwd: bytes, event: str, setting: HookSetting, does: str) -> Fault:
    key = f"hook.{setting.name}.{setting.key}"
    if setting.scope == "local":
        mend = INSTALL if setting.name == _name(event) else f"git config --unset-all {key}"
        return Fault(event, f"{key} {does}", mend)
    if setting.scope == "command":  # git -c, GIT_CONFIG_COUNT
        return Fault(event, f"{key} {does}, for one command", "unset GIT_CONFIG_COUNT")
    where = f" -C {shell_word(cwd)}" if setting.scope == "worktree" else ""
    mend = f"git{where} config --{setting.scope} --unset-all {key}"
    return Fault(event, f"{key} {does} (git config --{setting.scope})", mend)


def _after_the_last_empty(values: list[str]) -> list[str]:
    """An empty value of ``event`` cancels the values before it."""
    while "" in values:
        values = values[values.index("") + 1 :]
    return values


def _fault_of_files(event: str, common_dir: bytes) -> Fault | None:
    folder = folder_of(common_dir)
    for name in (STAND_IN, event):
        path = os.path.join(folder, name)
        if not chain.is_ours(path) or not os.access(path, os.X_OK):
            return Fault(event, f"{path} is missing, or not as it was installed")
    return None


def _name(event: str) -> str:
    return f"agentlock-{event}"
