"""Sandboxes: no home, git's folder read-only, an installation that will be gone."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from support import AGENTLOCK, HOLDER, OTHER, Repo, Result, assert_passed, assert_refused, run

import agentlock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize("nowhere", ["/proc/nohome", "/dev/null", ""])
def test_init_needs_no_home_that_can_be_written(
    new_repo: Callable[..., Repo], nowhere: str
) -> None:
    repo = new_repo()
    env = {"HOME": nowhere, "XDG_DATA_HOME": "", "XDG_CONFIG_HOME": nowhere}
    told = repo.agentlock("init", env=env)
    assert told.code == 0, told
    assert "hooks uninstall --everywhere` leaves this one out" in told.err or not nowhere
    repo.reserve(HOLDER, "src/", env=env)
    repo.write("src/x.py")
    repo.must("add", "src")
    assert_refused(repo.git("commit", "-qm", "theirs", agent=OTHER, env=env), "src/x.py")
    again = repo.agentlock("init", "--json", env=env)
    assert again.code == 0
    assert again.err == ""
    assert_passed(repo.agentlock("hooks", "install", env=env))
    assert_passed(repo.agentlock("hooks", "uninstall", env=env))
    assert not (repo.path / "~").exists()


READ_ONLY = "mount --bind .git .git && mount -o remount,bind,ro .git && exec "


def _read_only(repo: Repo, *command: str, agent: str = OTHER) -> Result:
    """Run a command where git's folder is mounted read-only, as agents' sandboxes do it."""
    words = ["unshare", "--mount", "sh", "-c", READ_ONLY + '"$@"', "sh"]
    return run(*words, *command, cwd=repo.path, agent=agent)


@pytest.fixture
def sandboxed(repo: Repo) -> Repo:
    """A repository in which HOLDER holds src/, where mounts can be made."""
    repo.reserve(HOLDER, "src/")
    repo.agentlock("send", HOLDER, "--subject", "hello", agent=HOLDER)
    if not shutil.which("unshare") or _read_only(repo, "true")[0] != 0:
        pytest.skip("this user cannot mount anything")
    return repo


READS = {
    "check README.md": 0,
    "check src/x.py": 1,
    "check --range HEAD..HEAD": 0,
    "list": 0,
    "list --json": 0,
    "status": 0,
    "show 1": 0,
    "log": 0,
    "explain src/": 0,
    "whoami": 0,
    "agent list": 0,
    "policy show": 0,
    "db check": 0,
    "db path": 0,
    "doctor": 0,
    "inbox": 0,
    "read 1": 0,
    "thread 1": 0,
    "search hello": 0,
    "ticket list": 0,
}


@pytest.mark.parametrize("command", READS)
def test_what_only_reads_works_in_a_read_only_git_folder(sandboxed: Repo, command: str) -> None:
    code, out, err = _read_only(sandboxed, *AGENTLOCK, *command.split())
    assert code == READS[command], (out, err)
    assert "cannot" not in err


@pytest.mark.parametrize("command", ["reserve docs/", "renew --all", "release --all", "init"])
def test_what_writes_says_that_the_folder_is_read_only(sandboxed: Repo, command: str) -> None:
    code, _out, err = _read_only(sandboxed, *AGENTLOCK, *command.split(), agent=HOLDER)
    assert code == 3
    assert "ead-only" in err
    assert str(sandboxed.path / ".git") in err
    assert "Traceback" not in err


def test_a_read_only_folder_shows_what_another_process_has_not_yet_moved_out_of_the_log(
    sandboxed: Repo,
) -> None:
    """While somebody outside works, part of the table is only in SQLite's log."""
    with closing(sqlite3.connect(sandboxed.database, isolation_level=None)) as outside:
        outside.execute("SELECT count(*) FROM file_reservations").fetchall()
        sandboxed.reserve(HOLDER, "docs/")
        assert os.path.getsize(f"{sandboxed.database}-wal")
        code, out, err = _read_only(sandboxed, *AGENTLOCK, "check", "docs/y.md")
    assert code == 1, (out, err)


def test_a_read_only_folder_shows_what_a_killed_process_left_in_the_log(sandboxed: Repo) -> None:
    script = (
        "import os, signal, sqlite3, sys\n"
        "table = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "table.execute(\"UPDATE file_reservations SET reason = 'from the log'\")\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(sandboxed.database)], check=False)
    assert os.path.getsize(f"{sandboxed.database}-wal")
    code, out, err = _read_only(sandboxed, *AGENTLOCK, "list")
    assert code == 0, err
    assert "from the log" in out


def test_a_push_out_of_a_read_only_folder_is_judged(sandboxed: Repo, tmp_path: Path) -> None:
    sandboxed.must("init", "-q", "--bare", str(tmp_path / "server.git"))
    sandboxed.must("remote", "add", "origin", str(tmp_path / "server.git"))
    sandboxed.write("src/x.py")
    sandboxed.commit_unguarded()
    code, _out, err = _read_only(sandboxed, "git", "push", "-q", "origin", "HEAD:main")
    assert code == 1
    assert "agentlock: push refused: " in err
    code, _out, err = _read_only(sandboxed, "git", "push", "-q", "origin", "HEAD~1:refs/heads/free")
    assert "agentlock" not in err


def _installed_at(folder: Path) -> list[str]:
    """A copy of this program, as a tool would put it there."""
    package = os.path.dirname(agentlock.__file__)
    shutil.copytree(package, folder / "agentlock", ignore=shutil.ignore_patterns("__pycache__"))
    if not (folder / "agentlock" / "hooks").exists():
        shutil.copytree(os.path.join(os.path.dirname(package), "hooks"), folder / "hooks")
    return ["env", f"PYTHONPATH={folder}", sys.executable, "-m", "agentlock"]


@pytest.mark.parametrize(
    ("place", "variable"),
    [
        ("home/.cache/uv/archive-v0/x", None),
        ("uv", "UV_CACHE_DIR"),
        ("cache", "XDG_CACHE_HOME"),
        ("tmp/x", "TMPDIR"),
    ],
)
def test_init_warns_of_an_installation_that_will_be_cleaned_away(
    repo: Repo, tmp_path: Path, place: str, variable: str | None
) -> None:
    folder = tmp_path / place
    folder.mkdir(parents=True)
    env = {} if variable is None else {variable: str(folder)}
    program = _installed_at(folder / "site")
    for command in (["init"], ["hooks", "install"]):
        told = run(*program, *command, cwd=repo.path, env=env)
        assert told.code == 0
        assert "once it is removed, every commit is refused" in told.err
        assert str(folder / "site") in told.err
        assert "uv tool install" in told.err
    noted = run(*program, "init", "--json", cwd=repo.path, env=env)
    assert str(folder / "site") in noted.json["notes"][-1]
    doctor = run(*program, "doctor", cwd=repo.path, env=env)
    assert "warning  installation: the hooks will run" in doctor.out
