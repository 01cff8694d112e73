"""install.sh, run for real in a HOME of its own whose path has a space."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from support.machines import CHECKOUT, OLD_HOOK, PYTHON, Machine, Run, Snapshot, settings, snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.skipif(os.name == "nt", reason="install.sh is for POSIX systems")
# One worker tells the story once; pytest-xdist issue 1386 keeps some pytests from heeding it,
# which costs seconds and breaks nothing.
one_worker = pytest.mark.xdist_group("install")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


class Story(NamedTuple):
    """One installation from its first to its last command; each test looks at one part."""

    machine: Machine
    before: tuple[Snapshot, Snapshot]
    installed: Run
    compiled: list[str]
    links: Mapping[str, str]
    version: Run
    refused: Run
    scratch: list[str]
    uninstalled: Run
    after: tuple[Snapshot, Snapshot]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    machine = Machine(tmp_path_factory.mktemp("story"))
    machine.add_shim()
    machine.make_repository()
    before = snapshot(machine.home), settings(machine.repository)
    # A relative directory, as a person types it.
    installed = machine.install("--demo", "--repo", "../a repository")
    assert installed.code == 0, installed
    links = {name: os.readlink(machine.bin / name) for name in os.listdir(machine.bin)}
    compiled = [path for path in snapshot(machine.data) if path.endswith(".pyc")]
    version = machine.run(str(machine.bin / "git-agentlock"), "--version")
    assert machine.agentlock("reserve", "held.txt", agent="Anna").code == 0
    refused = machine.commit_of("held.txt", agent="Bert")
    scratch = os.listdir(machine.scratch)
    uninstalled = machine.install("--uninstall")
    after = snapshot(machine.home), settings(machine.repository)
    return Story(
        machine, before, installed, compiled, links, version, refused, scratch, uninstalled, after
    )


@one_worker
def test_both_names_are_linked_and_run(story: Story) -> None:
    venv = story.machine.data / "venv/bin"
    assert story.links == {
        "agentlock": f"{venv}/agentlock",
        "git-agentlock": f"{venv}/git-agentlock",
    }
    assert story.version.code == 0
    assert "agentlock" in story.version.stdout


@one_worker
def test_the_shim_of_a_version_manager_is_resolved_to_the_real_interpreter(story: Story) -> None:
    assert PYTHON in story.installed.stdout
    assert "shims" not in story.installed.stdout


@one_worker
def test_a_folder_that_is_not_on_path_is_said_with_the_line_that_adds_it(story: Story) -> None:
    assert "is not on your PATH" in story.installed.stdout
    assert 'export PATH="$HOME/.local/bin:$PATH"' in story.installed.stdout


@one_worker
def test_the_program_is_compiled_even_where_python_is_told_to_write_no_bytecode(
    story: Story,
) -> None:
    assert any("site-packages/agentlock/__pycache__/__main__." in path for path in story.compiled)


@one_worker
def test_an_installed_repository_refuses_the_commit_of_what_another_agent_holds(
    story: Story,
) -> None:
    assert story.refused.code == 1
    assert "Anna" in story.refused.stderr


@one_worker
def test_installing_and_the_demo_leave_no_temporary_file(story: Story) -> None:
    assert story.scratch == []


@one_worker
def test_uninstalling_leaves_home_as_it_was(story: Story) -> None:
    assert story.uninstalled.code == 0, story.uninstalled
    assert story.after[0] == story.before[0]


@one_worker
def test_uninstalling_leaves_the_repository_and_its_old_hook_as_they_were_to_the_byte(
    story: Story,
) -> None:
    assert story.after[1] == story.before[1]
    assert story.after[1]["hooks/pre-commit"][1] == OLD_HOOK


def test_what_fails_changes_nothing_and_what_was_asked_for_stays_with_a_later_installation(
    machine: Machine,
) -> None:
    """One installation with PostgreSQL's library, which breaks twice and is mended twice."""
    machine.add_shim()
    machine.make_repository()
    before = snapshot(machine.home), settings(machine.repository)
    assert machine.install("--postgres", "--repo", str(machine.repository)).code == 0
    python = str(machine.data / "venv/bin/python")
    has_library = (python, "-I", "-c", "import psycopg, psycopg_binary")
    assert machine.run(*has_library).code == 0

    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""}
    failed = machine.install(**nowhere)
    assert failed.code == 1
    assert "agentlock: pip failed, as shown above; nothing was changed." in failed.stderr
    assert machine.agentlock("whoami", agent="Anna").code == 0
    kept = {"made-folders", "repositories", "repositories.lock", "venv"}
    assert set(os.listdir(machine.data)) <= kept

    shutil.rmtree(machine.data / "venv/lib")
    assert machine.commit_of("free.txt", agent="Bert").code != 0
    failed = machine.install("--uninstall", **nowhere)
    assert failed.code == 1
    assert (machine.data / "repositories").exists()

    again = machine.install()
    assert again.code == 0, again
    assert machine.run(*has_library).code == 0

    shutil.rmtree(machine.data / "venv/lib")
    mended = machine.install("--uninstall")
    assert mended.code == 0, mended
    assert (snapshot(machine.home), settings(machine.repository)) == before


