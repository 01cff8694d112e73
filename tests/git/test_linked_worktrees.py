"""In a linked worktree the guard finds by looking what git itself would have told."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from support import HOLDER, NO_HOOKS, OTHER, Repo, assert_passed, assert_refused

from agentlock.errors import AgentlockError
from agentlock.git.containing import is_without_agentlock
from agentlock.git.repository import discover
from agentlock.git.settings import Settings
from agentlock.git.system_config import FILE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agentlock.git.settings import Entry

NOBODY = 65534
# What git is asked
LOOKED: set[str] = set()
WHAT, WHERE, ALL = {"config"}, {"rev-parse"}, {"config", "rev-parse"}
_READ = (
    *("core.bare", "core.hookspath", "core.ignorecase", "core.precomposeunicode"),
    *("core.sharedrepository", "core.worktree", "extensions.worktreeconfig", "remote.origin.url"),
)


class Place:
    """A linked worktree of a repository, and where git starts its hooks, with which GIT_DIR."""

    def __init__(self, main: Repo, linked: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
        self.main, self.linked, self.monkeypatch = main, linked, monkeypatch
        self.own = main.path / ".git" / "worktrees" / linked.path.name
        self.variables: dict[str, str] = {}
        self.begin(linked.path, self.own)

    def begin(self, root: Path, git_dir: Path | None) -> None:
        self.root = root
        self.variables = {} if git_dir is None else {"GIT_DIR": str(git_dir)}


@pytest.fixture
def place(repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.delenv("GIT_CONFIG_GLOBAL")
    linked = Repo(tmp_path / "side")
    repo.must("worktree", "add", "-q", str(linked.path))
    return Place(repo, linked, monkeypatch)


def _asked(place: Place) -> set[str]:
    """What git is asked here, once what was found is what git says."""
    trace = place.main.path.parent / "trace"
    with place.monkeypatch.context() as patch:
        patch.chdir(place.root)
        for name, value in place.variables.items():
            patch.setenv(name, value)
        said, where_it_is = _settings_git_says(), _where_git_says()
        patch.setenv("GIT_TRACE", str(trace))
        try:
            assert Settings().entries() == said
            found = discover()
        except AgentlockError:
            assert where_it_is is None
            return ALL
    assert where_it_is == (None if found.is_bare else (found.root, found.git_dir, found.common_dir))
    text = trace.read_text() if trace.exists() else ""
    return {word for word in ALL if f"git {word}" in text}


def _told(*command: str) -> bytes | None:
    done = subprocess.run(("git", *command), capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else None


def _settings_git_says() -> list[Entry]:
    fields = (_told("config", "-z", "--list", "--show-scope", "--show-origin") or b"").split(b"\0")
    found: list[Entry] = []
    for scope, origin, item in zip(fields[::3], fields[1::3], fields[2::3], strict=False):
        name, _, value = item.partition(b"\n")
        if name.startswith(b"agentlock.") or name.decode() in _READ:
            found.append((scope, origin, name, value))
    return found


def _where_git_says() -> tuple[bytes, ...] | None:
    questions = ("--show-toplevel", "--absolute-git-dir", "--git-common-dir")
    told = _told("rev-parse", "--path-format=absolute", *questions)
    return None if told is None else tuple(told[:-1].split(b"\n"))


# Layouts


def _as_in_a_hook(_: Place) -> None:
    pass


def _without_variables(place: Place) -> None:
    place.begin(place.linked.path, None)


def _elsewhere(place: Place) -> None:
    """Whichever folder one is in: with GIT_DIR, git takes it for the root."""
    place.begin(place.main.path.parent, place.own)


def _at_a_commit(place: Place) -> None:
    place.linked.must(*NO_HOOKS, "checkout", "-q", "--detach")


def _moved(place: Place) -> None:
    new = place.main.path.parent / "moved here"
    place.main.must("worktree", "move", str(place.linked.path), str(new))
    place.begin(new, place.own)


def _moved_without_git(place: Place) -> None:
    new = place.main.path.parent / "moved"
    place.linked.path.rename(new)
    place.begin(new, None)


def _with_its_own_configuration(place: Place) -> None:
    place.main.must("config", "extensions.worktreeConfig", "true")
    place.linked.must("config", "--worktree", "agentlock.agent", HOLDER)
    place.main.must("config", "--worktree", "agentlock.agent", OTHER)


def _without_variables_with_its_own_configuration(place: Place) -> None:
    _with_its_own_configuration(place)
    place.begin(place.linked.path, None)


def _bare(place: Place) -> Repo:
    folder = place.main.path.parent / "bare.git"
    place.main.must("clone", "-q", "--bare", ".", str(folder))
    bare = Repo(folder)
    bare.must("worktree", "add", "-q", "../beside", "-b", "beside")
    place.begin(folder.parent / "beside", folder / "worktrees" / "beside")
    return bare


def _of_a_bare_repository(place: Place) -> None:
    _bare(place)


def _of_a_bare_repository_that_says_so_for_itself(place: Place) -> None:
    """As git-worktree(1) advises under CONFIGURATION FILE."""
    bare = _bare(place)
    bare.must("config", "extensions.worktreeConfig", "true")
    bare.must("config", "--worktree", "core.bare", "true")
    bare.must("config", "--unset", "core.bare")
    bare.must("config", "agentlock.project", "P")


def _of_a_bare_repository_that_says_so_for_all(place: Place) -> None:
    bare = _bare(place)
    bare.must("config", "extensions.worktreeConfig", "true")


def _main_with_git_dir(place: Place) -> None:
    place.begin(place.main.path, place.main.path / ".git")


def _main_below_the_root_with_git_dir(place: Place) -> None:
    (place.main.path / "src").mkdir()
    place.begin(place.main.path / "src", place.main.path / ".git")


def _with_a_folder_apart(place: Place) -> None:
    place.main.must("init", "-q", "--separate-git-dir=../apart.git", "../tree")
    place.begin(place.main.path.parent / "tree", place.main.path.parent / "apart.git")


def _without_variables_with_a_folder_apart(place: Place) -> None:
    _with_a_folder_apart(place)
    place.begin(place.main.path.parent / "tree", None)


def _with_a_relative_link(place: Place) -> None:
    own = os.path.relpath(place.own, place.linked.path)
    (place.linked.path / ".git").write_text(f"gitdir: {own}\n")
    place.begin(place.linked.path, None)


def _personal_names_of_files(place: Place) -> None:
    """What only the repository's own file may say."""
    text = "[extensions]\n\tworktreeConfig = true\n[core]\n\tbare = false\n"
    (place.main.path.parent / "home" / ".gitconfig").write_text(text)
    (place.own / "config.worktree").write_text(f"[agentlock]\n\tagent = {HOLDER}\n")


