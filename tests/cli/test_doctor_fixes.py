"""`agentlock doctor` on what is broken: each named, and repaired by the command that it prints."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import sys
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

import pytest
from support import Repo, run
from support.doctoring import doctor, hook_file, pasted, wrong

from agentlock.hook_kinds import JUDGES, KINDS
from agentlock.install.hooks import HOOKS
from agentlock.store.migrations import steps

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("ready")

# The others only write names down, and start no interpreter.
JUDGING = tuple(hook for hook in HOOKS if KINDS[hook].role == JUDGES)


class Broken(NamedTuple):
    """A set-up that is broken for real; ``says`` stands in a line, ``code`` is doctor's exit."""

    name: str
    arrange: Callable[[Repo], object]
    says: str
    code: int


def _hooks_gone(repo: Repo) -> None:
    for hook in HOOKS:
        hook_file(repo, hook).unlink()


def _edited(repo: Repo) -> None:
    text = hook_file(repo).read_text(encoding="utf-8")
    hook_file(repo).write_text(text.replace("\n", "\nexit 0\n", 1), encoding="utf-8")


def _replaced(repo: Repo) -> None:
    """`pre-commit install -f`, which deletes what was there."""
    repo.write(".pre-commit-config.yaml", "repos: []\n")
    done = run(sys.executable, "-m", "pre_commit", "install", "-f", cwd=repo.path)
    assert done.code == 0, done


def _moved_aside(repo: Repo) -> None:
    """As lefthook does, which keeps what it finds as NAME.old and never runs it."""
    path = hook_file(repo)
    path.rename(path.with_name("pre-commit.old"))
    path.write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
    path.chmod(0o755)


def _one_worktree_elsewhere(repo: Repo) -> None:
    repo.must("config", "extensions.worktreeConfig", "true")
    linked = Repo(repo.path.parent / "linked")
    linked.must("config", "--worktree", "core.hooksPath", "/nowhere")


def _dead_interpreter(repo: Repo) -> None:
    for hook in JUDGING:
        path = hook_file(repo, hook)
        text = path.read_text(encoding="utf-8")
        assert sys.executable in text
        path.write_text(text.replace(sys.executable, "/nowhere/python"), encoding="utf-8")


def _emptied_interpreter(repo: Repo) -> None:
    empty = repo.path.parent / "empty-python"
    empty.write_bytes(b"")
    empty.chmod(0o755)
    for hook in JUDGING:
        path = hook_file(repo, hook)
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


def _worktree_cut_off(repo: Repo) -> None:
    """As if the repository had been moved."""
    (repo.path.parent / "linked" / ".git").write_text("gitdir: /nowhere/.git/worktrees/linked\n")


