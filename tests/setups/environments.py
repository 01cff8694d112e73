"""From where and how git is called: each a place with a pre-commit and a pre-push of somebody's."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from setups.paths import put
from setups.proof import Place, start
from support import Repo, run

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


def _partial(*options: str) -> Callable[[Path], Place]:
    """A clone that lacks a part of the history, or of what is in it."""

    def made(folder: Path) -> Place:
        source = start(folder)
        for number in range(3):
            source.write("src/x.py", f"{number}\n")
            source.commit_unguarded(f"change {number}")
        source.must("push", "-q", "origin", "main")
        server = folder / "remote.git"
        Repo(server).must("config", "uploadpack.allowFilter", "true")
        source.must("clone", "-q", *options, server.as_uri(), str(folder / "part"))
        return _with_theirs(Repo(folder / "part"))

    return made


def _fork(folder: Path) -> Place:
    """A fork that was never fetched, with what upstream alone has below the commit."""
    place = _plain(folder)
    repo = place.repo
    repo.must("remote", "rename", "origin", "upstream")
    repo.write("src/y.py")
    repo.must("add", "--force", "src/y.py")
    repo.commit_unguarded("upstream's")
    repo.must("push", "-q", "--no-verify", "upstream", "HEAD:refs/heads/main")
    repo.must("init", "-q", "--bare", str(folder / "fork.git"))
    repo.must("remote", "add", "origin", str(folder / "fork.git"))
    return place


def _linked_hooks(folder: Path) -> Place:
    repo = start(folder)
    for hook in ("pre-commit", "pre-push"):
        put(repo.path / "githooks", hook)
    hooks = repo.path / ".git" / "hooks"
    shutil.rmtree(hooks, ignore_errors=True)
    hooks.symlink_to("../githooks")
    return Place(repo, repo.path / "githooks")


def _by_their_names(folder: Path) -> Place:
    """One file for all hooks, which looks at its name and reads a file next to it."""
    repo = start(folder)
    hooks = repo.path / ".git" / "hooks"
    put(hooks, "dispatch", '. "$(dirname "$0")/common.sh"')
    put(hooks, "common.sh", 'echo "theirs: $(basename "$0")" >&2')
    for hook in ("pre-commit", "pre-push"):
        (hooks / hook).unlink(missing_ok=True)
        (hooks / hook).symlink_to("dispatch")
    return Place(repo, hooks)


def _container(folder: Path) -> Place:
    """Each git command in a namespace of processes that ends with it, as in `docker run --rm`."""
    if run(*_IN_CONTAINER, "true", cwd=folder).code != 0:
        pytest.skip("only root can make a namespace of processes")
    return _plain(folder)._replace(git=(*_IN_CONTAINER, "git"))


def _no_home(folder: Path) -> Place:
    return _plain(folder)._replace(env={"HOME": "/proc/nowhere"})


_IN_CONTAINER = ("unshare", "--pid", "--fork", "--kill-child")
# Each is also played by a quicker test of its own.
MORE: dict[str, Callable[[Path], Place]] = {
    "a shallow clone (`--depth=1`)": _partial("--depth=1"),
    "a blobless clone (`--filter=blob:none`)": _partial("--filter=blob:none"),
    "a treeless clone (`--filter=tree:0`)": _partial("--filter=tree:0"),
    "a fork that was never fetched, behind upstream": _fork,
    "`.git/hooks` is a link to a tracked folder": _linked_hooks,
    "hooks that look at their own names and neighbours": _by_their_names,
    "each git command in a container of its own (`unshare`)": _container,
    "no home folder for git (a sandbox)": _no_home,
}
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
