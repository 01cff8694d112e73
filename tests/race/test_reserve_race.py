"""Many processes reserve at the same moment: exactly one is granted, the others are refused."""

from __future__ import annotations

import contextlib
import shutil
import signal
import sqlite3
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support import Repo, Result, run
from support.postgresql import Server
from support.racing import Call, at_the_gate, signal_once_it_writes, start_together

import agentlock
from agentlock.store.base import APPLICATION_ID
from agentlock.store.migrations import schema_version
from agentlock.store.sqlite.turns import SUFFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

PROCESSES = 20
ROUNDS = 3
# Each two of these overlap, and all of them match src/lib/a.py.
OVERLAPPING = ("src/**", "**/*.py", "src/*/a.py", "src/lib/?.py", "src/lib/")


@pytest.fixture(params=["sqlite", "postgresql"])
def raced(request: pytest.FixtureRequest, new_repo: Callable[..., Repo]) -> Repo:
    """A repository whose table many processes use at once."""
    repo = new_repo("repo")
    where = ("--database", request.getfixturevalue("postgresql").database())
    result = repo.agentlock("init", *(where if request.param == "postgresql" else ()))
    assert result.code == 0, result
    return repo


@contextlib.contextmanager
def write_lock_held(repo: Repo) -> Iterator[Callable[[], bool]]:
    """Another process writes until the end of the block; the value says if one more wants to.

    On SQLite a writer takes a number (a byte in the file of turns) just before it asks to write.
    """
    location = repo.agentlock("db", "path").out.strip()
    if "://" in location:
        server = Server(location)
        with server.holding(f"SELECT pg_advisory_xact_lock({APPLICATION_ID}, 1)"):
            yield server.has_waiter
        return
    with contextlib.closing(sqlite3.connect(location, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        turns = Path(location + SUFFIX)
        numbers = turns.read_bytes() if turns.exists() else b""
        yield lambda: turns.exists() and turns.read_bytes() != numbers
        holder.execute("ROLLBACK")


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


def test_of_many_processes_that_reserve_one_file_at_once_exactly_one_is_granted(
    raced: Repo,
) -> None:
    for _ in range(ROUNDS):
        one_granted(raced, ["src/app.py"] * PROCESSES)
    granted = raced.sql("SELECT count(*) FROM events WHERE kind = 'granted'")
    assert granted == [(ROUNDS,)]


def test_of_many_processes_that_reserve_overlapping_globs_at_once_exactly_one_is_granted(
    raced: Repo,
) -> None:
    raced.write("src/lib/a.py")
    for _ in range(2):
        one_granted(raced, OVERLAPPING * 3)


def test_many_processes_that_reserve_different_files_are_all_granted_each_with_its_own_fence(
    raced: Repo,
) -> None:
    calls = [Call(f"Racer{at}", ("reserve", f"src/{at}.py", "--json")) for at in range(PROCESSES)]
    results = start_together(calls, raced.path)
    assert codes(results) == [0] * PROCESSES, results
    fences = {result.json["granted"][0]["fence"] for result in results}
    assert fences == set(range(1, PROCESSES + 1))


def test_of_shared_requests_all_are_granted_or_only_the_exclusive_one_among_them(
    raced: Repo,
) -> None:
    calls = [Call(f"Racer{at}", ("reserve", "src/app.py", "--shared")) for at in range(8)]
    calls.insert(4, Call("Alone", ("reserve", "src/app.py")))
    results = start_together(calls, raced.path)
    alone = results.pop(4)
    if alone.code == 0:
        assert codes(results) == [1] * 8
    else:
        assert alone.code == 1, alone
        assert codes(results) == [0] * 8


def test_reserve_waits_for_a_process_that_holds_the_write_lock(raced: Repo) -> None:
    with write_lock_held(raced) as has_waiter:
        waiting = raced.agentlock_in_background("reserve", "src/app.py", agent="Patient")
        while not has_waiter():
            assert waiting.poll() is None
            time.sleep(0.02)
        time.sleep(0.2)
        assert waiting.poll() is None
    out, err = waiting.communicate()
    assert waiting.returncode == 0, (out, err)


def test_reserve_with_a_short_time_out_ends_with_3_while_the_write_lock_is_held(
    raced: Repo,
) -> None:
    with write_lock_held(raced):
        result = raced.agentlock("reserve", "src/app.py", "--timeout", "1s", agent="Hasty")
    assert result.code == 3, result
    assert "stayed locked by another process for 1 s" in result.err
    assert raced.agentlock("list", "--json").json == []


def test_a_refusal_needs_no_write_lock(raced: Repo) -> None:
    raced.reserve("Holder", "src/")
    with write_lock_held(raced):
        result = raced.agentlock("reserve", "src/app.py", agent="Other")
    assert result.code == 1, result
    assert "src/app.py meets src/  Holder  exclusive" in result.err
    assert raced.sql("SELECT count(*) FROM events WHERE kind = 'refused'") == [(0,)]
    assert raced.agentlock("reserve", "src/app.py", agent="Other").code == 1
    assert raced.sql("SELECT count(*) FROM events WHERE kind = 'refused'") == [(1,)]


def test_a_process_killed_inside_its_transaction_leaves_the_table_usable(repo: Repo) -> None:
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
    assert killed_inside, "no kill hit a transaction, so the test proves nothing"


def test_several_first_inits_at_once_make_one_database(
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


def test_several_first_inits_on_one_server_make_the_tables_once(
    new_repo: Callable[..., Repo], postgresql: Server
) -> None:
    url = postgresql.database()
    repos = [new_repo(f"machine{at}") for at in range(6)]
    command = ("init", "--database", url, "--project", "p")
    started = [repo.agentlock_in_background(*command, agent="A") for repo in repos]
    ended = [process.communicate() for process in started]
    assert [process.returncode for process in started] == [0] * len(repos), ended
    assert sum(b"(new)" in out for out, _ in ended) == 1
    recorded = {repo.must("config", "agentlock.databaseId") for repo in repos}
    assert {(identifier,) for identifier in recorded} == set(
        repos[0].sql("SELECT id FROM database_identity")
    )
    assert repos[0].sql("SELECT count(*) FROM projects") == [(1,)]


def test_a_migration_that_many_processes_start_runs_once(raced: Repo, tmp_path: Path) -> None:
    raced.reserve("Holder", "src/app.py")
    version, package = next_version(tmp_path)
    newer = {"PYTHONPATH": str(package)}
    calls = [Call(f"Racer{at}", ("list",)) for at in range(6)]
    calls += [Call(f"Racer{at}", ("reserve", f"{at}.py")) for at in range(6)]
    results = start_together(calls, raced.path, newer)
    assert codes(results) == [0] * len(calls), results
    on_a_server = "://" in raced.agentlock("db", "path").out
    schema = (
        "SELECT schema_version FROM database_identity" if on_a_server else "PRAGMA user_version"
    )
    assert raced.sql(schema) == [(version,)]
    assert raced.sql("SELECT count(*) FROM added_by_the_next_version") == [(1,)]
    python = (sys.executable, "-m", "agentlock", "list", "--json")
    listed = run(*python, cwd=raced.path, env=newer).json
    assert len(listed) == 7
    older = raced.agentlock("list")
    assert older.code == 3
    assert "upgrade agentlock" in older.err


def next_version(folder: Path) -> tuple[int, Path]:
    """A copy of this program with one more migration, which fails if it runs twice; its schema."""
    source = Path(agentlock.__file__).parent
    package = folder / "next version"
    shutil.copytree(source, package / "agentlock", ignore=shutil.ignore_patterns("__pycache__"))
    migrations = package / "agentlock" / "store" / "migrations"
    version = schema_version() + 1
    for dialect in ("sqlite", "postgres"):
        (migrations / dialect / f"{version:04}.sql").write_text(
            "CREATE TABLE added_by_the_next_version (id INTEGER);\n"
            "INSERT INTO added_by_the_next_version VALUES (1);\n",
            encoding="utf-8",
        )
    return version, package
