"""What keeps an edit hook from answering, and what each program does then.

The program edits a file that another agent holds and commits it in its shell; then somebody pushes.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from agents.programs import NEW, OLD, Setting
from agents.stage import start
from support import HOLDER, OTHER, publish

from agentlock.edit_hooks.programs import dialect_of
from agentlock.install import edit_hooks
from agentlock.install.shims import current_pin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from agents.programs import Program
    from support import Repo

UNASKED = ("--dangerously-bypass-hook-trust",)  # Codex runs entries that nobody trusts


class Way(NamedTuple):
    """How the program is started: more words, fewer words and variables, the folder, the root."""

    more: Sequence[str] = ()
    without: Sequence[str] = ()
    cwd: str = ""
    root: Path | None = None


class Trouble(NamedTuple):
    """One thing that is wrong; ``arrange`` gives the way to start, None where it cannot happen."""

    name: str
    arrange: Callable[[Program, Repo], Way | None]


class Passed(NamedTuple):
    """How far the change came."""

    edited: bool
    committed: bool
    pushed: bool

    @property
    def words(self) -> str:
        if not self.edited:
            return "stopped"
        if not self.committed:
            return "edits; the commit is refused"
        return "edits, commits; the push " + ("PASSES" if self.pushed else "is refused")


def meet(trouble: Trouble, program: Program, repo: Repo, folder: Path) -> Passed | None:
    """Arrange the trouble, and let the program edit and commit; None if it cannot happen."""
    repo.write("src/edit.py", f"{OLD}\n")
    repo.write(".gitignore", "/.*/\n/.gitignore\n")  # entries in the project are no part of it
    repo.commit_unguarded("files")
    publish(repo, folder)
    repo.reserve(HOLDER, "src/**")
    way = trouble.arrange(program, repo)
    if way is None:
        return None
    root = way.root or repo.path
    file = root / "src/edit.py"
    steps = [*program.edit(str(file)), program.bash(f"cd '{root}' && git commit -qam by-agent")]
    cwd = root / way.cwd
    outcome = start(
        program,
        steps,
        project=root,
        folder=folder / "run",
        cwd=cwd,
        more=way.more,
        without=way.without,
    ).outcome()
    assert len(outcome.told) == len(steps), f"{outcome.told} {outcome.err}"
    committed = repo.must("log", "-1", "--format=%s", cwd=root) == "by-agent"
    pushing = repo.git("push", "-q", "origin", "HEAD:refs/heads/pushed", agent=OTHER, cwd=root)
    edited = NEW in file.read_text(encoding="utf-8")
    return Passed(edited, committed, committed and pushing.code == 0)


def _installed(program: Program, root: Path | None = None) -> Path:
    return Path(edit_hooks.install(program.name, str(root) if root else None).file)


def _hooked(program: Program) -> Sequence[str]:
    return UNASKED if program.name == "codex" else ()


def _sound(program: Program, _: Repo) -> Way:
    _installed(program)
    return Way(_hooked(program))


def _none(_program: Program, _repo: Repo) -> Way:
    return Way()


def _other_door(script: str) -> Callable[[Program, Repo], Way]:
    """Another program answers than agentlock; "" for none at all."""

    def arrange(program: Program, _: Repo) -> Way:
        path = _installed(program)
        other = Path(os.environ["HOME"]) / "other.py"
        if script:
            other.write_text(script, encoding="utf-8")
        text = path.read_text(encoding="utf-8").replace(current_pin()[1], str(other))
        # A program that is slow meets the time-out that the entry gives: 2 seconds here, not 30.
        text = re.sub(r'("?timeout(?:Sec)?"?: )30(000)?\b', r"\g<1>2\2", text)
        path.write_text(text, encoding="utf-8")
        return Way(_hooked(program))

    return arrange


def _without_a_shell_line(program: Program, _: Repo) -> Way | None:
    """As an entry of other tools: the program alone, which is not there."""
    if program.name == "opencode":
        return None
    path = _installed(program)
    document = json.loads(path.read_text(encoding="utf-8"))
    event = dialect_of(program.name).event_of("before a tool")
    for entry in document["hooks"][event]:
        for one in entry.get("hooks", [entry]):
            one["bash" if "bash" in one else "command"] = "/nowhere/agentlock hook edit"
    path.write_text(json.dumps(document), encoding="utf-8")
    return Way(_hooked(program))


def _below(program: Program, repo: Repo) -> Way:
    _installed(program, repo.path)
    return Way(_hooked(program), cwd="src")


def _linked(program: Program, repo: Repo) -> Way:
    _installed(program, repo.path)
    side = repo.path.parent / "side"
    repo.must("worktree", "add", "-q", "-b", "side", str(side))
    return Way(_hooked(program), root=side)


def _untrusted_project(program: Program, repo: Repo) -> Way | None:
    _installed(program, repo.path)
    if program.name == "codex":
        settings = Path(os.environ["HOME"]) / ".codex/config.toml"
        program.start(_anywhere(repo))
        text = settings.read_text(encoding="utf-8")
        settings.write_text(text.partition("[projects")[0], encoding="utf-8")
        return Way(UNASKED)
    ways: Mapping[str, Way] = {
        "gemini": Way(["--skip-trust"], ["GEMINI_CLI_TRUST_WORKSPACE"]),
        "copilot": Way(without=["--trust-folder"]),
    }
    return ways.get(program.name)


def _untrusted_entry(program: Program, _: Repo) -> Way | None:
    if program.name != "codex":
        return None
    _installed(program)
    return Way()


def _switched_off(program: Program, _: Repo) -> Way | None:
    path = _installed(program)
    if program.name == "gemini":
        document = json.loads(path.read_text(encoding="utf-8"))
        document["hooksConfig"] = {"enabled": False}
        path.write_text(json.dumps(document), encoding="utf-8")
        return Way()
    ways: Mapping[str, Way] = {
        "claude": Way(["--settings", '{"disableAllHooks":true}']),
        "codex": Way(["-c", "features.hooks=false"]),
        "opencode": Way(["--pure"]),
    }
    return ways.get(program.name)


def _anywhere(repo: Repo) -> Setting:
    return Setting(repo.path, Path(os.environ["HOME"]), 1, "gpt-5.5")


_CRASH = "import os\nos.kill(os.getpid(), 9)\n"
_ERROR = "raise SystemExit(1)\n"
_SLOW = "import time\ntime.sleep(6)\n"  # Gemini CLI waits for its end after each time-out, too
TROUBLES = (
    Trouble("nothing is wrong", _sound),
    Trouble("agentlock's program is missing", _other_door("")),
    Trouble("agentlock's program is killed", _other_door(_CRASH)),
    Trouble("agentlock's program ends with 1", _other_door(_ERROR)),
    Trouble("agentlock's program is too slow", _other_door(_SLOW)),
    Trouble("an entry without our shell line, its program missing", _without_a_shell_line),
    Trouble("no entry", _none),
    Trouble("an entry that is not trusted", _untrusted_entry),
    Trouble("entries in the project, which is not trusted", _untrusted_project),
    Trouble("entries in the project, started in a folder below", _below),
    Trouble("entries in the project, in a linked worktree", _linked),
    Trouble("hooks switched off by an option", _switched_off),
)
