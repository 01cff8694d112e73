"""The repository that each operation is tried in, and what there is to be seen of it."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from operations.operations import PRINTED
from support import HOLDER, NO_HOOKS, OTHER, Repo, Result, run
from support.environment import make_home, variables_of

from agentlock.git.system_config import FILE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from operations.operations import Operation

Mode = Literal["default", "strict"]
MODES: tuple[Mode, ...] = ("default", "strict")
RESERVED, FREE, ELSEWHERE = "src/x.py", "docs/free.md", "other.md"
PATHS = {"reserved": RESERVED, "free": FREE}
SERVERS = {"origin": "remote.git", "fork": "fork.git", "gated": "gated.git"}
PENDING = (
    "MERGE_HEAD",
    "CHERRY_PICK_HEAD",
    "REVERT_HEAD",
    "SQUASH_MSG",
    "rebase-merge",
    "rebase-apply",
    "sequencer",
)
_OFF = NO_HOOKS[1::2]
OFF = {"GIT_CONFIG_COUNT": str(len(_OFF))}
for at, setting in enumerate(_OFF):
    OFF[f"GIT_CONFIG_KEY_{at}"], _, OFF[f"GIT_CONFIG_VALUE_{at}"] = setting.partition("=")
PREAMBLE = """\
set -e
agentlock() { "$python" -m agentlock "$@"; }
"""


class Tried(NamedTuple):
    """What came of one script; ``hook`` is the one that ended with an error, "" where none did."""

    result: Result
    hook: str

    @property
    def refused(self) -> bool:
        return self.result.code != 0 and self.hook != ""

    @property
    def told(self) -> bool:
        """Agentlock said what it was that it refused."""
        return "agentlock: " in self.result.err and " refused: " in self.result.err


class Outcome(NamedTuple):
    """What came of an operation: tried, mended where it was refused, and passed on to the gate.

    ``restored`` says what brought the former state back: "" where nothing had changed, None where
    nothing did. ``later`` is what the gate that comes after said, None where it was not asked.
    """

    tried: Tried
    changed: bool
    restored: str | None
    later: Tried | None


class World:
    """Holder and other in one repository; ``src/`` is the holder's. See ``build`` for the rest."""

    def __init__(self, folder: Path, path: str) -> None:
        self.folder = folder
        self.repo = Repo(folder / "repo")
        self.path = path

    def variables(self) -> dict[str, str]:
        home = self.folder / "home"
        known: dict[str, dict[str, str]] = json.loads((self.folder / "known.json").read_text())
        return {
            **_settings(home),
            **known.get(self.path, {}),
            "AGENTLOCK_AGENT": OTHER,
            "path": self.path,
            "folder": self.path.partition("/")[0],
            "off": " ".join(NO_HOOKS),
            "python": sys.executable,
        }

    def prepare(self, script: str) -> None:
        """Run a script that no hook sees, and that has to succeed."""
        result = self._run(script, OFF)
        assert result.code == 0, f"{script}\n{result}"

    def attempt(self, script: str) -> Tried:
        """Run a script as the other agent, whatever comes of it; git tells which hooks it ran."""
        trace = self.folder / "trace.json"
        trace.unlink(missing_ok=True)
        result = self._run(script, {"GIT_TRACE2_EVENT": str(trace)})
        return Tried(result, _failed_hook(trace))

    def state(self) -> dict[str, object]:
        """What an operation could change: refs here and there, index, files, what is pending."""
        found: dict[str, object] = {}
        for name in ("repo", "repo/sub", *SERVERS.values()):
            where = Repo(self.folder / name)
            if where.path.exists():
                found[f"refs of {name}"] = where.must("for-each-ref", env=self.variables())
        for command in (("symbolic-ref", "-q", "HEAD"), ("rev-parse", "HEAD"), ("ls-files", "-s")):
            found[" ".join(command)] = self.repo.git(*command, env=self.variables()).out
        git = self.repo.path / ".git"
        found["pending"] = [name for name in PENDING if (git / name).exists()]
        for path in self.folder.rglob("*"):
            inside = path.relative_to(self.folder)
            if path.name.startswith(FILE.decode()):  # in git's folder; one is called hub here
                continue
            if path.is_file() and ".git" not in inside.parts and not _bare(inside.parts[0]):
                found[str(inside)] = path.read_bytes()
        return found

    def _run(self, script: str, variables: dict[str, str]) -> Result:
        env = {**self.variables(), **variables}
        return run("sh", "-c", PREAMBLE + script, cwd=self.repo.path, env=env)


def missing(operation: Operation) -> str:
    """What there is not on this machine, and the operation needs; "" where it can be tried."""
    if git_version() < operation.since:
        return f"git {operation.since[0]}.{operation.since[1]}"
    if operation.needs.startswith("git-"):
        programs = run("git", "--exec-path", cwd=Path.cwd()).out.strip()
        return "" if Path(programs, operation.needs).exists() else operation.needs
    if operation.needs and importlib.util.find_spec(operation.needs) is None:
        return operation.needs
    return ""


