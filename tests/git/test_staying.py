"""The guard that stays while git replays commits answers as a hook that starts the guard would."""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

import pytest
from support import (
    AGENTLOCK,
    HOLDER,
    NO_HOOKS,
    OTHER,
    Repo,
    assert_passed,
    assert_refused,
    copy_repository,
    make_guarded,
)

from agentlock.git import sessions
from agentlock.git.repository import at
from agentlock.processes import ancestors, boot_and_namespace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.repositories import MadeOnce

pytestmark = pytest.mark.skipif(
    not hasattr(os, "pidfd_open") or not boot_and_namespace(),
    reason="no guard stays where no process can be watched",
)
STAYED = "agentlock-stayed-*"
PICKS = 4
MESSAGE_HOOK, TRANSACTION = "prepare-commit-msg", "reference-transaction"
REBASE = ("rebase", "-q", "main")


class Scene(NamedTuple):
    """A branch of commits, each of a file of its own, that main has left behind."""

    repo: Repo
    started: Path

    def starts(self) -> list[str]:
        """The hooks that have started Python."""
        return self.started.read_text(encoding="utf-8").split() if self.started.exists() else []

    def before_pick(self, number: int, script: str) -> None:
        """Let the hook that was there before run this when git makes so many commits."""
        kept = self.repo.path / ".git" / "hooks.before-agentlock"
        kept.mkdir(exist_ok=True)
        hook = kept / MESSAGE_HOOK
        count = self.repo.path.parent / "count"
        hook.write_text(
            f"#!/bin/sh\necho >>{count}\n[ $(wc -l <{count}) -ne {number} ] || {{\n{script}\n}}\n",
            encoding="utf-8",
        )
        hook.chmod(0o755)

    def rebased(self) -> int:
        """How many of the commits are on top of main now."""
        return int(self.repo.must("rev-list", "--count", "main..HEAD"))

    def makers(self) -> list[str]:
        """Whose commits the ledger says these are, the oldest first."""
        oids = self.repo.must("rev-list", "--reverse", "main..HEAD").split()
        shown = self.repo.agentlock("ledger", "show", *oids, "--json").json
        return [one["agent"] for one in shown]

    def pipes(self) -> list[str]:
        return sorted(path.name for path in (self.repo.path / ".git").glob(STAYED))


def _entered(path: Path) -> None:
    _diverged(path, guarded=True)


def _never_judged(path: Path) -> None:
    _diverged(path, guarded=False)


def _diverged(path: Path, *, guarded: bool) -> None:
    repo = make_guarded(path, "src/kept.py")
    repo.must("checkout", "-q", "-b", "side")
    for number in range(1, PICKS + 1):
        repo.write(f"src/{number}.py")
        if guarded:
            assert_passed(repo.commit_all(f"pick {number}", agent=OTHER))
        else:
            repo.commit_unguarded(f"pick {number}")
    repo.must(*NO_HOOKS, "checkout", "-q", "main")
    repo.write("README.md", "moved on\n")
    repo.commit_unguarded("main")
    repo.must(*NO_HOOKS, "checkout", "-q", "side")


@pytest.fixture
def make(tmp_path: Path, made_once: MadeOnce) -> Callable[..., Scene]:
    def made(*, strict: bool = False, entered: bool = True) -> Scene:
        model = made_once(_entered if entered else _never_judged)
        repo = copy_repository(model, tmp_path / "repo")
        if strict:
            assert_passed(repo.agentlock("hooks", "install", "--strict"))
        python, started = tmp_path / "counting-python", tmp_path / "started"
        python.write_text(
            f'#!/bin/sh\necho "${{7##*/}}" >>{started}\nexec {shlex.quote(sys.executable)} "$@"\n',
            encoding="utf-8",
        )
        python.chmod(0o755)
        for name in (MESSAGE_HOOK, TRANSACTION, "pre-applypatch"):
            hook = repo.path / ".git" / "hooks" / name
            if hook.exists():
                text = hook.read_text(encoding="utf-8")
                hook.write_text(text.replace(f"use '{sys.executable}'", f"use '{python}'"), "utf-8")
        return Scene(repo, started)

    return made


