"""The story that agentlock exists for, told four times.

In the main worktree, in a linked worktree, with the pre-commit framework alone, and with the table
on a PostgreSQL server.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support import HOLDER, NO_HOOKS, OTHER, Repo, assert_refused, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def framework_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This checkout as a repository that the pre-commit framework can clone, as it is now."""
    folder = tmp_path_factory.mktemp("framework") / "agentlock"
    folder.mkdir()
    listed = subprocess.run(
        ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"),
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout.decode()
    for name in filter(None, listed.split("\0")):
        source, target = ROOT / name, folder / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
            target.chmod(source.stat().st_mode)
    return folder


@pytest.fixture(scope="session")
def framework_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the framework keeps its environments: built once for all tests of a session."""
    return tmp_path_factory.mktemp("pre-commit-home")


def started(repo: Repo, tmp_path: Path) -> None:
    """Files to fight over, and a remote that has them."""
    for name in ("src/x.py", "src/y.py", "docs/y.md", "outside.py"):
        repo.write(name, f"start of {name}\n")
    repo.commit_unguarded("files")
    run("git", "init", "-q", "--bare", "remote.git", cwd=tmp_path)
    repo.must("remote", "add", "origin", str(tmp_path / "remote.git"))
    repo.must(*NO_HOOKS, "push", "-q", "origin", "HEAD:refs/heads/main")
    repo.must("fetch", "-q", "origin")


@pytest.fixture(
    params=[
        "native",
        "linked-worktree",
        "postgresql",
        pytest.param(
            "framework",
            marks=[pytest.mark.framework, pytest.mark.xdist_group("framework")],
        ),
    ]
)
def scene(
    request: pytest.FixtureRequest,
    new_repo: Callable[..., Repo],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Repo]:
    """Where the other agent works; its guard is in place."""
    repo = new_repo("repo")
    if request.param == "framework":
        source: Path = request.getfixturevalue("framework_source")
        monkeypatch.setenv("PRE_COMMIT_HOME", str(request.getfixturevalue("framework_home")))
        use_framework(repo, source)
    elif request.param == "postgresql":
        url = request.getfixturevalue("postgresql").database()
        assert repo.agentlock("init", "--database", url).code == 0
    else:
        assert repo.agentlock("init").code == 0
    started(repo, tmp_path)
    if request.param == "linked-worktree":
        repo.must("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
        yield Repo(tmp_path / "side")
    else:
        yield repo


def use_framework(repo: Repo, source: Path) -> None:
    """Guard with the pre-commit framework alone: none of our own hooks is installed."""
    if not (source / ".git").exists():
        origin = Repo(source)
        origin.must("init", "-q")
        origin.commit_unguarded("as it is")
    revision = Repo(source).head
    repo.write(
        ".pre-commit-config.yaml",
        f"repos:\n- repo: {source}\n  rev: {revision}\n  hooks:\n"
        "  - id: agentlock\n  - id: agentlock-pre-push\n",
    )
    assert repo.agentlock("init", "--no-hooks").code == 0
    stages = ("pre-commit", "pre-merge-commit", "pre-push")
    kinds = [word for stage in stages for word in ("--hook-type", stage)]
    pre_commit = (sys.executable, "-m", "pre_commit")
    installed = run(*pre_commit, "install", "--install-hooks", *kinds, cwd=repo.path)
    assert installed.code == 0, installed


def undo(repo: Repo) -> None:
    repo.must("reset", "-q", "--hard")
    repo.must("clean", "-q", "-f", "-d")


def test_a_reservation_stops_the_other_agent_and_nobody_else(scene: Repo) -> None:
    scene.reserve(HOLDER, "src/**", "--ttl", "45m", "--reason", "bd-42")

    scene.write("src/x.py", "changed by the other\n")
    assert_refused(scene.commit_all(agent=OTHER), "src/x.py")
    assert_refused(scene.commit_all(agent=None), "src/x.py")
    undo(scene)

    scene.write("docs/y.md", "changed by the other\n")
    assert scene.commit_all(agent=OTHER).code == 0

    scene.write("src/x.py", "changed by the holder\n")
    assert scene.commit_all(agent=HOLDER).code == 0

    assert scene.agentlock("release", "--all", agent=HOLDER).code == 0
    scene.write("src/x.py", "changed after the release\n")
    assert scene.commit_all(agent=OTHER).code == 0


def test_the_refusal_reads_as_the_design_says(scene: Repo) -> None:
    scene.reserve(HOLDER, "src/**", "--ttl", "45m", "--reason", "bd-42")
    scene.write("src/x.py", "mine\n")
    scene.write("src/y.py", "mine\n")
    scene.write("docs/y.md", "mine\n")
    scene.must("add", "-A")
    refused = scene.git("commit", "-m", "all", agent=OTHER)
    message = refused.err[refused.err.index("agentlock: ") :]
    lines = [line.rstrip() for line in message.splitlines()]
    assert lines[0] == "agentlock: commit refused: 2 of 3 paths are reserved by others"
    row = r'  src/[xy]\.py  BlueLake  exclusive  src/\*\*  for 4[45]m more  "bd-42"'
    assert re.fullmatch(row, lines[2])
    assert re.fullmatch(row, lines[3])
    assert re.match(
        r"  holder:          BlueLake, working, last seen \d+s ago in \S+ \(\S+\)", lines[5]
    )
    assert lines[6] == "  commit the rest: git commit --only -m 'all' -- docs/y.md"
    assert lines[7] == "  wait:            agentlock reserve src/x.py src/y.py --wait"
    assert lines[8] == "  see:             agentlock show 1"


def test_a_hunk_that_is_not_staged_is_not_offered_for_a_commit(scene: Repo) -> None:
    scene.reserve(HOLDER, "src/**")
    scene.write("src/x.py", "mine\n")
    scene.write("docs/y.md", "staged\n")
    scene.must("add", "-A")
    scene.write("docs/y.md", "not staged\n")
    refused = scene.git("commit", "-m", "all", agent=OTHER)
    assert_refused(refused, "src/x.py")
    assert "git commit" not in refused.out + refused.err


def test_deleting_and_renaming_out_of_and_into_a_reservation_is_refused(scene: Repo) -> None:
    scene.reserve(HOLDER, "src/**")
    scene.must("rm", "-q", "src/x.py")
    assert_refused(scene.git("commit", "-q", "-m", "delete", agent=OTHER), "src/x.py")
    undo(scene)
    scene.must("mv", "src/x.py", "elsewhere.py")
    assert_refused(scene.git("commit", "-q", "-m", "move out", agent=OTHER), "src/x.py")
    undo(scene)
    scene.must("mv", "outside.py", "src/new.py")
    assert_refused(scene.git("commit", "-q", "-m", "move in", agent=OTHER), "src/new.py")


def test_after_expiry_the_commit_passes(scene: Repo, tmp_path: Path) -> None:
    scene.reserve(HOLDER, "src/**")
    Repo(tmp_path / "repo").expire()
    scene.write("src/x.py", "changed after expiry\n")
    assert scene.commit_all(agent=OTHER).code == 0


def test_a_commit_made_with_hooks_switched_off_is_refused_at_push(scene: Repo) -> None:
    scene.reserve(HOLDER, "src/**")
    scene.write("src/x.py", "behind the guard's back\n")
    scene.commit_unguarded("sneaky")
    pushed = scene.git("push", "-q", "origin", "HEAD:refs/heads/sneaky", agent=OTHER)
    assert_refused(pushed, "src/x.py", what="push")
    assert scene.git("push", "-q", "origin", "HEAD:refs/heads/main", agent=OTHER).code == 1
    assert scene.must("ls-remote", "--heads", "origin").count("\n") == 0
    assert scene.git("push", "-q", "origin", "HEAD:refs/heads/mine", agent=HOLDER).code == 0


def test_a_submodule_bump_and_a_type_change_are_changes(scene: Repo) -> None:
    scene.reserve(HOLDER, "src/", "vendor/lib")
    scene.must("update-index", "--add", "--cacheinfo", f"160000,{scene.head},vendor/lib")
    assert_refused(scene.git("commit", "-q", "-m", "bump", agent=OTHER), "vendor/lib")
    undo(scene)
    (scene.path / "src" / "x.py").unlink()
    (scene.path / "src" / "x.py").symlink_to("y.py")
    assert_refused(scene.commit_all(agent=OTHER), "src/x.py")
