"""Many processes at one table: exactly one is granted, and the others are told no."""

from __future__ import annotations

import contextlib
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from racing import Call, at_the_gate, signal_once_it_writes, start_together
from support import Repo, Result, run

import agentlock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PROCESSES = 20
ROUNDS = 3
# Each two of these meet, and all of them at src/lib/a.py.
OVERLAPPING = ("src/**", "**/*.py", "src/*/a.py", "src/lib/?.py", "src/lib/")
HOLD_WRITE_LOCK = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
time.sleep(1)
connection.execute("ROLLBACK")
"""


def codes(results: Sequence[Result]) -> list[int]:
    return sorted(result.code for result in results)


def one_granted(repo: Repo, patterns: Sequence[str]) -> None:
    """Race for the patterns; exactly one process holds something afterwards, and gives it up."""
    calls = [Call(f"Racer{at}", ("reserve", pattern)) for at, pattern in enumerate(patterns)]
    results = start_together(calls, repo.path)
    assert codes(results) == [0] + [1] * (len(calls) - 1), results
    (winner,) = (call.agent for call, result in zip(calls, results, strict=True) if not result.code)
    held = repo.agentlock("list", "--json").json
    assert [row["agent"] for row in held] == [winner]
    assert repo.agentlock("release", "--all", agent=winner).code == 0


def test_of_many_processes_that_reserve_one_file_at_once_exactly_one_is_granted(repo: Repo) -> None:
    for _ in range(ROUNDS):
        one_granted(repo, ["src/app.py"] * PROCESSES)
    granted = repo.sql("SELECT count(*) FROM events WHERE kind = 'granted'")
    assert granted == [(ROUNDS,)]


def test_of_many_processes_that_reserve_overlapping_globs_at_once_exactly_one_is_granted(
    repo: Repo,
) -> None:
    repo.write("src/lib/a.py")
    for _ in range(2):
        one_granted(repo, OVERLAPPING * 3)


def test_many_processes_that_reserve_different_files_are_all_granted_each_with_its_own_fence(
    repo: Repo,
) -> None:
    calls = [Call(f"Racer{at}", ("reserve", f"src/{at}.py", "--json")) for at in range(PROCESSES)]
    results = start_together(calls, repo.path)
    assert codes(results) == [0] * PROCESSES, results
    fences = {result.json["granted"][0]["fence"] for result in results}
    assert fences == set(range(1, PROCESSES + 1))


def test_a_shared_race_lets_all_in_and_an_exclusive_one_among_them_wins_alone_or_not_at_all(
    repo: Repo,
) -> None:
    calls = [Call(f"Racer{at}", ("reserve", "src/app.py", "--shared")) for at in range(8)]
    calls.insert(4, Call("Alone", ("reserve", "src/app.py")))
    results = start_together(calls, repo.path)
    alone = results.pop(4)
    if alone.code == 0:
        assert codes(results) == [1] * 8
    else:
        assert alone.code == 1, alone
        assert codes(results) == [0] * 8


def test_reserve_waits_for_a_process_that_holds_the_write_lock(repo: Repo) -> None:
    with subprocess.Popen(
        (sys.executable, "-c", HOLD_WRITE_LOCK, str(repo.database)), stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        started = time.monotonic()
        result = repo.agentlock("reserve", "src/app.py", agent="Patient")
        waited = time.monotonic() - started
    assert result.code == 0, result
    assert waited > 0.9


def test_reserve_with_a_short_time_out_cannot_decide_while_the_write_lock_is_held(
    repo: Repo,
) -> None:
    with contextlib.closing(sqlite3.connect(repo.database, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        result = repo.agentlock("reserve", "src/app.py", "--timeout", "1s", agent="Hasty")
        holder.execute("ROLLBACK")
    assert result.code == 3, result
    assert "stayed locked by another process for 1 s" in result.err
    assert repo.agentlock("list", "--json").json == []


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_process_killed_inside_its_transaction_leaves_a_usable_table(repo: Repo) -> None:
    patterns = [f"src/{at}.py" for at in range(400)]
    killed_inside = 0
    for turn in range(4):
        agent = f"Victim{turn}"
        mine = tuple(f"{turn}/{pattern}" for pattern in patterns)
        with at_the_gate([Call(agent, ("reserve", *mine))], repo.path) as runner:
            (victim,) = runner.processes
            runner.open_gate()
            killed_inside += signal_once_it_writes(victim, repo.database, signal.SIGKILL)
            victim.wait()
        held = [row for row in repo.agentlock("list", "--json").json if row["agent"] == agent]
        assert len(held) in (0, len(mine))
        assert repo.sql("PRAGMA integrity_check") == [("ok",)]
        assert repo.agentlock("reserve", f"{turn}/free.py", agent="Heir").code == 0
        repo.write(f"{turn}/free.py")
        assert repo.commit_all(agent="Heir").code == 0
    assert killed_inside, "no kill hit a transaction: the test proves nothing"


def test_first_inits_at_once_make_one_database_that_all_agree_on(
    new_repo: Callable[..., Repo],
) -> None:
    repo = new_repo("fresh")
    hook = repo.write(".git/hooks/pre-commit", "#!/bin/sh\necho 'the hook of before' >&2\n")
    hook.chmod(0o755)
    results = start_together([Call(f"Racer{at}", ("init",)) for at in range(8)], repo.path)
    assert codes(results) == [0] * 8, results
    recorded = repo.must("config", "--get-all", "agentlock.databaseId").splitlines()
    assert recorded == [row[0] for row in repo.sql("SELECT id FROM database_identity")]
    assert repo.sql("SELECT count(*) FROM projects") == [(1,)]
    left = {path.name.removeprefix(repo.database.name) for path in repo.database.parent.iterdir()}
    assert left <= {"", "-wal", "-shm", ".lock", ".turn"}
    repo.write("guarded.txt")
    repo.reserve("Holder", "guarded.txt")
    refused = repo.commit_all(agent="Other")
    assert refused.code == 1
    assert "the hook of before" in refused.err


def test_migrations_at_once_run_once_and_everyone_goes_on(repo: Repo, tmp_path: Path) -> None:
    repo.reserve("Holder", "src/app.py")
    version, package = next_version(tmp_path)
    newer = {"PYTHONPATH": str(package)}
    calls = [Call(f"Racer{at}", ("list",)) for at in range(6)]
    calls += [Call(f"Racer{at}", ("reserve", f"{at}.py")) for at in range(6)]
    results = start_together(calls, repo.path, newer)
    assert codes(results) == [0] * len(calls), results
    assert repo.sql("PRAGMA user_version") == [(version,)]
    assert repo.sql("SELECT count(*) FROM added_by_the_next_version") == [(1,)]
    python = (sys.executable, "-m", "agentlock", "list", "--json")
    listed = run(*python, cwd=repo.path, env=newer).json
    assert len(listed) == 7
    older = repo.agentlock("list")
    assert older.code == 3
    assert "upgrade agentlock" in older.err


def next_version(folder: Path) -> tuple[int, Path]:
    """This program with one migration more, which fails if it is run twice; its schema."""
    source = Path(agentlock.__file__).parent
    package = folder / "next version"
    shutil.copytree(source, package / "agentlock", ignore=shutil.ignore_patterns("__pycache__"))
    migrations = package / "agentlock" / "store" / "migrations" / "sqlite"
    version = max(int(path.name.partition("_")[0]) for path in migrations.glob("*.sql")) + 1
    (migrations / f"{version:04}_next.sql").write_text(
        "CREATE TABLE added_by_the_next_version (id INTEGER);\n"
        "INSERT INTO added_by_the_next_version VALUES (1);\n",
        encoding="utf-8",
    )
    statements = package / "agentlock" / "store" / "statements.py"
    text = statements.read_text(encoding="utf-8")
    newer = text.replace(f"SCHEMA_VERSION = {version - 1}\n", f"SCHEMA_VERSION = {version}\n")
    assert newer != text
    statements.write_text(newer, encoding="utf-8")
    return version, package
