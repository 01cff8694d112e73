"""The owner's key: if a project has one, every command that weakens the guard needs it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, NamedTuple

import pytest
from support import (
    HOLDER,
    OTHER,
    Repo,
    Result,
    assert_passed,
    copy_repository,
    make_guarded,
    run,
)
from support.terminal import in_a_terminal

from agentlock.rules.owner_key import hashed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.postgresql import Server
    from support.repositories import MadeOnce

WHY = ("--reason", "because")
FILE = "AGENTLOCK_OWNER_KEY_FILE"
SKIP = "AGENTLOCK_SKIP"


class Owned(NamedTuple):
    """A repository in which BlueLake holds src/, and the file with the key of its owner."""

    repo: Repo
    key_file: Path

    @property
    def key(self) -> str:
        return self.key_file.read_text(encoding="utf-8").strip()


def _place(folder: Path) -> None:
    made = make_guarded(folder / "repo", "src/x.py", options=["--strict"])
    made.reserve(HOLDER, "src/")
    assert_passed(made.agentlock("db", "backup", "../before.sqlite3"))
    key = made.agentlock("init", "--owner-key", "--json").json["owner_key"]
    (folder / "key").write_text(f"{key}\n", encoding="utf-8")


@pytest.fixture
def owned(made_once: MadeOnce, tmp_path: Path) -> Owned:
    template = made_once(_place)
    for name in ("key", "before.sqlite3"):
        shutil.copy(template / name, tmp_path)
    copy_repository(template / "repo", tmp_path / "repo")
    return Owned(Repo(tmp_path / "repo"), tmp_path / "key")


def state(repo: Repo) -> object:
    """Everything that the commands below could change, except the log."""
    tables = ("projects", "file_reservations", "database_identity")
    hooks = repo.path / ".git" / "hooks"
    return (
        [repo.sql(f"SELECT * FROM {table}") for table in tables],  # noqa: S608
        repo.must("config", "--local", "--list"),
        sorted(path.name for path in hooks.iterdir()),
        sorted(path.name for path in repo.database.parent.glob("*.old-*")),
    )


def events(repo: Repo, kind: str) -> list[str]:
    found = repo.agentlock("log", "--json").json
    return [event["detail"] for event in found if event["kind"] == kind]


# The key itself


def test_a_key_is_shown_once_and_only_its_hash_is_kept(repo: Repo) -> None:
    made = repo.agentlock("init", "--owner-key", agent=HOLDER)
    assert made.code == 0, made
    (line,) = [line for line in made.out.splitlines() if line.startswith("owner's key: ")]
    key = line.removeprefix("owner's key: ")
    assert len(key) >= 40
    assert "shown only once" in made.err
    assert repo.sql("SELECT owner_key FROM database_identity") == [(hashed(key),)]
    assert repo.must("config", "--local", "agentlock.ownerKey") == hashed(key)
    for path in (repo.path / ".git").rglob("*"):
        assert not path.is_file() or key.encode() not in path.read_bytes(), path
    again = repo.agentlock("init", agent=HOLDER)
    assert key not in again.out + again.err + repo.agentlock("log").out
    assert events(repo, "owner-key") == ["set"]


def test_two_keys_are_not_alike(new_repo: Callable[..., Repo]) -> None:
    keys = [
        new_repo(name).agentlock("init", "--owner-key", "--json").json["owner_key"]
        for name in ("one", "two")
    ]
    assert keys[0] != keys[1]


# Which commands need it

COMMANDS: dict[str, tuple[str, ...]] = {
    "policy set": ("policy", "set", "enforcement", "warn", *WHY),
    "release --force": ("release", "src/", "--force", *WHY),
    "init --new-database": ("init", "--new-database", "--force", *WHY),
    "init --owner-key": ("init", "--owner-key"),
    "init --project": ("init", "--project", "another"),
    "db restore": ("db", "restore", "../before.sqlite3"),
    "db prune": ("db", "prune", "--older-than", "1h"),
    "db copy": ("db", "copy", ".git/agentlock/agentlock.sqlite3", "../copy.sqlite3"),
    "db use": ("db", "use", "../before.sqlite3"),
    "hooks install --no-strict": ("hooks", "install", "--no-strict"),
    "hooks uninstall": ("hooks", "uninstall"),
}


@pytest.mark.parametrize("doing", COMMANDS)
def test_what_weakens_the_guard_needs_the_owners_key(
    owned: Owned, tmp_path: Path, doing: str
) -> None:
    repo, command = owned.repo, COMMANDS[doing]
    before = state(repo)
    (tmp_path / "wrong").write_text("not the key\n", encoding="utf-8")
    unasked = repo.agentlock(*command, "--json", agent=OTHER)
    assert (unasked.code, unasked.json["error"]["kind"]) == (1, "owner-key"), unasked
    assert f"{doing} needs the key of this project's owner" in unasked.out
    wrong = repo.agentlock(*command, "--owner-key-file", "../wrong", agent=OTHER)
    assert wrong.code == 1, wrong
    assert f"{doing}: this is not the owner's key" in wrong.err
    assert FILE not in unasked.out + wrong.err
    assert state(repo) == before
    assert not (tmp_path / "copy.sqlite3").exists()
    assert events(repo, "refused") == [f"{doing} without the owner's key"] * 2
    done = repo.agentlock(*command, "--owner-key-file", "../key", agent=OTHER)
    assert done.code == 0, done
    if doing == "db copy":
        assert (tmp_path / "copy.sqlite3").exists()
    elif doing == "db prune":
        assert len(events(repo, "pruned")) == 1
    else:
        assert state(repo) != before


def test_removing_the_hooks_everywhere_needs_the_key_of_each_repository(
    owned: Owned, tmp_path: Path
) -> None:
    shutil.copytree(owned.repo.path, tmp_path / "second", symlinks=True)
    second = Repo(tmp_path / "second")
    second_key = second.agentlock("init", "--owner-key", "--owner-key-file", "../key", "--json")
    assert second_key.code == 0, second_key
    before = state(second)
    everywhere = ("hooks", "uninstall", "--everywhere")
    refused = owned.repo.agentlock(*everywhere)
    assert refused.code == 1
    assert refused.out.count("failed: hooks uninstall needs the key") == 2
    partly = owned.repo.agentlock(*everywhere, env={FILE: str(owned.key_file)})
    assert partly.code == 1
    assert f"{second.path}/.git: failed: hooks uninstall: this is not the owner's key" in partly.out
    assert state(second) == before
    assert not owned.repo.database.exists()


def test_everyday_commands_need_no_key(owned: Owned) -> None:
    for command in (
        ("init",),
        ("init", "--project", owned.repo.must("config", "agentlock.project")),
        ("hooks", "install", "--strict"),
        ("reserve", "docs/"),
        ("renew", "--all"),
        ("release", "--all"),
        ("db", "backup", "../new.sqlite3"),
        ("db", "check", "--repair"),
        ("db", "vacuum"),
        ("policy", "show"),
        ("status",),
    ):
        done = owned.repo.agentlock(*command, agent=OTHER)
        assert done.code == 0, (command, done)


def test_a_project_without_an_owner_needs_no_key(repo: Repo) -> None:
    assert repo.agentlock("policy", "set", "max_ttl", "8h", *WHY).code == 0


def test_wrong_input_is_refused_before_the_key_is_asked_for(owned: Owned) -> None:
    for command in (
        ("policy", "set", "enforcement", "maybe", *WHY),
        ("policy", "set", "enforcement", "warn"),
        ("release", "src/", "--force"),
        ("db", "restore", "../nowhere"),
    ):
        done = owned.repo.agentlock(*command, "--owner-key-file", "../key", agent=OTHER)
        assert done.code == 2, (command, done)


# How it is given


def test_the_key_is_read_from_a_descriptor_or_from_the_file_that_a_variable_names(
    owned: Owned,
) -> None:
    setting = ("policy", "set", "max_ttl", "8h", *WHY)
    given = owned.repo.agentlock(*setting, "--owner-key-fd", "0", stdin=owned.key.encode())
    assert given.code == 0, given
    named = owned.repo.agentlock(*setting, env={FILE: str(owned.key_file)})
    assert named.code == 0, named


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--owner-key-file", "nowhere"), "nowhere: No such file or directory"),
        (("--owner-key-file", "."), "Is a directory"),
        (("--owner-key-fd", "77"), "77: Bad file descriptor"),
        (("--owner-key-fd", "0"), "0 holds no key"),
    ],
)
def test_a_key_file_that_cannot_be_read_is_a_usage_error(
    owned: Owned, options: tuple[str, ...], said: str
) -> None:
    before = state(owned.repo)
    done = owned.repo.agentlock("policy", "set", "enforcement", "warn", *WHY, *options)
    assert done.code == 2, done
    assert said in done.err
    assert state(owned.repo) == before


def test_a_terminal_is_asked_for_the_reason_and_the_key_and_does_not_show_the_key(
    owned: Owned,
) -> None:
    answers = {"Why": "short shifts", "owner's key": owned.key}
    code, shown = in_a_terminal(owned.repo, "policy", "set", "max_ttl", "8h", answers=answers)
    assert code == 0, shown
    assert owned.key not in shown
    assert events(owned.repo, "policy") == ["max_ttl=8h (short shifts)"]
    guess = {"owner's key": "a guess"}
    code, shown = in_a_terminal(owned.repo, "policy", "set", "max_ttl", "9h", *WHY, answers=guess)
    assert code == 1
    assert "not the owner's key" in shown


# Losing or changing the table


@pytest.mark.parametrize("fate", ["gone", "damaged", "another key", "no key"])
def test_the_key_is_still_needed_after_the_table_was_lost_or_changed(
    owned: Owned, fate: str
) -> None:
    repo = owned.repo
    if fate == "gone":
        repo.database.unlink()
    elif fate == "damaged":
        repo.database.write_bytes(b"nonsense")
    elif fate == "another key":
        repo.agentlock("init", "--new-database", "--force", *WHY, "--owner-key-file", "../key")
        repo.sql("UPDATE database_identity SET id = 'planted', owner_key = ?", hashed("mine"))
        (repo.path.parent / "wrong").write_text("mine", encoding="utf-8")
    else:
        repo.sql("UPDATE database_identity SET owner_key = NULL")
    for command in ("init", "--new-database", "--force", *WHY), ("hooks", "uninstall"):
        assert repo.agentlock(*command, "--owner-key-fd", "0", stdin=b"mine").code == 1
    options = ("--force", *WHY, "--owner-key-file", "../key")
    done = repo.agentlock("init", "--new-database", *options)
    assert done.code == 0, done
    assert repo.sql("SELECT owner_key FROM database_identity") == [(hashed(owned.key),)]


def test_only_the_repositorys_own_setting_tells_which_key_is_needed(owned: Owned) -> None:
    owned.repo.database.unlink()
    theirs = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "agentlock.ownerKey",
        "GIT_CONFIG_VALUE_0": hashed("mine"),
    }
    options = (*WHY, "--owner-key-fd", "0")
    done = owned.repo.agentlock("init", "--new-database", *options, stdin=b"mine", env=theirs)
    assert done.code == 1, done


def test_restoring_a_backup_from_before_the_key_keeps_the_key(owned: Owned) -> None:
    done = owned.repo.agentlock("db", "restore", "../before.sqlite3", "--owner-key-file", "../key")
    assert done.code == 0, done
    assert owned.repo.agentlock("policy", "set", "enforcement", "warn", *WHY).code == 1
    owned.repo.database.unlink()
    done = owned.repo.agentlock("db", "restore", "../before.sqlite3", "--owner-key-file", "../key")
    assert done.code == 0, done
    assert owned.repo.sql("SELECT owner_key FROM database_identity") == [(hashed(owned.key),)]


def test_a_new_key_replaces_the_old_one_in_every_clone(owned: Owned, tmp_path: Path) -> None:
    shared = str(tmp_path / "shared.sqlite3")
    here, there = (Repo(tmp_path / name) for name in ("here", "there"))
    for repo in (here, there):
        repo.path.mkdir()
        repo.must("init", "-q")
        assert repo.agentlock("init", "--database", shared, "--project", "p").code == 0
    first = here.agentlock("init", "--owner-key", "--json").json["owner_key"]
    assert there.agentlock("policy", "set", "max_ttl", "8h", *WHY).code == 1
    doctor = there.agentlock("doctor")
    assert "the table has another one than is recorded here; fix: agentlock init" in (doctor.out)
    given = ("--owner-key-fd", "0")
    second = there.agentlock("init", "--owner-key", "--json", *given, stdin=first.encode())
    key = second.json["owner_key"].encode()
    setting = ("policy", "set", "max_ttl", "8h", *WHY, *given)
    assert here.agentlock(*setting, stdin=first.encode()).code == 1
    assert here.agentlock(*setting, stdin=key).code == 0
    assert here.agentlock("init").code == 0
    assert here.must("config", "agentlock.ownerKey") == hashed(key.decode())
    assert owned.key not in (first, key.decode())


@pytest.mark.parametrize("option", ["--new-database", "--owner-key"])
def test_joining_a_database_that_has_an_owner_cannot_replace_the_key(
    owned: Owned, new_repo: Callable[..., Repo], option: str
) -> None:
    clone = new_repo("clone")
    why = WHY if option == "--new-database" else ()
    done = clone.agentlock("init", "--database", str(owned.repo.database), option, *why)
    assert done.code == 1, done
    assert owned.repo.sql("SELECT owner_key FROM database_identity") == [(hashed(owned.key),)]
    assert clone.agentlock("init", "--database", str(owned.repo.database)).code == 0
    assert clone.agentlock("policy", "set", "max_ttl", "8h", *WHY).code == 1


def test_doctor_reports_a_table_that_has_lost_the_key(owned: Owned) -> None:
    owned.repo.sql("UPDATE database_identity SET owner_key = NULL")
    doctor = owned.repo.agentlock("doctor", agent=OTHER)
    assert doctor.code == 0, doctor
    assert "owner's key: the table has lost it" in doctor.out


# Skips


def skipping(owned: Owned, **variables: str) -> Result:
    owned.repo.write("src/x.py", "changed\n")
    owned.repo.must("add", "-A")
    environment = {SKIP: "prod is down", **variables}
    return owned.repo.git("commit", "-qm", "change", agent=OTHER, env=environment)


def test_a_skip_needs_the_owners_key(owned: Owned, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("not the key", encoding="utf-8")
    for variables in ({}, {FILE: str(tmp_path / "wrong")}, {FILE: str(tmp_path)}, {FILE: ""}):
        refused = skipping(owned, **variables)
        assert refused.code == 1
        assert "src/x.py" in refused.err
        assert not [word for word in (FILE, SKIP, "key", "skip") if word in refused.err]
    told = events(owned.repo, "refused")
    assert len(told) == 4
    assert set(told) == {
        "commit, and a skip without the owner's key (1 of 1 path: src/x.py)",
    }
    passed = skipping(owned, **{FILE: str(owned.key_file)})
    assert passed.code == 0, passed
    (skipped,) = events(owned.repo, "skipped")
    assert "prod is down" in skipped


def test_a_skip_needs_the_recorded_key_if_the_table_has_lost_it(owned: Owned) -> None:
    owned.repo.sql("UPDATE database_identity SET owner_key = NULL")
    assert skipping(owned).code == 1
    assert skipping(owned, **{FILE: str(owned.key_file)}).code == 0


# On a server


def test_a_table_on_a_server_has_an_owner_too(
    owned: Owned, postgresql: Server, tmp_path: Path
) -> None:
    """It also keeps the key of the table that a project was copied from."""
    repo, url = owned.repo, postgresql.database()
    given = ("--owner-key-file", "../key")
    copied = repo.agentlock("db", "copy", str(repo.database), url, *given)
    assert copied.code == 0, copied
    assert repo.agentlock("db", "use", url, *given).code == 0
    assert repo.sql("SELECT owner_key FROM database_identity") == [(hashed(owned.key),)]
    setting = ("policy", "set", "max_ttl", "8h", *WHY)
    assert repo.agentlock(*setting).code == 1
    assert repo.agentlock(*setting, *given).code == 0
    assert skipping(owned).code == 1
    assert skipping(owned, **{FILE: str(owned.key_file)}).code == 0
    kinds = [one["kind"] for one in repo.agentlock("status", "--json").json["interventions"]]
    assert kinds == ["owner-key", "moved", "owner-key", "policy", "skipped"]
    run("git", "init", "-q", "clone", cwd=tmp_path)
    clone = Repo(tmp_path / "clone")
    assert clone.agentlock("init", "--database", url, "--owner-key").code == 1
