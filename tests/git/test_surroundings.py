"""Our own calls of git work in every surrounding in which git itself works."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import click
import pytest
from support import AGENTLOCK, HOLDER, OTHER, Repo, assert_passed, assert_refused, run
from support.machines import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


def _injected(**settings: str) -> dict[str, str]:
    """Settings as an agents' program gives them to its children; `__` stands for a full stop."""
    env = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (name, value) in enumerate(settings.items()):
        env |= {
            f"GIT_CONFIG_KEY_{number}": name.replace("__", "."),
            f"GIT_CONFIG_VALUE_{number}": value,
        }
    return env


NOBODY = 65534
EXPLICIT = _injected(safe__bareRepository="explicit")
GERMAN = {"LANGUAGE": "de", "LC_ALL": "", "LANG": "C.UTF-8"}
SURROUNDINGS: dict[str, Mapping[str, str]] = {
    "safe.bareRepository=explicit": EXPLICIT,
    "git speaks German": GERMAN,
    "git's traces go to stderr": {"GIT_TRACE": "1", "GIT_TRACE2": "1", "GIT_TRACE_SETUP": "1"},
    "pathspecs are literal": {"GIT_LITERAL_PATHSPECS": "1"},
    "pathspecs are globs and fold case": {"GIT_GLOB_PATHSPECS": "1", "GIT_ICASE_PATHSPECS": "1"},
    "the variables of other commands": {
        "GIT_CONFIG": "/nowhere",
        "GIT_EXTERNAL_DIFF": "false",
        "GIT_DIFF_OPTS": "--unified=0",
        "GIT_PAGER": "false",
        "GIT_OPTIONAL_LOCKS": "1",
        "GIT_NAMESPACE": "other",
        "GIT_DEFAULT_HASH": "sha256",
        "GIT_FLUSH": "1",
        "GIT_ASKPASS": "false",
        "TMPDIR": "/nowhere",
    },
    "how people like git's output": _injected(
        color__ui="always",
        color__diff="always",
        core__quotePath="true",
        core__pager="false",
        core__abbrev="4",
        diff__noprefix="true",
        diff__external="false",
        diff__renames="copies",
        diff__ignoreSubmodules="all",
        diff__relative="true",
        log__showSignature="true",
        log__decorate="full",
        log__showRoot="false",
        format__pretty="oneline",
        status__short="true",
    ),
}


def _works(repo: Repo, env: Mapping[str, str]) -> None:
    """Install, reserve, refuse, let pass, push, read, and remove."""

    def agentlock(*arguments: str, agent: str = HOLDER) -> None:
        assert_passed(repo.agentlock(*arguments, agent=agent, env=env))

    agentlock("init")
    agentlock("reserve", "src/*.py")
    repo.write("src/x.py", "changed\n")
    refused = repo.git("commit", "-aqm", "theirs", agent=OTHER, env=env)
    assert_refused(refused, "src/x.py", HOLDER)
    assert_passed(repo.git("commit", "-aqm", "mine", agent=HOLDER, env=env))
    assert_passed(repo.git("push", "-q", "origin", "HEAD:refs/heads/new", agent=HOLDER, env=env))
    for command in (("status",), ("list",), ("check", "src/x.py"), ("explain", "src/")):
        agentlock(*command)
    agentlock("check", "--range", "HEAD~1..HEAD")
    agentlock("hooks", "uninstall")


@pytest.fixture
def new(new_repo: Callable[..., Repo], tmp_path: Path) -> Repo:
    """A repository with src/x.py and a remote, where `init` has not run."""
    repo = new_repo()
    repo.write("src/x.py")
    repo.commit_unguarded()
    repo.must("init", "-q", "--bare", str(tmp_path / "server.git"))
    repo.must("remote", "add", "origin", str(tmp_path / "server.git"))
    return repo


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_everything_works_if(name: str, new: Repo) -> None:
    _works(new, SURROUNDINGS[name])


def test_everything_works_if_the_users_own_configuration_forbids_bare_repositories(
    new: Repo,
) -> None:
    new.must("config", "--global", "safe.bareRepository", "explicit")
    _works(new, {})


def test_doctor_proves_the_hooks_if_bare_repositories_are_forbidden(new: Repo) -> None:
    assert_passed(new.agentlock("init", env=EXPLICIT))
    assert_passed(new.agentlock("doctor", agent=HOLDER, env=EXPLICIT))


def test_a_server_is_set_up_and_examined_if_bare_repositories_are_forbidden(
    new: Repo, tmp_path: Path
) -> None:
    assert_passed(new.agentlock("init"))
    server = Repo(tmp_path / "server.git")
    database = str(new.database)
    assert_passed(server.agentlock("init", "--server", "--database", database, env=EXPLICIT))
    for command in (("status",), ("doctor",), ("policy", "show"), ("hooks", "uninstall")):
        assert_passed(server.agentlock(*command, env=EXPLICIT))