def _settings_of_one_command(place: Place) -> None:
    place.variables["GIT_CONFIG_PARAMETERS"] = f"'agentlock.agent={HOLDER}' 'core.bare=true'"


def _main_that_is_elsewhere(place: Place) -> None:
    (place.main.path.parent / "elsewhere").mkdir()
    place.main.must("config", "core.worktree", "../../elsewhere")
    place.begin(place.main.path, place.main.path / ".git")


def _whose_main_one_is_elsewhere(place: Place) -> None:
    place.main.must("config", "core.worktree", "../../elsewhere")


def _that_is_elsewhere(place: Place) -> None:
    place.main.must("config", "extensions.worktreeConfig", "true")
    (place.main.path.parent / "elsewhere").mkdir()
    place.linked.must("config", "--worktree", "core.worktree", "../../../../elsewhere")


def _submodule(place: Place) -> Path:
    place.main.must("submodule", "add", "-q", str(place.main.path), "below")
    return place.main.path / ".git" / "modules" / "below"


def _in_a_submodule(place: Place) -> None:
    place.begin(place.main.path / "below", _submodule(place))


def _in_a_worktree_of_a_submodule(place: Place) -> None:
    folder = _submodule(place)
    place.main.must("-C", "below", "worktree", "add", "-q", "../../inner")
    place.begin(place.main.path.parent / "inner", folder / "worktrees" / "inner")


def _in_a_bare_repository(place: Place) -> None:
    bare = _bare(place)
    place.begin(bare.path, bare.path)


LAYOUTS = {
    _as_in_a_hook: LOOKED,
    _without_variables: LOOKED,
    _elsewhere: LOOKED,
    _at_a_commit: LOOKED,
    _moved: LOOKED,
    _moved_without_git: LOOKED,
    _with_its_own_configuration: LOOKED,
    _without_variables_with_its_own_configuration: LOOKED,
    _of_a_bare_repository: LOOKED,
    _of_a_bare_repository_that_says_so_for_itself: LOOKED,
    _main_with_git_dir: LOOKED,
    _main_below_the_root_with_git_dir: LOOKED,
    _with_a_folder_apart: LOOKED,
    _without_variables_with_a_folder_apart: LOOKED,
    _with_a_relative_link: LOOKED,
    _in_a_worktree_of_a_submodule: LOOKED,
    _personal_names_of_files: LOOKED,
    _whose_main_one_is_elsewhere: LOOKED,
    _settings_of_one_command: WHAT,
    _in_a_submodule: WHERE,
    _in_a_bare_repository: WHERE,
    _that_is_elsewhere: WHERE,
    _main_that_is_elsewhere: WHERE,
    _of_a_bare_repository_that_says_so_for_all: ALL,
}


