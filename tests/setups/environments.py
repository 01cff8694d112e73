"""From where and how git is called: each a place with a pre-commit and a pre-push of somebody's."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from setups.paths import put
from setups.proof import Place, start
from support import Repo

if TYPE_CHECKING:
    from collections.abc import Callable


def _with_theirs(repo: Repo) -> Place:
    folder = Path(repo.must("rev-parse", "--path-format=absolute", "--git-path", "hooks"))
    for hook in ("pre-commit", "pre-push"):
        put(folder, hook)
    return Place(repo, folder)


def _plain(folder: Path) -> Place:
    return _with_theirs(start(folder))


def _inside_the_folder(folder: Path) -> Place:
    place = _plain(folder)
    hooks = place.repo.path / ".git" / "my hooks"
    place.folder.rename(hooks)
    place.repo.must("config", "core.hooksPath", str(hooks))
    return place._replace(folder=hooks)


def _bare_path(folder: Path) -> Place:
    """As a desktop starts a program: nothing of a shell's start-up files."""
    git = shutil.which("git")
    assert git is not None
    return _plain(folder)._replace(git=(git,), env={"PATH": "/usr/bin:/bin"})


def _from_elsewhere(folder: Path) -> Place:
    place = _plain(folder)
    return place._replace(git=("git", "-C", str(place.repo.path)), cwd=folder)


def _from_a_subfolder(folder: Path) -> Place:
    place = _plain(folder)
    return place._replace(cwd=place.repo.path / "src")


def _by_variables(folder: Path) -> Place:
    place = _plain(folder)
    env = {"GIT_DIR": str(place.repo.path / ".git"), "GIT_WORK_TREE": str(place.repo.path)}
    return place._replace(cwd=folder, env=env)


def _by_relative_variables(folder: Path) -> Place:
    place = _plain(folder)
    return place._replace(cwd=folder, env={"GIT_DIR": "plain/.git", "GIT_WORK_TREE": "plain"})


def _deleted(folder: Path) -> Place:
    """Git itself fails in a folder that is gone, unless it is told where to go."""
    place = _plain(folder)
    script = 'mkdir gone && cd gone && rmdir ../gone && exec git -C "$0" "$@"'
    return place._replace(git=("sh", "-c", script, str(place.repo.path)), cwd=folder)


def _submodule(folder: Path) -> Place:
    inner = start(folder)
    outer = start(folder / "outer")
    outer.must("submodule", "--quiet", "add", "--force", str(inner.path), "sub")
    sub = Repo(outer.path / "sub")
    sub.must("remote", "set-url", "origin", str(folder / "remote.git"))
    return _with_theirs(sub)


def _sparse(folder: Path) -> Place:
    repo = start(folder)
    repo.write("docs/far/away.md")
    repo.must("add", "--force", "docs")
    repo.commit_unguarded("more")
    repo.must("sparse-checkout", "set", "--cone", "--sparse-index", "src")
    assert not (repo.path / "docs").exists()
    return _with_theirs(repo)


def _sha256(folder: Path) -> Place:
    return _with_theirs(start(folder, "--object-format=sha256"))


def _linked(folder: Path) -> Place:
    main = start(folder)
    path = folder / "far away" / "it's a worktree"
    main.must("worktree", "add", "-q", "-b", "side", str(path))
    return _with_theirs(Repo(path))


def _of_a_bare_repository(folder: Path) -> Place:
    """Nothing but worktrees, as crowds of agents are set up."""
    source = start(folder)
    source.must("clone", "-q", "--bare", str(source.path), str(folder / "hub.git"))
    hub = Repo(folder / "hub.git")
    hub.must("worktree", "add", "-q", "-b", "side", str(folder / "side"))
    hub.must("remote", "set-url", "origin", str(folder / "remote.git"))
    return _with_theirs(Repo(folder / "side"))


def _separate(folder: Path) -> Place:
    repo = start(folder)
    repo.must("init", "-q", f"--separate-git-dir={folder / 'git dir'}")
    return _with_theirs(repo)


def _linked_folder(folder: Path) -> Place:
    place = _plain(folder)
    (folder / "link").symlink_to(place.repo.path)
    return place._replace(repo=Repo(folder / "link"), cwd=folder / "link")


ENVIRONMENTS: dict[str, Callable[[Path], Place]] = {
    "the repository's own hooks folder": _plain,
    "`core.hooksPath` is an absolute path inside `.git`": _inside_the_folder,
    "git started with a bare PATH, as by a desktop": _bare_path,
    "`git -C`, from another folder": _from_elsewhere,
    "from a subfolder": _from_a_subfolder,
    "GIT_DIR and GIT_WORK_TREE set": _by_variables,
    "GIT_DIR and GIT_WORK_TREE set, relative": _by_relative_variables,
    "`git -C`, from a folder that was deleted": _deleted,
    "a submodule": _submodule,
    "a sparse checkout with a sparse index": _sparse,
    "a SHA-256 repository": _sha256,
    "a worktree on another path": _linked,
    "a worktree of a bare repository": _of_a_bare_repository,
    "a git folder elsewhere (`--separate-git-dir`)": _separate,
    "through a symbolic link": _linked_folder,
}
