"""`agentlock doctor` on what is healthy: proven, nothing left behind, and no way round."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support import Repo, run
from support.doctoring import doctor, hook_file, wrong

from agentlock.git.rehearsal import Rehearsal
from agentlock.hook_kinds import JUDGES, KINDS, RECEIVES, with_role
from agentlock.install import shims
from agentlock.install.hooks import HOOKS

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("ready")
CHECKOUT = Path(__file__).resolve().parents[2]
JUDGING = with_role(JUDGES, RECEIVES)
SQLITES_OWN = ("-wal", "-shm")
FRAMEWORK = """\
repos:
  - repo: local
    hooks:
      - id: agentlock
        name: agentlock
        language: system
        entry: agentlock hook pre-commit --framework
      - id: agentlock-pre-push
        name: agentlock
        language: system
        entry: agentlock hook pre-push --framework
"""


def everything(folder: Path) -> dict[str, tuple[int, int, str]]:
    """Mode, time and content of all that lies below a folder, SQLite's own files aside."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.name.endswith(SQLITES_OWN):
            continue
        facts = path.lstat()
        content = os.fsencode(path.readlink()) if path.is_symlink() else b""
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
        moment = 0 if path.name == "agentlock" and path.is_dir() else facts.st_mtime_ns
        name = str(path.relative_to(folder))
        found[name] = (facts.st_mode, moment, hashlib.sha256(content).hexdigest())
    return found


def rows(repo: Repo) -> dict[str, list[tuple[object, ...]]]:
    tables = repo.sql("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return {name: repo.sql(f"SELECT * FROM {name}") for (name,) in tables}  # noqa: S608


# A healthy repository


def proven_in(told: str) -> list[str]:
    """The lines about the hooks of a folder; git 2.54 and newer also prove those that stand in."""
    lines = [line for line in told.splitlines() if "(proven)" in line]
    return [line for line in lines if "stands in" not in line]


def test_two_worktrees_are_proven_and_nothing_is_left_behind(pair: Repo, tmp_path: Path) -> None:
    pair.reserve("Other", "src/**")
    pair.write("src/staged.py")
    pair.must("add", "src/staged.py")
    pair.write("README.md", "not staged\n")
    before = everything(pair.path), everything(tmp_path / "linked"), rows(pair)
    result = doctor(pair, "--verbose")
    assert result.code == 0, result
    proven = proven_in(result.out)
    assert len(proven) == 2
    for line, folder in zip(proven, (pair.path, tmp_path / "linked"), strict=True):
        assert line == (
            f"ok       hooks in {folder}: {', '.join(JUDGING)}: git runs our hook, and it refuses "
            "(proven)"
        )
    assert (everything(pair.path), everything(tmp_path / "linked"), rows(pair)) == before
    assert not list((tmp_path / "tmp").iterdir())


def test_worktrees_that_are_all_well_share_a_line_and_what_is_wrong_has_its_own(
    pair: Repo, tmp_path: Path
) -> None:
    (line,) = proven_in(doctor(pair).out)
    assert line.startswith("ok       hooks in 2 worktrees: pre-commit")
    shutil.rmtree(tmp_path / "linked")
    told = doctor(pair).out
    assert f"warning  worktree in {tmp_path / 'linked'}: its folder is missing" in told
    assert f"ok       hooks in {pair.path}: pre-commit" in told


@pytest.mark.usefixtures("pair")
def test_it_is_proven_before_the_first_commit_and_from_a_linked_worktree(tmp_path: Path) -> None:
    assert len(proven_in(doctor(Repo(tmp_path / "linked"), "--verbose").out)) == 2
    unborn = Repo(tmp_path / "unborn")
    unborn.path.mkdir()
    unborn.must("init", "-q", "--object-format=sha256")
    assert unborn.agentlock("init").code == 0
    result = doctor(unborn)
    assert result.code == 0, result
    assert "(proven)" in result.out


def test_the_hooks_that_are_chained_do_not_run(new_repo: Callable[..., Repo]) -> None:
    repo = new_repo("chained")
    trace = repo.path.parent / "trace"
    for hook in HOOKS:
        path = hook_file(repo, hook)
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\necho {hook} >> {trace}\n", encoding="utf-8")
        path.chmod(0o755)
    assert repo.agentlock("init").code == 0
    assert doctor(repo).code == 0
    assert not trace.exists()
    repo.write("new.txt")
    assert repo.commit_all().code == 0
    ran = trace.read_text(encoding="utf-8").split()
    assert ran == ["pre-commit", "prepare-commit-msg", "post-commit"]


def test_the_json_says_the_same(pair: Repo) -> None:
    told = doctor(pair, "--json").json
    assert told["guarded"] is True
    found = [finding for finding in told["findings"] if finding["check"] != "sqlite"]
    assert {finding["level"] for finding in found} == {"ok"}
    keys = {"level", "check", "worktree", "hook", "message", "mend", "advice", "lets_through"}
    assert all(finding.keys() == keys for finding in told["findings"])
    pair.database.unlink()
    assert doctor(pair, "--json").json["guarded"] is None
    hook_file(pair, "pre-push").unlink()
    assert doctor(pair, "--json").json["guarded"] is False


# The variable of the probe is no way round


def test_a_commit_that_claims_to_be_a_probe_is_refused_whatever_it_changes(repo: Repo) -> None:
    for nonce in ("", "0", "x" * 32, "[", "../x"):
        repo.write("free.txt", nonce)
        repo.must("add", "--all")
        for environment in ({}, {"AGENTLOCK_SKIP": "I say so"}):
            commit = repo.git("commit", "-qm", "no", env={"AGENTLOCK_PROBE": nonce, **environment})
            assert commit.code != 0, commit
            assert "AGENTLOCK_PROBE is set" in commit.err
    repo.write(".agentlock-probe-mine")
    repo.must("add", "--all")
    assert repo.git("commit", "-qm", "no", env={"AGENTLOCK_PROBE": "mine"}).code != 0
    assert repo.git("commit", "-qm", "yes").code == 0
    assert rows(repo)["events"][-1][3] == "initialised"


def test_the_guard_that_the_framework_calls_gives_no_probe_a_yes(repo: Repo) -> None:
    """There is no script of ours between it and git."""
    for hook in ("pre-commit", "pre-merge-commit"):
        claimed = {"AGENTLOCK_PROBE": "x"}
        assert repo.agentlock("hook", hook, "--framework").code == 0
        assert repo.agentlock("hook", hook, "--framework", env=claimed).code == 3


def test_the_script_refuses_a_probe_even_where_the_guard_would_let_it_through(
    repo: Repo, tmp_path: Path
) -> None:
    """A program of another version, which knows no probes, says yes."""
    package = tmp_path / "other" / "agentlock"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "__main__.py").write_text("def main():\n    return 0\n", encoding="utf-8")
    for hook in JUDGING:
        path = hook_file(repo, hook)
        text = path.read_text(encoding="utf-8")
        own = str(CHECKOUT / "agentlock")
        assert own in text
        path.write_text(text.replace(own, str(package)), encoding="utf-8")
    repo.write("free.txt")
    repo.must("add", "--all")
    commit = repo.git("commit", "-qm", "no", env={"AGENTLOCK_PROBE": "x"})
    assert commit.code != 0, commit
    assert repo.git("commit", "-qm", "yes").code == 0
    result = doctor(repo)
    assert result.code == 3, result
    assert "could not be proven" in result.out


