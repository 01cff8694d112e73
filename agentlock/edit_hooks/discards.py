"""What git, or the removal of a worktree, would throw away for a shell command."""

from __future__ import annotations

import os

from agentlock.edit_hooks.writers import has, plain
from agentlock.model import Value


class Discard(Value):
    """A git command that throws changes away: those of ``paths``, or all if there are none."""

    folder: str
    command: str
    paths: tuple[str, ...] = ()
    untracked: bool = False
    tracked: bool = True


def discarded(name: str, options: list[str], folder: str) -> Discard | None:
    """What this git command throws away; None if it throws nothing away."""
    named, flags = plain(options), {one for one in options if one.startswith("-")}
    after = options[options.index("--") + 1 :] if "--" in options else []
    shown, found = f"git {name}", None
    if name == "stash" and (not options or options[0].startswith(("-", "push", "save"))):
        untracked = bool(flags & {"-u", "--include-untracked", "-a", "--all"})
        found = Discard("", shown, tuple(after), untracked=untracked)
    elif name == "worktree" and named[:1] == ["remove"] and has(flags, "f", "--force"):
        removed = os.path.join(folder, "".join(named[1:2]))
        found = whole(removed, f"{shown} remove") if is_worktree(removed) else None
    elif name == "reset" and "--hard" in flags:
        found = Discard("", f"{shown} --hard")
    elif name == "clean" and has(flags, "f", "--force") and not has(flags, "n", "--dry-run"):
        found = Discard("", shown, tuple(named), untracked=True, tracked=False)
    elif name in ("checkout", "switch") and flags & {"-f", "--force", "--discard-changes"}:
        found = Discard("", f"{shown} -f")
    elif name == "checkout" and not flags & {"-b", "-B", "--orphan"}:
        paths = after or [one for one in named if os.path.lexists(os.path.join(folder, one))]
        found = Discard("", shown, tuple(paths)) if paths else None
    elif name == "restore" and ("--staged" not in flags or "--worktree" in flags):
        found = Discard("", shown, tuple(named))
    return found


def whole(folder: str, command: str) -> Discard:
    """All that is changed in a worktree, which goes with it."""
    return Discard(folder, command, untracked=True)


def is_worktree(folder: str) -> bool:
    return os.path.lexists(os.path.join(folder, ".git"))
