"""Every tutorial says what happens: its commands are run, and print what it shows.

A `console` block holds commands after a prompt, `BlueLake $ command`, and what each prints. The
word before `$` names a terminal, which keeps its folder and its variables from block to block. A
line of the page that is only `…` stands for any lines.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

TUTORIALS = Path(__file__).resolve().parents[2] / "docs" / "tutorials"
BLOCK = re.compile(r"(?ms)^```console\n(.*?)^```$")
PROMPT = re.compile(r"^(?:(\w+) )?\$ (.*)$")
# What differs from run to run, and what stands for it in a comparison.
VARIABLE = (
    (r"for \d+\w* more", "for 1h more"),
    (r"\d+s ago", "2s ago"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "2026-01-31 12:00:00"),
    (r"\b[0-9a-f]{12,40}\b", "0123456789ab"),
    (r"(?m) +$", ""),
    (r"(?m)(?<=\S) {2,}", "  "),
)


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
        self._state.write_text(f"cd '{home}'\n")

    def run(self, command: str) -> str:
        keep = f"{{ export -p; printf 'cd %q\\n' \"$PWD\"; }} > '{self._state}'"
        script = f". '{self._state}'\n{command}\n{keep}\n"
        done = subprocess.run(
            ("bash", "-c", script),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=60,
        )
        return done.stdout.decode("utf-8", "replace").strip("\n")


def unvarying(text: str, home: Path) -> str:
    text = text.replace(os.path.realpath(home), "~").replace(str(home), "~")
    for pattern, constant in VARIABLE:
        text = re.sub(pattern, constant, text)
    return text


def agrees(printed: str, shown: str) -> bool:
    wanted = r"\n".join(
        r"(?:.*\n)*?.*" if line == "…" else re.escape(line) for line in shown.splitlines()
    )
    return re.fullmatch(wanted, printed) is not None


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
@pytest.mark.parametrize("name", sorted(page.name for page in TUTORIALS.glob("*.md")))
def test_a_tutorial_shows_what_its_commands_print(
    name: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = os.path.dirname(sys.executable)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")  # stdout and stderr in the order of a terminal
    told = steps((TUTORIALS / name).read_text(encoding="utf-8"))
    assert told
    terminals = {who: Terminal(home, who or "you") for who in {step.terminal for step in told}}
    for step in told:
        printed = unvarying(terminals[step.terminal].run(step.command), home)
        assert agrees(printed, unvarying(step.printed, home)), (step, printed)
