"""pre-commit, lefthook, git-lfs and husky, all real, as people use them."""

from __future__ import annotations

import json
import os
import shutil
import sys
from typing import TYPE_CHECKING, NamedTuple, Protocol

import pytest
from support import Repo, Result, run
from support.environment import search_path

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

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


def fetched(folder: Path) -> Tools:
    """Get them from their registries, into an empty folder."""
    if not shutil.which("npm"):
        pytest.skip("husky and lefthook come from npm, which is not here")
    environment = {
        "PATH": f"{lfs_folder(folder / 'lfs')}:{search_path()}",
        "npm_config_cache": str(folder / "cache"),
        "npm_config_update_notifier": "false",
        "GIT_TRACE": "1",
    }
    (folder / "package.json").write_text('{"private": true}')
    got = run("npm", "install", *QUIET, "lefthook@2", cwd=folder, env=environment)
    assert got.code == 0, got
    return Tools(environment, str(folder / "node_modules" / ".bin" / "lefthook"))
