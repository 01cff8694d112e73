"""Put our hooks in the place of others, which keep their names, and give them back, to the byte.

What was in a folder ``hooks`` is kept in ``hooks.before-agentlock`` next to it, and runs before
ours. There ``$0`` ends as it did, relative paths lead where they did, and links stand for the files
that stayed in ``hooks``. A hook that somebody writes over ours is kept in one more such folder, so
that both run, unless it is a newer version of one that is kept.

Other managers do the same to us: pre-commit keeps what it finds as ``NAME.legacy`` and runs it,
GitButler as ``NAME-user``; lefthook keeps it as ``NAME.old`` and does not run it. If they have done
so with our hook, what was before ours goes there instead, as if ours had never been: a hook of ours
there would run itself without end.
"""

from __future__ import annotations

import os

from agentlock.errors import ConfigurationError, UndecidedError
from agentlock.files import replace_file
from agentlock.install.everybody import make_folder
from agentlock.install.shims import MARK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_SUFFIX = ".before-agentlock"  # as in hooks/*.sh
_MOST_KEPT = 9  # folders; sh lists them in this order
_RUN_BY = {b"https://pre-commit.com": ".legacy", b"GITBUTLER_MANAGED_HOOK": "-user"}
_ALIASES = (*_RUN_BY.values(), ".old")
_MANAGERS = (
    *(b"https://pre-commit.com", b"lefthook", b"git lfs", b"husky", b"yorkie", b"overcommit"),
    *(
        b"GITBUTLER_MANAGED_HOOK",
        b"SIMPLE_GIT_HOOKS",
        b"hk run",
        b"captainhook",
        b"grumphp",
        b"rusty-hook",
    ),
)
_GENERATED = (
    rb"(?im)^#.*\b(?:created|generated|installed|maintained|managed|written) (?:by|with)\b.*$"
)


def put(folder: str, scripts: Mapping[str, bytes]) -> None:
    """Make these the hooks in the folder, and keep and chain what was there. Safe to repeat."""
    make_folder(folder)
    for hook, script in scripts.items():
        _put(folder, hook, script)
    _link(folder, _neighbours(folder))


def take_out(folder: str, hooks: Iterable[str] | None = None) -> list[str]:
    """Undo ``put`` for these hooks, or for all; return those that there were."""
    _link(folder, [])
    there = os.listdir(folder) if os.path.isdir(folder) else []
    kept = [name for one in kept_in(folder) for name in os.listdir(one)]
    names = dict.fromkeys(name.removesuffix(_SUFFIX) for name in sorted([*there, *kept]))
    wanted = names if hooks is None else [hook for hook in hooks if hook in names]
    removed = [hook for hook in wanted if _take_out(folder, hook)]
    for one in kept_in(folder):
        if not os.listdir(one):
            os.rmdir(one)
    rest = os.listdir(folder) if os.path.isdir(folder) else []
    if any(is_ours(os.path.join(folder, name)) for name in rest):
        _link(folder, _neighbours(folder))
    elif removed and not rest:
        os.rmdir(folder)
    return removed


def kept_in(folder: str) -> list[str]:
    """The folders that keep what was in this one before ours, in the order in which they run."""
    return [one for one in _folders(folder) if os.path.isdir(one)]


def left_in(folder: str) -> list[str]:
    """The files of others that an uninstall could not put back, because newer ones are there."""
    return [os.path.join(one, name) for one in kept_in(folder) for name in sorted(os.listdir(one))]


def is_ours(path: str) -> bool:
    return MARK in head(path)


def runs_itself(path: str) -> bool:
    """Whether our hook there would find itself as the one that was there before."""
    return any(map(is_ours, _kept(path))) or bool(_alias_of_ours(path))


def run_by_theirs(path: str) -> str:
    """Our hook as the hook of another manager keeps and runs it; "" if it does not."""
    theirs = head(path)
    kept = [path + alias for mark, alias in _RUN_BY.items() if mark in theirs]
    return next((one for one in kept if os.access(one, os.X_OK) and is_ours(one)), "")


def head(path: str) -> bytes:
    """The first bytes of a hook, enough to recognise it; b"" if there is no file."""
    try:
        with open(path, "rb") as file:
            return file.read(65536)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return b""
    except OSError as error:
        raise UndecidedError(f"{path} cannot be read: {error.strerror}") from error


def _put(folder: str, hook: str, script: bytes) -> None:
    path = os.path.join(folder, hook)
    _adopt(path)
    for kept in _kept(path):
        if is_ours(kept):  # from a copied folder, or a link to it: it would run itself endlessly
            os.unlink(kept)
    _undo_alias(path)
    if os.path.lexists(path) and not is_ours(path):
        _keep(path)
    elif _is_exactly(path, script):
        return
    replace_file(path, script, 0o755)  # as git's own sample hooks


