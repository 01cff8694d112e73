"""Tutorials as lists of commands, and the terminals in which they are typed.

A `console` block holds commands after a prompt, `BlueLake $ command`, and what each prints. The
word before `$` names a terminal, which keeps its folder and its variables from block to block. A
line of the page that is only `…` stands for any lines.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

TUTORIALS = Path(__file__).resolve().parents[2] / "docs" / "tutorials"
BLOCK = re.compile(r"(?ms)^```console\n(.*?)^```$")
PROMPT = re.compile(r"^(?:(\w+) )?\$ (.*)$")
# What differs from run to run, and what stands for it in a comparison.
VARIABLE = (
    (r"for \d+\w* more", "for 1h more"),
    (r"until (\d{4}-\d\d-\d\d )?\d\d:\d\d \(\w+(, soon)?\)", "until 03:21 (1h)"),
    (r"\d+[sm] ago", "2s ago"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "2026-01-31 12:00:00"),
    (r"\b[0-9a-f]{12,40}\b", "0123456789ab"),
    (r"(?m) +$", ""),
    (r"(?m)(?<=\S) {2,}", "  "),
)


# The git user of a tutorial is the one of its home.
_AUTHORS = tuple(
    f"GIT_{who}_{what}" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
)
_USER = "[user]\n\tname = Ada Lovelace\n\temail = ada@example.invalid\n"


class Step(NamedTuple):
    """One command of a tutorial: who types it, and what it prints there."""

    terminal: str
    command: str
    printed: str


def steps(page: str) -> list[Step]:
    found: list[Step] = []
    for block in BLOCK.findall(page):
        for line in block.splitlines():
            prompt = PROMPT.match(line)
            if prompt:
                found.append(Step(prompt[1] or "", prompt[2], ""))
            else:
                last = found.pop()
                found.append(last._replace(printed=f"{last.printed}{line}\n"))
    return [step._replace(printed=step.printed.strip("\n")) for step in found]


class Terminal:
    """A shell that keeps its folder and its exported variables from command to command."""

    def __init__(self, home: Path, name: str) -> None:
        self._state = home / f".terminal-{name}"
        self._state.write_text(f"cd '{home}'\nunset {' '.join(_AUTHORS)}\n")

    def run(self, command: str) -> tuple[int, str]:
        """Type a command; its exit code, and what it prints."""
        keep = f"{{ export -p; printf 'cd %q\\n' \"$PWD\"; }} > '{self._state}'"
        script = f". '{self._state}'\n{command}\ncode=$?\n{keep}\nexit $code\n"
        done = subprocess.run(
            ("bash", "-c", script),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=60,
        )
        return done.returncode, done.stdout.decode("utf-8", "replace").strip("\n")


def unvarying(text: str) -> str:
    """The text, with a constant for what differs from run to run."""
    for pattern, constant in VARIABLE:
        text = re.sub(pattern, constant, text)
    return text


def agrees(printed: str, shown: str) -> bool:
    wanted = r"\n".join(
        r"(?:.*\n)*?.*" if line == "…" else re.escape(line) for line in shown.splitlines()
    )
    return re.fullmatch(wanted, printed) is not None


class Played(NamedTuple):
    """A step as it went."""

    step: Step
    code: int
    printed: str


def played(told: list[Step], home: Path) -> Iterator[Played]:
    """Type each command in its terminal. PATH must find this environment's agentlock."""
    with (home / ".gitconfig").open("a", encoding="utf-8") as settings:
        settings.write(_USER)
    terminals = {who: Terminal(home, who or "you") for who in {step.terminal for step in told}}
    for step in told:
        code, printed = terminals[step.terminal].run(step.command)
        home_shown = printed.replace(os.path.realpath(home), "~").replace(str(home), "~")
        yield Played(step, code, home_shown)


def variables() -> dict[str, str]:
    """What the terminals need besides the sealed environment."""
    return {
        "PATH": f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}",
        "AGENTLOCK_PROGRAM": "claude",
        "PYTHONUNBUFFERED": "1",  # stdout and stderr in the order of a terminal
    }