@pytest.fixture
def scene(make: Callable[..., Scene]) -> Scene:
    return make()


def agentlock(agent: str, *words: str) -> str:
    """A command line for the shell, as this agent."""
    return f"AGENTLOCK_AGENT={agent} {shlex.join((*AGENTLOCK, *words))} >&2"


def gone(scene: Scene) -> bool:
    """Whether no pipe is left, after a while."""
    for _ in range(200):
        if not scene.pipes():
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(
    "command",
    [REBASE, ("rebase", "-q", "--apply", "main"), ("cherry-pick", "main..side")],
    ids=["rebase", "rebase --apply", "cherry-pick"],
)
def test_python_is_started_for_the_first_commit_of_many_only(
    scene: Scene, command: tuple[str, ...]
) -> None:
    if command[0] == "cherry-pick":
        scene.repo.must(*NO_HOOKS, "checkout", "-q", "-B", "other", "main")
    assert_passed(scene.repo.git(*command, agent=OTHER))
    assert scene.rebased() == PICKS
    assert len(scene.starts()) == 1
    assert gone(scene)
    assert scene.makers() == [OTHER] * PICKS


def test_in_strict_mode_python_is_started_once_more_for_the_branch_that_is_rebased(
    make: Callable[..., Scene],
) -> None:
    scene = make(strict=True)
    assert_passed(scene.repo.git(*REBASE, agent=OTHER))
    assert scene.rebased() == PICKS
    assert scene.starts() == [MESSAGE_HOOK, TRANSACTION]
    scene.started.unlink()
    scene.repo.must(*NO_HOOKS, "checkout", "-q", "-B", "other", "main")
    assert_passed(scene.repo.git("cherry-pick", "main..ORIG_HEAD", agent=OTHER))
    assert scene.rebased() == PICKS
    assert scene.starts() == [MESSAGE_HOOK]
    assert gone(scene)


def test_the_agent_is_still_that_of_the_session_that_started_git(
    make: Callable[..., Scene],
) -> None:
    scene = make(entered=False)
    repository = at(os.fsencode(scene.repo.path / ".git"))
    number, _, started = next(ancestors(1, os.getpid()))
    place = boot_and_namespace()
    sessions.save(repository, sessions.Session(HOLDER, "claude", "1", number, started, place))
    scene.repo.reserve(HOLDER, "src/")
    assert_passed(scene.repo.git(*REBASE))
    assert len(scene.starts()) == 1


@pytest.mark.parametrize("strict", [False, True])
def test_a_lease_that_is_granted_in_the_middle_refuses_the_next_commit(
    make: Callable[..., Scene], strict: bool
) -> None:
    scene = make(strict=strict, entered=False)
    scene.before_pick(4, agentlock(HOLDER, "reserve", "src/"))
    refused = scene.repo.git(*REBASE, agent=OTHER)
    assert_refused(refused, "src/4.py", "git rebase --abort")
    assert scene.rebased() == 3
    assert scene.repo.git("rebase", "--abort").code == 0


def test_a_lease_of_that_time_lets_entered_commits_pass_as_what_they_are(scene: Scene) -> None:
    scene.before_pick(3, agentlock(HOLDER, "reserve", "src/"))
    assert_passed(scene.repo.git(*REBASE, agent="Integrator"))
    assert len(scene.starts()) == 1
    assert scene.makers() == [OTHER] * PICKS


def test_an_entry_that_is_revoked_in_the_middle_excuses_no_more(scene: Scene) -> None:
    fourth = scene.repo.must("rev-parse", "side")
    scene.repo.reserve(HOLDER, "src/")
    scene.before_pick(3, agentlock(HOLDER, "ledger", "revoke", fourth, "--reason", "wrong"))
    refused = scene.repo.git(*REBASE, agent=OTHER)
    assert_refused(refused, "src/4.py")
    assert scene.rebased() == 3


