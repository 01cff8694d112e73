"""Whether the other users who can commit here meet the guard as well.

git leaves out a hook that a user may not execute, and a guard that cannot read the table refuses
everything. Root proves both as the owner of the repository; for all others the permissions on the
way to each file are read.
"""

from __future__ import annotations

import grp
import os
import pickle
import pwd
import stat
from typing import TYPE_CHECKING

from agentlock.doctor.findings import Finding
from agentlock.doctor.hooks import examine_hooks
from agentlock.doctor.table import examine_table
from agentlock.environment import HOME, TEMPORARY, XDG_CONFIG_HOME
from agentlock.install import chain, hooks, shims
from agentlock.model import Value
from agentlock.store import is_url
from agentlock.text import shell_word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import NoReturn

    from agentlock.git.repository import Repository

_ENTER, _READ = 1, 4  # bits of a mode
_FOR_ALL = "install agentlock where every user can run it, then: agentlock hooks install"


class Person(Value):
    """Somebody, or everybody of a group, who can write to the repository; None: any user."""

    name: str
    user: int | None
    groups: frozenset[int]


def examine_others(repository: Repository, git: tuple[int, ...], timeout: int) -> list[Finding]:
    """What keeps others from the hooks or the table, and for whom that cannot be proven."""
    found = []
    for person in _others(repository):
        closed = _closed_hooks(repository, person) or _closed_table(repository, person)
        if not closed and os.geteuid() == 0 and person.user is not None:
            found.append(_proven(repository, git, timeout, person))
        else:
            found.append(closed or _read(repository, person))
    return found


def _others(repository: Repository) -> Iterator[Person]:
    """The owner, the group and everybody else, as far as they may write and are not this user."""
    place = os.stat(repository.common_dir)
    objects = os.stat(os.path.join(repository.common_dir, b"objects"))
    own = {os.geteuid(), 0}  # nothing is closed to root
    if place.st_uid not in own:
        yield _user(place.st_uid)
    if objects.st_mode & stat.S_IWGRP and _members(objects.st_gid) - own - {place.st_uid}:
        name = _name_of_group(objects.st_gid)
        yield Person(f"members of the group {name}", None, frozenset({objects.st_gid}))
    if objects.st_mode & stat.S_IWOTH:
        yield Person("other users", None, frozenset())


def _user(number: int) -> Person:
    try:
        entry = pwd.getpwuid(number)
    except KeyError:
        return Person(f"user {number}", number, frozenset())
    groups = os.getgrouplist(entry.pw_name, entry.pw_gid)
    return Person(entry.pw_name, number, frozenset(groups))


def _members(group: int) -> set[int]:
    members = {entry.pw_uid for entry in pwd.getpwall() if entry.pw_gid == group}
    try:
        names = grp.getgrgid(group).gr_mem
    except KeyError:
        return members
    return members | {entry.pw_uid for entry in pwd.getpwall() if entry.pw_name in names}


def _name_of_group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _closed_hooks(repository: Repository, person: Person) -> Finding | None:
    """A hook that git would leave out for this person."""
    for one in hooks.status(repository):
        if one.guards and (where := _closed(one.path, _ENTER, person)):
            message = f"{where} is closed to {person.name}, so git leaves out our hook for them"
            return Finding(
                "problem",
                "users",
                message,
                fix=f"chmod a+x {shell_word(where)}",
                hook=one.hook,
                lets_through=True,
            )
    return None


def _closed_table(repository: Repository, person: Person) -> Finding | None:
    path = repository.database or ""
    if is_url(path) or not (where := _closed(path, _READ, person)):
        return None
    why = f"{where} is closed to them, and the table is there"
    return _refused(person, why, _opening(path, person))