@pytest.mark.parametrize("make", LAYOUTS, ids=lambda make: make.__name__)
def test_a_worktree_is_found_as_git_finds_it(make: Callable[[Place], None], place: Place) -> None:
    make(place)
    assert _asked(place) == LAYOUTS[make]


# What is not certain

VARIABLES = {
    "a worktree": ("GIT_WORK_TREE", "."),
    "a common folder": ("GIT_COMMON_DIR", "{main}/.git"),
    "objects elsewhere": ("GIT_OBJECT_DIRECTORY", "{main}/.git/objects"),
    "no worktree by itself": ("GIT_IMPLICIT_WORK_TREE", "0"),
    "a relative path": ("GIT_DIR", "../repo/.git/worktrees/side"),
    "a slash at the end": ("GIT_DIR", "{own}/"),
    "the long way": ("GIT_DIR", "{own}/../side"),
    "through a symbolic link": ("GIT_DIR", "{main}/../link/.git/worktrees/side"),
    "the file that names it": ("GIT_DIR", "{linked}/.git"),
    "a worktree, not its folder": ("GIT_DIR", "{linked}"),
    "nothing": ("GIT_DIR", ""),
    "what is not there": ("GIT_DIR", "{main}/none"),
}


@pytest.mark.parametrize(("name", "value"), VARIABLES.values(), ids=VARIABLES)
def test_git_is_asked_about_every_other_variable(name: str, value: str, place: Place) -> None:
    (place.main.path.parent / "link").symlink_to(place.main.path)
    full = value.format(main=place.main.path, own=place.own, linked=place.linked.path)
    assert _asked(place) == LOOKED
    place.variables[name] = full
    assert _asked(place) == ALL


def _other(place: Place) -> Repo:
    """Another repository, with settings and a worktree of its own."""
    other = Repo(place.main.path.parent / "other")
    place.main.must(*NO_HOOKS, "clone", "-q", ".", str(other.path))
    other.must("config", "agentlock.project", "Other")
    other.must(*NO_HOOKS, "worktree", "add", "-q", "../theirs")
    return other


def _common_is_another_repository(place: Place) -> None:
    (place.own / "commondir").write_text(f"{_other(place).path}/.git\n")


def _common_is_written(text: bytes) -> Callable[[Place], None]:
    def write(place: Place) -> None:
        (place.own / "commondir").write_bytes(text)

    write.__name__ = f"common_is_{text!r}"
    return write


def _common_is_a_folder(place: Place) -> None:
    (place.own / "commondir").unlink()
    (place.own / "commondir").mkdir()


def _no_head(place: Place) -> None:
    (place.own / "HEAD").unlink()


def _odd_head(place: Place) -> None:
    (place.own / "HEAD").write_text("odd\n")


def _no_objects(place: Place) -> None:
    (place.main.path / ".git" / "objects").rename(place.main.path / ".git" / "gone")


def _an_extension_that_is_not_known(place: Place) -> None:
    with (place.main.path / ".git" / "config").open("a") as file:
        file.write("[core]\n\trepositoryFormatVersion = 1\n[extensions]\n\trelativeWorktrees = 1\n")


def _an_own_configuration_that_includes(place: Place) -> None:
    _with_its_own_configuration(place)
    (place.own / "more").write_text("[agentlock]\n\tagent = Wrong\n")
    with (place.own / "config.worktree").open("a") as file:
        file.write("[include]\n\tpath = more\n")


def _given(path: str) -> Callable[[Place], None]:
    def give(place: Place) -> None:
        if os.geteuid() != 0:
            pytest.skip("only root gives files away")
        full = path.format(main=place.main.path, own=place.own, linked=place.linked.path)
        os.chown(full, NOBODY, NOBODY)

    give.__name__ = f"given_away_{path}"
    return give


def _link_is_written(text: bytes) -> Callable[[Place], None]:
    def write(place: Place) -> None:
        own = os.fsencode(place.own)
        (place.linked.path / ".git").write_bytes(text.replace(b"OWN", own))
        place.begin(place.linked.path, None)

    write.__name__ = f"link_is_{text!r}"
    return write


def _link_is_symbolic(place: Place) -> None:
    (place.linked.path / ".git").rename(place.linked.path / "named")
    (place.linked.path / ".git").symlink_to("named")
    place.begin(place.linked.path, None)


def _folder_is_symbolic(place: Place) -> None:
    (place.linked.path / ".git").unlink()
    (place.linked.path / ".git").symlink_to(place.own)
    place.begin(place.linked.path, None)


def _link_of_somebody_else(place: Place) -> None:
    _given("{linked}/.git")(place)
    place.begin(place.linked.path, None)


def _not_trusted(place: Place) -> None:
    """By git's own switch. `git config` then leaves out the repository, and says nothing."""
    (place.main.path.parent / "home" / ".gitconfig").write_text("[core]\n\tbare = false\n")
    place.begin(place.linked.path, None)
    place.variables["GIT_TEST_ASSUME_DIFFERENT_OWNER"] = "1"


