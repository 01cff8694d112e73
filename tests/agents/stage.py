"""Run an agent's program once, headless, with a scripted model and nothing else to reach."""

from __future__ import annotations

import functools
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from agents import scripted_model
from agents.formats import told, user_words
from agents.installing import executable
from agents.programs import Setting

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agents.formats import Body, Step
    from agents.programs import Program

LIMIT = 300  # seconds for one run
# What a program sees of this machine: nothing of another program that these tests may run in.
_KEPT = ("PATH", "HOME", "LC_ALL", "TMPDIR")


class Outcome(NamedTuple):
    """What came of a run. ``code`` is -1 if it had to be ended."""

    code: int
    out: str
    err: str
    requests: list[Body]

    @property
    def told(self) -> list[str]:
        """What the model was told after each use of a tool, in order."""
        return max((told(one) for one in self.requests), key=len, default=[])

    @property
    def words(self) -> str:
        """What the model was sent besides: prompts, and what hooks add to them."""
        return "\n".join(user_words(one) for one in self.requests)


class Running:
    """A program that has been started."""

    def __init__(self, driver: subprocess.Popen[bytes], folder: Path) -> None:
        self._driver, self._folder = driver, folder

    def outcome(self) -> Outcome:
        """Wait for its end."""
        _, complaints = self._driver.communicate(timeout=LIMIT + 30)
        assert self._driver.returncode == 0, complaints.decode()
        code, out, err = (
            (self._folder / name).read_text(encoding="utf-8", errors="replace")
            for name in ("code", "out", "err")
        )
        log = self._folder / "requests.jsonl"
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        return Outcome(int(code), out, err, [json.loads(line)["body"] for line in lines])


def start(
    program: Program,
    steps: Sequence[Step],
    *,
    project: Path,
    folder: Path,
    cwd: Path | None = None,
    model: str = "",
    env: Mapping[str, str] | None = None,
    more: Sequence[str] = (),
    without: Sequence[str] = (),
    until: Path | None = None,
) -> Running:
    """Start a program in a project; ``folder`` is made, and holds what comes of it.

    ``more`` are words that its command line gets before all others; ``without`` are words and
    variables that it does not get. With ``until`` it runs on a screen, until that file is there.
    """
    folder.mkdir(parents=True)
    home = Path(os.environ["HOME"])
    where = Setting(project, home, _free_port(), model or program.model)
    words, given = program.start(where)
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    kept["PATH"] = f"{os.path.dirname(sys.executable)}{os.pathsep}{kept['PATH']}"  # agentlock
    profile = f"export PATH='{kept['PATH']}'\n"  # Codex's shell is a login shell, which sets PATH
    (home / ".profile").write_text(profile, encoding="utf-8")
    git = {name: value for name, value in os.environ.items() if name.startswith("GIT_")}
    variables = {**kept, **git, "TERM": "dumb", **given, **(env or {})}
    run = {
        "argv": [str(executable(program)), *more, *(one for one in words if one not in without)],
        "cwd": str(cwd or project),
        "env": {name: value for name, value in variables.items() if name not in without},
        "steps": list(steps),
        "port": where.port,
        "limit": LIMIT,
        "screen": until is not None,
        "until": str(until or ""),
        "alone": bool(_without_a_way_out()),
    }
    (folder / "run.json").write_text(json.dumps(run), encoding="utf-8")
    driver = [sys.executable, scripted_model.__file__, str(folder / "run.json")]
    command = [*_without_a_way_out(), *driver]
    pipe: Any = subprocess.PIPE
    return Running(subprocess.Popen(command, stdout=pipe, stderr=pipe), folder)


def wait_for(file: Path) -> None:
    """Wait until a step of the script has made its file."""
    end = time.monotonic() + LIMIT
    while not file.exists() and time.monotonic() < end:
        time.sleep(0.02)
    assert file.exists()


@functools.cache
def _without_a_way_out() -> tuple[str, ...]:
    """What starts a command in a network of its own; nothing where the system forbids that."""
    for flags in ("-n", "-rn"):
        words = ("unshare", flags)
        try:
            tried = subprocess.run((*words, "true"), capture_output=True, check=False)
        except FileNotFoundError:
            return ()
        if tried.returncode == 0:
            return words
    return ()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