def test_a_name_that_is_configured_in_the_middle_counts_from_then_on(
    make: Callable[..., Scene],
) -> None:
    scene = make(entered=False)
    scene.repo.must("config", "agentlock.agent", HOLDER)
    scene.repo.reserve(HOLDER, "src/")
    scene.before_pick(3, f"git config agentlock.agent {OTHER}")
    refused = scene.repo.git(*REBASE)
    assert_refused(refused, "src/3.py")
    assert scene.rebased() == 2


def test_a_table_that_is_lost_in_the_middle_lets_nothing_through(scene: Scene) -> None:
    scene.before_pick(3, f"mv {scene.repo.database} {scene.repo.database}.lost")
    assert_refused(scene.repo.git(*REBASE, agent=OTHER), "is missing", code=1)
    assert scene.rebased() == 2


def test_what_somebody_adds_to_a_commit_is_judged(scene: Scene) -> None:
    scene.repo.reserve(HOLDER, "src/kept.py")
    scene.before_pick(3, "echo mine >src/kept.py; git add src/kept.py")
    refused = scene.repo.git(*REBASE, agent=OTHER)
    assert_refused(refused, "src/kept.py")
    assert scene.rebased() == 2


KILL = """
import glob, os, sys
for opened in glob.glob("/proc/[0-9]*/fd/*"):
    try:
        path = os.readlink(opened)
    except OSError:
        continue
    if path.startswith(sys.argv[1]):
        os.kill(int(opened.split("/")[2]), 9)
        break
"""


def test_without_the_guard_that_was_killed_each_commit_starts_its_own(scene: Scene) -> None:
    pipes = scene.repo.path / ".git" / "agentlock-stayed-"
    scene.before_pick(3, shlex.join((sys.executable, "-I", "-S", "-c", KILL, str(pipes))))
    assert_passed(scene.repo.git(*REBASE, agent=OTHER))
    assert scene.rebased() == PICKS
    assert len(scene.starts()) == 2  # the second of them stayed, too
    assert gone(scene)


def test_the_guard_ends_with_a_git_that_is_killed(scene: Scene) -> None:
    killed = scene.repo.git("rebase", "-q", "-x", "kill -KILL $PPID", "main", agent=OTHER)
    assert killed.code == -9
    assert gone(scene)


def test_pipes_of_another_user_are_not_asked(scene: Scene) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    scene.before_pick(3, f"chown 65534 .git/{STAYED}")
    assert_passed(scene.repo.git(*REBASE, agent=OTHER))
    assert len(scene.starts()) == 1 + PICKS - 2


class Asker:
    """Asks a guard that has stayed, as a hook would, but whatever one likes."""

    def __init__(self, folder: Path) -> None:
        (asks,) = folder.glob(f"{STAYED}.asks")
        self._asks = os.open(asks, os.O_WRONLY)
        self._answers = os.open(asks.with_suffix(".answers"), os.O_RDONLY)

    def __call__(self, *words: str, number: str = "1") -> str:
        os.write(self._asks, f"{' '.join((number, *words))}\n".encode())
        answer = b""
        while not answer.endswith(b"\n"):
            answer += os.read(self._answers, 1)
        return answer.decode().rstrip("\n")


@contextlib.contextmanager
def paused(scene: Scene) -> Iterator[Asker]:
    """While a rebase has made its first commit and waits, with a guard that has stayed."""
    there, go = scene.repo.path.parent / "there", scene.repo.path.parent / "go"
    script = f"touch {there}; while [ ! -e {go} ]; do sleep 0.02; done"
    command = ("git", "rebase", "-q", "-x", script, "main")
    environment = {**os.environ, "AGENTLOCK_AGENT": OTHER}
    with subprocess.Popen(command, cwd=scene.repo.path, env=environment) as rebase:
        try:
            while not there.exists():
                assert rebase.poll() is None
                time.sleep(0.02)
            yield Asker(scene.repo.path / ".git")
        finally:
            go.touch()
            rebase.wait()


