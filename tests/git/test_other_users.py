"""Others who commit in the same repository: another user meets the guard, or is refused."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support import AGENTLOCK, HOLDER, Repo, Result, assert_refused, run

import agentlock
from agentlock.doctor.others import Person, _closed
from agentlock.install.own_folder import shared

if TYPE_CHECKING:
    from collections.abc import Iterator

USER = 1234
PYTHON = "/usr/bin/python3"
AS_USER = ("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups")


def _can_be_others() -> bool:
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        return False
    asked = "import sys, sqlite3; sys.exit(sys.version_info < (3, 10))"
    try:
        return subprocess.run((*AS_USER, PYTHON, "-c", asked), check=False, cwd="/").returncode == 0
    except OSError:
        return False


others = pytest.mark.skipif(not _can_be_others(), reason="only root can be another user")


class Theirs(Repo):
    """A repository of USER, with husky's hooks, in which root has run `agentlock init`."""

    def as_user(self, *command: str) -> Result:
        home = {"HOME": str(self.path.parent), "XDG_CONFIG_HOME": ""}
        return run(*AS_USER, *command, cwd=self.path, env=home)

    def commit_as_user(self) -> Result:
        self.write("src/x.py", f"{secrets.token_hex()}\n")
        return self.as_user("git", "commit", "-qam", "x")

    def doctor(self) -> list[dict[str, str]]:
        found = json.loads(self.agentlock("doctor", "--json").out)["findings"]
        return [one for one in found if one["check"] == "users"]


