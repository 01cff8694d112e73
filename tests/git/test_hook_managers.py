"""pre-commit, lefthook, git-lfs and husky, all real: theirs run, ours refuse, all is restored."""

from __future__ import annotations

import json
import os
import shutil
import sys
from typing import TYPE_CHECKING, NamedTuple, Protocol

import pytest
from support import Repo, Result, run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

pytestmark = pytest.mark.xdist_group("managers")

HOLDER, OTHER = "BlueLake", "GreenHill"
COMMITS, PUSHES = "THEIRS-AT-COMMIT", "THEIRS-AT-PUSH"


class Tools(NamedTuple):
    """What came from the registries."""

    environment: Mapping[str, str]
    lefthook: str


class Manager(Protocol):
    """A manager of git's hooks, and how people use it."""

    # What git says where theirs ran; None where theirs has no such hook.
    commits: str | None
    pushes: str

    def install(self, repo: Repo, tools: Tools) -> None:
        """As in a fresh clone."""

    def again(self, repo: Repo, tools: Tools) -> None:
        """In a way that takes away what is there."""


class PreCommit:
    commits: str | None = COMMITS
    pushes = PUSHES

    def install(self, repo: Repo, tools: Tools) -> None:
        hooks = "".join(
            f"  - {{id: at-{stage}, name: at-{stage}, entry: echo {said}, language: system, "
            f"stages: [{stage}], verbose: true, always_run: true, pass_filenames: false}}\n"
            for stage, said in (("pre-commit", COMMITS), ("pre-push", PUSHES))
        )
        repo.write(
            ".pre-commit-config.yaml",
            "default_install_hook_types: [pre-commit, pre-push]\n"
            f"repos:\n- repo: local\n  hooks:\n{hooks}",
        )
        must(repo, tools, sys.executable, "-m", "pre_commit", "install")

    def again(self, repo: Repo, tools: Tools) -> None:
        must(repo, tools, sys.executable, "-m", "pre_commit", "install", "-f")


class Lefthook:
    commits: str | None = COMMITS
    pushes = PUSHES

    def install(self, repo: Repo, tools: Tools) -> None:
        configure_lefthook(repo)
        must(repo, tools, tools.lefthook, "install")

    def again(self, repo: Repo, tools: Tools) -> None:
        must(repo, tools, tools.lefthook, "install", "--force")


class Lfs:
    commits: str | None = None
    pushes = "git-lfs pre-push"  # as GIT_TRACE has it

    def install(self, repo: Repo, tools: Tools) -> None:
        done = run("git", "lfs", "update", cwd=repo.path, env=tools.environment)
        if done.code != 0:  # it takes nobody's place unless it is told to
            assert "Hook already exists: pre-push" in done.err
            self.again(repo, tools)

    def again(self, repo: Repo, tools: Tools) -> None:
        must(repo, tools, "git", "lfs", "update", "--force")


class Husky:
    commits: str | None = COMMITS
    pushes = PUSHES

    def __init__(self, major: int, prepare: str, head: str) -> None:
        self.major = major
        self.prepare = prepare
        self.head = head

    def install(self, repo: Repo, tools: Tools) -> None:
        wanted = {
            "private": True,
            "scripts": {"prepare": self.prepare},
            "devDependencies": {"husky": f"^{self.major}"},
        }
        repo.write("package.json", json.dumps(wanted))
        for hook, said in (("pre-commit", COMMITS), ("pre-push", PUSHES)):
            repo.write(f".husky/{hook}", f"{self.head}echo {said}\n").chmod(0o755)
        self.again(repo, tools)

    def again(self, repo: Repo, tools: Tools) -> None:
        must(repo, tools, "npm", "install", *QUIET)


QUIET = ("--no-audit", "--no-fund", "--prefer-offline")
HUSKY_8 = '#!/usr/bin/env sh\n. "$(dirname -- "$0")/_/husky.sh"\n\n'
MANAGERS: dict[str, Manager] = {
    "pre-commit": PreCommit(),
    "lefthook": Lefthook(),
    "git-lfs": Lfs(),
    "husky 8": Husky(8, "husky install", HUSKY_8),
    "husky 9": Husky(9, "husky", ""),
}


def configure_lefthook(repo: Repo, more: str = "") -> None:
    command = "{}:\n  commands:\n    tell:\n      run: echo {}\n"
    both = command.format("pre-commit", COMMITS) + command.format("pre-push", PUSHES)
    repo.write("lefthook.yml", both + (command.format(more, "MORE") if more else ""))