def _below_the_root(place: Place) -> None:
    (place.linked.path / "src").mkdir()
    place.begin(place.linked.path / "src", None)


UNCERTAIN = [
    *(_common_is_another_repository, _common_is_a_folder, _no_head, _odd_head, _no_objects),
    *map(_common_is_written, (b"../..", b"../../\n", b"../..\r\n", b"", b"../..\n\n", b"..\n")),
    *(_an_extension_that_is_not_known, _an_own_configuration_that_includes),
    *map(_given, ("{linked}", "{own}", "{main}/.git")),
    *map(_link_is_written, (b"gitdir: OWN", b"gitdir: OWN\r\n", b"gitdir: OWN\n\n", b"OWN\n")),
    *map(_link_is_written, (b"gitdir: \n", b"gitdir: OWN\0\n", b" gitdir: OWN\n", b"gitdir:OWN\n")),
    *(_link_is_symbolic, _folder_is_symbolic, _link_of_somebody_else),
    *(_not_trusted, _below_the_root),
]


@pytest.mark.parametrize("change", UNCERTAIN, ids=lambda change: change.__name__)
def test_git_is_asked_about_every_other_layout(
    change: Callable[[Place], None], place: Place
) -> None:
    change(place)
    assert "config" in _asked(place)


def test_the_folder_of_another_repository_is_found_as_git_finds_it(place: Place) -> None:
    other = _other(place)
    place.begin(place.linked.path, other.path / ".git" / "worktrees" / "theirs")
    assert _asked(place) == LOOKED
    place.monkeypatch.chdir(place.root)
    place.monkeypatch.setenv("GIT_DIR", place.variables["GIT_DIR"])
    assert discover().project == "Other"


def test_one_look_tells_that_agentlock_does_not_guard_a_linked_worktree(
    place: Place, new_repo: Callable[..., Repo], tmp_path: Path
) -> None:
    other = new_repo("other")
    other.must("worktree", "add", "-q", "../theirs")
    root = os.fsencode(tmp_path / "theirs")
    assert is_without_agentlock(root)
    assert not is_without_agentlock(os.fsencode(place.linked.path))
    other.must("config", "extensions.worktreeConfig", "true")
    Repo(tmp_path / "theirs").must("config", "--worktree", "agentlock.agent", HOLDER)
    assert not is_without_agentlock(root)
    assert is_without_agentlock(os.fsencode(other.path))


# What a commit makes of it


def _started(trace: Path) -> list[str]:
    lines = [line.partition("built-in: git ")[2] for line in trace.read_text().splitlines()]
    return sorted(line.split()[0] for line in lines if line)


def test_a_commit_in_a_linked_worktree_asks_git_one_question(place: Place, tmp_path: Path) -> None:
    place.linked.write("x")
    place.linked.must("add", "x")
    trace = tmp_path / "trace"
    assert_passed(place.linked.git("commit", "-qm", "x", env={"GIT_TRACE": str(trace)}))
    assert _started(trace) == ["commit", "diff-index", "maintenance"]


def test_all_worktrees_keep_together_which_file_is_the_machines(place: Place) -> None:
    place.monkeypatch.delenv("GIT_CONFIG_NOSYSTEM")
    name = f"{FILE.decode()}{os.geteuid()}"
    kept = place.main.path / ".git" / name
    kept.unlink(missing_ok=True)
    place.monkeypatch.chdir(place.root)
    assert Settings().entries()
    assert kept.exists()
    assert not (place.own / name).exists()
    assert _asked(place) == LOOKED


def test_a_held_path_is_refused_however_git_is_led_to_the_worktree(place: Place) -> None:
    place.main.reserve(HOLDER, "src/**")
    place.linked.write("src/x.py")
    place.linked.must("add", "src")
    bait = place.main.path.parent / "bait"
    bait.mkdir()
    (bait / "config").write_text("[core]\n\tbare = false\n")
    (place.own / "config.worktree").write_text("[agentlock]\n\tdatabase = /nowhere\n")
    (place.own / "config").write_text("[agentlock]\n\tdatabase = /nowhere\n")
    for variables in (
        {},
        {"GIT_DIR": str(place.own)},
        {"GIT_DIR": f"{place.linked.path}/.git", "GIT_WORK_TREE": "."},
        {"GIT_DIR": "../repo/.git/worktrees/side"},
        {"GIT_COMMON_DIR": f"{place.main.path}/.git", "GIT_DIR": str(place.own)},
    ):
        commit = place.linked.git("commit", "-qm", "theirs", agent=OTHER, env=variables)
        assert_refused(commit, "src/x.py", HOLDER)
