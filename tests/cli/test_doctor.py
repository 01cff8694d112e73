"""`agentlock doctor`: a healthy repository is proven, each broken one named and mended."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest
from support import AGENTLOCK, Repo, Result, run

from agentlock.install.hooks import HOOKS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HOOKS_FOLDER = ".git/hooks"
SQLITES_OWN = ("-wal", "-shm")
FRAMEWORK = """\
repos:
  - repo: local
    hooks:
      - id: agentlock
        name: agentlock
        language: system
        entry: agentlock hook pre-commit --framework
      - id: agentlock-pre-push
        name: agentlock
        language: system
        entry: agentlock hook pre-push --framework
"""


@pytest.fixture(autouse=True)
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``agentlock`` on PATH, as the printed commands expect it; a name; somewhere of our own."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "agentlock"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(AGENTLOCK)} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("AGENTLOCK_AGENT", "Doctor")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))


@pytest.fixture
def pair(repo: Repo, tmp_path: Path) -> Repo:
    """A repository with a linked worktree beside it."""
    repo.must("worktree", "add", "-q", str(tmp_path / "linked"))
    return repo


def doctor(repo: Repo, *options: str) -> Result:
    return repo.agentlock("doctor", "--timeout", "1s", *options)


def wrong(result: Result) -> list[str]:
    """The lines that say what is wrong."""
    return [line for line in result.out.splitlines() if not line.startswith("ok ")]


def pasted(repo: Repo, result: Result) -> None:
    """Run, once each, every command that doctor printed."""
    shown = (line.rpartition("; mend it: ") for line in wrong(result))
    for command in dict.fromkeys(command for _, separator, command in shown if separator):
        done = run("sh", "-c", command, cwd=repo.path)
        assert done.code == 0, (command, done)


def everything(folder: Path) -> dict[str, tuple[int, int, str]]:
    """Mode, time and content of all that lies below a folder, SQLite's own files aside."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.name.endswith(SQLITES_OWN):
            continue
        facts = path.lstat()
        content = os.fsencode(path.readlink()) if path.is_symlink() else b""
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
        moment = 0 if path.name == "agentlock" and path.is_dir() else facts.st_mtime_ns
        name = str(path.relative_to(folder))
        found[name] = (facts.st_mode, moment, hashlib.sha256(content).hexdigest())
    return found


def rows(repo: Repo) -> dict[str, list[tuple[object, ...]]]:
    tables = repo.sql("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return {name: repo.sql(f"SELECT * FROM {name}") for (name,) in tables}  # noqa: S608


# A healthy repository


def test_two_worktrees_are_proven_and_nothing_is_left_behind(pair: Repo, tmp_path: Path) -> None:
    pair.reserve("Other", "src/**")
    pair.write("src/staged.py")
    pair.must("add", "src/staged.py")
    pair.write("README.md", "not staged\n")
    before = everything(pair.path), everything(tmp_path / "linked"), rows(pair)
    result = doctor(pair)
    assert result.code == 0, result
    proven = [line for line in result.out.splitlines() if "(proven)" in line]
    assert len(proven) == 2
    for line, folder in zip(proven, (pair.path, tmp_path / "linked"), strict=True):
        assert line == (
            f"ok       hooks in {folder}: {', '.join(HOOKS)}: git runs our hook, and it refuses "
            "(proven)"
        )
    assert (everything(pair.path), everything(tmp_path / "linked"), rows(pair)) == before
    assert not list((tmp_path / "tmp").iterdir())


@pytest.mark.usefixtures("pair")
def test_it_is_proven_before_the_first_commit_and_from_a_linked_worktree(tmp_path: Path) -> None:
    assert doctor(Repo(tmp_path / "linked")).out.count("(proven)") == 2
    unborn = Repo(tmp_path / "unborn")
    unborn.path.mkdir()
    unborn.must("init", "-q", "--object-format=sha256")
    assert unborn.agentlock("init").code == 0
    result = doctor(unborn)
    assert result.code == 0, result
    assert "(proven)" in result.out


def test_the_hooks_that_are_chained_do_not_run(new_repo: Callable[..., Repo]) -> None:
    repo = new_repo("chained")
    trace = repo.path.parent / "trace"
    for hook in HOOKS:
        path = repo.path / HOOKS_FOLDER / hook
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\necho {hook} >> {trace}\n", encoding="utf-8")
        path.chmod(0o755)
    assert repo.agentlock("init").code == 0
    assert doctor(repo).code == 0
    assert not trace.exists()
    repo.write("new.txt")
    assert repo.commit_all().code == 0
    assert trace.read_text(encoding="utf-8") == "pre-commit\n"


def test_the_json_says_the_same(pair: Repo) -> None:
    told = doctor(pair, "--json").json
    assert told["guarded"] is True
    assert {finding["level"] for finding in told["findings"]} == {"ok"}
    keys = {"level", "check", "worktree", "hook", "message", "mend", "advice", "lets_through"}
    assert all(finding.keys() == keys for finding in told["findings"])
    pair.database.unlink()
    assert doctor(pair, "--json").json["guarded"] is None
    (pair.path / HOOKS_FOLDER / "pre-push").unlink()
    assert doctor(pair, "--json").json["guarded"] is False


# The variable of the probe is no way round


def test_a_commit_that_claims_to_be_a_probe_is_refused_whatever_it_changes(repo: Repo) -> None:
    for nonce in ("", "0", "x" * 32, "[", "../x"):
        repo.write("free.txt", nonce)
        repo.must("add", "--all")
        for environment in ({}, {"AGENTLOCK_SKIP": "I say so"}):
            commit = repo.git("commit", "-qm", "no", env={"AGENTLOCK_PROBE": nonce, **environment})
            assert commit.code != 0, commit
            assert "AGENTLOCK_PROBE is set" in commit.err
    repo.write(".agentlock-probe-mine")
    repo.must("add", "--all")
    assert repo.git("commit", "-qm", "no", env={"AGENTLOCK_PROBE": "mine"}).code != 0
    assert repo.git("commit", "-qm", "yes").code == 0
    assert rows(repo)["events"][-1][3] == "initialised"


def test_the_script_refuses_a_probe_even_where_the_guard_would_let_it_through(
    repo: Repo, tmp_path: Path
) -> None:
    """A program of another version, which knows no probes, says yes."""
    package = tmp_path / "other" / "agentlock"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "__main__.py").write_text("def main():\n    return 0\n", encoding="utf-8")
    for hook in HOOKS:
        path = repo.path / HOOKS_FOLDER / hook
        text = path.read_text(encoding="utf-8")
        own = os.path.join(os.path.dirname(os.path.dirname(HERE)), "agentlock")
        assert own in text
        path.write_text(text.replace(own, str(package)), encoding="utf-8")
    repo.write("free.txt")
    repo.must("add", "--all")
    commit = repo.git("commit", "-qm", "no", env={"AGENTLOCK_PROBE": "x"})
    assert commit.code != 0, commit
    assert repo.git("commit", "-qm", "yes").code == 0
    result = doctor(repo)
    assert result.code == 3, result
    assert "could not be proven" in result.out