def git_version() -> tuple[int, int]:
    words = run("git", "--version", cwd=Path.cwd()).out.split()
    major, minor, *_ = words[2].split(".")
    return int(major), int(minor)


def stopped_by(operation: Operation, mode: Mode) -> str:
    """The hook that has to refuse the operation where the path is reserved; "" for none."""
    if operation.stand_in and git_version() >= (2, 54):
        return operation.stand_in
    return operation.strict if mode == "strict" else operation.default


def observe(world: World, operation: Operation) -> Outcome:
    """Try an operation; where it was refused restore, where it happened ask the later gate."""
    world.prepare(operation.prepare)
    before = world.state()
    tried = world.attempt(operation.command)
    after = world.state()
    if tried.result.code == 0:
        later = world.attempt(operation.later) if operation.later else None
        return Outcome(tried, after != before, None, later)
    restored = "" if after == before else None
    if restored is None and operation.restore:
        command = operation.restore
        if command == PRINTED:
            command = tried.result.err.partition(PRINTED)[2].partition("\n")[0]
        mended = world.attempt(command)
        if mended.result.code == 0 and world.state() == before:
            restored = command
    return Outcome(tried, after != before, restored, None)


def build(folder: Path, mode: Mode) -> None:
    """A world to be copied for each operation.

    main is what three servers have: ``origin``, ``fork``, and ``gated``, which has a gate of its
    own over the same table. For each path three commits that no ref names: ``change`` and ``rival``
    change the path, each in its own way, ``elsewhere`` changes another; all on main.
    """
    for name in ("repo", *SERVERS.values()):
        (folder / name).mkdir(parents=True)
    make_home(folder / "home")
    env = _settings(folder / "home")
    repo = Repo(folder / "repo")
    repo.must("init", "-q", "--template=", env=env)
    for name in (RESERVED, FREE, ELSEWHERE):
        repo.write(name, f"start of {name}\n")
    repo.must("add", "--all", env=env)
    repo.must("commit", "-q", "-m", "start", env=env)
    for remote, name in SERVERS.items():
        repo.must("init", "-q", "--template=", "--bare", f"../{name}", env=env)
        repo.must("remote", "add", remote, f"../{name}", env=env)
        repo.must("push", "-q", remote, "main", env=env)
    elsewhere = _commit(repo, ELSEWHERE, "elsewhere", env)
    options = ("--strict",) if mode == "strict" else ()
    known = {
        path: {
            "strict": " ".join(options),
            "change": _commit(repo, path, "change", env),
            "rival": _commit(repo, path, "rival", env),
            "elsewhere": elsewhere,
        }
        for path in PATHS.values()
    }
    (folder / "known.json").write_text(json.dumps(known))
    result = repo.agentlock("init", "--project", "same", *options, env=env)
    assert result.code == 0, result
    gate = ("--server", "--database", str(repo.database))
    result = Repo(folder / "gated.git").agentlock("init", *gate, env=env)
    assert result.code == 0, result
    repo.reserve(HOLDER, "src/", "--ttl", "20h", env=env)


@contextlib.contextmanager
def copied(template: Path, path: str) -> Iterator[World]:
    """A copy of a world, gone afterwards; nothing of ours is still at work in it."""
    with tempfile.TemporaryDirectory(dir=template.parent) as folder:
        world = World(Path(folder) / "world", path)
        shutil.copytree(template, world.folder, symlinks=True)
        gate = world.folder / "gated.git" / "config"
        gate.write_text(gate.read_text().replace(str(template), str(world.folder)))
        yield world


def _settings(home: Path) -> dict[str, str]:
    return {
        **variables_of(home),
        "GIT_EDITOR": "true",
        "FILTER_BRANCH_SQUELCH_WARNING": "1",
    }


def _bare(name: str) -> bool:
    return name.endswith(".git") or name in ("home", "trace.json", "told")


def _commit(repo: Repo, path: str, text: str, env: dict[str, str]) -> str:
    """A commit on main that no ref names."""
    repo.must("checkout", "-q", "--detach", "main", env=env)
    repo.write(path, f"{text} of {path}\n")
    repo.must("commit", "-q", "-a", "-m", f"{text} of {path}", env=env)
    oid = repo.head
    repo.must("checkout", "-q", "main", env=env)
    return oid


def _failed_hook(trace: Path) -> str:
    """The first hook that git saw end with an error (api-trace2: child_start, child_exit)."""
    hooks = {}
    lines = trace.read_bytes().splitlines() if trace.exists() else []
    for line in lines:
        event = json.loads(line.decode("utf-8", "replace"))
        child = (event["sid"], event.get("child_id"))
        if event["event"] == "child_start" and event["child_class"] == "hook":
            hooks[child] = event["hook_name"]
        elif event["event"] == "child_exit" and event["code"] != 0 and child in hooks:
            return str(hooks[child])
    return ""
