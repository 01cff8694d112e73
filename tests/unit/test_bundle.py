"""A hook's bundle: what it loads is what Python would have loaded, or nothing at all."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support import HOLDER, OTHER, Repo, assert_passed, assert_refused, run

import agentlock
from agentlock.edit_hooks.run import ALLOWED, DENIED

if TYPE_CHECKING:
    from collections.abc import Callable

DOOR = "pre-commit"
TAG = sys.implementation.cache_tag
# Prints what each module of the guard has after the bundle was loaded or made, and which that was.
LISTING = """
import json, sys
sys.path.insert(0, sys.argv[1])
from agentlock.bundle import Bundle
bundle = Bundle("pre-commit")
import agentlock.guard.early, agentlock.guard.clearance, agentlock.git.changes
import agentlock.guard.run, agentlock.store.sqlite
bundle.note()
import agentlock.store.policy, agentlock.store.reservations, agentlock.files
bundle.keep()
def shown(module):
    own = {name: type(value).__name__ for name, value in vars(module).items()}
    path = getattr(module, "__path__", None)
    place = [module.__name__, module.__package__, module.__file__, path]
    for name in ("__builtins__", "__cached__", "__loader__", "__spec__"):
        own.pop(name, None)
    return [place, own]
ours = {name: shown(one) for name, one in sys.modules.items() if name.startswith("agentlock.")}
found = [name for name, one in sys.modules.items() if name in ours and one.__spec__.loader]
print(json.dumps([bundle.is_loaded, ours, found]))
"""
# What Python has to look for if there is a bundle.
LOOKED_FOR = {"agentlock.bundle", "agentlock.files"} | {
    f"agentlock.store.{name}" for name in ("policy", "reservations")
}
COMMIT = {DOOR, f"{DOOR}-sqlite", "git-refused"}
PUSH = {"pre-push", "pre-push-sqlite", "pushed"}
EDIT = {"edit", "edit-judged", "edit-refused", "edit-sqlite"}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the program, compiled as it is, and without bundles."""
    source = Path(agentlock.__file__).parent
    copy = tmp_path / "program"
    without = shutil.ignore_patterns("*.bundle*", "*.pyc.*")
    shutil.copytree(source, copy / "agentlock", ignore=without)
    shutil.copytree(source.parent / "hooks", copy / "hooks", ignore=without)
    return copy


def _kept(package: Path) -> Path:
    return package / "agentlock" / "__pycache__" / f"{DOOR}.{TAG}.bundle"


def _listed(package: Path) -> tuple[bool, dict[str, Any]]:
    command = (sys.executable, "-I", "-S", "-c", LISTING, str(package))
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded, ours, found = json.loads(done.stdout)
    if loaded:
        assert set(found) == LOOKED_FOR
    return loaded, ours


def test_it_loads_what_python_would_have_loaded(package: Path) -> None:
    without, imported = _listed(package)
    with_it, loaded = _listed(package)
    assert (without, with_it) == (False, True)
    assert loaded == imported


def _changed(package: Path) -> None:
    with (package / "agentlock" / "guard" / "verdict.py").open("a", encoding="utf-8") as file:
        file.write("CHANGED = 1\n")


def _touched(package: Path) -> None:
    os.utime(package / "agentlock" / "model.py", ns=(1, 1))


def _cut(package: Path) -> None:
    _kept(package).write_bytes(_kept(package).read_bytes()[:5000])


def _empty(package: Path) -> None:
    _kept(package).write_bytes(b"")


def _garbled(package: Path) -> None:
    data = bytearray(_kept(package).read_bytes())
    at = data.rindex(b"agentlock/guard/verdict.py") - 200  # in the code of a module
    data[at : at + 150] = bytes(150)
    _kept(package).write_bytes(bytes(data))


def _of_another_python(package: Path) -> None:
    from importlib.util import MAGIC_NUMBER

    data = _kept(package).read_bytes()
    assert MAGIC_NUMBER in data
    _kept(package).write_bytes(data.replace(MAGIC_NUMBER, b"\0\0\r\n", 1))


def _gone(package: Path) -> None:
    _kept(package).unlink()


@pytest.mark.parametrize(
    "harm", [_changed, _touched, _cut, _empty, _garbled, _of_another_python, _gone]
)
def test_it_is_made_anew_if_it_is_not_of_these_sources(
    harm: Callable[[Path], None], package: Path
) -> None:
    _listed(package)
    harm(package)
    loaded, ours = _listed(package)
    assert not loaded
    assert ("CHANGED" in ours["agentlock.guard.verdict"][1]) == (harm is _changed)
    assert _listed(package) == (True, ours)