def must(repo: Repo, tools: Tools, *command: str) -> Result:
    result = run(*command, cwd=repo.path, env=tools.environment)
    assert result.code == 0, result
    return result


def lfs_folder(at: Path) -> str:
    """Where git-lfs is: this machine's, or the distribution's package, unpacked and no more."""
    found = shutil.which("git-lfs")
    if found:
        return os.path.dirname(found)
    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        pytest.skip("git-lfs is not installed, and there is no apt to get it with")
    at.mkdir()
    if run("apt-get", "download", "git-lfs", cwd=at).code != 0:
        run("apt-get", "update", cwd=at)
        got = run("apt-get", "download", "git-lfs", cwd=at)
        assert got.code == 0, got
    (package,) = at.glob("*.deb")
    assert run("dpkg", "-x", str(package), ".", cwd=at).code == 0
    return str(at / "usr" / "bin")


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Tools:
    if not shutil.which("npm"):
        pytest.skip("husky and lefthook come from npm, which is not here")
    folder = tmp_path_factory.mktemp("managers")
    environment = {
        "PATH": f"{lfs_folder(folder / 'lfs')}:{os.environ['PATH']}",
        "npm_config_cache": str(folder / "cache"),
        "npm_config_update_notifier": "false",
        "GIT_TRACE": "1",
    }
    (folder / "package.json").write_text('{"private": true}')
    got = run("npm", "install", *QUIET, "lefthook@2", cwd=folder, env=environment)
    assert got.code == 0, got
    return Tools(environment, str(folder / "node_modules" / ".bin" / "lefthook"))


@pytest.fixture
def make(new_repo: Callable[..., Repo]) -> Callable[[str], Repo]:
    """A repository with a file, a remote, and nothing of anybody's hooks."""

    def made(name: str) -> Repo:
        repo = new_repo(f"{name}/clone")
        repo.write(".gitignore", "*\n!/src/\n!/src/*\n")
        repo.write("src/x.py")
        repo.commit_unguarded("files")
        remote = repo.path.parent / "remote.git"
        repo.must("init", "-q", "--bare", str(remote))
        repo.must("remote", "add", "origin", str(remote))
        return repo

    return made


def hooks_of(repo: Repo) -> dict[str, bytes]:
    """Every file that decides which hooks run, to the byte."""
    git = repo.path / ".git"
    folders = (git / "hooks", git / "agentlock" / "hooks", repo.path / ".husky")
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    found = {str(path.relative_to(repo.path)): path.read_bytes() for path in files}
    found["core.hooksPath"] = repo.git("config", "core.hooksPath").out.encode()
    return found


def install(repo: Repo) -> None:
    result = repo.agentlock("init")
    assert result.code == 0, result


def assert_both_run(repo: Repo, manager: Manager, tools: Tools) -> None:
    """A commit and a push over the reserved path are refused, after theirs have run."""
    count = 0 if manager.commits is None else 1
    repo.write("src/x.py", f"changed after {repo.head}\n")
    repo.must("add", "--all")
    commit = ("commit", "-q", "-m", "change")
    refused = repo.git(*commit, agent=OTHER, env=tools.environment)
    assert refused.code == 1, refused
    assert "agentlock: commit refused" in refused.err
    assert (refused.out + refused.err).count(f"{manager.commits}\n") == count, refused
    passed = repo.git(*commit, agent=HOLDER, env=tools.environment)
    assert passed.code == 0, passed
    assert (passed.out + passed.err).count(f"{manager.commits}\n") == count, passed
    pushed = repo.git("push", "origin", "main", agent=OTHER, env=tools.environment)
    assert pushed.code == 1, pushed
    assert "agentlock: push refused" in pushed.err
    assert manager.pushes in pushed.out + pushed.err


def assert_noticed_and_mended(repo: Repo) -> None:
    status = repo.agentlock("hooks", "status")
    assert status.code == 1, status
    assert "mend it: agentlock hooks install" in status.err
    assert not repo.agentlock("status", "--json").json["guarded"]
    reserved = repo.agentlock("reserve", "src/x.py", agent=HOLDER)
    assert "mend it: agentlock hooks install" in reserved.err
    mended = repo.agentlock("hooks", "install")
    assert mended.code == 0, mended
    assert repo.agentlock("hooks", "status").code == 0