@pytest.mark.slow
def test_mcps_library_is_installed_next_to_postgresqls_and_stays(machine: Machine) -> None:
    machine.add_shim()
    machine.make_repository()
    assert machine.install("--postgres", "--mcp", "--repo", str(machine.repository)).code == 0
    assert machine.install().code == 0
    python = str(machine.data / "venv/bin/python")
    assert machine.run(python, "-I", "-c", "import psycopg, mcp").code == 0
    served = machine.agentlock("mcp", agent="Anna")  # stdin is empty, so it ends at once
    assert (served.code, served.stdout, served.stderr) == (0, "", "")


def test_the_program_stays_while_the_hooks_of_a_repository_cannot_be_taken_out(
    machine: Machine,
) -> None:
    programs = machine.data / "venv/bin"
    programs.mkdir(parents=True)
    machine.bin.mkdir(parents=True)
    for name, code in (("python", 0), ("agentlock", 3)):
        (programs / name).write_text(f"#!/bin/sh\nexit {code}\n")
        (programs / name).chmod(0o755)
    (machine.bin / "agentlock").symlink_to(programs / "agentlock")
    before = snapshot(machine.home)
    done = machine.install("--uninstall")
    assert done.code == 1
    assert "the program stays, because without it these hooks would refuse" in done.stderr
    assert snapshot(machine.home) == before


def test_a_dry_run_of_the_uninstallation_changes_nothing(machine: Machine) -> None:
    programs = machine.data / "venv/bin"
    programs.mkdir(parents=True)
    machine.bin.mkdir(parents=True)
    for name in ("python", "agentlock"):
        (programs / name).write_text('#!/bin/sh\necho "$0 $*"\n')
        (programs / name).chmod(0o755)
    (machine.bin / "agentlock").symlink_to(programs / "agentlock")
    before = snapshot(machine.home)
    done = machine.install("--uninstall", "--dry-run")
    assert done.code == 0, done
    assert "agentlock hooks uninstall --everywhere --dry-run" in done.stdout
    assert f"would remove {machine.data}/venv and the links to it" in done.stdout
    assert snapshot(machine.home) == before
    assert "--dry-run and --yes are for --uninstall" in machine.install("--dry-run").stderr


def test_uninstalling_removes_what_is_left_when_half_of_it_is_gone(machine: Machine) -> None:
    machine.bin.mkdir(parents=True)
    (machine.bin / "git-agentlock").symlink_to(machine.data / "venv/bin/git-agentlock")
    done = machine.install("--uninstall")
    assert done.code == 0, done
    assert snapshot(machine.home) == {}


def test_uninstalling_keeps_a_file_that_the_installation_did_not_make(machine: Machine) -> None:
    machine.data.mkdir(parents=True)
    (machine.data / "shared.sqlite3").write_bytes(b"rows")
    done = machine.install("--uninstall")
    assert done.code == 0, done
    assert (machine.data / "shared.sqlite3").read_bytes() == b"rows"
    assert str(machine.data) in done.stdout


def test_uninstalling_what_was_never_installed_changes_nothing(machine: Machine) -> None:
    machine.bin.mkdir(parents=True)
    done = machine.install("--uninstall")
    assert done.code == 0
    assert machine.bin.is_dir()


@pytest.mark.parametrize("name", ["agentlock", "git-agentlock"])
def test_a_foreign_file_of_the_same_name_is_never_overwritten(machine: Machine, name: str) -> None:
    machine.add_shim()
    machine.bin.mkdir(parents=True)
    (machine.bin / name).write_text("another program\n")
    before = snapshot(machine.home)
    for option in ([], ["--uninstall"]):
        done = machine.install(*option)
        assert snapshot(machine.home) == before
        if not option:
            assert done.code == 1
            assert f"{machine.bin / name} was not put there by this script" in done.stderr


def test_no_python_is_one_sentence_and_exit_1(machine: Machine) -> None:
    sentence = "agentlock: CPython 3.10 or newer is needed, and none was found on PATH.\n"
    assert machine.install("--demo") == Run(1, "", sentence)
    assert snapshot(machine.home) == {}


def test_an_old_python_is_as_good_as_none(machine: Machine) -> None:
    machine.add_python_that("sys.version_info = (3, 9, 18, 'final', 0)")
    done = machine.install()
    assert done.code == 1
    assert "none was found" in done.stderr