def _older_schema(repo: Repo) -> None:
    """The table as the first version made it, with the same id and project."""
    (identity,) = repo.sql("SELECT id, created_ts FROM database_identity")
    (project,) = repo.sql("SELECT human_key, slug, created_ts FROM projects")
    (application,) = repo.sql("PRAGMA application_id")[0]
    repo.database.unlink()
    for path in repo.database.parent.glob("*-*"):
        path.unlink()
    number, script = steps("sqlite")[0]
    with closing(sqlite3.connect(repo.database, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA application_id = {application}")
        connection.executescript(f"{script}\nPRAGMA user_version = {number};")
        connection.execute("INSERT INTO database_identity VALUES (?, ?)", identity)
        connection.execute(
            "INSERT INTO projects (human_key, slug, created_ts) VALUES (?, ?, ?)", project
        )
    repo.database.chmod(0o600)


BROKEN = (
    Broken("no hooks", _hooks_gone, "hooks pre-push in ", 1),
    Broken(
        "a hook without its run bit",
        lambda repo: hook_file(repo, "pre-merge-commit").chmod(0o644),
        "not executable",
        1,
    ),
    Broken(
        "a relative core.hooksPath",
        lambda repo: repo.must("config", "core.hooksPath", ".husky/_"),
        "core.hooksPath is the relative path '.husky/_', a different folder in each worktree; "
        "our hook is /",
        1,
    ),
    Broken(
        "a core.hooksPath for every repository",
        lambda repo: repo.must("config", "--global", "core.hooksPath", "/nowhere"),
        "core.hooksPath is '/nowhere'; our hook is /",
        1,
    ),
    Broken(
        "a core.hooksPath of one worktree",
        _one_worktree_elsewhere,
        "linked config --worktree --unset core.hooksPath && agentlock hooks install",
        1,
    ),
    Broken("a hook manager that moved ours aside", _moved_aside, "our hook was moved to ", 1),
    Broken("a hook of ours that somebody edited", _edited, "git went ahead", 1),
    Broken("pre-commit install -f", _replaced, "foreign", 1),
    Broken("an interpreter that is gone", _dead_interpreter, "/nowhere/python", 3),
    Broken("an interpreter that is empty", _emptied_interpreter, "gave no answer", 3),
    Broken(
        "settings that are gone",
        lambda repo: repo.must("config", "--unset", "agentlock.databaseId"),
        "has no reservation table yet",
        3,
    ),
    Broken("a table of an older version", _older_schema, "has the older schema 1", 3),
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
    Broken("a worktree whose folder is gone", _folder_gone, "its folder is missing", 0),
    Broken(
        "a worktree of a repository that was moved",
        _worktree_cut_off,
        "git does not find its repository, because one of the two was moved",
        3,
    ),
)


LOST = (
    Broken("a table that is gone", lambda repo: repo.database.unlink(), "is missing", 3),
    Broken("a table that is another", _another_table, "is another database", 3),
    Broken("a table that is damaged", _damaged, "malformed", 3),
)


@pytest.mark.parametrize("lost", LOST, ids=lambda lost: lost.name)
def test_a_lost_table_is_named_and_no_agent_is_told_to_give_it_up(pair: Repo, lost: Broken) -> None:
    lost.arrange(pair)
    result = doctor(pair)
    assert result.code == lost.code, result
    assert any(lost.says in line for line in wrong(result)), result
    assert "restore a backup: agentlock db restore FILE" in result.out
    others = [pair.agentlock(*words) for words in (["init"], ["db", "check"], ["status"])]
    for told in (result, *others, pair.commit_all()):
        assert "new-database" not in told.out + told.err
    afresh = pair.agentlock("init", "--new-database", "--reason", "no backup")
    assert afresh.code == 0, afresh
    assert doctor(pair).code == 0


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name)
def test_each_broken_set_up_is_named_and_repaired_by_what_is_printed(
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


def test_a_missing_name_is_set_in_the_shell_by_what_is_printed(
    pair: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AGENTLOCK_AGENT")
    (line,) = wrong(doctor(pair))
    assert "no agent name is set" in line
    fix = line.rpartition("; fix: ")[2]
    after = run("sh", "-c", f"{fix}\nagentlock doctor", cwd=pair.path)
    assert after.code == 0
    assert not wrong(after)


def test_what_no_command_repairs_is_named_with_advice(pair: Repo) -> None:
    pair.sql("PRAGMA user_version = 99")
    newer = doctor(pair)
    assert newer.code == 3
    assert "upgrade agentlock" in newer.out
    assert "in place, but not proven because the table does not answer" in newer.out


def test_a_clock_that_ran_backwards_is_named(pair: Repo) -> None:
    pair.reserve("Other", "src/**")
    pair.sql("UPDATE file_reservations SET created_ts = created_ts + 3600000000")
    result = doctor(pair)
    assert result.code == 0
    assert any("the clock ran backwards" in line for line in wrong(result))


def test_a_table_that_is_held_is_named_within_the_time_out(pair: Repo) -> None:
    with closing(sqlite3.connect(pair.database, isolation_level=None)) as holder:
        holder.execute("PRAGMA locking_mode = EXCLUSIVE")
        holder.execute("BEGIN IMMEDIATE")
        holder.execute("UPDATE projects SET last_fence = last_fence")
        result = doctor(pair)
    assert result.code == 3, result
    assert any("stayed locked by another process for 1 s" in line for line in wrong(result))
    assert doctor(pair).code == 0
