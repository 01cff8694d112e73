"""Where ``core.hooksPath`` may lead, each with hooks of somebody's in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    from support import Repo


class SetUp(NamedTuple):
    """A ``core.hooksPath``: how it is set, and the folder that it means in the main worktree."""

    scope: str
    value: str
    folder: str

    def arrange(self, repo: Repo) -> Path:
        folder = repo.path / self.folder
        for hook in ("pre-commit", "pre-merge-commit", "pre-push", "commit-msg", "post-checkout"):
            put(folder, hook)
        repo.must("config", self.scope, "core.hooksPath", self.value.format(repo.path.parent))
        return folder


SET_UPS = {
    "relative": SetUp("--local", ".husky/_", ".husky/_"),
    "relative without a slash": SetUp("--local", "hooks", "hooks"),
    "local but shared": SetUp("--local", "{}/it's shared $HOME", "../it's shared $HOME"),
    "inside the worktree": SetUp("--local", "{}/plain/.githooks", ".githooks"),
    "global": SetUp("--global", "{}/for all", "../for all"),
    "global in the home": SetUp("--global", "~/hooks", "../home/hooks"),
    "global and relative": SetUp("--global", ".hooks", ".hooks"),
}


def put(folder: Path, hook: str, script: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / hook
    path.write_text(f'#!/bin/sh\necho "theirs: ${{0##*/}} $#" >&2\n{script}\n')
    path.chmod(0o755)


def everything(*folders: Path) -> dict[Path, tuple[int, bytes]]:
    """Every file below, with its mode and its bytes."""
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {path: (path.stat().st_mode, path.read_bytes()) for path in files}