def _take_out(folder: str, hook: str) -> bool:
    path = os.path.join(folder, hook)
    _adopt(path)
    found = _undo_alias(path)
    kept = _kept(path)
    if is_ours(path):
        found = True
        if kept:
            os.replace(kept[-1], path)
        else:
            os.unlink(path)
    elif kept and not os.path.lexists(path):
        os.replace(kept[-1], path)
    for one in kept:
        if os.path.lexists(one) and _supersedes(path, one):
            os.unlink(one)
    return found


def _keep(path: str) -> None:
    """Move the hook to where it runs under its own name, in place of an older version of it."""
    older = next((one for one in _kept(path) if _supersedes(path, one)), None)
    place = older or _free_place(path)
    _move(path, place)
    for alias in _ALIASES:  # which it may run; a link to it would lead to ours once it is moved
        if os.path.lexists(path + alias) and not is_ours(path + alias):
            _move(path + alias, place + alias)


def _adopt(path: str) -> None:
    """Keep in its folder what an earlier version of agentlock kept next to its own hook."""
    before = path + _SUFFIX
    if os.path.lexists(before) and not os.path.isdir(before):
        _move(before, _free_place(path))


def _move(path: str, place: str) -> None:
    make_folder(os.path.dirname(place))
    os.replace(path, place)


def _free_place(path: str) -> str:
    kept = _kept(path)
    for place in _places(path):
        if place not in kept:
            return place
    raise ConfigurationError(
        f"{path} was replaced {_MOST_KEPT} times by hooks that agentlock did not write",
        fix=f"remove those that are not needed from {', '.join(map(os.path.dirname, kept))}, "
        "then: agentlock hooks install",
    )


def _folders(folder: str) -> list[str]:
    numbers = range(2, _MOST_KEPT + 1)
    return [folder + _SUFFIX, *(f"{folder}{_SUFFIX}-{number}" for number in numbers)]


def _places(path: str) -> list[str]:
    folder, hook = os.path.split(path)
    return [os.path.join(one, hook) for one in _folders(folder)]


def _kept(path: str) -> list[str]:
    """The hooks that were at this path before ours, oldest first."""
    return [one for one in _places(path) if os.path.lexists(one) and not _is_link_of_ours(one)]


def _neighbours(folder: str) -> list[str]:
    """What lies in the folder and is not ours; a hook that is kept may look for it next to it."""
    names = [name for name in os.listdir(folder) if not name.endswith(".sample")]
    return [name for name in names if not is_ours(os.path.join(folder, name))]


def _link(folder: str, names: list[str]) -> None:
    """Let links in the folders that keep hooks stand for these files, and for no others."""
    for kept in kept_in(folder):
        for name in os.listdir(kept):
            if name not in names and _is_link_of_ours(os.path.join(kept, name)):
                os.unlink(os.path.join(kept, name))
        for name in names:
            if not os.path.lexists(os.path.join(kept, name)):
                target = os.path.join("..", os.path.basename(folder), name)
                os.symlink(target, os.path.join(kept, name))


def _is_link_of_ours(path: str) -> bool:
    kept, name = os.path.split(path)
    folder = os.path.basename(kept).partition(_SUFFIX)[0]
    return os.path.islink(path) and os.readlink(path) == os.path.join("..", folder, name)


def _alias_of_ours(path: str) -> str:
    """The file that another manager moved our hook to, or "" if none did."""
    return next((path + alias for alias in _ALIASES if is_ours(path + alias)), "")


def _undo_alias(path: str) -> bool:
    alias = _alias_of_ours(path)
    if not alias:
        return False
    kept = _kept(path)
    if not kept or is_ours(path):
        os.unlink(alias)
    elif _supersedes(path, kept[-1]):
        os.unlink(alias)
        os.unlink(kept[-1])
    else:
        os.replace(kept[-1], alias)
    _undo_alias(path)
    return True


def _supersedes(new: str, old: str) -> bool:
    """Whether its manager would have replaced ``old`` with ``new`` if we had not been there."""
    theirs, former = head(new), head(old)
    if theirs == former or any(mark in theirs and mark in former for mark in _MANAGERS):
        return True
    return not _generators(theirs).isdisjoint(_generators(former))


def _generators(script: bytes) -> set[bytes]:
    """The lines that say what has written it, without version numbers."""
    import re

    return {re.sub(rb"[0-9.]+", b"", line) for line in re.findall(_GENERATED, script)}


def _is_exactly(path: str, script: bytes) -> bool:
    if os.path.islink(path) or not os.access(path, os.X_OK):
        return False
    try:
        with open(path, "rb") as file:
            return file.read() == script
    except FileNotFoundError:
        return False
