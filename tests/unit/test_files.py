"""A file is replaced in one step, or stays as it was."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from agentlock.files import replace_file

if TYPE_CHECKING:
    from pathlib import Path


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(b"old")
    path.chmod(0o640)
    replace_file(str(path), b"new")
    assert (path.read_bytes(), mode_of(path)) == (b"new", 0o640)


def test_a_new_file_gets_what_the_umask_leaves(tmp_path: Path) -> None:
    former = os.umask(0o027)
    try:
        replace_file(str(tmp_path / "new"), b"")
    finally:
        os.umask(former)
    assert mode_of(tmp_path / "new") == 0o640


def test_a_given_mode_holds_whatever_the_umask(tmp_path: Path) -> None:
    former = os.umask(0o077)
    try:
        replace_file(os.fsencode(tmp_path / "hook"), b"", 0o755)
    finally:
        os.umask(former)
    assert mode_of(tmp_path / "hook") == 0o755


def test_the_draft_of_a_killed_process_is_in_nobodys_way(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"mine")
    draft = tmp_path / f"file.agentlock-new-{os.getpid()}"
    draft.symlink_to(elsewhere)
    replace_file(str(tmp_path / "file"), b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert elsewhere.read_bytes() == b"mine"
    assert not draft.is_symlink()


def test_what_cannot_be_renamed_leaves_no_draft(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(IsADirectoryError):
        replace_file(str(folder), b"new")
    assert not list(tmp_path.glob("folder.*"))
