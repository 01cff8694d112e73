"""Which project a repository belongs to: by the URL of origin, or by its own place."""

from __future__ import annotations

import os

from agentlock.git.process import git

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agentlock.git.repository import Repository


def default_project(repository: Repository) -> str:
    """The normalised URL of origin, or the common directory if there is no origin."""
    url = repository.settings.get(b"remote.origin.url")
    if url:
        return normalised_url(os.fsdecode(url))
    return os.fsdecode(repository.common_dir)


def normalised_url(url: str) -> str:
    """``git@github.com:Org/Repo.git`` and ``https://me@github.com/Org/Repo`` are one project."""
    from urllib.parse import urlsplit  # costs as much as twenty of our modules

    parts = urlsplit(url)
    if parts.scheme and parts.netloc:
        host, path = parts.hostname or "", parts.path
    elif parts.scheme == "file":
        host, path = "", parts.path
    elif ":" in url and "/" not in url.partition(":")[0]:  # scp's way of writing it
        host, _, path = url.partition(":")
        host = host.rpartition("@")[2].lower()
    else:
        host, path = "", url
    path = path.rstrip("/").removesuffix(".git").rstrip("/")
    if not host and path.startswith("/"):  # of a path, as git writes it: no `..`
        path = os.path.normpath(path)
    return f"{host}/{path.lstrip('/')}" if host else path


def origin_of(repository: Repository) -> str | None:
    """The normalised URL of origin; if it is a path, that of the repository there, made absolute.

    None if there is no origin.
    """
    url = os.fsdecode(repository.settings.get(b"remote.origin.url", b""))
    if not url:
        return None
    path = os.path.join(_home(repository), url.removeprefix("file://"))
    folder = next((one for one in (path, f"{path}.git") if os.path.isdir(one)), None)
    return normalised_url(url if folder is None else _common_dir_at(folder))


def address_of(repository: Repository) -> str:
    """The repository as the origin of another one, as ``origin_of`` gives it."""
    return normalised_url(os.path.realpath(os.fsdecode(repository.common_dir)))


def has_relative_key(repository: Repository) -> bool:
    """Whether the project is called by a relative path, as other projects may be."""
    key = repository.project or ""
    if key.partition("/")[0] in (".", ".."):
        return True
    url = os.fsdecode(repository.settings.get(b"remote.origin.url", b""))
    return bool(
        key
        and url
        and not os.path.isabs(url)
        and os.path.isdir(os.path.join(_home(repository), url))
        and key == normalised_url(url)
    )


def absolute_key(repository: Repository) -> str:
    """The absolute path that a relative key stands for here."""
    return origin_of(repository) or address_of(repository)


def _home(repository: Repository) -> str:
    """The folder that git reads a relative URL from."""
    common_dir = os.path.realpath(os.fsdecode(repository.common_dir))
    return os.path.dirname(common_dir) if os.path.basename(common_dir) == ".git" else common_dir


def _common_dir_at(folder: str) -> str:
    """The common directory if this is a linked worktree or the like; otherwise the folder itself.

    ``normalised_url`` makes one of a folder and the `.git` in it.
    """
    if os.path.isfile(os.path.join(folder, ".git")):
        asked = ("rev-parse", "--path-format=absolute", "--git-common-dir")
        found = git(*asked, cwd=os.fsencode(folder))
        if found.code == 0:
            folder = os.fsdecode(found.stdout[:-1])
    return os.path.realpath(folder)