def _proven(repository: Repository, git: tuple[int, ...], timeout: int, person: Person) -> Finding:
    """What the examinations find as this user, in a process of theirs. Only root can."""

    def examined() -> list[Finding]:
        table = [one for one in examine_table(repository, timeout) if one.level == "problem"]
        return table or [
            one for one in examine_hooks(repository, git, prove=True) if one.level == "problem"
        ]

    found = _as(person, examined)
    if found is None:
        return _unproven(person, "nothing could be run as that user")
    if found:
        worst = found[0]
        message = f"as {person.name}: {worst.message}"
        return worst.replace(level="problem", check="users", message=message)
    message = f"{person.name}: git runs our hooks for them too, and they refuse (proven)"
    return Finding("ok", "users", message)


def _as(person: Person, examined: Callable[[], list[Finding]]) -> list[Finding] | None:
    """What ``examined`` returns in a process of that user; None if it cannot be run there."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _become(person, writing, examined)
    os.close(writing)
    with open(reading, "rb") as answer:
        said = answer.read()
    os.waitpid(child, 0)
    return pickle.loads(said) if said else None  # noqa: S301 -- of this very program


def _home_and_group(user: int) -> tuple[str, int]:
    try:
        entry = pwd.getpwuid(user)
    except KeyError:
        return "/", user
    return entry.pw_dir, entry.pw_gid


def _become(person: Person, answer: int, examined: Callable[[], list[Finding]]) -> NoReturn:
    """Go on as that user, in their home: git would trip over root's configuration."""
    try:
        user = person.user or -1
        home, group = _home_and_group(user)
        os.environ[HOME] = home
        for name in (XDG_CONFIG_HOME, *TEMPORARY):
            os.environ.pop(name, None)
        os.setgroups(sorted(person.groups))
        os.setgid(group)
        os.setuid(user)
        with open(answer, "wb") as file:
            file.write(pickle.dumps(examined()))
    finally:
        os._exit(0)


def _read(repository: Repository, person: Person) -> Finding:
    """What the permissions say of a person as whom nothing can be run."""
    for one in hooks.status(repository):
        pins = shims.pins_of(chain.head(one.path)) if one.state == "installed" else []
        usable = [
            pin
            for pin in pins
            if not (_closed(pin[0], _ENTER, person) or _closed(pin[1], _READ, person))
        ]
        if pins and not usable:
            where = _closed(pins[0][0], _ENTER, person) or _closed(pins[0][1], _READ, person)
            return _refused(person, f"{where} is closed to them, and the hooks need it")
    return _unproven(person, "the permissions let them run the hooks and read the table")


def _closed(path: str, wanted: int, person: Person) -> str:
    """The first file or folder on the way to a path that keeps a person out; "" if none does."""
    for way in dict.fromkeys((os.path.abspath(path), os.path.realpath(path))):
        folder = os.path.dirname(way)
        above = [folder]
        while folder != os.path.dirname(folder):
            folder = os.path.dirname(folder)
            above.append(folder)
        for step, bits in (*((one, _ENTER) for one in reversed(above)), (way, wanted)):
            try:
                found = os.stat(step)
            except OSError:  # what is not there is for the other examinations
                return ""
            if not _bits_of(found, person) & bits:
                return step
    return ""


def _bits_of(found: os.stat_result, person: Person) -> int:
    if found.st_uid == person.user:
        return found.st_mode >> 6
    return found.st_mode >> 3 if found.st_gid in person.groups else found.st_mode


def _refused(person: Person, why: str, fix: str = "") -> Finding:
    message = f"every commit of {person.name} is refused: {why}"
    return Finding("warning", "users", message, fix=fix, advice="" if fix else _FOR_ALL)


def _opening(table: str, person: Person) -> str:
    """The command that opens the folder of the table to somebody."""
    folder = shell_word(os.path.dirname(table))
    if person.user is not None:
        return f"chown -R {person.user} {folder}"
    for group in person.groups:
        shared = "git config core.sharedRepository group"
        return f"{shared} && chgrp -R {group} {folder} && chmod -R g+rwX {folder}"
    return ""


def _unproven(person: Person, why: str) -> Finding:
    message = f"{person.name}: {why}; only a run as that user proves it"
    return Finding("ok", "users", message)