HERE = os.path.dirname(os.path.abspath(__file__))


# Broken set-ups


class Broken(NamedTuple):
    """A set-up that is broken for real; ``says`` stands in a line, ``code`` is doctor's exit."""

    name: str
    arrange: Callable[[Repo], object]
    says: str
    code: int


def _hook(repo: Repo, name: str = "pre-commit") -> Path:
    return repo.path / HOOKS_FOLDER / name


def _hooks_gone(repo: Repo) -> None:
    for hook in HOOKS:
        _hook(repo, hook).unlink()


def _edited(repo: Repo) -> None:
    text = _hook(repo).read_text(encoding="utf-8")
    _hook(repo).write_text(text.replace("\n", "\nexit 0\n", 1), encoding="utf-8")


def _replaced(repo: Repo) -> None:
    """`pre-commit install -f`, which deletes what was there."""
    repo.write(".pre-commit-config.yaml", "repos: []\n")
    done = run(sys.executable, "-m", "pre_commit", "install", "-f", cwd=repo.path)
    assert done.code == 0, done


def _dead_interpreter(repo: Repo) -> None:
    for hook in HOOKS:
        path = _hook(repo, hook)
        text = path.read_text(encoding="utf-8")
        assert sys.executable in text
        path.write_text(text.replace(sys.executable, "/nowhere/python"), encoding="utf-8")


def _emptied_interpreter(repo: Repo) -> None:
    empty = repo.path.parent / "empty-python"
    empty.write_bytes(b"")
    empty.chmod(0o755)
    for hook in HOOKS:
        path = _hook(repo, hook)
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(sys.executable, str(empty)), encoding="utf-8")


def _another_table(repo: Repo) -> None:
    other = Repo(repo.path.parent / "other")
    other.path.mkdir()
    other.must("init", "-q")
    assert other.agentlock("init").code == 0
    shutil.copyfile(other.database, repo.database)