def test_a_worktree_of_a_bare_repository_works_if_bare_repositories_are_forbidden(
    new: Repo, tmp_path: Path
) -> None:
    hub = tmp_path / "hub" / ".bare"
    new.must("clone", "-q", "--bare", str(new.path), str(hub))
    (hub.parent / ".git").write_text("gitdir: ./.bare\n")
    new.must("worktree", "add", "-q", "-b", "work", str(hub.parent / "work"), cwd=hub.parent)
    new.must("remote", "set-url", "origin", str(tmp_path / "server.git"), cwd=hub.parent)
    _works(Repo(hub.parent / "work"), EXPLICIT)


def test_below_a_bare_repository_gits_refusal_names_the_folder_to_go_to(
    new: Repo, tmp_path: Path
) -> None:
    refused = new.agentlock("status", env=EXPLICIT, cwd=tmp_path / "server.git" / "refs")
    assert refused.code == 3
    assert "safe.bareRepository" in refused.err
    assert f"fix: cd {tmp_path / 'server.git'}\n" in refused.err


def test_gits_own_folder_is_no_worktree_if_bare_repositories_are_forbidden(repo: Repo) -> None:
    refused = repo.agentlock("status", env=EXPLICIT, cwd=repo.path / ".git")
    assert refused.code == 2
    assert "this is git's own folder" in refused.err


def test_outside_a_repository_the_answer_is_the_same_in_every_language(tmp_path: Path) -> None:
    git = run("git", "status", cwd=tmp_path, env=GERMAN)
    if "not a git repository" in git.err:
        pytest.skip("git's translations are not installed")
    refused = run(*AGENTLOCK, "status", cwd=tmp_path, env=GERMAN)
    assert refused.code == 2
    assert f"{tmp_path} is not in a git repository" in refused.err


UNTRUSTED = {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}  # git's own switch; GIT_DIR is not set


@pytest.mark.parametrize("command", ["status", "check README.md", "reserve README.md", "init"])
@pytest.mark.parametrize("folder", ["", "src"])
def test_a_folder_that_git_does_not_trust_is_told_with_gits_own_command(
    repo: Repo, command: str, folder: str
) -> None:
    (repo.path / "src").mkdir()
    cwd = repo.path / folder
    refused = repo.agentlock(*command.split(), agent=HOLDER, env=UNTRUSTED, cwd=cwd)
    assert refused.code == 3
    assert "git does not trust this folder" in refused.err
    assert f"fix: git config --global --add safe.directory {repo.path}\n" in refused.err


def test_a_folder_that_a_setting_of_the_command_trusts_is_guarded(repo: Repo) -> None:
    env = UNTRUSTED | _injected(safe__directory="*")
    assert_passed(repo.agentlock("reserve", "README.md", agent=HOLDER, env=env))
    repo.write("README.md", "changed\n")
    assert_refused(repo.git("commit", "-aqm", "theirs", agent=OTHER, env=env), "README.md")


def test_init_waits_for_a_git_command_that_changes_the_configuration(new: Repo) -> None:
    lock = new.path / ".git" / "config.lock"
    lock.touch()
    timer = threading.Timer(1.0, lock.unlink)
    timer.start()
    assert_passed(new.agentlock("init"))
    timer.join()


def test_a_lock_that_git_left_behind_is_named(new: Repo) -> None:
    lock = new.path / ".git" / "config.lock"
    lock.touch()
    refused = new.agentlock("init")
    assert refused.code == 3
    assert f"rm {lock}\n" in refused.err
    lock.unlink()
    assert_passed(new.agentlock("init"))


def _python_of_others() -> list[str]:
    """A Python that another user may run with our packages, which lie where they can be read."""
    packages = os.pathsep.join((CHECKOUT, os.path.dirname(os.path.dirname(click.__file__))))
    for python in (sys.executable, "/usr/bin/python3"):
        command = ["env", f"PYTHONPATH={packages}", python]
        with contextlib.suppress(OSError):
            if (
                subprocess.run(
                    [*command, "-c", "import click"], user=NOBODY, check=False
                ).returncode
                == 0
            ):
                return command
    pytest.skip("no Python can be run as another user")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_files_of_root_are_told_in_gits_words(new: Repo, home: Path) -> None:
    python = _python_of_others()
    new.must("config", "--global", "safe.directory", "*")
    for folder in (home, *home.parents):
        folder.chmod(folder.stat().st_mode | 0o755)
    done = subprocess.run(
        [*python, "-m", "agentlock", "init"],
        cwd=new.path,
        capture_output=True,
        user=NOBODY,
        check=False,
    )
    assert done.returncode == 3, done
    assert b"ermission denied" in done.stderr
    assert b"Traceback" not in done.stderr
