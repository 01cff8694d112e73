"""A hook takes the first of its pinned interpreters and programs that is there, or refuses."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support import HOLDER, OTHER, Repo, Result, run

from agentlock.install.shims import Pin, pins_of

if TYPE_CHECKING:
    from collections.abc import Callable

SHELLS = (["sh"], ["dash"], ["bash", "--posix"], ["busybox", "sh"])


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Another interpreter with another agentlock, as a container has its own: where it lies."""
    place = tmp_path / "it's elsewhere"
    (place / "bin").mkdir(parents=True)
    (place / "bin" / "python").symlink_to(sys.executable)
    package = Path(__file__).resolve().parents[2]
    for name in ("agentlock", "hooks"):
        shutil.copytree(package / name, place / name)
    return place


def pinned(repo: Repo, hook: str = "pre-commit") -> list[Pin]:
    return pins_of((repo.path / ".git" / "hooks" / hook).read_bytes())


def installed_from(place: Path, repo: Repo) -> Result:
    """Install with the interpreter and the program that lie there, as in a container."""
    start = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); sys.executable = sys.argv.pop(1); "
        "from agentlock.__main__ import main; sys.exit(main())"
    )
    python = str(place / "bin" / "python")
    command = (sys.executable, "-c", start, str(place), python, "hooks", "install")
    return run(*command, cwd=repo.path)


def refused(repo: Repo) -> Result:
    repo.write("src/x.py", "changed\n")
    return repo.commit_all(agent=OTHER)


def test_the_newest_comes_first_and_the_former_stays(repo: Repo, elsewhere: Path) -> None:
    (first,) = pinned(repo)
    assert installed_from(elsewhere, repo).code == 0
    other = (str(elsewhere / "bin" / "python"), str(elsewhere / "agentlock" / "__main__.py"))
    assert pinned(repo) == [other, first]
    assert pinned(repo, "pre-push") == [other, first]
    assert installed_from(elsewhere, repo).code == 0
    assert pinned(repo) == [other, first]
    assert repo.agentlock("hooks", "install").code == 0
    assert pinned(repo) == [first, other]


@pytest.mark.parametrize("gone", ["bin/python", "agentlock/__main__.py", ""])
def test_where_the_newest_is_not_there_another_guards(
    repo: Repo, elsewhere: Path, gone: str
) -> None:
    assert installed_from(elsewhere, repo).code == 0
    target = elsewhere / gone
    target.unlink() if gone else shutil.rmtree(target)
    assert repo.agentlock("hooks", "status").code == 0
    repo.reserve(HOLDER, "src/x.py")
    assert "agentlock: commit refused" in refused(repo).err


def test_where_none_is_there_the_hook_refuses_and_names_the_newest(
    repo: Repo, elsewhere: Path
) -> None:
    assert installed_from(elsewhere, repo).code == 0
    for hook in ("pre-commit", "pre-push"):
        script = repo.path / ".git" / "hooks" / hook
        script.write_text(script.read_text().replace(f"use '{sys.executable}'", "use '/nowhere'"))
    shutil.rmtree(elsewhere)
    result = run(str(repo.path / ".git" / "hooks" / "pre-commit"), cwd=repo.path)
    assert result.code == 3
    assert (
        f"may not run it ({elsewhere}/bin/python, {elsewhere}/agentlock/__main__.py)" in result.err
    )
    assert "agentlock hooks install" in result.err
    status = repo.agentlock("hooks", "status", "--json")
    assert status.code == 1
    assert {one["state"] for one in status.json} >= {"broken"}
    assert repo.agentlock("hooks", "install").code == 0
    repo.reserve(HOLDER, "src/x.py")
    assert "agentlock: commit refused" in refused(repo).err


def test_no_more_than_eight_are_remembered(repo: Repo) -> None:
    script = repo.path / ".git" / "hooks" / "pre-commit"
    many = [f"use '/nowhere/{number}' '/else/{number}'" for number in range(20)]
    begin, end = script.read_text().split("use '", 1)
    script.write_text(begin + "\n".join(many) + "\nuse '" + end)
    assert len(pinned(repo)) == 21
    assert repo.agentlock("hooks", "install").code == 0
    assert pinned(repo)[0][0] == sys.executable
    assert pinned(repo)[1:] == [(f"/nowhere/{number}", f"/else/{number}") for number in range(7)]


def test_a_script_whose_pins_are_damaged_is_broken_and_mended(repo: Repo) -> None:
    script = repo.path / ".git" / "hooks" / "pre-commit"
    whole = script.read_bytes()
    script.write_bytes(whole.replace(b"\nuse '", b"\nuse "))
    assert repo.agentlock("hooks", "status", "--json").json[0]["state"] == "broken"
    assert repo.agentlock("hooks", "install").code == 0
    assert script.read_bytes() == whole


@pytest.mark.parametrize("name", ["new\nline", "it's", '$HOME `id` "quoted"', "@HOOK@ use ''"])
def test_any_path_can_be_pinned(new_repo: Callable[..., Repo], elsewhere: Path, name: str) -> None:
    repo = new_repo()
    assert repo.agentlock("init").code == 0
    place = elsewhere.rename(elsewhere.with_name(name))
    assert installed_from(place, repo).code == 0
    other = (str(place / "bin" / "python"), str(place / "agentlock" / "__main__.py"))
    assert pinned(repo)[0] == other
    for hook in ("pre-commit", "pre-push"):
        script = repo.path / ".git" / "hooks" / hook
        script.write_text(script.read_text().replace(f"use '{sys.executable}'", "use '/nowhere'"))
    repo.reserve(HOLDER, "src/x.py")
    assert "agentlock: commit refused" in refused(repo).err


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_every_shell_runs_the_scripts(repo: Repo, shell: list[str]) -> None:
    if not shutil.which(shell[0]):
        pytest.skip(f"{shell[0]} is not here")
    repo.must("config", "core.hooksPath", "theirs")
    for hook in ("pre-commit", "commit-msg", "pre-push"):
        repo.write(f"theirs/{hook}", "#!/bin/sh\ncat > got\necho theirs >&2\n").chmod(0o755)
    assert repo.agentlock("hooks", "install").code == 0
    repo.reserve(HOLDER, "src/x.py")
    repo.write("src/x.py")
    repo.must("add", "src/x.py")
    folder = repo.path / ".git" / "agentlock-guard" / "hooks"
    result = run(*shell, str(folder / "pre-commit"), cwd=repo.path, agent=OTHER)
    assert result.code == 1
    assert result.err.startswith("theirs\nagentlock: commit refused")
    line = f"refs/heads/main {repo.head} refs/heads/main {'0' * 40}\n".encode()
    result = run(*shell, str(folder / "pre-push"), "origin", "url", cwd=repo.path, stdin=line)
    assert (result.code, result.err) == (0, "theirs\n")
    assert (repo.path / "got").read_bytes() == line
    result = run(*shell, str(folder / "commit-msg"), "file", cwd=repo.path, stdin=b"\n")
    assert (result.code, result.err) == (0, "theirs\n")
    assert (repo.path / "got").read_bytes() == b"\n"