def test_a_shim_without_a_version_is_passed_over_for_the_next_on_path(machine: Machine) -> None:
    machine.add_python("inactive", "echo 'pyenv: python3: command not found' >&2; exit 127")
    machine.add_shim()
    assert machine.install("--print-python") == Run(0, f"{PYTHON}\n", "")


def test_a_version_managers_own_interpreters_serve_where_all_its_shims_fail(
    machine: Machine,
) -> None:
    root = machine.home / ".pyenv"
    place = root / "versions/3.99.0/bin"
    place.mkdir(parents=True)
    (place / "python3.10").write_text(f'#!/bin/sh\nexec "{PYTHON}" "$@"\n')
    (place / "python3.10").chmod(0o755)
    machine.path.append(str(root / "shims"))
    assert machine.install("--print-python") == Run(0, f"{PYTHON}\n", "")


def test_a_python_that_cannot_make_environments_is_passed_over_or_named(machine: Machine) -> None:
    # Debian's python3 without python3-venv: no ensurepip.
    machine.add_python_that("sys.modules['ensurepip'] = None")
    done = machine.install()
    assert (done.code, done.stdout) == (1, "")
    assert "apt install python3-venv" in done.stderr
    assert done.stderr.count("\n") == 1
    machine.add_shim()
    assert machine.install("--print-python").code == 0


def test_no_git_is_one_sentence_and_exit_1(machine: Machine) -> None:
    machine.add_shim()
    (machine.tools / "git").unlink()
    sentence = "agentlock: git is needed, and none was found on PATH.\n"
    assert machine.install() == Run(1, "", sentence)


@pytest.mark.parametrize("home", [None, ""])
def test_no_home_is_one_sentence_and_exit_1(machine: Machine, home: str | None) -> None:
    machine.add_shim()
    done = machine.install(HOME=home)
    sentence = "agentlock: HOME is not set, so there is no place to install to.\n"
    assert done == Run(1, "", sentence)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--frobnicate"], "unknown option '--frobnicate'"),
        (["--repo"], "--repo needs a directory"),
        (["--repo", "/no/such/place"], "/no/such/place: there is no such directory"),
        (["--repo", "."], "this is not a git repository"),
        (["--uninstall", "--demo"], "--mcp, --board and --repo are for installing"),
        (["--postgres", "--uninstall"], "--mcp, --board and --repo are for installing"),
    ],
)
def test_wrong_usage_is_said_before_anything_is_installed(
    machine: Machine, options: list[str], word: str
) -> None:
    machine.add_shim()
    done = machine.install(*options)
    assert done.code == 2
    assert word in done.stderr
    assert snapshot(machine.home) == {}


def test_a_file_that_is_not_the_one_of_the_lock_is_not_installed(
    machine: Machine, tmp_path: Path
) -> None:
    machine.add_shim()
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in ("install.sh", "pyproject.toml", "requirements.lock", "build.lock"):
        shutil.copy(os.path.join(CHECKOUT, name), checkout)
    lock = checkout / "requirements.lock"
    lock.write_text(re.sub(r"sha256:.{8}", "sha256:00000000", lock.read_text()))
    refused = machine.run("sh", str(checkout / "install.sh"))
    assert refused.code == 1
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in refused.stderr
    assert "agentlock: pip failed, as shown above; nothing was changed." in refused.stderr
    assert not machine.data.exists()


def test_the_locks_cover_what_the_project_asks_for() -> None:
    text = Path(CHECKOUT, "pyproject.toml").read_text()
    for table, key, lock in (
        ("project", "dependencies", "requirements.lock"),
        ("project", "dependencies", "requirements-postgres.lock"),
        ("project.optional-dependencies", "postgres", "requirements-postgres.lock"),
        ("project", "dependencies", "requirements-mcp.lock"),
        ("project.optional-dependencies", "mcp", "requirements-mcp.lock"),
        ("project", "dependencies", "requirements-board.lock"),
        ("project.optional-dependencies", "board", "requirements-board.lock"),
        ("build-system", "requires", "build.lock"),
    ):
        section = text.partition(f"[{table}]\n")[2]
        listed = re.search(rf"(?ms)^{key} = \[(.*?)\](?: *#.*?)?$", section)
        assert listed
        wanted = re.findall(r'"([\w-]+)', listed[1])
        assert wanted
        locked = Path(CHECKOUT, lock).read_text()
        for name in wanted:
            assert re.search(rf"(?m)^{name}==.*\\\n *--hash=sha256:", locked), name


@pytest.mark.parametrize("extra", ["postgres", "mcp", "board"])
def test_with_an_extra_the_same_versions_are_installed_as_without(extra: str) -> None:
    def versions(lock: str) -> set[str]:
        return set(re.findall(r"(?m)^\S+==.*?(?= \\$)", Path(CHECKOUT, lock).read_text()))

    plain = versions("requirements.lock")
    assert plain
    assert plain <= versions(f"requirements-{extra}.lock")