def test_a_hook_that_can_refuse_nothing_knows_no_probes(repo: Repo) -> None:
    """Else a variable would keep what was there from running after a commit that was made."""
    trace = repo.path.parent / "trace"
    ours = hook_file(repo, "post-commit")
    ours.write_bytes(shims.guarding("post-commit", "", [shims.current_pin()]))
    theirs = repo.path / ".git" / "hooks.before-agentlock" / "post-commit"
    theirs.parent.mkdir()
    theirs.write_text(f"#!/bin/sh\necho ran >> {trace}\n", encoding="utf-8")
    for path in (ours, theirs):
        path.chmod(0o755)
    run(ours, "HEAD", cwd=repo.path, env={"AGENTLOCK_PROBE": "x"})
    assert trace.read_text(encoding="utf-8") == "ran\n"


def test_each_hook_that_can_be_proven_is(repo: Repo) -> None:
    version = (2, 36)
    for hook in sorted(kind.name for kind in KINDS.values() if kind.refuses):
        path = hook_file(repo, hook)
        path.write_bytes(shims.guarding(hook, "", [shims.current_pin()]))
        path.chmod(0o755)
        for known in (version, (2, 35)):
            folder = repo.path.parent / f"{hook}-{known[1]}"
            folder.mkdir()
            rehearsal = Rehearsal(bytes(repo.path), bytes(folder), "abc", known)
            result = rehearsal.run(hook, str(path))
            assert result.code != 0
            assert f"agentlock: probe abc: {hook} refuses" in result.stderr.decode()