@pytest.fixture(scope="module")
def package() -> Iterator[Path]:
    """agentlock, where every user reaches it."""
    folder = Path(tempfile.mkdtemp(prefix="agentlock-others-", dir="/tmp"))
    folder.chmod(0o755)
    source = Path(agentlock.__file__).parent
    shutil.copytree(source, folder / "agentlock", ignore=shutil.ignore_patterns("__pycache__"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def theirs(package: Path, home: Path) -> Iterator[Theirs]:
    folder = Path(tempfile.mkdtemp(prefix="agentlock-others-", dir="/tmp"))
    folder.chmod(0o755)
    repo = Theirs(folder / "repo")
    repo.path.mkdir()
    (folder / ".gitconfig").write_text((home / ".gitconfig").read_text(encoding="utf-8"))
    repo.must("init", "-q")
    repo.write("src/x.py")
    repo.write(".husky/pre-commit", "#!/bin/sh\necho husky ran >&2\n").chmod(0o755)
    repo.commit_unguarded()
    repo.must("config", "core.hooksPath", ".husky")
    for root, _, names in os.walk(folder):
        for name in (".", *names):
            os.chown(os.path.join(root, name), USER, USER, follow_symlinks=False)
    run("git", "config", "--global", "--add", "safe.directory", str(repo.path), cwd=folder)
    made = run("sh", "-c", 'umask 077; exec "$@"', "sh", *AGENTLOCK, "init", cwd=repo.path)
    assert made.code == 0, made
    repo.reserve(HOLDER, "src/")
    pin(repo, PYTHON, package)
    yield repo
    shutil.rmtree(folder)


def pin(repo: Repo, python: str, package: Path) -> None:
    """Let the hooks run this interpreter and this agentlock."""
    for folder in ("hooks", "agentlock-guard/hooks", "agentlock-guard/configured"):
        for path in (repo.path / ".git" / folder).iterdir():
            text = path.read_text(encoding="utf-8")
            pinned = f"\nuse '{python}' '{package}/agentlock/__main__.py'\n"
            path.write_text(re.sub(r"\nuse '.*\n", pinned, text), encoding="utf-8")


@others
def test_another_user_meets_the_hooks_that_root_installed_under_a_narrow_umask(
    theirs: Theirs,
) -> None:
    refused = theirs.commit_as_user()
    assert_refused(refused, "src/x.py", HOLDER)
    assert "husky ran" in refused.err
    (proven,) = theirs.doctor()
    assert (proven["level"], proven["message"].partition(":")[2]) == (
        "ok",
        " git runs our hooks for them too, and they refuse (proven)",
    )
    # What root does later leaves the table to its owner.
    theirs.reserve(HOLDER, "docs/")
    assert_refused(theirs.commit_as_user(), "src/x.py")


@others
def test_a_table_that_a_user_cannot_read_refuses_with_a_sentence(theirs: Theirs) -> None:
    os.chown(theirs.database.parent, 0, 0)
    refused = theirs.commit_as_user()
    assert_refused(refused, f"{theirs.database} cannot be reached: permission denied")
    assert "Traceback" not in refused.err
    (found,) = theirs.doctor()
    assert f"every commit of user {USER} is refused: {theirs.database.parent}" in found["message"]
    assert found["mend"] == f"chown -R {USER} {theirs.database.parent}"


@others
def test_a_program_that_a_user_cannot_run_refuses_with_a_sentence(theirs: Theirs) -> None:
    closed = theirs.path.parent / "closed"
    closed.mkdir(mode=0o700)
    shutil.copy(PYTHON, closed / "python")
    pin(theirs, f"{closed}/python", Path(agentlock.__file__).parents[1])
    refused = theirs.commit_as_user()
    assert refused.code == 1
    for said in ("agentlock: refused: ", "or you may not run it", "where every user can run it"):
        assert said in refused.err


@others
def test_doctor_names_a_folder_of_hooks_that_a_user_cannot_enter(theirs: Theirs) -> None:
    folder = theirs.path / ".git" / "agentlock-guard"
    os.chown(folder, 0, 0)
    folder.chmod(0o700)
    assert theirs.commit_as_user().code == 0, "git leaves out what it may not execute"
    told = theirs.agentlock("doctor")
    assert told.code == 1
    assert f"{folder} is closed to user {USER}, so git leaves out our hook for them" in told.out
    assert theirs.agentlock("hooks", "install").code == 0
    assert_refused(theirs.commit_as_user(), "src/x.py")


def test_the_permissions_on_the_way_say_who_is_kept_out(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    file = tmp_path / "folder" / "file"
    file.parent.mkdir(mode=0o755)
    file.touch(mode=0o640)
    found = file.stat()
    owner = Person("owner", found.st_uid, frozenset())
    member = Person("member", None, frozenset({found.st_gid}))
    anybody = Person("anybody", None, frozenset())
    above = [one for one in file.parents if not one.stat().st_mode & 0o001]
    if above == [tmp_path]:  # else the folder of all tests is closed
        assert _closed(str(file), 4, anybody) == str(tmp_path)
    assert _closed(str(file), 4, owner) == ""
    assert _closed(str(file), 1, owner) == str(file)
    for folder in above:
        if folder != tmp_path and not folder.stat().st_mode & 0o010:
            break
    else:
        assert _closed(str(file), 4, member) == ""
        assert _closed(str(file), 2, member) == str(file)


def test_scripts_of_an_earlier_version_move_out_of_the_private_folder(repo: Repo) -> None:
    git = repo.path / ".git"
    repo.must("config", "core.hooksPath", ".husky")
    assert repo.agentlock("init").code == 0
    for name in ("hooks", "configured"):  # where they lay before
        (git / "agentlock-guard" / name).rename(git / "agentlock" / name)
    for key in ("core.hooksPath", "agentlock.hooksPath"):
        repo.must("config", key, str(git / "agentlock" / "hooks"))
    repo.reserve(HOLDER, "src/")
    repo.write("src/x.py")
    assert_refused(repo.commit_all())
    assert repo.agentlock("hooks", "install").code == 0
    assert not list((git / "agentlock").glob("[hc]*"))
    assert repo.must("config", "core.hooksPath") == shared(os.fsencode(git)).folder
    assert_refused(repo.commit_all())
    assert repo.agentlock("hooks", "uninstall", "--yes").code == 0
    assert repo.must("config", "core.hooksPath") == ".husky"
    assert not (git / "agentlock-guard").exists()