def test_it_says_yes_to_nothing_but_what_it_judges_now(make: Callable[..., Scene]) -> None:
    scene = make(strict=True)
    repo = scene.repo
    repo.reserve(HOLDER, "docs/")
    with paused(scene) as ask:
        old = repo.head
        repo.write("src/new.py")
        repo.must("add", "src/new.py")
        assert ask(MESSAGE_HOOK, "elsewhere") == "1 no"
        assert ask("pre-push", ".git/index") == "1 no"
        assert ask() == "1 no"
        assert ask("x" * 5000, number="y" * 30) == f"{'y' * 20} no"
        assert ask(TRANSACTION, old, old) == "1 no"
        assert ask(TRANSACTION) == "1 no"

        def made(path: str, *parents: str) -> str:
            repo.write(path)
            repo.must("add", path)
            tree = repo.must("write-tree")
            words = [word for parent in parents for word in ("-p", parent)]
            return repo.must("commit-tree", *words, "-m", "x", tree)

        def judge() -> str:
            return ask(MESSAGE_HOOK, ".git/index")

        fine = made("src/new.py", old)
        assert judge() == "1 yes"
        assert ask(TRANSACTION, old, fine) == "1 yes"
        assert ask(TRANSACTION, old, fine) == "1 no"  # each judgement serves once
        other = repo.must("rev-parse", "HEAD~1")
        repo.must("read-tree", other)
        same_change_elsewhere = made("src/new.py", other)
        repo.must("read-tree", "HEAD")
        repo.must("add", "src/new.py")
        for wrong in (
            same_change_elsewhere,
            made("src/new.py", old, other),
            made("src/new.py", other),
            made("src/new.py"),
            repo.must("commit-tree", "-p", old, "-m", "x", f"{old}^{{tree}}"),
        ):
            assert judge() == "1 yes"
            assert ask(TRANSACTION, old, wrong) == "1 no"
        assert judge() == "1 yes"
        assert ask(TRANSACTION, other, fine) == "1 no"
        held = made("docs/held.md", old)
        assert judge() == "1 no"
        assert ask(TRANSACTION, old, held) == "1 no"
        repo.must(*NO_HOOKS, "reset", "-q", "--hard")
    assert gone(scene)


@pytest.mark.parametrize(
    ("moves", "asks_again"),
    [
        ("$old $new HEAD", False),
        ("$old $new refs/heads/side\n$old $new HEAD", False),
        ("$(git rev-parse main) $new refs/heads/side\n$old $new HEAD", True),
        ("$(git rev-parse main) $old refs/heads/other\n$old $new HEAD", True),
    ],
)
def test_a_strict_hook_asks_it_about_one_commit_on_one_base_only(
    make: Callable[..., Scene], moves: str, asks_again: bool
) -> None:
    """The hooks are run as git would, by commands that it runs between the commits."""
    scene = make(strict=True)
    judge = """
        export GIT_INDEX_FILE=.git/index
        exec .git/hooks/prepare-commit-msg .git/COMMIT_EDITMSG message
    """
    move = f"""
        old=$(git rev-parse HEAD)
        new=$(git commit-tree -p $old -m nothing HEAD^{{tree}})
        exec .git/hooks/reference-transaction prepared <<LINES\n{moves}\nLINES
    """
    commands = []
    for name, script in (("judge", judge), ("move", move)):
        path = scene.repo.path.parent / name
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(0o755)
        commands += ["-x", str(path)]
    assert_passed(scene.repo.git("rebase", "-q", *commands, "main", agent=OTHER))
    assert scene.starts().count(MESSAGE_HOOK) == 1
    asked = scene.starts().count(TRANSACTION)
    assert asked == 1 + (PICKS if asks_again else 0)


def test_pipes_that_were_left_behind_are_removed_by_the_next_that_stays(scene: Scene) -> None:
    left = scene.repo.path / ".git" / "agentlock-stayed-1.2.3"
    for end in (".asks", ".answers"):
        os.mkfifo(f"{left}{end}")
    assert_passed(scene.repo.git(*REBASE, agent=OTHER))
    assert gone(scene)


def test_of_one_commit_no_guard_stays(scene: Scene) -> None:
    scene.repo.must(*NO_HOOKS, "checkout", "-q", "-B", "other", "main")
    assert_passed(scene.repo.git("cherry-pick", "side", agent=OTHER))
    assert scene.pipes() == []