def test_the_framework_counts_as_guarded_but_is_not_called_proven(
    new_repo: Callable[..., Repo],
) -> None:
    repo = new_repo("framework")
    assert repo.agentlock("init", "--no-hooks").code == 0
    repo.write(".pre-commit-config.yaml", FRAMEWORK)
    ids = ("pre-commit", "pre-merge-commit", "pre-push")
    stages = [word for hook in ids for word in ("-t", hook)]
    done = run(sys.executable, "-m", "pre_commit", "install", *stages, cwd=repo.path)
    assert done.code == 0, done
    result = doctor(repo)
    assert result.code == 0, result
    assert result.out.count("only read, not proven") == 3
    assert "patches (git am) are not guarded before the push" in result.out
    assert (
        "guard     in place for commits and pushes, not for commits with --no-verify, cherry-picks "
        "and rebases or patches (git am): prepare-commit-msg is missing, pre-applypatch is missing"
    ) in repo.agentlock("status").out
    hook_file(repo, "pre-merge-commit").unlink()
    assert "pre-commit install -t pre-merge-commit" in doctor(repo).out


def test_a_git_without_git_hook_is_proven_by_running_what_it_would_run(
    pair: Repo, tmp_path: Path
) -> None:
    """A git that says it is older and has no `git hook`."""
    real = shutil.which("git")
    older = tmp_path / "bin" / "git"
    older.write_text(
        "#!/bin/sh\n"
        'for word; do [ "$word" != hook ] || { echo "no command hook" >&2; exit 1; }; done\n'
        f'[ "$1" != version ] || {{ echo git version 2.34.1; exit 0; }}\nexec {real} "$@"\n',
        encoding="utf-8",
    )
    older.chmod(0o755)
    result = doctor(pair, "--verbose")
    assert result.code == 0, result
    assert len(proven_in(result.out)) == 2
    assert "git 2.34 cannot redo a merge" in result.out


def test_a_git_that_is_too_old_decides_nothing(repo: Repo, tmp_path: Path) -> None:
    real = shutil.which("git")
    older = tmp_path / "bin" / "git"
    says = "echo git version 2.30.9; exit 0"
    older.write_text(
        f'#!/bin/sh\n[ "$1" != version ] || {{ {says}; }}\nexec {real} "$@"\n', encoding="utf-8"
    )
    older.chmod(0o755)
    result = doctor(repo)
    assert result.code == 3
    assert wrong(result) == ["PROBLEM  git: git 2.31 or newer is needed, this is 2.30; upgrade git"]


def test_a_bare_repository_and_its_worktrees_and_a_submodule_are_proven(
    repo: Repo, tmp_path: Path
) -> None:
    run("git", "clone", "-q", "--bare", str(repo.path), "bare.git", cwd=tmp_path)
    Repo(tmp_path / "bare.git").must("worktree", "add", "-qb", "b", str(tmp_path / "from bare"))
    linked = Repo(tmp_path / "from bare")
    repo.must("submodule", "--quiet", "add", str(tmp_path / "bare.git"), "inner")
    inner = Repo(repo.path / "inner")
    for one in (linked, inner):
        assert one.agentlock("init", "--separate").code == 0
        result = doctor(one)
        assert result.code == 0, result
        assert len(proven_in(result.out)) == 1
        assert f"hooks in {one.path}: {', '.join(JUDGING)}: git runs our hook" in result.out


def test_what_leads_git_elsewhere_does_not_lead_the_proof(pair: Repo, tmp_path: Path) -> None:
    """As from within a hook, or under `git -c core.hooksPath=… agentlock doctor`."""
    elsewhere = {
        "GIT_DIR": str(pair.path / ".git"),
        "GIT_WORK_TREE": str(pair.path),
        "GIT_INDEX_FILE": str(tmp_path / "no-index"),
        "GIT_CONFIG_PARAMETERS": "'core.hooksPath'='/nowhere'",
        "GIT_ALLOW_PROTOCOL": "https",
    }
    result = pair.agentlock("doctor", "--verbose", env=elsewhere)
    assert result.code == 0, result
    assert len(proven_in(result.out)) == 2
    assert not (tmp_path / "no-index").exists()


def test_status_says_in_its_line_what_doctor_says(pair: Repo) -> None:
    assert "guard     in place (to prove it: agentlock doctor)" in pair.agentlock("status").out
    hook_file(pair, "pre-merge-commit").unlink()
    told = pair.agentlock("status").out
    assert "not for merges: pre-merge-commit is missing; fix: agentlock hooks install" in told
    assert doctor(pair).code == 1
    pair.agentlock("hooks", "install")
    hook_file(pair, "post-commit").unlink()
    told = pair.agentlock("status").out
    assert "guard     in place, post-commit is missing; fix: agentlock hooks install\n" in told
    assert doctor(pair).code == 0
