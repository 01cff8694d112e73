"""Install, chain, restore and inspect git's hooks.

What is there already is kept beside ours as ``NAME.before-agentlock`` and runs first, with the
same arguments and stdin. Taking ours out puts it back with one rename: the same file, to the byte.
"""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING, Literal

from agentlock.errors import ConfigurationError, UndecidedError
from agentlock.git.configuration import hooks_folder
from agentlock.install.lock import exclusively
from agentlock.model import Value

if TYPE_CHECKING:
    from agentlock.git.repository import Repository

HOOKS = ("pre-commit", "pre-merge-commit", "pre-push")
_MARK = b"# agentlock hook: "
_SUFFIX = ".before-agentlock"
_FRAMEWORK_MARK = b"https://pre-commit.com"
_FRAMEWORK_FILE = ".pre-commit-config.yaml"
_FRAMEWORK_IDS = {"pre-commit": "agentlock", "pre-push": "agentlock-pre-push"}

State = Literal["installed", "framework", "missing", "foreign", "not executable", "broken"]


class HookStatus(Value):
    """One hook as git would find it now. ``guards``: it asks agentlock and can refuse."""

    hook: str
    path: str
    state: State
    detail: str = ""

    @property
    def guards(self) -> bool:
        return self.state in ("installed", "framework")


def install(repository: Repository) -> list[HookStatus]:
    """Put our hooks where git runs them, for all worktrees at once; safe to repeat."""
    folder = _writable_folder(repository)
    with exclusively(repository.common_dir):
        os.makedirs(folder, exist_ok=True)
        for hook in HOOKS:
            _install_one(os.path.join(folder, hook), hook)
    return status(repository)


def uninstall(folder: str) -> list[str]:
    """Take our hooks out of a hooks folder and put back what was there; the hooks taken out."""
    removed = []
    for hook in HOOKS:
        path = os.path.join(folder, hook)
        if not _is_ours(path):
            continue
        if os.path.lexists(path + _SUFFIX):
            os.replace(path + _SUFFIX, path)
        else:
            os.unlink(path)
        removed.append(hook)
    if removed and not os.listdir(folder):
        os.rmdir(folder)
    return removed


def status(repository: Repository) -> list[HookStatus]:
    """What git would run in this worktree, hook by hook."""
    folder = os.fsdecode(hooks_folder(repository.root))
    return [_status_of(repository, folder, hook) for hook in HOOKS]


def is_guarded(hooks: list[HookStatus]) -> bool:
    """Whether commits and pushes of this worktree meet the guard."""
    return all(hook.guards for hook in hooks if hook.hook != "pre-merge-commit")


def shim(hook: str) -> bytes:
    """Our hook script, with this interpreter and this program pinned by absolute path."""
    with open(_template(), "rb") as file:
        text = file.read()
    program = os.path.join(_package(), "__main__.py")
    pins = {b"@PYTHON@": sys.executable, b"@PROGRAM@": program}
    for name, path in pins.items():
        text = text.replace(name, b"'" + os.fsencode(path).replace(b"'", b"'\\''") + b"'")
    return text.replace(b"@HOOK@", hook.encode())


def _package() -> str:
    return os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def _template() -> str:
    """In a wheel the shims lie inside the package, in a checkout beside it."""
    for folder in (_package(), os.path.dirname(_package())):
        path = os.path.join(folder, "hooks", "shim.sh")
        if os.path.isfile(path):
            return path
    raise UndecidedError("agentlock's installation lacks its hook scripts", hint="install it again")


def _writable_folder(repository: Repository) -> str:
    folder = hooks_folder(repository.root)
    configured = repository.settings.get(b"core.hookspath")
    if configured is None:
        return os.fsdecode(folder)
    scope = repository.settings.get(b"agentlock hooks scope", b"").decode()
    shown = os.fsdecode(configured)
    if scope not in ("local", "worktree"):
        raise ConfigurationError(
            f"core.hooksPath is set to {shown!r} for more than this repository ({scope} "
            "configuration), and other repositories must not become guarded by accident",
            hint="git config --local core.hooksPath "
            f"{shlex.quote(os.path.join(os.fsdecode(repository.common_dir), 'hooks'))}, "
            "then agentlock init",
        )
    if not os.path.isabs(configured):
        raise ConfigurationError(
            f"core.hooksPath is the relative path {shown!r}: in linked worktrees git would run no "
            "hook at all",
            hint=f"git config core.hooksPath {shlex.quote(os.fsdecode(folder))}, "
            "then agentlock init",
        )
    return os.fsdecode(folder)


def _install_one(path: str, hook: str) -> None:
    wanted = shim(hook)
    if _is_ours(path + _SUFFIX):  # from a copied folder: it would run itself without end
        os.unlink(path + _SUFFIX)
    if os.path.lexists(path) and not _is_ours(path):
        if os.path.lexists(path + _SUFFIX):
            raise ConfigurationError(
                f"{path} and {path + _SUFFIX} are both hooks of somebody else's",
                hint="merge them into one file, remove the other, then: agentlock hooks install",
            )
        os.rename(path, path + _SUFFIX)
    draft = f"{path}.agentlock-new-{os.getpid()}"
    with open(draft, "wb") as file:
        file.write(wanted)
    os.chmod(draft, 0o755)  # noqa: S103 -- as git's own sample hooks
    os.replace(draft, path)


def _is_ours(path: str) -> bool:
    return _MARK in _head(path)


def _head(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(4096)
    except (FileNotFoundError, IsADirectoryError):
        return b""
    except OSError as error:
        raise UndecidedError(f"{path} cannot be read: {error.strerror}") from error


def _status_of(repository: Repository, folder: str, hook: str) -> HookStatus:
    path = os.path.join(folder, hook)
    head = _head(path)
    if not os.path.lexists(path):
        return HookStatus(hook, path, "missing")
    if not os.access(path, os.X_OK):
        return HookStatus(hook, path, "not executable", "git ignores it without its run bit")
    if _MARK in head:
        fault = _fault_of_ours(path, head)
        return HookStatus(hook, path, "broken" if fault else "installed", fault)
    if _FRAMEWORK_MARK in head and _in_framework(repository, hook):
        return HookStatus(hook, path, "framework", _FRAMEWORK_FILE)
    return HookStatus(hook, path, "foreign", "it does not ask agentlock")


def _fault_of_ours(path: str, head: bytes) -> str:
    if _is_ours(path + _SUFFIX):
        return "it would run itself without end"
    gone = [pin for pin in _pins(head) if not os.path.exists(pin)]
    return f"{gone[0]} is gone" if gone else ""


def _pins(head: bytes) -> list[str]:
    pins = []
    for line in head.split(b"\n"):
        name, separator, value = line.partition(b"=")
        if separator and name in (b"python", b"program"):
            pins.append(os.fsdecode(value[1:-1].replace(b"'\\''", b"'")))
    return pins


def _in_framework(repository: Repository, hook: str) -> bool:
    wanted = _FRAMEWORK_IDS.get(hook, "agentlock").encode()
    try:
        with open(os.path.join(repository.root, os.fsencode(_FRAMEWORK_FILE)), "rb") as file:
            lines = file.read().splitlines()
    except OSError:
        return False
    names = {line.partition(b"id:")[2].partition(b"#")[0].strip(b" \t\"'") for line in lines}
    return wanted in names