def _damaged(repo: Repo) -> None:
    repo.sql("PRAGMA wal_checkpoint(TRUNCATE)")
    size = repo.database.stat().st_size
    with repo.database.open("r+b") as file:
        file.seek(size // 2)
        file.write(hashlib.shake_128(b"noise").digest(size // 2))


def _folder_gone(repo: Repo) -> None:
    shutil.rmtree(repo.path.parent / "linked")


BROKEN = (
    Broken("no hooks", _hooks_gone, "hooks pre-push in ", 1),
    Broken(
        "a hook without its run bit",
        lambda repo: _hook(repo, "pre-merge-commit").chmod(0o644),
        "not executable",
        1,
    ),
    Broken(
        "a relative core.hooksPath",
        lambda repo: repo.must("config", "core.hooksPath", ".husky/_"),
        "core.hooksPath is the relative path '.husky/_', another folder in each worktree; ours "
        "lies in ",
        1,
    ),
    Broken("a hook of ours that somebody edited", _edited, "git went on", 1),
    Broken("pre-commit install -f", _replaced, "foreign", 1),
    Broken("an interpreter that is gone", _dead_interpreter, "/nowhere/python", 3),
    Broken("an interpreter that is empty", _emptied_interpreter, "gave no answer", 3),
    Broken(
        "settings that are gone",
        lambda repo: repo.must("config", "--unset", "agentlock.databaseId"),
        "no reservation table is recorded",
        3,
    ),
    Broken("a table that is gone", lambda repo: repo.database.unlink(), "is missing", 3),
    Broken("a table that is another", _another_table, "is another database", 3),
    Broken("a table that is damaged", _damaged, "malformed", 3),
    Broken(
        "a table that others can write",
        lambda repo: repo.database.chmod(0o666),
        "others can write",
        1,
    ),
    Broken(
        "a policy that only warns",
        lambda repo: repo.sql("UPDATE projects SET enforcement = 'warn'"),
        "enforcement = warn",
        1,
    ),
    Broken("a worktree whose folder is gone", _folder_gone, "its folder is gone", 0),
    Broken(
        "nobody named",
        lambda _repo: os.environ.pop("AGENTLOCK_AGENT"),
        "nobody is named",
        0,
    ),
)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name)
def test_each_broken_set_up_is_named_and_mended_by_what_is_printed(
    pair: Repo, broken: Broken
) -> None:
    broken.arrange(pair)
    result = doctor(pair)
    assert result.code == broken.code, result
    assert any(broken.says in line for line in wrong(result)), result
    pasted(pair, result)
    after = doctor(pair)
    assert after.code == 0, after
    assert not wrong(after)


def test_an_older_schema_is_named_with_its_command(pair: Repo) -> None:
    pair.sql("PRAGMA user_version = 0")
    result = doctor(pair)
    assert result.code == 3
    assert wrong(result)[0].endswith("; mend it: agentlock db migrate")
    assert pair.sql("PRAGMA user_version") == [(0,)]


def test_what_no_command_mends_is_named_with_advice(pair: Repo) -> None:
    pair.sql("PRAGMA user_version = 99")
    newer = doctor(pair)
    assert newer.code == 3
    assert "upgrade agentlock" in newer.out
    assert "in place, not proven while the table does not answer" in newer.out


def test_a_clock_that_ran_backwards_is_named(pair: Repo) -> None:
    pair.reserve("Other", "src/**")
    pair.sql("UPDATE file_reservations SET created_ts = created_ts + 3600000000")
    result = doctor(pair)
    assert result.code == 0
    assert any("the clock ran backwards" in line for line in wrong(result))


def test_the_framework_counts_as_guarded_but_is_not_called_proven(
    new_repo: Callable[..., Repo],
) -> None:
    repo = new_repo("framework")
    assert repo.agentlock("init", "--no-hooks").code == 0
    repo.write(".pre-commit-config.yaml", FRAMEWORK)
    stages = [word for hook in HOOKS for word in ("-t", hook)]
    done = run(sys.executable, "-m", "pre_commit", "install", *stages, cwd=repo.path)
    assert done.code == 0, done
    result = doctor(repo)
    assert result.code == 0, result
    assert result.out.count("looked at, not proven") == 3
    _hook(repo, "pre-merge-commit").unlink()
    assert "pre-commit install -t pre-merge-commit" in doctor(repo).out


def test_a_git_without_git_hook_is_proven_by_running_what_it_would_run(
    pair: Repo, tmp_path: Path
) -> None:
    """A git that says it is older and has no `git hook`."""
    real = shutil.which("git")
    older = tmp_path / "bin" / "git"
    older.write_text(
        "#!/bin/sh\n"
        'for word; do [ "$word" != hook ] || { echo "no command hook" >&2; exit 1; }; done\n'
        f'[ "$1" != version ] || {{ echo git version 2.34.1; exit 0; }}\nexec {real} "$@"\n',
        encoding="utf-8",
    )
    older.chmod(0o755)
    result = doctor(pair)
    assert result.code == 0, result
    assert result.out.count("(proven)") == 2
    assert "git 2.34 cannot redo a merge" in result.out


def test_a_git_that_is_too_old_decides_nothing(repo: Repo, tmp_path: Path) -> None:
    real = shutil.which("git")
    older = tmp_path / "bin" / "git"
    says = "echo git version 2.30.9; exit 0"
    older.write_text(
        f'#!/bin/sh\n[ "$1" != version ] || {{ {says}; }}\nexec {real} "$@"\n', encoding="utf-8"
    )
    older.chmod(0o755)
    result = doctor(repo)
    assert result.code == 3
    assert wrong(result) == [
        "PROBLEM  git: git 2.31 or newer is needed, this is 2.30; mend it: upgrade git"
    ]