@pytest.mark.parametrize("name", MANAGERS)
def test_theirs_before_ours(make: Callable[[str], Repo], tools: Tools, name: str) -> None:
    manager, repo = MANAGERS[name], make("before")
    manager.install(repo, tools)
    before = hooks_of(repo)
    install(repo)
    once = hooks_of(repo)
    install(repo)
    assert hooks_of(repo) == once != before
    repo.reserve(HOLDER, "src/x.py")
    assert_both_run(repo, manager, tools)
    manager.again(repo, tools)
    assert_noticed_and_mended(repo)
    assert_both_run(repo, manager, tools)
    assert repo.agentlock("hooks", "uninstall").code == 0
    assert hooks_of(repo) == before


@pytest.mark.parametrize("name", MANAGERS)
def test_ours_before_theirs(make: Callable[[str], Repo], tools: Tools, name: str) -> None:
    manager, repo, without = MANAGERS[name], make("after"), make("without")
    manager.install(without, tools)
    install(repo)
    manager.install(repo, tools)
    assert_noticed_and_mended(repo)
    once = hooks_of(repo)
    install(repo)
    assert hooks_of(repo) == once
    assert_both_run(repo, manager, tools)
    assert repo.agentlock("hooks", "uninstall").code == 0
    expected = hooks_of(without)
    if name == "git-lfs":  # ours had `update --force` in the place of `update`: the same hooks
        assert b"git lfs pre-push" in expected[".git/hooks/pre-push"]
    assert hooks_of(repo) == expected


def test_uninstalling_ours_while_theirs_lie_on_top_restores_too(
    make: Callable[[str], Repo], tools: Tools
) -> None:
    for name in ("pre-commit", "lefthook"):
        repo, without = make(f"{name} on top"), make(f"{name} alone")
        for one in (repo, without):
            hook = one.write(".git/hooks/pre-commit", "#!/bin/sh\necho FIRST >&2\n")
            hook.chmod(0o755)
        install(repo)
        for one in (repo, without):
            MANAGERS[name].install(one, tools)
        assert repo.agentlock("hooks", "uninstall").code == 0
        assert hooks_of(repo) == hooks_of(without)


def test_a_hook_that_pre_commit_kept_runs_once_and_never_itself(
    make: Callable[[str], Repo], tools: Tools
) -> None:
    repo = make("kept")
    hook = repo.write(".git/hooks/pre-commit", "#!/bin/sh\necho FIRST >&2\n")
    hook.chmod(0o755)
    install(repo)
    MANAGERS["pre-commit"].install(repo, tools)
    assert_noticed_and_mended(repo)
    repo.write("src/x.py", "changed\n")
    refused = repo.commit_all(agent=OTHER)
    assert refused.code == 1
    assert "agentlock: commit refused" in refused.err
    assert (refused.out + refused.err).count("FIRST") == 1


def test_lefthook_that_writes_its_hooks_anew_as_it_runs_does_not_get_rid_of_ours(
    make: Callable[[str], Repo], tools: Tools
) -> None:
    repo = make("anew")
    MANAGERS["lefthook"].install(repo, tools)
    install(repo)
    repo.reserve(HOLDER, "src/x.py")
    configure_lefthook(repo, more="commit-msg")
    os.utime(repo.path / "lefthook.yml", (0, 0))  # it looks at the second first
    refused = []
    for _ in range(2):
        repo.write("src/x.py", "changed\n")
        repo.must("add", "--all")
        commit = ("commit", "-q", "-m", "change")
        refused.append(repo.git(*commit, agent=OTHER, env=tools.environment))
    assert [one.code for one in refused] == [1, 1]
    assert ["installed again" in one.err for one in refused] == [True, False]
    assert all("agentlock: commit refused" in one.err for one in refused)
    assert (repo.path / ".git" / "hooks" / "commit-msg").exists()
    assert repo.agentlock("hooks", "status").code == 0


def test_husky_in_a_linked_worktree_without_its_folder(
    make: Callable[[str], Repo], tools: Tools, tmp_path: Path
) -> None:
    repo = make("linked")
    MANAGERS["husky 9"].install(repo, tools)
    install(repo)
    repo.must("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    side = Repo(tmp_path / "side")
    repo.reserve(HOLDER, "src/x.py")
    side.write("src/x.py", "changed\n")
    refused = side.commit_all(agent=OTHER)
    assert refused.code == 1
    assert "agentlock: commit refused" in refused.err
