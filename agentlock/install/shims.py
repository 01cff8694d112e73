"""The sh scripts that git runs: their text, and the interpreters that they know."""

from __future__ import annotations

import os
import sys

from agentlock.errors import UndecidedError
from agentlock.hook_kinds import JUDGES, KINDS, MOVES_REFS, RECEIVES, RECORDS
from agentlock.text import single_quoted

INSTALL = "agentlock hooks install"
MARK = b"# agentlock hook: "
_TEMPLATES = {
    JUDGES: "shim.sh",
    RECEIVES: "shim.sh",
    MOVES_REFS: "transaction.sh",
    RECORDS: "record.sh",
}
_PARTS = {b"@ASK@\n": "ask.sh", b"@PROCESS@\n": "process.sh", b"@STAYED@\n": "stayed.sh"}
_MOST_PINS = 8
_PINS_BEGIN = b"\nuse '"
_PINS_END = b"\n# end of pins\n"

Pin = tuple[str, str]


def guarding(hook: str, former: str, pins: list[Pin]) -> bytes:
    """The script of a hook that runs agentlock.

    ``former`` is the folder whose hook runs first, as sh would read it; "" where there is none.
    """
    lines = "\n".join(
        f"use {single_quoted(python)} {single_quoted(program)}" for python, program in pins
    )
    kind = KINDS[hook]
    return _filled(
        _TEMPLATES[kind.role],
        HOOK=hook,
        ROLE=kind.role,
        READS_STDIN="yes" if kind.reads_stdin else "",
        CLEARS=kind.clears,
        STAYS="yes" if kind.stays else "",
        CLEARED_BY=" ".join(one.name for one in KINDS.values() if one.clears == hook),
        FORMER=f"{former}/{hook}" if former else "",
        PINS=lines,
    )


def passing(hook: str, former: str) -> bytes:
    """The script of a hook that only runs the hook of that name in the folder ``former``."""
    return _filled("pass.sh", HOOK=hook, FORMER=f"{former}/{hook}")


def standing_in() -> bytes:
    """The script that git's configuration sources, to see if git's hooks folder has our hook."""
    return _filled("stand-in.sh")


def current_pin() -> Pin:
    """The absolute paths of this interpreter and this program."""
    return sys.executable, os.path.join(_package(), "__main__.py")


def pins_of(script: bytes) -> list[Pin]:
    """The interpreters and programs that a script of ours names; [] if it is damaged."""
    _, _, rest = script.partition(_PINS_BEGIN)
    block, end, _ = (_PINS_BEGIN + rest).partition(_PINS_END)
    if not end:
        return []
    lines = [line.split("'") for line in os.fsdecode(block).split("\n") if line]
    if all([*line[::2]] == ["use ", " ", ""] for line in lines):  # no quotation mark in a path
        return [(line[1], line[3]) for line in lines]
    import shlex  # costs as much as ten of our modules

    try:
        words = shlex.split(os.fsdecode(block))
    except ValueError:
        return []
    return list(zip(words[1::3], words[2::3], strict=False))


def with_current(known: list[Pin]) -> list[Pin]:
    """The current one, then the known ones, without repeats; the oldest are dropped."""
    return list(dict.fromkeys([current_pin(), *known]))[:_MOST_PINS]


def is_usable(pin: Pin) -> bool:
    """Whether the script could use it (``use`` in ask.sh)."""
    return os.access(pin[0], os.X_OK) and os.path.isfile(pin[1])


def _filled(template: str, **values: str) -> bytes:
    text = _read(template)
    for mark, part in _PARTS.items():
        text = text.replace(mark, _read(part))
    for name, value in values.items():
        text = text.replace(f"@{name}@".encode(), os.fsencode(value))
    return text


def _read(template: str) -> bytes:
    with open(script(template), "rb") as file:
        return file.read()


def _package() -> str:
    return os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def script(name: str) -> str:
    """In a wheel the scripts are inside the package, in a checkout next to it."""
    for folder in (_package(), os.path.dirname(_package())):
        path = os.path.join(folder, "hooks", name)
        if os.path.isfile(path):
            return path
    raise UndecidedError("agentlock's installation lacks its hook scripts", fix="install it again")