def test_that_of_a_program_elsewhere_does_not_count(package: Path, tmp_path: Path) -> None:
    _listed(package)
    copy = tmp_path / "copy"
    shutil.copytree(package, copy)  # with all times
    assert not _listed(copy)[0]


def test_commits_are_judged_with_it_as_without(
    new_repo: Callable[..., Repo], package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(package))
    repo = new_repo("repo")
    for command in (("init",), ("reserve", "held")):
        program = (sys.executable, "-m", "agentlock")
        assert_passed(run(*program, *command, cwd=repo.path, agent=HOLDER))
    repo.must("init", "-q", "--bare", "../remote.git")
    repo.must("remote", "add", "origin", "../remote.git")
    for turn in range(2):
        kept = {path.name.partition(".")[0] for path in _kept(package).parent.glob("*.bundle")}
        assert kept == (COMMIT | PUSH if turn else set())
        repo.write("held", f"{turn}\n")
        assert_refused(repo.commit_all(), "held", HOLDER)
        repo.must("reset", "-q", "--hard")
        repo.write("free", f"{turn}\n")
        assert_passed(repo.commit_all())
        assert_passed(repo.git("push", "-q", "origin", "HEAD:refs/heads/main"))


def test_where_none_can_be_written_there_is_none(package: Path) -> None:
    _kept(package).parent.mkdir(exist_ok=True)
    _kept(package).mkdir()
    assert _listed(package) == (False, _listed(package)[1])


def test_edits_are_judged_with_it_as_without(repo: Repo, package: Path) -> None:
    repo.reserve(HOLDER, "held.py")
    command = (sys.executable, "-I", "-S", str(package / "agentlock" / "__main__.py"))
    given = {"session_id": "S", "cwd": str(repo.path), "tool_name": "Edit"}
    for turn in range(3):
        kept = {path.name.partition(".")[0] for path in _kept(package).parent.glob("edit*.bundle")}
        assert kept == (EDIT if turn else set())
        for path, expected in (("held.py", DENIED), (f"free{turn}.py", ALLOWED)):
            stdin = json.dumps({**given, "tool_input": {"file_path": path}}).encode()
            asked = (*command, "hook", "edit", "claude", "PreToolUse")
            done = run(*asked, cwd=repo.path, agent=OTHER, stdin=stdin)
            assert done.code == expected, done
            assert (HOLDER in done.err) == (expected == DENIED)


def test_each_bundle_is_made_anew_where_only_its_own_sources_have_changed(
    repo: Repo, package: Path
) -> None:
    command = (sys.executable, "-I", "-S", str(package / "agentlock" / "__main__.py"))
    given = {"session_id": "S", "cwd": str(repo.path), "tool_name": "Edit"}
    stdin = json.dumps({**given, "tool_input": {"file_path": "free.py"}}).encode()

    def made() -> dict[str, int]:
        done = run(*command, "hook", "edit", "claude", "PreToolUse", cwd=repo.path, stdin=stdin)
        assert done.code == ALLOWED, done
        kept = _kept(package).parent.glob("edit*.bundle")
        return {path.name.partition(".")[0]: path.stat().st_mtime_ns for path in kept}

    before = made()
    os.utime(package / "agentlock" / "edit_hooks" / "before.py", ns=(1, 1))
    after = made()
    assert after["edit"] == before["edit"]
    assert after["edit-judged"] != before["edit-judged"]
    assert made() == after


def test_what_is_loaded_already_is_not_loaded_twice(package: Path) -> None:
    _listed(package)
    script = LISTING.partition("import agentlock.guard")[0].replace(
        "bundle =", "import agentlock.errors as errors\nbundle ="
    )
    script += "print(bundle.is_loaded, sys.modules['agentlock.errors'] is errors)"
    command = (sys.executable, "-I", "-S", "-c", script, str(package))
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "True True\n"


def test_a_bundle_serves_where_a_package_of_its_modules_is_not_there_yet(
    package: Path,
) -> None:
    script = """
import sys
sys.path.insert(0, sys.argv[1])
from agentlock.bundle import Bundle
if "before" in sys.argv:
    import agentlock.agents
bundle = Bundle("pre-commit")
import agentlock.agents.presence
bundle.note()
bundle.keep()
print(bundle.is_loaded, agentlock.agents.presence.ACTIVE > 0)
"""
    for words, expected in ((("before",), "False True\n"), ((), "True True\n")):
        command = (sys.executable, "-I", "-S", "-c", script, str(package), *words)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.stdout == expected, done.stderr
