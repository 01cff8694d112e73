"""`agentlock db`: copies that lose nothing, damage that is found, mended and told."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support import AGENTLOCK, Repo, run

if TYPE_CHECKING:
    from collections.abc import Callable

RELEASED = Path(__file__).parents[1] / "store" / "released"
# Reserves one file after the other and prints the number of each when it has been granted.
BUSY = """
import subprocess, sys
at = 0
while True:
    at += 1
    done = subprocess.run([*sys.argv[1:], "reserve", f"{at}.txt"], capture_output=True)
    if done.returncode == 0:
        print(at, flush=True)
"""


def held(repo: Repo) -> set[str]:
    return {one["pattern"] for one in repo.agentlock("list", "--json").json}


def faults(repo: Repo, *options: str) -> list[str]:
    found: list[str] = repo.agentlock("db", "check", "--json", *options).json["faults"]
    return found


# Backup and restore


def test_a_backup_is_one_private_file_and_restoring_it_brings_back_what_was_held(
    repo: Repo, tmp_path: Path
) -> None:
    repo.reserve("Anna", "a.txt")
    made = repo.agentlock("db", "backup", "../copy.sqlite3")
    assert made.code == 0, made
    copy = tmp_path / "copy.sqlite3"
    assert copy.stat().st_mode & 0o777 == 0o600
    assert sorted(tmp_path.glob("copy.sqlite3*")) == [copy]
    repo.reserve("Anna", "b.txt")

    restored = repo.agentlock("db", "restore", str(copy))
    assert restored.code == 0, restored
    assert held(repo) == {"/a.txt"}
    kept = restored.out.rpartition(" kept as ")[2].strip()
    with closing(sqlite3.connect(kept)) as former:
        assert former.execute("SELECT count(*) FROM file_reservations").fetchone() == (2,)
    assert any(e["kind"] == "restored" for e in repo.agentlock("log", "--json").json)
    assert repo.agentlock("db", "check").code == 0


def test_after_a_restore_neither_an_id_nor_a_fence_is_given_again(
    repo: Repo, tmp_path: Path
) -> None:
    copy = str(tmp_path / "copy.sqlite3")
    assert repo.agentlock("db", "backup", copy).code == 0
    (later,) = repo.reserve("Anna", "later.txt")
    assert repo.agentlock("db", "restore", copy).code == 0
    (new,) = repo.reserve("Bert", "new.txt")
    assert new["id"] > later["id"]
    assert new["fence"] > later["fence"]


def test_a_backup_replaces_no_file(repo: Repo, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("precious")
    refused = repo.agentlock("db", "backup", str(mine))
    assert refused.code == 2
    assert "already exists" in refused.err
    assert mine.read_text() == "precious"
    nowhere = repo.agentlock("db", "backup", str(tmp_path / "no" / "folder"))
    assert nowhere.code == 3
    assert "Traceback" not in nowhere.err


def test_a_backup_under_load_has_every_grant_that_was_acknowledged_before(
    repo: Repo, tmp_path: Path
) -> None:
    busy = [
        subprocess.Popen(
            (sys.executable, "-c", BUSY, *AGENTLOCK),
            cwd=folder,
            env={**os.environ, "AGENTLOCK_AGENT": name},
            stdout=subprocess.PIPE,
            text=True,
        )
        for name, folder in (("Anna", repo.path), ("Bert", _folder(repo, "b")))
    ]
    copy = tmp_path / "copy.sqlite3"
    try:
        acknowledged = []
        for process, prefix in zip(busy, ("/", "/b/"), strict=True):
            assert process.stdout is not None
            acknowledged += [f"{prefix}{process.stdout.readline().strip()}.txt" for _ in range(3)]
        assert repo.agentlock("db", "backup", str(copy)).code == 0
    finally:
        for process in busy:
            process.kill()
            process.communicate()
    with closing(sqlite3.connect(copy)) as connection:
        there = {row[0] for row in connection.execute("SELECT path_pattern FROM file_reservations")}
    assert set(acknowledged) <= there


def _folder(repo: Repo, name: str) -> Path:
    folder = repo.path / name
    folder.mkdir()
    return folder


def test_restoring_checks_first_and_changes_nothing_where_it_refuses(
    repo: Repo, new_repo: Callable[..., Repo], tmp_path: Path
) -> None:
    repo.reserve("Anna", "a.txt")
    copy = tmp_path / "copy.sqlite3"
    assert repo.agentlock("db", "backup", str(copy)).code == 0
    before = repo.database.read_bytes()

    damaged = tmp_path / "damaged.sqlite3"
    damaged.write_bytes(copy.read_bytes()[:9000])
    assert repo.agentlock("db", "restore", str(damaged)).code == 3
    text = tmp_path / "text"
    text.write_text("no database")
    assert repo.agentlock("db", "restore", str(text)).code == 3
    assert repo.agentlock("db", "restore", str(tmp_path / "missing")).code == 2
    assert repo.agentlock("db", "restore", str(repo.database)).code == 2

    other = new_repo("other")
    assert other.agentlock("init").code == 0
    other.reserve("Anna", "foreign.txt")
    theirs = tmp_path / "theirs.sqlite3"
    assert other.agentlock("db", "backup", str(theirs)).code == 0
    refused = repo.agentlock("db", "restore", str(theirs))
    assert refused.code == 3
    assert "another database" in refused.err
    assert repo.database.read_bytes() == before
    assert held(repo) == {"/a.txt"}

    forced = repo.agentlock("db", "restore", str(theirs), "--force")
    assert forced.code == 0, forced
    assert repo.agentlock("status").code == 0  # the recorded id is still the right one


@pytest.mark.parametrize("fault", ["missing", "damaged"])
def test_a_database_that_is_gone_or_damaged_is_restored(
    repo: Repo, tmp_path: Path, fault: str
) -> None:
    repo.reserve("Anna", "a.txt")
    copy = tmp_path / "copy.sqlite3"
    assert repo.agentlock("db", "backup", str(copy)).code == 0
    if fault == "missing":
        repo.database.unlink()
    else:
        repo.database.write_bytes(repo.database.read_bytes()[:5000])
    assert repo.agentlock("list").code == 3
    restored = repo.agentlock("db", "restore", str(copy))
    assert restored.code == 0, restored
    assert held(repo) == {"/a.txt"}
    repo.write("a.txt", "theirs\n")
    assert repo.commit_all(agent="Bert").code == 1


def test_a_backup_with_an_older_schema_is_brought_up_to_date(repo: Repo, tmp_path: Path) -> None:
    assert repo.agentlock("init", "--project", "example.com/project").code == 0
    oldest = tmp_path / "oldest.sqlite3"
    shutil.copy(RELEASED / "schema-1.sqlite3", oldest)
    restored = repo.agentlock("db", "restore", str(oldest), "--force")
    assert restored.code == 0, restored
    assert held(repo) == {"/src/"}


def test_whoever_reads_while_a_backup_is_put_back_sees_one_or_the_other(
    repo: Repo, tmp_path: Path
) -> None:
    repo.reserve("Anna", "a.txt")
    copy = str(tmp_path / "copy.sqlite3")
    assert repo.agentlock("db", "backup", copy).code == 0
    with closing(sqlite3.connect(repo.database, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        count = "SELECT count(*) FROM file_reservations"
        assert reader.execute(count).fetchone() == (1,)
        repo.reserve("Anna", "b.txt")
        assert repo.agentlock("db", "restore", copy).code == 0
        assert reader.execute(count).fetchone() == (1,)
        reader.execute("COMMIT")
        assert reader.execute("PRAGMA integrity_check").fetchone() == ("ok",)


# Check and repair


def test_a_sound_table_is_said_to_be_whole(repo: Repo) -> None:
    repo.reserve("Anna", "src/**", "docs/", "a.txt")
    checked = repo.agentlock("db", "check")
    assert (checked.code, checked.out) == (0, "undamaged: 3 live reservations\n")


def test_two_who_hold_one_path_are_found_and_the_newer_one_ends(repo: Repo) -> None:
    repo.reserve("Anna", "src/**")
    repo.reserve("Bert", "docs/x.md")
    repo.sql(
        "UPDATE file_reservations SET path_pattern = '/src/x.md', prefix_key = 'src/x.md' "
        "WHERE id = 2"
    )
    assert faults(repo) == ["reservations 1 and 2 both hold src/x.md"]
    assert repo.agentlock("db", "check").code == 1
    repaired = repo.agentlock("db", "check", "--repair")
    assert repaired.code == 0
    assert "reservation 2 of Bert was ended" in repaired.err
    assert held(repo) == {"/src/**"}
    assert "ended by db check --repair" in repo.agentlock("status", agent="Bert").err
    assert repo.agentlock("log", "--json").json[-1]["kind"] == "repaired"


def test_a_shared_one_may_meet_a_shared_one_but_no_exclusive_one(repo: Repo) -> None:
    repo.reserve("Anna", "src/**", "--shared")
    repo.reserve("Bert", "src/a.txt", "--shared")
    assert faults(repo) == []
    repo.sql("UPDATE file_reservations SET exclusive = 1 WHERE id = 1")
    assert faults(repo) == ["reservations 1 and 2 both hold src/a.txt"]


def test_a_row_that_no_guard_would_find_is_filed_anew(repo: Repo) -> None:
    repo.reserve("Anna", "src/a.txt")
    repo.sql("UPDATE file_reservations SET prefix_key = 'rrc/a.txt'")
    repo.write("src/a.txt", "theirs\n")
    assert faults(repo) == ["reservation 1 has search keys that do not fit its pattern"]
    assert repo.agentlock("db", "check", "--repair").code == 0
    assert repo.commit_all(agent="Bert").code == 1


def test_an_unreadable_pattern_and_a_fence_that_was_never_given(repo: Repo) -> None:
    repo.reserve("Anna", "src/a.txt", "b.txt")
    repo.sql("UPDATE file_reservations SET path_pattern = 'x[' WHERE id = 1")
    repo.sql("UPDATE file_reservations SET fence = 99 WHERE id = 2")
    assert len(faults(repo)) == 2
    assert faults(repo, "--repair") == []
    assert held(repo) == {"/b.txt"}
    (new,) = repo.reserve("Bert", "c.txt")
    assert new["fence"] == 100


def test_damage_to_the_file_is_named_and_not_mended_by_guess(repo: Repo) -> None:
    repo.reserve("Anna", *(f"{at}.txt" for at in range(300)))
    with closing(sqlite3.connect(repo.database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'file_reservations_by_agent'"
        ).fetchone()
    with repo.database.open("r+b") as file:
        file.seek((page - 1) * 4096 + 8)
        file.write(bytes(200))
    checked = repo.agentlock("db", "check", "--repair")
    assert checked.code in (1, 3)  # SQLite may find it too damaged to be looked over
    assert "agentlock db restore" in checked.err
    assert "repaired" not in checked.err


# The rest


def test_vacuum_gives_space_back(repo: Repo) -> None:
    repo.reserve("Anna", *(f"{at}.txt" for at in range(1000)))
    repo.sql("CREATE TABLE ballast AS SELECT zeroblob(4000000)")
    repo.sql("DROP TABLE ballast")
    done = repo.agentlock("db", "vacuum", "--json")
    assert done.code == 0, done
    assert done.json["after"] < done.json["before"] - 3_000_000
    assert len(held(repo)) == 1000


def test_export_prints_history_whatever_the_names_are(repo: Repo) -> None:
    repo.reserve("Anna", b"\xff.txt", "--reason", 'a "quoted", one\nand more', stdin=b"")
    assert repo.agentlock("release", "--all", agent="Anna").code == 0
    (line,) = repo.agentlock("db", "export").out.splitlines()
    exported = json.loads(line)
    assert exported["pattern"] == "/\udcff.txt"
    assert exported["released_ts"] is not None
    table = repo.agentlock("db", "export", "events", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(table.out)))
    assert [row["kind"] for row in rows][-2:] == ["granted", "released"]


def test_outside_a_repository_with_a_table_each_says_what_to_do(
    new_repo: Callable[..., Repo],
) -> None:
    plain = new_repo()
    for command in (
        ("check",),
        ("backup", "x"),
        ("restore", "README.md"),
        ("vacuum",),
        ("export",),
    ):
        done = run(*AGENTLOCK, "db", *command, cwd=plain.path)
        assert done.code == 3, done
        assert "agentlock init" in done.err


@pytest.mark.parametrize(
    "command", [("explain", "src/**"), ("check", "src/"), ("list", "--path", "src/")]
)
def test_a_pattern_that_cannot_be_read_is_no_fault_of_what_was_typed(
    repo: Repo, command: tuple[str, ...]
) -> None:
    repo.write("src/x.py")
    repo.reserve("Holder", "src/x.py")
    repo.sql("UPDATE file_reservations SET path_pattern = '/src/['")
    told = repo.agentlock(*command, agent="Other")
    assert told.code == 3, told
    assert "the pattern of reservation 1 cannot be read" in told.err or (
        "the table holds a pattern that cannot be read" in told.err
    )
    assert "agentlock db check" in told.err


def test_the_log_shows_an_event_whose_pattern_cannot_be_read(repo: Repo) -> None:
    repo.reserve("Holder", "src/x.py")
    repo.sql("DROP TRIGGER events_are_not_rewritten")
    repo.sql("UPDATE events SET path_pattern = '/src/['")
    assert "granted" in repo.agentlock("log", "--path", "docs/y.md").out
