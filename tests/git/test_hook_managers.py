"""pre-commit, lefthook, git-lfs and husky, all real: theirs run, ours refuse, all is restored."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from setups.managers import MANAGERS, Manager, PreCommit, Tools, configure_lefthook, fetched
from support import HOLDER, OTHER, Repo

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.xdist_group("managers")


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Tools:
    return fetched(tmp_path_factory.mktemp("managers"))


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
    ours = [git / "agentlock-guard" / "hooks", *git.glob("hooks.before-agentlock*")]
    files = [
        path
        for folder in (git / "hooks", repo.path / ".husky", *ours)
        for path in folder.rglob("*")
        if path.is_file()
    ]
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
    repo.write("src/x.py", f"behind the guard's back after {repo.head}\n")
    repo.commit_unguarded("sneaked")
    pushed = repo.git("push", "origin", "main", agent=OTHER, env=tools.environment)
    assert pushed.code == 1, pushed
    assert "agentlock: push refused" in pushed.err
    assert manager.pushes in pushed.out + pushed.err


def assert_ours_is_its_legacy_hook(repo: Repo) -> None:
    listed = {one["hook"]: one for one in repo.agentlock("hooks", "status", "--json").json}
    assert [listed[hook]["state"] for hook in ("pre-commit", "pre-push")] == ["framework"] * 2
    assert listed["pre-push"]["detail"] == "pre-push.legacy"
    assert repo.agentlock("hooks", "status").code == 0
    assert "hooks install" not in repo.agentlock("reserve", "src/x.py", agent=HOLDER).err
    assert repo.agentlock("status", "--json").json["guarded"] is True
    doctor = repo.agentlock("doctor")
    assert doctor.code == 0, doctor
    assert ": the pre-commit framework runs it (pre-push.legacy)" in doctor.out


def assert_noticed_and_mended(repo: Repo) -> None:
    status = repo.agentlock("hooks", "status")
    assert status.code == 1, status
    assert "fix: agentlock hooks install" in status.err
    leads_away = repo.git("config", "core.hooksPath").code == 0  # then any command puts it back
    reserved = repo.agentlock("reserve", "src/x.py", agent=HOLDER)
    said = "the guard is back in place" if leads_away else "fix: agentlock hooks install"
    assert said in reserved.err
    assert repo.agentlock("status", "--json").json["guarded"] is leads_away
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
    if name == "pre-commit":
        assert_ours_is_its_legacy_hook(repo)
        assert_both_run(repo, manager, tools)
        assert repo.agentlock("hooks", "install").code == 0
    else:
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
    repo.reserve(HOLDER, "src/x.py")
    assert repo.agentlock("hooks", "install").code == 0
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


def test_pre_commit_installed_once_more_runs_its_hooks_once_and_ours_refuse(
    make: Callable[[str], Repo],
) -> None:
    repo, nothing = make("twice"), Tools({}, "")
    PreCommit().install(repo, nothing)
    install(repo)
    PreCommit().install(repo, nothing)  # without --force: ours becomes its legacy hook
    repo.reserve(HOLDER, "src/x.py")
    assert_both_run(repo, PreCommit(), nothing)
    assert repo.agentlock("hooks", "install").code == 0
    assert_both_run(repo, PreCommit(), nothing)
